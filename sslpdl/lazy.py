"""Variables of an xarray dataset that are computed where and when they are read, without dask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["lazy_variable"]


class _Lazy(BackendArray):
    """An array known by its shape and by a function that reads a part of it."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, read: Callable[[tuple[Any, ...]], Any]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read = read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)


def lazy_variable(
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: str,
    read: Callable[[tuple[Any, ...]], Any],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Variable:
    """Return a variable whose values are read on demand.

    Parameters
    ----------
    dims, shape, dtype
        What the whole array would have.
    read : callable
        Takes one key per dimension (integer, slice or one-dimensional integer array, combined as an outer product) and
        returns that part as an ndarray.  A picklable callable makes a dataset that worker processes can use.
    attrs : mapping, optional
        Attributes of the variable.
    """
    import xarray as xr

    data = indexing.LazilyIndexedArray(_Lazy(shape, dtype, read))
    return xr.Variable(dims, data, dict(attrs or {}))
