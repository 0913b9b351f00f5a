"""Speed of the deformable convolution beside its peers, in the shapes of the `paper` encoder.

    python benchmarks/bench_ops.py [PART ...] [--batches 1 8 32] [--threads 1 2] [--repeats 7] [--spread 1.0]

Parts: table (against InternImage's PyTorch core), cache (alone, nothing else in the caches), half (bfloat16),
bandwidth, landmarks (other convolutions of the same shape), avx2 (the table with narrower instructions), network
(encoder and training step), build. All by default; about ten minutes on two cores.

Contestants take turns in one process and each figure is the median of its turns: processor time for one thread, wall
time for more. By default the allocator keeps its memory (``--default-malloc`` for the other way): returning large
tensors to the system costs both sides a page fault for every 4 kB.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.operator_peers import (
    LEVELS,
    POINTS,
    both_ways,
    core,
    core_layer,
    keep_memory,
    medians,
    processor,
    take_turns,
    tensors,
    with_softmax,
)
from sslpdl.ops import backend, deform_conv

PARTS = ("table", "cache", "half", "bandwidth", "landmarks", "avx2", "network", "build")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--spread", type=float, default=1.0, help="standard deviation of the offsets in pixels")
    parser.add_argument("--networks", nargs="+", metavar="TEXT", help="rows of the part network that hold one of these")
    parser.add_argument("--default-malloc", action="store_true")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return options


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(title: str, *cells: str) -> None:
    print(f"\n**{title}**\n")
    row(*cells)
    row(*("---" for _ in cells))


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.mean(map(math.log, values)))


def check(level: str, found: Tensor, expected: Tensor) -> None:
    worst = float((found.detach() - expected).abs().max() / expected.abs().max())
    if not worst < 1e-4:
        raise SystemExit(f"{level}: the two disagree by {worst:.1e}")


def contestants(batch: int, level: str, spread: float) -> dict[str, Callable[[], object]]:
    leaves, incoming, groups = tensors(batch, level, spread=spread)
    value, offset, modulation = (leaf.detach() for leaf in leaves)
    check(level, deform_conv(*leaves, groups=groups), core(value, offset, modulation, groups))
    return {
        "core f": lambda: core(value, offset, modulation, groups),
        "f": lambda: deform_conv(value, offset, modulation, groups=groups),
        "core f+b": both_ways(lambda *t: core(*t, groups), leaves, incoming),
        "f+b": both_ways(lambda *t: deform_conv(*t, groups=groups), leaves, incoming),
        "core softmax f": lambda: core(value, offset, with_softmax(modulation, groups), groups),
        "softmax f": lambda: deform_conv(value, offset, modulation, groups=groups, softmax=True),
    }


def table(options: argparse.Namespace) -> None:
    columns = ("f", "f+b", "softmax f")
    for threads in options.threads:
        torch.set_num_threads(threads)
        title = f"float32, {threads} thread{'s' * (threads > 1)}: milliseconds of the core / ours, ratio (spread)"
        head(title, "", "forward", "forward + backward", "forward with softmax")
        ratios: dict[str, list[float]] = {name: [] for name in columns}
        for batch in options.batches:
            for level in options.levels:
                turns = take_turns(contestants(batch, level, options.spread), repeats=options.repeats)
                cells = []
                for name in columns:
                    peer, ours = statistics.median(turns[f"core {name}"]), statistics.median(turns[name])
                    each = sorted(a / b for a, b in zip(turns[f"core {name}"], turns[name], strict=True))
                    ratios[name].append(peer / ours)
                    cells.append(f"{peer:.2f} / {ours:.3f} **{peer / ours:.1f}** ({each[0]:.1f}–{each[-1]:.1f})")
                row(f"batch {batch}, {level}", *cells)
        row("geometric mean", *(f"**{geometric_mean(ratios[name]):.1f}**" for name in columns))
        row("lowest", *(f"{min(ratios[name]):.1f}" for name in columns))


def calls(batch: int, level: str, *, softmax: bool, dtype: torch.dtype) -> tuple[Callable[[], object], ...]:
    """Return calls of the bare operators, forward and backward."""
    leaves, incoming, groups = tensors(batch, level)
    value, offset, modulation, gradient = (t.detach().to(dtype) for t in (*leaves, incoming))
    rest = (groups, (3, 3), (1, 1), (1, 1), (1, 1), 1.0, softmax, False)
    forward, backward = torch.ops.sslpdl.deform_conv.default, torch.ops.sslpdl.deform_conv_backward.default
    return (
        lambda: forward(value, offset, modulation, *rest),
        lambda: backward(gradient, value, offset, modulation, *rest),
    )


def nanoseconds(milliseconds: float, batch: int, level: str) -> float:
    """Return the time for one pixel and group."""
    rows, columns, _, groups = LEVELS[level]
    return milliseconds * 1e6 / (batch * rows * columns * groups)


def cache(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    head(
        "In cache, batch 1, 1 thread: nanoseconds for one pixel and group, median (best)",
        "", "forward", "backward", "forward with softmax", "backward with softmax",
    )  # fmt: skip
    for level in options.levels:
        cells = []
        for softmax in (False, True):
            for run in calls(1, level, softmax=softmax, dtype=torch.float32):
                times = take_turns({"ours": run}, repeats=5 * options.repeats)["ours"]
                middle, best = (nanoseconds(ms, 1, level) for ms in (statistics.median(times), min(times)))
                cells.append(f"{middle:.1f} ({best:.1f})")
        row(level, *cells)


def half(options: argparse.Namespace) -> None:
    head("bfloat16 storage beside float32, with softmax, 2 threads: milliseconds", "", "forward", "backward")
    torch.set_num_threads(2)
    for batch in (8, 32):
        for level in options.levels:
            cells = []
            for k in (0, 1):
                both = {
                    str(dtype): calls(batch, level, softmax=True, dtype=dtype)[k]
                    for dtype in (torch.float32, torch.bfloat16)
                }
                wide, narrow = medians(both, repeats=options.repeats).values()
                cells.append(f"{wide:.2f} / {narrow:.2f} **{wide / narrow:.2f}**")
            row(f"batch {batch}, {level}", *cells)


def bandwidth(options: argparse.Namespace) -> None:
    batch, level = 32, "L1"
    head("Memory, batch 32, L1, 2 threads: GB/s of what must be read and written once", "", "GB/s", "share of a copy")
    torch.set_num_threads(2)
    rows, columns, channels, groups = LEVELS[level]
    pixels, points = batch * rows * columns, groups * POINTS
    forward, backward = calls(batch, level, softmax=False, dtype=torch.float32)
    source = torch.randn(pixels * 4 * channels)
    target = torch.empty_like(source)
    moved = {
        "copy": 2 * source.numel() * 4,
        "forward": pixels * (2 * channels + 3 * points) * 4,
        "backward": pixels * (3 * channels + 6 * points) * 4,
    }
    runs = {"copy": lambda: target.copy_(source), "forward": forward, "backward": backward}
    ms = medians(runs, repeats=3 * options.repeats)
    for name, size in moved.items():
        rate = size / ms[name] / 1e6
        row(name, f"{rate:.1f}", f"{rate / (moved['copy'] / ms['copy'] / 1e6):.0%}")


def landmarks(options: argparse.Namespace) -> None:
    head(
        "Other convolutions of the same shape, batch 8, 1 thread: milliseconds, forward and forward + backward",
        "", "ours", "depthwise 3×3", "dense 3×3",
    )  # fmt: skip
    torch.set_num_threads(1)
    for level in options.levels:
        leaves, incoming, groups = tensors(8, level)
        channels = leaves[0].shape[-1]
        image = leaves[0].detach().permute(0, 3, 1, 2).requires_grad_()  # channels-last memory
        upstream = incoming.permute(0, 3, 1, 2)
        cells = []
        plain = [leaf.detach() for leaf in leaves]
        pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
            (
                lambda plain=plain, groups=groups: deform_conv(*plain, groups=groups),
                both_ways(lambda *t, groups=groups: deform_conv(*t, groups=groups), leaves, incoming),
            )
        ]
        for width in (channels, 1):
            weight = torch.randn(channels, channels // width, 3, 3).requires_grad_()

            def convolve(x: Tensor, w: Tensor, width: int = width) -> Tensor:
                return F.conv2d(x, w, padding=1, groups=width)

            still = (image.detach(), weight.detach())
            pairs.append(
                (lambda f=convolve, s=still: f(*s), both_ways(convolve, [image, weight], upstream)),
            )
        names = ("ours", "depthwise", "dense")
        runs = {f"{n} {k}": pair[k] for n, pair in zip(names, pairs, strict=True) for k in (0, 1)}
        ms = medians(runs, repeats=options.repeats)
        cells = [f"{ms[f'{n} 0']:.2f}, {ms[f'{n} 1']:.2f}" for n in names]
        row(level, *cells)


def avx2(options: argparse.Namespace) -> None:
    """Make the table again in a process that may not use AVX-512."""
    from sslpdl.ops.library import ACTIVE

    if ACTIVE.instructions != "avx512":
        print(f"\nThe tables above are {ACTIVE.instructions} already.")
        return
    print("\nWith AVX2 (`SSLPDL_ISA=avx2`):", flush=True)
    command = [sys.executable, __file__, "table", "--threads", "1", "--repeats", str(options.repeats)]
    subprocess.run([*command, "--batches", "1", "8"], env={**os.environ, "SSLPDL_ISA": "avx2"}, check=True)


@contextmanager
def pytorch_steps() -> Iterator[None]:
    """Let everything around the operator run in PyTorch's own steps."""
    from sslpdl.ops import passes
    from sslpdl.ops.library import Active

    with linear_route("torch"), mock.patch.object(passes, "ACTIVE", Active("reference")):
        yield


@contextmanager
def pytorch_core() -> Iterator[None]:
    """Let the layers run on InternImage's PyTorch core."""
    from sslpdl.ops import module

    with mock.patch.object(module, "deform_conv", core_layer):
        yield


@contextmanager
def linear_route(way: str) -> Iterator[None]:
    """Fix the route of linear layers."""
    from sslpdl.ops.linear import route

    with mock.patch.dict(os.environ, {"SSLPDL_LINEAR": way}):
        route.cache_clear()
        try:
            yield
        finally:
            route.cache_clear()


def ways(run: Callable[[], object]) -> dict[str, Callable[[], object]]:
    """Run on the PyTorch core, with our operator, with the passes around it, and with oneDNN for linear layers."""

    def with_core() -> None:
        with pytorch_steps(), pytorch_core():
            run()

    def with_operator() -> None:
        with pytorch_steps():
            run()

    def ours(way: str) -> Callable[[], None]:
        def with_passes() -> None:
            with linear_route(way):
                run()

        return with_passes

    return {"core": with_core, "operator": with_operator, "passes": ours("torch"), "onednn": ours("onednn")}


def network(options: argparse.Namespace) -> None:
    from sslpdl import models
    from sslpdl.ops.linear import route

    print(f"\nRoute of linear layers found by the probe: {route()}")
    head(
        "Networks: milliseconds on the PyTorch core / with our operator / and passes around it / and oneDNN",
        "", "core", "operator", "ratio", "+ passes", "ratio", "+ oneDNN", "ratio",
    )  # fmt: skip
    for threads in options.threads:
        torch.set_num_threads(threads)
        for name, run in network_runs(models):
            name = f"{name}, {threads} thread{'s' * (threads > 1)}"
            if options.networks and not any(part in name for part in options.networks):
                continue
            ms = medians(ways(run), repeats=max(3, options.repeats // 2), least=0.0)
            cells = [(f"{ms[way]:.0f}", f"{ms['core'] / ms[way]:.2f}") for way in list(ms)[1:]]
            row(name, f"{ms['core']:.0f}", *(cell for pair in cells for cell in pair))


def network_runs(models: object) -> Iterator[tuple[str, Callable[[], object]]]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    encoder = models.build("paper").encoder
    for layer in encoder.modules():  # offsets as after some training, not the zeros of the start
        if hasattr(layer, "offset") and hasattr(layer, "mask"):
            torch.nn.init.normal_(layer.offset.weight, std=0.05)
    for batch in (1, 8):
        fields = torch.randn(batch, 16, 224, 128, generator=generator)

        def forward(fields: Tensor = fields) -> None:
            encoder.eval()
            with torch.inference_mode():
                encoder(fields)

        def both(fields: Tensor = fields) -> None:
            encoder.train()
            sum(level.square().mean() for level in encoder(fields)).backward()

        yield f"encoder of `paper`, batch {batch}, forward", forward
        yield f"encoder of `paper`, batch {batch}, forward + backward", both
    small = models.build("small", classes=6).train()
    optimiser = torch.optim.AdamW(small.parameters())
    fields = torch.randn(8, 16, 224, 128, generator=generator)
    target = torch.randint(0, 6, (8, 224, 128), generator=generator)

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(small(fields), target).backward()
        optimiser.step()

    yield "training step of `small`, batch 8", step


def build(_options: argparse.Namespace) -> None:
    code = (
        "import time, torch, sslpdl.errors; start = time.perf_counter(); import sslpdl.ops;"
        "print(time.perf_counter() - start)"
    )
    head("Build and start: seconds that `import sslpdl.ops` adds to `import torch`", "", "seconds")
    with tempfile.TemporaryDirectory() as folder:
        empty = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "SSLPDL_CACHE_DIR"), folder)
        for what, repeats in (("cold: compiled", 1), ("cached", 5)):
            command = [sys.executable, "-c", code]
            runs = [
                subprocess.run(command, env={**os.environ, **empty}, capture_output=True, text=True, check=True)
                for _ in range(repeats)
            ]
            row(what, f"{statistics.median(float(run.stdout) for run in runs):.3f}")


def main() -> None:
    from sslpdl.ops.library import ACTIVE

    options = arguments()
    if not options.default_malloc:
        keep_memory()
    memory = "default malloc" if options.default_malloc else "malloc keeps its memory"
    print(f"{processor()}, PyTorch {torch.__version__}, {memory}, backend {backend()} {ACTIVE.instructions},")
    print(f"offsets N(0, {options.spread:g}) pixels, {options.repeats} turns")
    for part in options.parts or PARTS:
        globals()[part](options)


if __name__ == "__main__":
    main()
