"""Speed of the deformable convolution on a GPU beside InternImage's PyTorch core and, where installed, DCNv4.

    python benchmarks/bench_cuda.py [--batches 1 32] [--types float16 float32] [--repeats 21] [--spread 1.0]

Competitors take turns in one process; each figure is the median of its turns in microseconds, taken with CUDA events
around enough calls to fill five milliseconds. Small problems are bound by the start of kernels. Before anything is
timed, results and gradients are compared with the core in float32.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.operator_peers import LEVELS, POINTS, core
from sslpdl.ops import backend, deform_conv

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Run = Callable[[], object]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--types", nargs="+", default=list(TYPES), choices=list(TYPES))
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--spread", type=float, default=1.0, help="standard deviation of the offsets in pixels")
    return parser.parse_args()


def tensors(batch: int, level: str, dtype: torch.dtype, spread: float) -> tuple[list[Tensor], Tensor, int]:
    rows, columns, channels, groups = LEVELS[level]
    generator = torch.Generator("cuda").manual_seed(0)

    def normal(size: int) -> Tensor:
        return torch.randn(batch, rows, columns, size, generator=generator, device="cuda").to(dtype)

    points = groups * POINTS
    leaves = [normal(channels), spread * normal(2 * points), normal(points)]
    return [leaf.requires_grad_() for leaf in leaves], normal(channels), groups


def packed(offset: Tensor, modulation: Tensor, groups: int) -> Tensor:
    """Offsets and modulation as DCNv4 takes them: group by group in one tensor, filled up to a multiple of eight."""
    both = torch.cat((offset.unflatten(-1, (groups, -1)), modulation.unflatten(-1, (groups, -1))), -1).flatten(-2)
    return F.pad(both, [0, -both.shape[-1] % 8]).contiguous()


def dcnv4(value: Tensor, both: Tensor, groups: int) -> Tensor:
    """DCNv4's own operator, which must be installed; modulation as it is, without softmax."""
    from DCNv4.functions.dcnv4_func import DCNv4Function

    window = (3, 3, 1, 1, 1, 1, 1, 1)  # kernel, stride, padding, dilation
    return DCNv4Function.apply(value, both, *window, groups, value.shape[-1] // groups, 1.0, 256, False)


def check(function: Callable[..., Tensor], leaves: list[Tensor], incoming: Tensor, groups: int, who: str) -> None:
    """Compare result and gradients with the core in float32 on the same numbers."""
    single = [leaf.detach().float().requires_grad_() for leaf in leaves]
    expected = core(*single, groups)
    truths = [expected, *torch.autograd.grad(expected, single, incoming.float())]
    result = function(*leaves)
    found = [result, *torch.autograd.grad(result, leaves, incoming)]
    allowed = max(1e-4, 4 * torch.finfo(incoming.dtype).eps)  # the core itself is 1e-5 off
    for name, ours, truth in zip(("result", "value", "offset", "modulation"), found, truths, strict=True):
        worst = float((ours.float() - truth).abs().max() / truth.abs().max())
        if not worst < allowed:
            raise SystemExit(f"{who}: {name} is off by {worst:.1e} of the largest")


def ways(function: Callable[..., Tensor], leaves: list[Tensor], incoming: Tensor) -> dict[str, Run]:
    """Forward, backward, and both."""
    detached = [leaf.detach() for leaf in leaves]
    result = function(*leaves)
    return {
        "f": lambda: function(*detached),
        "b": lambda: torch.autograd.grad(result, leaves, incoming, retain_graph=True),
        "f+b": lambda: torch.autograd.grad(function(*leaves), leaves, incoming),
    }


def time_of(run: Run, loops: int) -> float:
    """Microseconds of one call on the GPU."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(loops):
        run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / loops * 1e3


def medians(competitors: dict[str, Run], repeats: int) -> dict[str, float]:
    loops, times = {}, {name: [] for name in competitors}
    for name, run in competitors.items():
        time_of(run, 3)
        loops[name] = max(3, int(5000 / time_of(run, 3)))
    for _ in range(repeats):
        for name, run in competitors.items():
            times[name].append(time_of(run, loops[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def row(batch: int, level: str, options: argparse.Namespace, type_name: str, peers: list[str]) -> str:
    leaves, incoming, groups = tensors(batch, level, TYPES[type_name], options.spread)
    ours = partial(deform_conv, groups=groups)
    check(ours, leaves, incoming, groups, f"{level} b{batch} {type_name}, ours")
    competitors = {f"ours {way}": run for way, run in ways(ours, leaves, incoming).items()}
    competitors |= {f"core {way}": run for way, run in ways(partial(core, groups=groups), leaves, incoming).items()}
    if "DCNv4" in peers:
        both = packed(leaves[1].detach(), leaves[2].detach(), groups).requires_grad_()

        def unpacked(value: Tensor, offset: Tensor, modulation: Tensor) -> Tensor:
            return dcnv4(value, packed(offset, modulation, groups), groups)

        try:
            check(unpacked, leaves, incoming, groups, f"{level} b{batch} {type_name}, DCNv4")
            run = ways(partial(dcnv4, groups=groups), [leaves[0], both], incoming)
            competitors |= {f"DCNv4 {way}": run[way] for way in run}
        except (RuntimeError, NotImplementedError) as error:
            print(f"DCNv4 does not take {type_name}: {str(error).splitlines()[0]}", file=sys.stderr)
    us = medians(competitors, options.repeats)
    line = f"b{batch:<3}{level:4}{type_name:9}"
    for way in ("f", "b", "f+b"):
        line += f"{us[f'ours {way}']:9.1f}" + "".join(f"{us.get(f'{peer} {way}', math.nan):10.1f}" for peer in peers)
    return line


def main() -> None:
    options = arguments()
    if not torch.cuda.is_available():
        print("bench_cuda: PyTorch sees no GPU here, run it on a machine with one", file=sys.stderr)
        raise SystemExit(2)
    if backend() != "cuda":
        print("bench_cuda: the CUDA kernel is not at hand, `sslpdl doctor` says what is missing", file=sys.stderr)
        raise SystemExit(2)
    peers = ["core", *(["DCNv4"] if find_spec("DCNv4") else [])]
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, offsets N(0, {options.spread:g}) px, us")
    print(
        f"{'':17}"
        + "".join(f"{way + ' ours':>9}" + "".join(f"{peer:>10}" for peer in peers) for way in ("f", "b", "f+b"))
    )
    for type_name in options.types:
        for batch in options.batches:
            for level in options.levels:
                print(row(batch, level, options, type_name, peers), flush=True)


if __name__ == "__main__":
    main()
