"""Command line of the course: ``python -m sslpdl.teaching html OUT`` and ``student OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sslpdl.errors import SslpdlError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Web pages and student edition of the notebooks.")

_NOTEBOOKS = Path("notebooks")
Source = Annotated[Path, typer.Option(help="Folder of the notebooks.")]


@app.command("html")
def site(
    out: Path,
    source: Source = _NOTEBOOKS,
    pictures: Annotated[Path | None, typer.Option(help="Folder for the pictures of the map of the course.")] = None,
) -> None:
    """Execute all notebooks and write them as a site that needs no network."""
    from sslpdl.teaching.site import build_site

    index = build_site(source, out, pictures=pictures)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    typer.echo(f"Wrote {index} ({size:.1f} MB).")


@app.command()
def student(out: Path, source: Source = _NOTEBOOKS) -> None:
    """Write the notebooks without solutions and answers."""
    from sslpdl.teaching.student import student_edition

    typer.echo(f"Wrote {len(student_edition(source, out))} notebooks to {out}.")


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except SslpdlError as error:
        raise SystemExit(f"Error: {error}") from error
