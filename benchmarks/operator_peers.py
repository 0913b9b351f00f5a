"""What the benchmarks of the operator share: shapes, inputs, the PyTorch core as a peer, and taking turns."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

# rows, columns, channels and groups of the four levels of the `paper` encoder
LEVELS = {"L1": (112, 64, 64, 4), "L2": (56, 32, 128, 8), "L3": (28, 16, 256, 16), "L4": (14, 8, 512, 32)}
POINTS = 9


def keep_memory() -> None:
    """Start again with an allocator that keeps freed memory; its settings are read when a process starts."""
    settings = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
    if any(os.environ.get(name) != value for name, value in settings.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **settings})


def processor() -> str:
    """Return the name of the processor and how many of it there are."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} processors"


def core(value: Tensor, offset: Tensor, modulation: Tensor, groups: int) -> Tensor:
    """InternImage's PyTorch core in the same steps: pad, normalised positions, `grid_sample`, weighted sum."""
    batch, rows, columns, channels = value.shape
    padded = F.pad(value, [0, 0, 1, 1, 1, 1])
    _, height, width, _ = padded.shape
    real = {"dtype": value.dtype, "device": value.device}
    y, x = torch.meshgrid(torch.arange(rows, **real) + 1.5, torch.arange(columns, **real) + 1.5, indexing="ij")
    centre = torch.stack((x / width, y / height), -1).reshape(1, rows, columns, 1, 2)
    step_x, step_y = torch.meshgrid(torch.arange(-1.0, 2.0, **real), torch.arange(-1.0, 2.0, **real), indexing="ij")
    window = torch.stack((step_x / width, step_y / height), -1).reshape(-1, 2).repeat(groups, 1)
    size = torch.tensor([width, height], **real).repeat(groups * POINTS).reshape(1, 1, 1, -1)
    position = (centre + window).repeat(batch, 1, 1, 1, 1).flatten(3, 4) + offset / size
    grid = (2 * position - 1).view(batch, rows * columns, groups, POINTS, 2).transpose(1, 2).flatten(0, 1)
    image = padded.view(batch, height * width, channels).transpose(1, 2)
    image = image.reshape(batch * groups, channels // groups, height, width)
    sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    weight = modulation.view(batch, rows * columns, groups, POINTS).transpose(1, 2)
    result = (sampled * weight.reshape(batch * groups, 1, rows * columns, POINTS)).sum(-1)
    return result.view(batch, channels, rows * columns).transpose(1, 2).reshape(batch, rows, columns, -1).contiguous()


def core_layer(
    value: Tensor, offset: Tensor, modulation: Tensor, *, groups: int, softmax: bool = False, **_: object
) -> Tensor:
    """Compute the core with the arguments of `deform_conv`, to stand in its place in a network."""
    return core(value, offset, with_softmax(modulation, groups) if softmax else modulation, groups)


def with_softmax(modulation: Tensor, groups: int) -> Tensor:
    """Return modulation logits (N, Ho, Wo, G * K) normalised over the points of each group."""
    return modulation.unflatten(-1, (groups, POINTS)).softmax(-1).flatten(-2)


def tensors(batch: int, level: str, *, spread: float = 1.0) -> tuple[list[Tensor], Tensor, int]:
    """Return value, offset and modulation as leaves, an incoming gradient, and the number of groups."""
    rows, columns, channels, groups = LEVELS[level]
    generator = torch.Generator().manual_seed(0)

    def normal(last: int) -> Tensor:
        return torch.randn(batch, rows, columns, last, generator=generator)

    leaves = [normal(channels), spread * normal(groups * POINTS * 2), normal(groups * POINTS)]
    return [leaf.requires_grad_() for leaf in leaves], normal(channels), groups


def take_turns(
    contestants: dict[str, Callable[[], object]], *, repeats: int, least: float = 0.02
) -> dict[str, list[float]]:
    """Return milliseconds of each contestant's turns; quick ones run several times a turn.

    One thread is timed by its own clock, which leaves out what other processes take; several threads by the wall's.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    loops, times = {}, {name: [] for name in contestants}
    for name, run in contestants.items():
        run()
        start = time.perf_counter()
        run()
        loops[name] = max(1, int(least / (time.perf_counter() - start)))
    for _ in range(repeats):
        for name, run in contestants.items():
            start = clock()
            for _ in range(loops[name]):
                run()
            times[name].append((clock() - start) / loops[name] * 1e3)
    return times


def medians(contestants: dict[str, Callable[[], object]], *, repeats: int, least: float = 0.02) -> dict[str, float]:
    """Return the median milliseconds of each contestant."""
    return {name: statistics.median(t) for name, t in take_turns(contestants, repeats=repeats, least=least).items()}


def both_ways(function: Callable[..., Tensor], leaves: list[Tensor], incoming: Tensor) -> Callable[[], object]:
    """Return forward and backward as one call."""
    return lambda: torch.autograd.grad(function(*leaves), leaves, incoming)
