"""``sslpdl evaluate``: archive and forecasts to scores, a table on the screen and a report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.archive import open_archive, pairs
from sslpdl.errors import VerifyError
from sslpdl.forecast import open_forecast, run
from sslpdl.verify.climatology import CLIMATOLOGY, with_climatology
from sslpdl.verify.neighbourhood import SCALES
from sslpdl.verify.parallel import workers
from sslpdl.verify.reading import RAW, count
from sslpdl.verify.regions import standard_regions
from sslpdl.verify.reporting import check_free, report
from sslpdl.verify.table import scores

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

__all__ = ["compact_table", "evaluate"]

PathLike = str | os.PathLike[str]
# what to verify the NWP itself at where no forecast says
_THRESHOLDS = (0.1, 1.0, 5.0, 10.0)


def evaluate(
    archive: PathLike | xr.Dataset,
    *,
    model: PathLike | Any = None,
    forecasts: Sequence[PathLike] | Mapping[str, PathLike | xr.Dataset] = (),
    out: PathLike,
    thresholds: Sequence[float] | None = None,
    climatology: Mapping[float, float] | None = None,
    climatology_source: str | None = None,
    split: str = "",
    replicates: int = 1000,
    block_days: int | None = None,
    scales: Sequence[int] = SCALES,
    processes: int = 1,
    dask: str | None = None,
    progress: bool = False,
    show: bool = True,
    overwrite: bool = False,
) -> Path:
    """Verify forecasts against QPE beside raw NWP and climatology, and write a report.

    Parameters
    ----------
    archive : path or Dataset
        Holds the NWP fields and QPE.
    model : path or TrainedModel, optional
        Model folder or loaded model to forecast the archive with.
    forecasts : sequence of paths, or mapping of names to paths or datasets, optional
        Stored forecasts; a path's name is the model's name.
    out : path
        Folder of the report, see `report`.
    thresholds : sequence of float, optional
        Rain amounts [mm per rain window]; by default those of the forecasts.
    climatology : mapping, optional
        Probability of reaching each threshold, such as `base_rate` of the training years; by default the base rate of
        the verified sample.
    climatology_source : str, optional
        Where `climatology` comes from, for the report.
    split : str, optional
        Which part of the data this is, in words.
    replicates, block_days
        Of the intervals, see `scores`.
    scales : sequence of int, optional
        Widths in cells of the neighbourhoods of the fractions skill score; ``()`` leaves it out.
    processes, dask
        Where to count, see `workers`.
    progress : bool, default False
        Show progress bars.
    show : bool, default True
        Print a compact table.
    overwrite : bool, default False
        Replace an earlier report in `out`.

    Returns
    -------
    Path
        The page of the report.

    Raises
    ------
    VerifyError
        If nothing can be compared, the report cannot be written or is there already, or no Dask cluster answers.
    """
    check_free(Path(out), overwrite=overwrite)  # before hours of forecasting
    source = open_archive(archive) if isinstance(archive, str | os.PathLike) else archive
    with workers(processes, dask=dask) as executor, _opened(source, model, forecasts, progress=progress) as opened:
        models: dict[str, xr.Dataset | str] = dict(opened)
        if "rain" in source["channel"].values:
            models[RAW] = RAW
        if not models:
            raise VerifyError("give a model or a forecast: the archive has no rain of its own to verify.")
        wanted = thresholds if opened or thresholds is not None else _THRESHOLDS
        counts = count(
            source,
            models,
            thresholds=wanted,
            regions=standard_regions(source, provinces=True),
            scales=scales,
            executor=executor,
            progress=progress,
        )
        counts = with_climatology(counts, climatology, source=climatology_source)
        forecast = next(iter(opened.values()), None)
        page = report(
            counts,
            out,
            archive=source,
            forecast=forecast,
            split=split,
            replicates=replicates,
            block_days=block_days,
            overwrite=overwrite,
        )
    if show:
        from rich.console import Console

        Console().print(compact_table(counts))
    return page


@contextmanager
def _opened(
    archive: xr.Dataset,
    model: Any,
    forecasts: Sequence[PathLike] | Mapping[str, PathLike | xr.Dataset],
    *,
    progress: bool,
) -> Iterator[dict[str, xr.Dataset]]:
    """Yield all forecasts by name; that of a model is computed into a folder which lasts as long as the block."""
    named = forecasts if isinstance(forecasts, Mapping) else _named(forecasts)
    found = {n: open_forecast(f) if isinstance(f, str | os.PathLike) else f for n, f in named.items()}
    for name in (RAW, CLIMATOLOGY):
        if name in found:
            raise VerifyError(f"a forecast cannot be called {name!r}; rename its folder.")
    if model is None:
        yield found
        return
    name = Path(model).name if isinstance(model, str | os.PathLike) else "sslpdl"
    if name in found:
        raise VerifyError(f"model and forecast are both called {name!r}; rename one of them.")
    runs = np.unique(pairs(archive)["init_time"].to_numpy())
    with tempfile.TemporaryDirectory(prefix="sslpdl-evaluate-") as folder:
        computed = run(archive, model, init_time=runs, out=Path(folder) / "forecast.zarr", progress=progress)
        yield {name: computed, **found}


def _named(paths: Sequence[PathLike]) -> dict[str, PathLike]:
    named: dict[str, PathLike] = {}
    for path in paths:
        name = Path(path).name.removesuffix(".zarr").removesuffix(".nc")
        if name in named:
            raise VerifyError(f"two forecasts are called {name!r}; rename one of them.")
        named[name] = path
    return named


def compact_table(counts: xr.Dataset, table: pd.DataFrame | None = None) -> Table:
    """Return the main scores as a table for the terminal: all lead times, first region."""
    from rich import box
    from rich.table import Table

    if table is None:
        leads = counts["lead_time"].values.tolist()
        table = scores(counts.isel(region=[0]), groups={"all": leads}, replicates=0)
    window = float(counts.attrs["rain_window"])
    synthetic = ", synthetic data" if str(counts.attrs.get("synthetic")).lower() == "true" else ""
    columns = {"csi": "CSI", "precision": "Prec.", "recall": "Recall", "frequency_bias": "Bias",
               "bss_climatology": "BSS clim", "bss_raw": "BSS raw"}  # fmt: skip
    region = str(counts["region"].values[0])
    part = table[(table["region"] == region) & (table["lead_time"] == "all") & (table["hour"] == "all")]
    columns = {name: title for name, title in columns.items() if (part["score"] == name).any()}
    result = Table(
        title=f"{window:g}-h rain, all lead times{synthetic}", title_justify="left", caption_justify="left",
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    result.add_column("mm", no_wrap=True)
    result.add_column("model", overflow="ellipsis", no_wrap=True)
    for title in (*columns.values(), "events"):
        result.add_column(title, justify="right", no_wrap=True)
    for threshold, rows in part[part["threshold"].notna()].groupby("threshold"):
        for model, cells in rows.groupby("model", sort=False):
            value = cells.set_index("score")["value"]
            numbers = ["–" if np.isnan(value[name]) else f"{value[name]:.3f}" for name in columns]
            some = cells.iloc[0]
            result.add_row(f"≥ {threshold:g}", str(model), *numbers, f"{some['events']:,}")
        result.add_section()
    wet = part[part["score"].str.startswith("miou")]
    means = [
        f"{model} {' / '.join(f'{v:.3f}' for v in cells['value'])}" for model, cells in wet.groupby("model", sort=False)
    ]
    cells_text = f"{int(part['n'].max()):,} cells, the same for all models and thresholds"
    result.caption = f"{cells_text}.\nmIoU of all / wet classes: {'; '.join(means)}"
    return result
