"""Opening an archive: lazily decoded, without dask, usable in forked and spawned worker processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive.layout import (
    FORMAT,
    FORMAT_VERSION,
    SOURCES_FILE,
    Encoding,
    decode_qpe,
    is_url,
    quiet_zarr,
)
from sslpdl.channels import Channel
from sslpdl.errors import ArchiveError
from sslpdl.lazy import lazy_variable

if TYPE_CHECKING:
    import xarray as xr
    import zarr

__all__ = ["open_archive", "open_group", "read_channels", "read_sources", "stored_array"]


def open_group(path: str | os.PathLike[str], *, mode: str = "r") -> zarr.Group:
    """Open the Zarr group of an archive with the shapes of its root metadata.

    Raises
    ------
    ArchiveError
        If nothing is there, or it is not an archive, or of a newer format, or cannot be read.
    """
    import zarr

    if not is_url(path):
        _check_folder(Path(path))
    try:
        with quiet_zarr():
            group = zarr.open_group(str(path), mode=mode, use_consolidated=True, zarr_format=3)  # type: ignore[arg-type]
    except PermissionError as error:
        raise ArchiveError(f"There is no permission to read {path}.", kind="no_permission") from error
    except ImportError as error:
        raise ArchiveError(f"Reading {path} needs a package that is not installed: {error}.") from error
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"{path} is not an SSLPDL archive: its metadata cannot be read ({error}).", kind="not_archive"
        ) from error
    if group.attrs.get("format") != FORMAT:
        raise ArchiveError(
            f"{path} is a Zarr group, but not an SSLPDL archive: its attribute 'format' is not {FORMAT!r}.",
            kind="not_archive",
        )
    version = group.attrs.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise ArchiveError(f"{path} has the format version {version!r}, which is not a positive whole number.")
    if version > FORMAT_VERSION:
        raise ArchiveError(
            f"{path} is an archive of format {version}, newer than the {FORMAT_VERSION} that this SSLPDL reads; "
            "upgrade SSLPDL.",
            kind="newer_format",
        )
    return group


def _check_folder(path: Path) -> None:
    if not path.exists():
        raise ArchiveError(f"There is no archive at {path}; check the path.", kind="no_archive")
    if not path.is_dir():
        raise ArchiveError(f"{path} is a file, but an archive is a folder.", kind="not_archive")
    try:
        names = {entry.name for entry in path.iterdir()}
    except PermissionError as error:
        raise ArchiveError(f"There is no permission to read {path}.", kind="no_permission") from error
    if not names:
        raise ArchiveError(f"{path} is an empty folder, not an archive.", kind="not_archive")
    if "zarr.json" not in names:
        raise ArchiveError(f"{path} is not an SSLPDL archive: it has no file zarr.json.", kind="not_archive")


def read_channels(group: zarr.Group) -> tuple[Channel, ...]:
    """Return the channels of an archive as stored in the attributes of ``fields``."""
    stored = json.loads(str(group["fields"].attrs["channels"]))
    return tuple(Channel(**entry) for entry in stored)


def stored_array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return one array of an archive with its visible shape."""
    return cast("zarr.Array[Any]", group[name])


def open_archive(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open an archive as a dataset that reads and decodes values when they are asked for.

    Parameters
    ----------
    path : path or fsspec URL
        Folder of the archive.

    Returns
    -------
    xarray.Dataset
        ``fields (init_time, lead_time, channel, y, x)`` float32 in the units of the coordinate ``units`` (channel), NaN
        missing; ``qpe (valid_time, y, x)`` mm; ``mask (y, x)``; ``rain_window (lead_time)`` hours; ``lat``, ``lon``,
        ``crs``; ``fields_coverage`` and ``qpe_coverage`` the share of cells with a value.  Times are UTC and in order;
        ``lead_time`` is whole hours.  ``encoding["source"]`` is the path.  The dataset can be pickled and used in
        worker processes.

    Raises
    ------
    ArchiveError
        If there is no archive, or it is damaged or of a newer format.

    Examples
    --------
    >>> ds = open_archive("august-2022.zarr")  # doctest: +SKIP
    >>> ds.fields.sel(init_time="2022-08-08T00", lead_time=12, channel="rain").values.shape  # doctest: +SKIP
    (224, 128)
    """
    import xarray as xr

    group = open_group(path)
    try:
        channels = read_channels(group)
        variables = {name: _variable(str(path), group, name, channels) for name in sorted(group.array_keys())}
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ArchiveError(
            f"The archive {path} is damaged: {type(error).__name__} {error}.", kind="damaged_archive"
        ) from error
    coordinates = ("init_time", "lead_time", "channel", "y", "x", "valid_time", "lat", "lon", "crs")
    text = {
        "units": [channel.units for channel in channels],
        "standard_name": [channel.standard_name for channel in channels],
        "long_name": [channel.long_name for channel in channels],
    }
    extra = {name: ("channel", np.asarray(values)) for name, values in text.items()}
    extra["level"] = ("channel", np.asarray([np.nan if c.level is None else c.level for c in channels]))
    ds = xr.Dataset(
        {name: variable for name, variable in variables.items() if name not in coordinates},
        coords={name: variables[name] for name in coordinates if name in variables} | extra,
        attrs=_attributes(path, group),
    )
    for name in ("init_time", "valid_time"):
        # runs may be added in any order; they are read in order
        if name in ds and np.any(np.diff(ds[name].values) < np.timedelta64(0, "ns")):
            ds = ds.isel({name: np.argsort(ds[name].values, kind="stable")})
    ds["level"].attrs = {"units": "hPa", "long_name": "pressure level; NaN for surface variables"}
    ds.encoding["source"] = str(path)
    return ds


def _attributes(path: str | os.PathLike[str], group: zarr.Group) -> dict[str, Any]:
    attributes = dict(group.attrs)
    attributes["source_files"] = json.dumps(read_sources(path), ensure_ascii=False)
    return attributes


def read_sources(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Return name and SHA-256 of the files that an archive was made from."""
    if is_url(path):
        import fsspec  # type: ignore[import-untyped]

        file = f"{str(path).rstrip('/')}/{SOURCES_FILE}"
        filesystem, name = fsspec.core.url_to_fs(file)
        lines = filesystem.cat(name).decode().splitlines() if filesystem.exists(name) else []
    else:
        local = Path(path) / SOURCES_FILE
        lines = local.read_text(encoding="utf-8").splitlines() if local.exists() else []
    # a line cut short by a kill is not whole JSON; the run it announced was not stored either
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def _variable(path: str, group: zarr.Group, name: str, channels: tuple[Channel, ...]) -> xr.Variable:
    import xarray as xr

    array = stored_array(group, name)
    dims = tuple(getattr(array.metadata, "dimension_names", None) or ())
    attributes = dict(array.attrs)
    if name == "fields":
        return lazy_variable(
            dims, array.shape, "float32", _Fields(path, array.shape, Encoding(channels)), _shown(attributes)
        )
    if name == "qpe":
        return lazy_variable(dims, array.shape, "float32", _Qpe(path, array.shape), _shown(attributes))
    values = np.asarray(array[...])
    if name in ("init_time", "valid_time"):
        attributes = {key: value for key, value in attributes.items() if key not in ("units", "calendar")}
        values = values.astype("datetime64[s]").astype("datetime64[ns]")
    elif name == "channel":
        values = np.asarray([str(value) for value in values])
    return xr.Variable(dims, values, attributes)


def _shown(attributes: dict[str, Any]) -> dict[str, Any]:
    storage = ("channels", "scale_factor", "add_offset", "_FillValue")
    return {key: value for key, value in attributes.items() if key not in storage}


class _Stored:
    """One Zarr array, opened on first use in each process."""

    name: str

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.path = path
        self.shape = shape  # when the dataset was opened; a writer may have added more since
        self._array: Any = None
        self._process = -1

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_array": None, "_process": -1}

    def raw(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Read stored integers for one integer, slice or integer array per dimension (outer product)."""
        if self._process != os.getpid():
            self._array = open_group(self.path)[self.name]
            self._process = os.getpid()
        array = self._array
        plain = tuple(_forward(part, size) for part, size in zip(key, self.shape, strict=True))
        selection = array.oindex if any(isinstance(part, np.ndarray) for part in plain) else array
        try:
            return np.asarray(selection[plain])
        except (OSError, RuntimeError, ValueError) as error:
            raise ArchiveError(f"{self.name} of {self.path} cannot be read at {key}: {error}") from error


def _forward(part: Any, size: int) -> Any:
    if isinstance(part, slice):
        start, stop, step = part.indices(size)
        # Zarr does not step backwards
        return np.arange(start, stop, step) if step < 0 else slice(start, stop, step)
    return np.asarray(part) if isinstance(part, (list, np.ndarray)) else int(part)


class _Fields(_Stored):
    name = "fields"

    def __init__(self, path: str, shape: tuple[int, ...], encoding: Encoding) -> None:
        super().__init__(path, shape)
        self.encoding = encoding

    def __call__(self, key: tuple[Any, ...]) -> Any:
        raw = self.raw(key)
        single = isinstance(key[2], (int, np.integer))
        axis = None if single else sum(not isinstance(part, (int, np.integer)) for part in key[:2])
        return self.encoding.decode(raw, key[2], axis)


class _Qpe(_Stored):
    name = "qpe"

    def __call__(self, key: tuple[Any, ...]) -> Any:
        return decode_qpe(self.raw(key))
