"""The convolutional LSTM of KoMet, which also is the temporal encoder of its MetNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sslpdl.errors import ConfigError
from sslpdl.models.base import BatchNorm2d, Segmenter, clean
from sslpdl.models.baselines.grids import fit_table
from sslpdl.models.config import NetworkConfig

__all__ = ["ConvLSTM", "ConvLSTMConfig", "RecurrentConfig", "RecurrentStack"]

LAYERS = 3


@dataclass(frozen=True)
class RecurrentConfig(NetworkConfig):
    """What the recurrent networks have in common.

    Parameters
    ----------
    channels, classes, shape
        See `NetworkConfig`; `channels` counts those of all times.
    window : int
        Valid times in the input, oldest first, each with the same fields.  A sample of an archive is one valid time,
        so that training uses 1; then all that works on the state before (recurrent weights, forget gates, peephole
        maps) would never act and is left out.
    """

    window: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.window:
            raise ConfigError(f"{self.channels} channels are not {self.window} times the same fields; change window.")

    def frames(self, x: Tensor) -> list[Tensor]:
        """Return scaled fields (B, channels, H, W) as one tensor (B, channels / window, H, W) for each time."""
        return list(clean(x, self.channels).chunk(self.window, dim=1))


@dataclass(frozen=True)
class ConvLSTMConfig(RecurrentConfig):
    """Architecture of `ConvLSTM`.

    Parameters
    ----------
    channels, classes, shape, window
        See `RecurrentConfig`.
    width : int
        Channels of the hidden state.
    """

    network: ClassVar[str] = "convlstm"

    width: int = 16


class ConvLSTM(Segmenter):
    """Three layers of convolutional LSTM and a 1x1 convolution (KoMet benchmark; after Shi et al. 2015).

    Parameters
    ----------
    config : ConvLSTMConfig
        Architecture.

    References
    ----------
    arXiv 1506.04214; KoMet: a precipitation post-processing benchmark, NeurIPS 2022, datasets and benchmarks.
    """

    def __init__(self, config: ConvLSTMConfig) -> None:
        super().__init__()
        self.config: ConvLSTMConfig = config
        fields = config.channels // config.window
        self.stack = RecurrentStack(fields, config.width, shape=config.shape, window=config.window)
        self.classify = nn.Conv2d(config.width, config.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W)."""
        logits: Tensor = self.classify(self.stack(self.config.frames(x)))
        return logits


class RecurrentStack(nn.Module):
    """Layers of convolutional LSTM; each reads the hidden states of the one before.

    Parameters
    ----------
    fields, width : int
        Channels of a frame and of the hidden states.
    shape : (int, int)
        Rows and columns of the training grid.
    window : int
        Number of frames.
    """

    def __init__(self, fields: int, width: int, *, shape: tuple[int, int], window: int) -> None:
        super().__init__()
        inputs = [fields] + [width] * (LAYERS - 1)
        self.layers = nn.ModuleList(Cell(number, width, shape=shape, recurrent=window > 1) for number in inputs)

    def forward(self, frames: list[Tensor]) -> Tensor:
        """Return the last hidden state (B, width, H, W) of the last layer from frames (B, fields, H, W), in order."""
        for layer in self.layers:
            state, states = None, []
            for frame in frames:
                hidden, cell = layer(frame, state)
                state = (hidden, cell)
                states.append(hidden)
            frames = states
        return frames[-1]


class Cell(nn.Module):
    """One layer: gates from a 3x3 convolution over input and hidden state, normalised over the batch.

    One map by position, times the cell state before, is added to the input, forget and output gates alike (KoMet; Shi
    et al. have one for each, and let the output gate see the new cell state).

    Parameters
    ----------
    inputs, width : int
        Channels of input and state.
    shape : (int, int)
        Rows and columns of the map.
    recurrent : bool
        Without a state before there are only the gates that act then: input, output and candidate.
    """

    def __init__(self, inputs: int, width: int, *, shape: tuple[int, int], recurrent: bool) -> None:
        super().__init__()
        gates = 4 if recurrent else 3
        self.convolve = nn.Conv2d(inputs + width if recurrent else inputs, gates * width, 3, padding=1)
        self.norm = BatchNorm2d(gates * width)
        self.cell_norm = BatchNorm2d(width)
        self.width = width
        self.peephole_position = nn.Parameter(torch.zeros(width, *shape)) if recurrent else None

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return hidden and cell state (B, width, H, W) from input (B, inputs, H, W) and the states before."""
        if self.peephole_position is None:
            entry, out, candidate = self.norm(self.convolve(x)).chunk(3, dim=1)
            cell = entry.sigmoid() * candidate.tanh()
        else:
            zero = x.new_zeros(x.shape[0], self.width, *x.shape[2:])
            hidden, before = (zero, zero) if state is None else state
            gates = self.norm(self.convolve(torch.cat([x, hidden], dim=1))).chunk(4, dim=1)
            peephole = fit_table(self.peephole_position, (x.shape[2], x.shape[3])) * before
            entry, forget, out = (gate + peephole for gate in gates[:3])
            cell = forget.sigmoid() * before + entry.sigmoid() * gates[3].tanh()
        return out.sigmoid() * self.cell_norm(cell).tanh(), cell
