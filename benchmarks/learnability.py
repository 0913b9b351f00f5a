"""Does a network learn from the twin what a forecaster would?  Three nets alike but for the channels that they see.

    python benchmarks/learnability.py [--out runs/learnability] [--training 3000] [--steps 800] [--seed 0]

A small U-Net (0.4 million parameters) learns from all sixteen channels, from all but the forecast rain, and from the
forecast rain alone; a channel that is not seen is zero, so that weights, samples and order are the same for the three.
It trains on the summers of one twin seed, chooses its thresholds on another, and is scored on the fixed samples of the
calibration (seed 0, leads 6 to 30 h) beside the raw forecast.  Wanted: all channels before no rain before rain alone.
Each finished net is kept in ``results.json``, and the same command goes on with the next one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sslpdl.channels import CANONICAL  # noqa: E402
from sslpdl.grid import KOREA_5KM  # noqa: E402
from sslpdl.twin import VERSION, TwinConfig, forecast, samples, truth_rain  # noqa: E402

RAIN = CANONICAL.index("rain")
EVENTS = (0.1, 10.0)
CLASS_WEIGHTS = (1.0, 1.5, 4.0)
NETS = {
    "all channels": range(len(CANONICAL)),
    "no rain": [number for number in range(len(CANONICAL)) if number != RAIN],
    "rain alone": [RAIN],
}
TWIN_SEEDS = {"training": 101, "validation": 102, "test": 0}

Pairs = Sequence[tuple[np.datetime64, int]]
Data = tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]


class UNet(nn.Module):
    """Four levels of 32, 48, 64 and 64 channels between a pixel-unshuffle and a pixel-shuffle by two."""

    def __init__(self, channels: int, classes: int, widths: Sequence[int] = (32, 48, 64, 64)) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            block(before, after) for before, after in zip((4 * channels, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(
            block(below + beside, beside) for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 4 * classes, 1)

    def forward(self, fields: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of scaled fields (B, C, H, W)."""
        x = F.pixel_unshuffle(fields, 2)  # (B, 4 C, H / 2, W / 2)
        levels: list[Tensor] = []
        for number, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if number else x)
            levels.append(x)
        for up, beside in zip(self.up, levels[-2::-1], strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0), beside], dim=1))
        return F.pixel_shuffle(self.head(x), 2)  # (B, classes, H, W)


def block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU()),
        *(nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU()),
    )


def made(pairs: Pairs, seed: int, path: Path) -> Data:
    """Return fields and true rain of samples, from the disk where an earlier call has left them."""
    names = [path.with_name(f"{path.name}-{part}.npy") for part in ("fields", "rain")]
    if not all(name.exists() for name in names):
        config = TwinConfig(seed=seed)
        fields = np.empty((len(pairs), len(CANONICAL), *KOREA_5KM.shape), np.float16)
        rain = np.empty((len(pairs), *KOREA_5KM.shape), np.float32)
        for number, (init, lead) in enumerate(pairs):
            run = forecast(init, lead, config)[0]
            # float16 resolves what varies of heights and temperatures, not the whole
            fields[number] = run - REFERENCE
            rain[number] = truth_rain(init + np.timedelta64(lead, "h"), config)
        for name, values in zip(names, (fields, rain), strict=True):
            np.save(name, values)
    return tuple(np.load(name, mmap_mode="r") for name in names)  # type: ignore[return-value]


REFERENCE = np.array(
    [
        {"gph_100": 16650, "gph_500": 5845, "gph_850": 1480, "slp": 1005, "t_2m": 297, "t_500": 268, "t_850": 291}.get(
            name, 0
        )
        for name in CANONICAL
    ],
    np.float32,
)[:, None, None]


class Inputs:
    """Scaled input of samples: rain by log(1 + mm), mean and deviation of the training data, zero where not seen."""

    def __init__(self, training: Data, seen: Sequence[int]) -> None:
        every = training[0][:: max(1, len(training[0]) // 200)].astype(np.float32)
        every[:, RAIN] = np.log1p(every[:, RAIN])
        self.mean = every.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)[:, None, None]
        self.deviation = every.std(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)[:, None, None]
        self.seen = np.zeros((len(CANONICAL), 1, 1), np.float32)
        self.seen[list(seen)] = 1

    def __call__(self, fields: npt.NDArray[np.float16]) -> Tensor:
        """Return the input of fields (B, C, H, W)."""
        values = fields.astype(np.float32)
        values[:, RAIN] = np.log1p(values[:, RAIN])
        return torch.from_numpy((values - self.mean) / self.deviation * self.seen)


def classes_of(rain: npt.NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.digitize(rain, EVENTS))


def trained(inputs: Inputs, data: Data, *, steps: int, batch: int, seed: int) -> UNet:
    torch.manual_seed(seed)
    net = UNet(len(CANONICAL), len(EVENTS) + 1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    weights = torch.tensor(CLASS_WEIGHTS)
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(len(data[0])) for _ in range(1 + steps * batch // len(data[0]))])
    for step in range(steps):
        chosen = np.sort(order[step * batch : (step + 1) * batch])
        loss = F.cross_entropy(net(inputs(data[0][chosen])), classes_of(data[1][chosen]), weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(f"  step {step + 1}: loss {loss.item():.3f}", flush=True)
    return net.eval()


@torch.inference_mode()
def exceedance(net: UNet, inputs: Inputs, fields: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Return the probability of each event (sample, event, y, x), class weights undone."""
    undo = -torch.log(torch.tensor(CLASS_WEIGHTS))[:, None, None]
    parts = []
    for start in range(0, len(fields), 16):
        share = torch.softmax(net(inputs(fields[start : start + 16])) + undo, dim=1)
        parts.append(torch.stack([1 - share[:, 0], share[:, 2]], dim=1).numpy())
    return np.concatenate(parts)


def counts(said: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return hits and the union of forecast and event for each sample (sample, 2)."""
    return np.stack([(said & seen).sum(axis=(1, 2)), (said | seen).sum(axis=(1, 2))], axis=1)


def csi(table: npt.NDArray[np.int64]) -> float:
    hits, union = table.sum(axis=0)
    return float(hits / union)


def scored(net: UNet, inputs: Inputs, validation: Data, test: Data) -> dict[str, Any]:
    """Return the counts of each test sample at the thresholds that are best on the validation samples."""
    chances, found = exceedance(net, inputs, validation[0]), {}
    on_test = exceedance(net, inputs, test[0])
    for number, event in enumerate(EVENTS):
        seen = validation[1] >= event
        tries = np.linspace(0.02, 0.6, 30)
        best = max(tries, key=lambda cut: csi(counts(chances[:, number] >= cut, seen)))
        table = counts(on_test[:, number] >= best, test[1] >= event)
        clipped = np.clip(on_test[:, number], 0, 1)
        brier = float(np.mean((clipped - (test[1] >= event)) ** 2))
        found[f"{event:g}"] = {"threshold": float(best), "Brier": brier, "counts": table.tolist()}
    return found


def raw(test: Data) -> dict[str, Any]:
    rain = np.asarray(test[0][:, RAIN], np.float32)
    return {f"{event:g}": {"counts": counts(rain >= event, test[1] >= event).tolist()} for event in EVENTS}


def difference(one: Any, other: Any, random: np.random.Generator) -> tuple[float, float, float]:
    """Return the difference in CSI and its 95 % interval over resampled test samples."""
    a, b = np.array(one["counts"]), np.array(other["counts"])
    drawn = random.integers(0, len(a), (2000, len(a)))
    spread = [csi(a[rows]) - csi(b[rows]) for rows in drawn]
    return csi(a) - csi(b), *np.quantile(spread, [0.025, 0.975])


def report(results: dict[str, Any]) -> None:
    print(f"\n{'':<14}" + "".join(f"{'CSI ' + event:>10}{'Brier':>9}" for event in ("0.1", "10")))
    for name, found in results.items():
        cells = ""
        for event in found.values():
            cells += f"{csi(np.array(event['counts'])):>10.3f}"
            cells += f"{event['Brier']:>9.4f}" if "Brier" in event else f"{'':>9}"
        print(f"{name:<14}{cells}")
    random = np.random.default_rng(0)
    for one, other in (("all channels", "no rain"), ("no rain", "rain alone"), ("rain alone", "raw")):
        if one in results and other in results:
            for event in results[one]:
                value, low, high = difference(results[one][event], results[other][event], random)
                print(f"CSI {event}: {one} less {other}: {value:+.4f} [{low:+.4f}, {high:+.4f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "learnability")
    parser.add_argument("--training", type=int, default=3000, help="number of training samples")
    parser.add_argument("--steps", type=int, default=800, help="steps of eight samples")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)

    def near(n: int, seed: int) -> Pairs:
        return [pair for pair in samples(n, seed=seed) if 6 <= pair[1] <= 30]

    lists = {"training": near(given.training * 4 // 3, 1), "validation": near(320, 2), "test": near(500, 0)}
    data = {name: made(pairs, TWIN_SEEDS[name], given.out / f"v{VERSION}-{name}") for name, pairs in lists.items()}
    file = given.out / f"results-{given.seed}.json"
    results = json.loads(file.read_text()) if file.exists() else {"raw": raw(data["test"])}
    for name, seen in NETS.items():
        if name not in results:
            begin = time.perf_counter()
            inputs = Inputs(data["training"], seen)
            net = trained(inputs, data["training"], steps=given.steps, batch=8, seed=given.seed)
            results[name] = scored(net, inputs, data["validation"], data["test"])
            print(f"{name}: {sum(p.numel() for p in net.parameters())} parameters, {time.perf_counter() - begin:.0f} s")
        file.write_text(json.dumps(results))
    report(results)


if __name__ == "__main__":
    main()
