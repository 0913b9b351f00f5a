"""The command line: ``sslpdl VERB``.  Every verb calls one function of the package and holds no logic of its own."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sslpdl.errors import ConfigError, SslpdlError

__all__ = ["app", "main"]

app = typer.Typer(
    name="sslpdl",
    help="Rain probabilities from numerical weather prediction: from the raw file to the forecaster's screen.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_TIMES = ["%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y%m%d%H", "%Y-%m-%d"]

Archive = Annotated[Path, typer.Argument(help="Archive folder (Zarr).", metavar="ARCHIVE")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file; see configs/ for all keys.")]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")]
Model = Annotated[Path, typer.Option("--model", "-m", help="Model folder.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Resume = Annotated[bool, typer.Option(help="Take up an interrupted training in the same folder.")]
InitTimes = Annotated[
    list[datetime] | None, typer.Option("--init-time", formats=_TIMES, help="Only this run, UTC; may be repeated.")
]


class Case(StrEnum):
    """Special cases of the twin."""

    AUGUST_2022 = "august-2022"


class QpeKind(StrEnum):
    """Kinds of rain observations that `ingest` reads."""

    AUTO = "auto"
    HSR = "hsr"
    GRIB = "grib"
    GAUGES = "gauges"


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
) -> None:
    if debug:
        _State.debug = True


class _State:
    """What the options before the verb have set."""

    debug = False


@app.command()
def twin(
    out: Annotated[Path, typer.Argument(help="Archive to write.", metavar="OUT")],
    start: Annotated[datetime | None, typer.Option(formats=_TIMES, help="First run, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Last run, UTC.")] = None,
    every: Annotated[int, typer.Option(help="Hours between runs.")] = 12,
    leads: Annotated[
        str | None, typer.Option(help="Lead times in hours, first-last/step: by default 3-36/3, for a case 1-36.")
    ] = None,
    case: Annotated[Case | None, typer.Option(help="A prepared case instead of a period.")] = None,
    seed: Annotated[int, typer.Option(help="Another atmosphere of the same climate.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes to use.")] = 2,
    quiet: Quiet = False,
) -> None:
    """Generate an archive of the synthetic twin: an atmosphere, its rain, and an imperfect forecast of both."""
    from sslpdl.twin import write_archive

    write_archive(
        out,
        start=start,
        end=end,
        every=every,
        lead_time=None if leads is None else _leads(leads),
        case=case.value if case else None,
        seed=seed,
        processes=processes,
        progress=not quiet,
    )
    typer.echo(f"Wrote {out}.")


@app.command()
def ingest(
    sources: Annotated[
        list[str], typer.Argument(help="NWP files, folders of them, or quoted patterns.", metavar="FILE...")
    ],
    out: Folder,
    profile: Annotated[
        str, typer.Option(help="rdaps-um12, rdaps-kim3, ifs, gfs, wrf-g212, a YAML file, legacy, or auto.")
    ] = "auto",
    grid: Annotated[str | None, typer.Option(help="Target grid by name, or native; the profile's by default.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Channel that must be there; may be repeated.")] = None,
    rain_window: Annotated[float | None, typer.Option(help="Rain window in hours; the shortest by default.")] = None,
    rain_covers: Annotated[
        str | None, typer.Option(help="Hours that each rain field covers, where headers are wrong: 12,12,2.")
    ] = None,
    init_time: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Start of the run, for files that do not say.")
    ] = None,
    statistics: Annotated[Path | None, typer.Option(help="Means and deviations (JSON) of legacy arrays.")] = None,
    qpe: Annotated[list[str] | None, typer.Option(help="Rain observations: file, folder, pattern; repeatable.")] = None,
    qpe_kind: Annotated[QpeKind, typer.Option(help="What the rain observations are.")] = QpeKind.AUTO,
    qpe_window: Annotated[
        float | None, typer.Option(help="Window of the observed rain in hours; that of the forecasts by default.")
    ] = None,
    min_frames: Annotated[int, typer.Option(help="Radar frames, of twelve, that an hour needs.")] = 10,
    z_r: Annotated[
        tuple[float, float], typer.Option(help="a and b of Z = a R^b, for radar reflectivity.", metavar="A B")
    ] = (200.0, 1.6),
    stations: Annotated[Path | None, typer.Option(help="Gauge coordinates (CSV), for tables without them.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the archive.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Skip, count and list unreadable files instead of stopping.")] = False,
    quiet: Quiet = False,
) -> None:
    """Read NWP files (and QPE) into an archive; run it again to add what is new."""
    from sslpdl.readers import QpeOptions
    from sslpdl.readers import ingest as read

    report = read(
        sources,
        out,
        profile=profile,
        grid=grid,
        channels=channel,
        rain_window=rain_window,
        rain_covers=_hours(rain_covers) if rain_covers else None,
        init_time=init_time,
        statistics=statistics,
        qpe=qpe or [],
        qpe_kind=qpe_kind.value,
        qpe_window=qpe_window,
        qpe_options=QpeOptions(coefficients=z_r, min_frames=min_frames, stations=stations),
        title=title,
        skip_bad=skip_bad,
        progress=not quiet,
    )
    typer.echo(str(report))


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Folder where NWP files arrive.", metavar="FOLDER")],
    archive: Annotated[Path, typer.Option("--archive", "-a", help="Archive to add to; made if it is not there.")],
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Model folder to forecast new runs with.")] = None,
    forecast: Annotated[
        Path | None, typer.Option("--forecast", "-f", help="Forecast to add to; beside the archive by default.")
    ] = None,
    profile: Annotated[str, typer.Option(help="As for ingest.")] = "auto",
    grid: Annotated[str | None, typer.Option(help="As for ingest.")] = None,
    statistics: Annotated[Path | None, typer.Option(help="As for ingest.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, for a timer.")] = False,
    interval: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 60,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds without a new file after which an incomplete run is taken.")
    ] = 600,
) -> None:
    """Watch a folder: new files go into the archive, new runs are forecast; ends with 1 if files were refused."""
    import logging
    import time

    from sslpdl.watch import Watcher
    from sslpdl.watch import watch as run

    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.WARNING, format="%(asctime)sZ %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    logging.getLogger("sslpdl.watch").setLevel(logging.INFO)
    watcher = Watcher(
        folder, archive, model, forecast, profile=profile, grid=grid, statistics=statistics, patience=patience
    )
    if run(watcher, once=once, interval=interval):
        raise typer.Exit(1)


@app.command()
def info(archive: Archive) -> None:
    """Print what an archive holds: grid, channels, runs, lead times, gaps, QPE."""
    from sslpdl.archive import open_archive, summary

    typer.echo(summary(open_archive(archive)))


@app.command()
def pretrain(archive: Archive, out: Folder, config: Config = None, resume: Resume = True, quiet: Quiet = False) -> None:
    """Pre-train an encoder by hiding parts of the NWP fields and reconstructing them."""
    from sslpdl.training import pretrain as train

    folder = train(archive, config=config, out=out, resume=resume, progress=not quiet)
    typer.echo(f"Wrote the pre-trained model {folder}.")


@app.command()
def finetune(
    archive: Archive,
    out: Folder,
    config: Config = None,
    pretrained: Annotated[Path | None, typer.Option(help="Pre-trained model folder; without it, from scratch.")] = None,
    resume: Resume = True,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a pre-trained encoder to rain classes against QPE, and calibrate it."""
    from sslpdl.training import finetune as train

    folder = train(archive, config=config, out=out, pretrained=pretrained, resume=resume, progress=not quiet)
    typer.echo(f"Wrote the model {folder}.")


@app.command()
def forecast(archive: Archive, model: Model, out: Folder, init_time: InitTimes = None, quiet: Quiet = False) -> None:
    """Forecast rain probabilities for the runs of an archive (OUT ending in .nc: CF NetCDF, otherwise Zarr)."""
    from sslpdl.forecast import run, to_netcdf

    if out.suffix == ".nc":
        to_netcdf(run(archive, model, init_time=init_time, progress=not quiet), out)
    else:
        run(archive, model, init_time=init_time, out=out, progress=not quiet)
    typer.echo(f"Wrote {out}.")


@app.command()
def evaluate(
    archive: Archive,
    out: Folder,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Model folder to forecast with.")] = None,
    forecast: Annotated[
        list[Path] | None, typer.Option("--forecast", "-f", help="Stored forecast; may be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which part of the data this is, for the report.")] = "",
    replicates: Annotated[int, typer.Option(min=0, help="Bootstrap replicates of the intervals.")] = 1000,
    processes: Annotated[int, typer.Option(min=1, help="Processes to count with.")] = 1,
    dask: Annotated[
        str | None, typer.Option(help="Scheduler of a Dask cluster to count with: tcp://HOST:8786.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Verify forecasts against QPE beside raw NWP and climatology, and write a report."""
    from sslpdl.verify import evaluate as verify

    report = verify(
        archive,
        model=model,
        forecasts=forecast or [],
        out=out,
        split=split,
        replicates=replicates,
        processes=processes,
        dask=dask,
        progress=not quiet,
    )
    typer.echo(f"Wrote the report {report}.")


@app.command()
def experiment(
    config: Annotated[Path, typer.Argument(help="YAML file: data, pre-training, fine-tuning.", metavar="FILE")],
    out: Folder,
    row: Annotated[
        list[str] | None, typer.Option(help="Of a table, a row to run now; repeatable, all by default.", metavar="NAME")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run a whole chain from one file (data, pre-training, fine-tuning, forecast, scores), or a table of chains."""
    from sslpdl.training import experiment as run

    typer.echo(f"Wrote {run(config, out=out, rows=row or (), progress=not quiet)}.")


@app.command(name="app")
def dashboard(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings (YAML or TOML); keys are in docs/operation.md.")
    ] = None,
    archive: Annotated[Path | None, typer.Option(help="Archive to show; the August 2022 analogue by default.")] = None,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Model folder to forecast with.")] = None,
    forecast: Annotated[Path | None, typer.Option("--forecast", "-f", help="Stored forecast to show.")] = None,
    counts: Annotated[
        Path | None, typer.Option(help="Verification counts to show: file, or folder of a report.")
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="Folder of archives and forecasts to choose from; may be repeated.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; 5006 by default.")] = None,
    address: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT in a browser's address bar; repeatable.", metavar="HOST:PORT")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Path below which the page lies, as behind a proxy.")] = None,
    auth: Annotated[str | None, typer.Option(help="How visitors sign in: none, basic or oauth.")] = None,
    users: Annotated[Path | None, typer.Option(help="JSON file of names and passwords, for basic.")] = None,
    oauth_provider: Annotated[str | None, typer.Option(help="Provider by Panel's name, for oauth.")] = None,
    admin: Annotated[bool | None, typer.Option("--admin", help="Serve sessions and load at /admin.")] = None,
    show: Annotated[bool, typer.Option(help="Open a browser.")] = False,
) -> None:
    """Show raw NWP, probabilities and QPE side by side in a browser.

    An option goes before its environment variable (SSLPDL_PORT for --port), that before the file of --config or
    SSLPDL_CONFIG.  Secrets come from the environment only: SSLPDL_COOKIE_SECRET, SSLPDL_OAUTH_SECRET.
    """
    from sslpdl.dashboard import Settings, serve
    from sslpdl.dashboard.service import Service

    settings = Settings.from_environment(
        config=config, archive=archive, model=model, forecast=forecast, counts=counts, folders=folder
    )
    service = Service.from_environment(
        config=config,
        port=port,
        address=address,
        origins=origin,
        prefix=prefix,
        auth=auth,
        users=users,
        oauth_provider=oauth_provider,
        admin=admin,
    )
    serve(settings, service=service, show=show)


@app.command()
def doctor() -> None:
    """Say what is installed, which operator runs, where it was built from, and what is missing."""
    from sslpdl.ops.build import doctor as examine

    typer.echo(examine())


def _leads(text: str) -> list[int]:
    """Read ``first-last/step`` as lead times in hours."""
    from sslpdl.twin import lead_times

    try:
        return lead_times(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def _hours(text: str) -> list[float]:
    """Read ``12,12,2`` as hours."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of hours; write 12,12,2.") from None


def main() -> None:
    """Run the command line; a user's mistake ends with one sentence and status 2, an interruption with 130."""
    try:
        app()
    except SslpdlError as error:
        if _State.debug:
            raise
        sys.stderr.write(f"sslpdl: {error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("sslpdl: interrupted; run the same command again to go on.\n")
        raise SystemExit(130) from None
