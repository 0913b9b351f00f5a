"""Gaussian random fields from Fourier modes: the synoptic waves and the mesoscale bands.

Fields are sums of modes on a periodic plane larger than the domain, so that moving a field is a phase factor, exact and
without interpolation, and its gradient or its divergent wind is another factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from sslpdl.twin.noise import Field, Key, Modes, Stream, blend, complex_knot

__all__ = ["BANDS", "CELL", "Bands", "Waves", "bands", "waves"]

CELL = 5.0
"""Cell size in km."""

PLANE = (320, 200)
"""Rows and columns of the periodic plane of the mesoscale bands."""

BANDS: tuple[tuple[float, float, float], ...] = (
    (250.0, 1200.0, 16.0),
    (110.0, 250.0, 8.0),
    (45.0, 110.0, 4.0),
    (20.0, 45.0, 3.0),
    (8.0, 20.0, 2.0),
)
"""Shortest and longest wavelength (km) and memory (h) of each band: small things live short."""

_DIRECTIONS = 16
_BLOCK = 32


class Bands:
    """Modes of consecutive wavelength bands.

    Parameters
    ----------
    first, last : int
        Numbers of the first and the last band of :data:`BANDS`.
    shape : tuple of int
        Rows and columns to evaluate, at most those of the plane.
    """

    def __init__(self, first: int, last: int, shape: tuple[int, int]) -> None:
        rows, columns = PLANE
        index_y, index_x = np.meshgrid(np.fft.fftfreq(rows, 1 / rows), np.arange(columns // 2), indexing="ij")
        wave_y, wave_x = 2 * np.pi * index_y / (rows * CELL), 2 * np.pi * index_x / (columns * CELL)
        with np.errstate(divide="ignore"):
            wavelength = 2 * np.pi / np.hypot(wave_x, wave_y)
        members = [
            np.flatnonzero((wavelength >= BANDS[band][0]) & (wavelength < BANDS[band][1]))
            for band in range(first, last + 1)
        ]
        modes = np.concatenate(members)
        self.numbers = range(first, last + 1)
        self.shape = shape
        self.sizes = [len(member) for member in members]
        self.kx: Field = wave_x.ravel()[modes].astype(np.float32)  # rad/km
        self.ky: Field = wave_y.ravel()[modes].astype(np.float32)
        row, column = np.divmod(modes, columns // 2)
        self._width = int(column.max()) + 1
        self._flat = row * self._width + column
        self._row, self._column = row, column

    def amplitudes(self, slope: float, *, elongation: float = 1.35, present: Sequence[int] | None = None) -> Field:
        """Return the amplitude of each mode for each of 16 directions of the long axis, (direction, mode).

        Parameters
        ----------
        slope : float
            Power falls with this power of the wave number.
        elongation : float
            Square root of the ratio of the long to the short axis.
        present : sequence of int, optional
            Bands that hold power; all by default.
        """
        angle = np.pi * np.arange(_DIRECTIONS)[:, None] / _DIRECTIONS
        along = self.kx * np.cos(angle) + self.ky * np.sin(angle)
        across = self.ky * np.cos(angle) - self.kx * np.sin(angle)
        power = ((along * elongation) ** 2 + (across / elongation) ** 2) ** (-slope / 2)
        keep = [number in present if present is not None else True for number in self.numbers]
        power = power * np.repeat(keep, self.sizes)
        # A mode with kx > 0 stands for itself and its mirror image; for kx = 0 both are drawn.
        column = self.kx == 0
        power = power / np.sum(np.where(column, 1.0, 2.0) * power, axis=1, keepdims=True)
        amplitudes: Field = np.sqrt(power * np.where(column, 2.0, 1.0)).astype(np.float32)
        return amplitudes

    def turned(self, amplitudes: Field, direction: float) -> Field:
        """Return amplitudes (..., mode) of unit variance for a long axis towards ``direction`` (radians from east)."""
        position = direction / np.pi * _DIRECTIONS
        lower = math.floor(position)
        share = position - lower
        low, high = amplitudes[..., lower % _DIRECTIONS, :], amplitudes[..., (lower + 1) % _DIRECTIONS, :]
        mixed: Field = np.sqrt((1 - share) * low * low + share * high * high)
        return mixed

    def draw(
        self, key: Key, stream: Stream, hours: float, *, init: int = 0, weights: Sequence[float] | None = None
    ) -> Modes:
        """Return the random coefficients of all modes at one time, each band with its own memory.

        ``weights``, one for each band, multiply the bands.
        """
        out = np.empty(sum(self.sizes), np.complex64)
        start = 0
        for position, (band, size) in enumerate(zip(self.numbers, self.sizes, strict=True)):
            part = blend(_knots(key, stream, size, init, band), hours, BANDS[band][2])
            out[start : start + size] = part if weights is None else part * weights[position]
            start += size
        return out

    def phase(self, x: float, y: float) -> Modes:
        """Return the factors that move a field by ``x`` km east and ``y`` km north, (mode,)."""
        rows = np.fft.fftfreq(PLANE[0], 1 / PLANE[0]) * (2 * np.pi / (PLANE[0] * CELL))
        columns = np.arange(self._width) * (2 * np.pi / (PLANE[1] * CELL))
        north = np.exp(-1j * rows * y).astype(np.complex64)
        east = np.exp(-1j * columns * x).astype(np.complex64)
        factors: Modes = north[self._row] * east[self._column]
        return factors

    @cached_property
    def divergent(self) -> Modes:
        """Factors (2, mode) from a convergence in 1/s to the irrotational eastward and northward wind in m/s."""
        squared = self.kx**2 + self.ky**2
        # the plane's wave numbers are per km, the convergence per second
        factors: Modes = (1e3j * np.stack([self.kx, self.ky]) / squared).astype(np.complex64)
        return factors

    def synthesise(self, spectra: Modes) -> Field:
        """Return the fields (n, rows, columns) of spectra (n, mode)."""
        plane = np.zeros((len(spectra), PLANE[0] * self._width), np.complex64)
        plane[:, self._flat] = spectra
        rows = fft.ifft(plane.reshape(-1, PLANE[0], self._width), axis=1, norm="forward", overwrite_x=True)
        fields: Field = fft.irfft(rows[:, : self.shape[0]], n=PLANE[1], axis=2, norm="forward")
        return fields[:, :, : self.shape[1]]


def _knots(key: Key, stream: Stream, size: int, init: int, band: int) -> Callable[[int], Modes]:
    return lambda knot: complex_knot(key, stream, size, init=init, band=band, knot=knot)


@lru_cache(maxsize=8)
def bands(first: int, last: int, shape: tuple[int, int]) -> Bands:
    """Return the shared :class:`Bands` of these numbers and this shape."""
    return Bands(first, last, shape)


class Waves:
    """Synoptic waves: complex modes on a 4800 km periodic plane, evaluated at the cells of a grid.

    Parameters
    ----------
    x, y : ndarray
        Cell centres in km, columns and rows.
    """

    LENGTH = 4800.0
    HIGHEST = 6
    SLOPE = 2.9

    def __init__(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> None:
        wave = 2 * np.pi / self.LENGTH
        self.index_x = np.arange(self.HIGHEST + 1)
        self.index_y = np.arange(-self.HIGHEST, self.HIGHEST + 1)
        self._east = np.exp(1j * wave * self.index_x[:, None] * x).astype(np.complex64)
        north = wave * y[:, None] * self.index_y
        self._north: Field = np.concatenate([np.cos(north), -np.sin(north)], axis=1).astype(np.float32)
        number = np.hypot(self.index_y[:, None], self.index_x)
        shape = np.maximum(number, 2.0) ** -self.SLOPE * np.where(number < 2.2, 0.55, 1.0)
        power = np.where((number > 0) & (number <= self.HIGHEST), shape**2, 0.0)
        power = power * np.where(self.index_x == 0, 0.5, 1.0)
        self.amplitude = np.sqrt(2 * power / power.sum()).astype(np.float32)

    def draw(
        self, key: Key, stream: Stream, hours: float, *, memory: float, speed: float = 0.0, init: int = 0
    ) -> Modes:
        """Return the coefficients (13, 7) at one time of waves that travel east at ``speed`` m/s."""
        size = self.amplitude.size
        drawn = blend(lambda knot: complex_knot(key, stream, size, init=init, knot=knot), hours, memory)
        shift = np.exp(-1j * (2 * np.pi / self.LENGTH) * self.index_x * (3.6 * speed * hours)).astype(np.complex64)
        coefficients: Modes = drawn.reshape(self.amplitude.shape) * self.amplitude * shift
        return coefficients

    def evaluate(self, coefficients: Modes, *, east: float = 0.0) -> Field:
        """Return the field (rows, columns), moved ``east`` km."""
        shift = np.exp(-1j * (2 * np.pi / self.LENGTH) * self.index_x * east).astype(np.complex64)
        rows = (coefficients * shift) @ self._east
        parts = np.concatenate([rows.real, rows.imag])
        field = np.empty((len(self._north), parts.shape[1]), np.float32)
        # Blocks too small for BLAS to share out among threads, which on a busy machine would wait for one another.
        for start in range(0, len(field), _BLOCK):
            block = slice(start, start + _BLOCK)
            np.matmul(self._north[block], parts, out=field[block])
        return field

    def gradient(self, coefficients: Modes) -> tuple[float, float]:
        """Return the eastward and northward derivative (1/km) at the origin."""
        wave = 2 * np.pi / self.LENGTH
        east = float(np.sum((1j * wave * self.index_x * coefficients).real))
        north = float(np.sum((1j * wave * self.index_y[:, None] * coefficients).real))
        return east, north


@lru_cache(maxsize=1)
def waves() -> Waves:
    """Return the synoptic waves at the cells of the twin's domain."""
    from sslpdl.twin.terrain import domain

    place = domain()
    return Waves(place.x, place.y)
