"""Speed of every room of the house, beside a peer in the same run where there is one.

    python benchmarks/bench.py [PART ...]

PARTs are cli, ingest, archive, twin, train, forecast, verify and page; all by default.

Each figure is the median of repeats; peers take turns with us.  A figure is a fact about one machine on one day, so the
ratio to the peer is what to compare between machines.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Row = tuple[str, str, str, str]


def median_seconds(*contestants: Callable[[], object], repeats: int = 3, warm: bool = True) -> list[float]:
    """Let the contestants take turns and return the median seconds of each."""
    if warm:
        for run in contestants:
            run()
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(repeats):
        for run, taken in zip(contestants, times, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def bench_cli() -> Iterator[Row]:
    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *command], capture_output=True, check=True)

    ours, bare = median_seconds(run("-m", "sslpdl", "--help"), run("-c", "pass"), repeats=7)
    yield "sslpdl --help", f"{ours:.2f} s", "python -c pass", f"{ours / bare:.1f}x"


def bench_ingest() -> Iterator[Row]:
    """Ingest of four lead times of KMA-style files beside nothing but decoding the same messages, and its memory."""
    from sslpdl.readers import ingest, read_nwp
    from tests.make_grib import channel, write_grib2, write_kma_pair

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files: list[Path] = []
        for lead in (3, 6, 9, 12):
            files += write_kma_pair(folder, init="2021070100", lead=lead, rain=float(lead), others=True)
        size = sum(file.stat().st_size for file in files) / 1e6
        turn = iter(range(1000))
        ours, peer = median_seconds(
            lambda: ingest(files, folder / f"{next(turn)}.zarr", progress=False), lambda: decode(files)
        )
        yield "ingest, regridded to 5 km and stored", f"{size / ours:.1f} MB/s", "decoding alone", f"{ours / peer:.1f}x"

        fields = [channel("t_850", temperature(), lead=lead) for lead in range(28)]
        many = write_grib2(folder / "many.gb2", fields, init="2021070100")
        ours, peer = median_seconds(lambda: read_nwp([many], grid="native"), lambda: decode([many]))
        yield "reading 28 messages of 491 x 419", f"{ours:.2f} s", "decoding alone", f"{ours / peer:.1f}x"

        one = peak_memory(files[:2], folder / "one.zarr")
        for day in range(2, 8):
            for lead in (3, 6):
                files += write_kma_pair(folder, init=f"202107{day:02d}00", lead=lead, rain=float(lead))
        week = peak_memory(files, folder / "week.zarr")
        yield f"ingest of {len(files)} files, peak memory", f"{week:.0f} MB", "of 2 files", f"{week / one:.1f}x"


def decode(files: list[Path]) -> None:
    """Decode every message of some files and throw the values away."""
    import eccodes

    for path in files:
        with path.open("rb") as file:
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                eccodes.codes_get_values(handle)
                eccodes.codes_release(handle)


def temperature() -> object:
    """Return a noisy field on KMA's 12-km grid [K]."""
    import numpy as np

    return np.random.default_rng(1).normal(280, 10, (419, 491))


def peak_memory(files: list[Path], out: Path) -> float:
    """Return the peak resident memory [MB] of a process that ingests some files."""
    code = (
        "import resource, sys; from sslpdl.readers import ingest; ingest(sys.argv[2:], sys.argv[1], progress=False);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, out, *files], capture_output=True, text=True, check=True)
    return int(done.stdout) / (1e6 if sys.platform == "darwin" else 1e3)


def bench_archive() -> Iterator[Row]:
    """One training sample, sixteen fields on 224 x 128 cells, beside reading the same numbers from a plain file."""
    import numpy as np

    from sslpdl import open_archive

    fields = open_archive(ROOT / "data_samples" / "august-2022.zarr").fields.variable
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "sample.npy"
        np.save(plain, fields[0, 0].values)
        turn = iter(range(1000))
        ours, peer = median_seconds(
            lambda: fields[0, next(turn) % 36].values, lambda: np.load(plain, allow_pickle=False), repeats=20
        )
    yield "archive, one sample read", f"{1e3 * ours:.1f} ms", "plain float32 file", f"{ours / peer:.1f}x"


def bench_twin() -> Iterator[Row]:
    from sslpdl.twin import write_archive

    leads = list(range(3, 37, 3))
    runs = [f"2020-07-{day:02d}T{hour:02d}" for day in range(1, 7) for hour in (0, 12)]
    rates = {}
    for processes in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            write_archive(
                Path(folder) / "twin.zarr", init_times=runs, lead_time=leads, processes=processes, progress=False
            )
            rates[processes] = len(runs) * len(leads) / (time.perf_counter() - start)
    yield "twin archive, two processes", f"{rates[2]:.0f} samples/s", "one process", f"{rates[2] / rates[1]:.1f}x"


@contextmanager
def plain_pytorch() -> Iterator[None]:
    """Let the deformable convolution run on its PyTorch reference."""
    from types import SimpleNamespace
    from unittest import mock

    from sslpdl.ops import functional

    with mock.patch.object(functional, "ACTIVE", SimpleNamespace(backend="reference")):
        yield


def bench_train() -> Iterator[Row]:
    import torch

    from sslpdl import models

    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(8, 16, 224, 128, generator=generator)
    target = torch.randint(0, 6, (8, 224, 128), generator=generator)
    for preset in ("tiny", "small"):
        network = models.build(preset, classes=6).train()
        optimiser = torch.optim.AdamW(network.parameters())

        def step(network: torch.nn.Module = network, optimiser: torch.optim.Optimizer = optimiser) -> None:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(fields), target).backward()
            optimiser.step()

        def reference(step: Callable[[], None] = step) -> None:
            with plain_pytorch():
                step()

        ours, peer = median_seconds(step, reference)
        yield f"training step of {preset}", f"{8 / ours:.1f} samples/s", "PyTorch operator", f"{peer / ours:.1f}x"


def bench_forecast() -> Iterator[Row]:
    import torch

    from sslpdl import models

    fields = torch.randn(8, 16, 224, 128, generator=torch.Generator().manual_seed(0))
    for preset in ("small", "paper"):
        network = models.build(preset, classes=6).eval()

        def run(network: torch.nn.Module = network) -> None:
            with torch.inference_mode():
                for _ in range(9):  # 72 lead times
                    network(fields)

        def reference(run: Callable[[], None] = run) -> None:
            with plain_pytorch():
                run()

        ours, peer = median_seconds(run, reference, repeats=2, warm=preset == "small")
        yield f"forecast of 72 lead times with {preset}", f"{ours:.1f} s", "PyTorch operator", f"{peer / ours:.1f}x"


def bench_verify() -> Iterator[Row]:
    from benchmarks.verification import measure

    yield from measure(ROOT)


def bench_page() -> Iterator[Row]:
    from benchmarks.page import measure

    yield from measure(ROOT)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "cli": bench_cli,
    "ingest": bench_ingest,
    "archive": bench_archive,
    "twin": bench_twin,
    "train": bench_train,
    "forecast": bench_forecast,
    "verify": bench_verify,
    "page": bench_page,
}


def main() -> None:
    """Run the parts that are asked for and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    chosen = parser.parse_args().parts or list(PARTS)
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")

    import numpy
    import torch

    from sslpdl.ops import backend

    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}, "
        f"{torch.get_num_threads()} threads, operator {backend()}\n"
    )
    print(f"{'what':<40}{'figure':>18}   {'peer':<22}{'ratio':>8}")
    for name in chosen:
        for what, figure, peer, ratio in PARTS[name]():
            print(f"{what:<40}{figure:>18}   {peer:<22}{ratio:>8}", flush=True)


if __name__ == "__main__":
    main()
