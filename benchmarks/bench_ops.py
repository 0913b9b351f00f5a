"""Speed of the deformable convolution beside its peers, at the four levels of the `paper` encoder.

    python benchmarks/bench_ops.py [--batches 1 8] [--threads 1] [--repeats 11] [--spread 1.0]

Competitors take turns in one process and each figure is the median of its turns: CPU time for one thread, wall time for
more. By default the allocator keeps its memory (``--default-malloc`` for the other way): returning large tensors to the
system costs both sides a page fault for every 4 kB.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

from operator_peers import LEVELS, POINTS, core, with_softmax


def keep_memory() -> None:
    """Start again with an allocator that keeps freed memory; its settings are read when a process starts."""
    settings = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
    if any(os.environ.get(name) != value for name, value in settings.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--spread", type=float, default=1.0, help="standard deviation of the offsets in pixels")
    parser.add_argument("--default-malloc", action="store_true")
    parser.add_argument("--ours", action="store_true", help="leave the PyTorch core out")
    return parser.parse_args()


options = arguments()
if not options.default_malloc:
    keep_memory()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from sslpdl.ops import backend, deform_conv  # noqa: E402


def tensors(batch: int, level: str) -> tuple[list[Tensor], Tensor, int]:
    rows, columns, channels, groups = LEVELS[level]
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(batch, rows, columns, channels, generator=generator)
    offset = options.spread * torch.randn(batch, rows, columns, groups * POINTS * 2, generator=generator)
    modulation = torch.randn(batch, rows, columns, groups * POINTS, generator=generator)
    incoming = torch.randn(batch, rows, columns, channels, generator=generator)
    return [value.requires_grad_(), offset.requires_grad_(), modulation.requires_grad_()], incoming, groups


def medians(competitors: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of each competitor, taking turns; quick ones run several times a turn."""
    clock = time.process_time if options.threads == 1 else time.perf_counter
    loops, times = {}, {name: [] for name in competitors}
    for name, run in competitors.items():
        run()
        start = time.perf_counter()
        run()
        loops[name] = max(1, int(0.02 / (time.perf_counter() - start)))
    for _ in range(options.repeats):
        for name, run in competitors.items():
            start = clock()
            for _ in range(loops[name]):
                run()
            times[name].append((clock() - start) / loops[name] * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def competitors(batch: int, level: str) -> dict[str, Callable[[], object]]:
    leaves, incoming, groups = tensors(batch, level)
    value, offset, modulation = (leaf.detach() for leaf in leaves)
    result = deform_conv(*leaves, groups=groups)
    soft = deform_conv(*leaves, groups=groups, softmax=True)
    expected = core(value, offset, modulation, groups)
    worst = float((result.detach() - expected).abs().max() / expected.abs().max())
    if not worst < 1e-4:
        raise SystemExit(f"{level}: the two disagree by {worst:.1e}")

    def both_ways(function: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function(*leaves), leaves, incoming)

    def back(output: Tensor) -> Callable[[], object]:
        return lambda: torch.autograd.grad(output, leaves, incoming, retain_graph=True)

    ours = {
        "f": lambda: deform_conv(value, offset, modulation, groups=groups),
        "softmax f": lambda: deform_conv(value, offset, modulation, groups=groups, softmax=True),
        "f+b": both_ways(lambda *t: deform_conv(*t, groups=groups)),
        "b": back(result),
        "softmax b": back(soft),
    }
    peers = {
        "core f": lambda: core(value, offset, modulation, groups),
        "core softmax f": lambda: core(value, offset, with_softmax(modulation, groups), groups),
        "core f+b": both_ways(lambda *t: core(*t, groups)),
    }
    return ours if options.ours else {**peers, **ours}


def processor() -> str:
    try:
        lines = open("/proc/cpuinfo").read().splitlines()  # noqa: SIM115, PTH123
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    from sslpdl.ops.library import ACTIVE

    torch.set_num_threads(options.threads)
    memory = "default malloc" if options.default_malloc else "malloc keeps its memory"
    print(f"{processor()}, {options.threads} thread(s), {memory}, PyTorch {torch.__version__}")
    print(f"backend {backend()} {ACTIVE.instructions}, float32, offsets N(0, {options.spread:g}) px, ms (core / ours)")
    columns = ("f", "f+b", "softmax f")
    print(f"{'':8}" + "".join(f"{name:>24}" for name in columns) + f"{'ns per pixel and group f, b; softmax f, b':>46}")
    ratios: dict[str, list[float]] = {name: [] for name in columns}
    for batch in options.batches:
        for level in options.levels:
            ms = medians(competitors(batch, level))
            rows, width, _, groups = LEVELS[level]
            line = f"b{batch:<3}{level:4}"
            for name in columns:
                peer = ms.get(f"core {name}", math.nan)
                ratios[name].append(peer / ms[name])
                line += f"{peer:9.2f} /{ms[name]:7.3f}{peer / ms[name]:5.1f}x"
            each = [ms[name] * 1e6 / (batch * rows * width * groups) for name in ("f", "b", "softmax f", "softmax b")]
            print(line + "      " + "".join(f"{ns:9.1f}" for ns in each), flush=True)
    means = "".join(f"{math.exp(statistics.mean(map(math.log, ratios[name]))):23.1f}x" for name in columns)
    print(f"{'geometric mean':8}"[:8] + means)


if __name__ == "__main__":
    main()
