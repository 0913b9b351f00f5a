"""The command line: help, versions of a mistake, statuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sslpdl.cli import app, main

VERBS = ("twin", "ingest", "info", "pretrain", "finetune", "forecast", "evaluate", "experiment", "app", "doctor")


def test_help_names_every_verb() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(re.search(rf"^  {verb} ", text, re.M) for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize("leads", ["6-1", "a-b", "", "1-6/0", "-3"])
def test_lead_times_that_are_none(leads: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["twin", str(tmp_path / "a.zarr"), f"--leads={leads}"])
    assert result.exit_code == 2
    assert "is not a list of lead times" in " ".join(result.output.split())


def test_a_mistake_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sslpdl", "info", str(tmp_path / "missing.zarr")], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("sslpdl: ")
    assert done.stderr.count("\n") == 1
    assert "missing.zarr" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sslpdl", "--debug", "info", str(tmp_path / "missing.zarr")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_an_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sslpdl.cli.app", interrupt)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    assert "run the same command again" in capsys.readouterr().err


def test_doctor_names_the_operator() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert re.search(r"operator\W+(cpu|cuda|reference)", result.output)
