"""Every case of the table of bad source files through the command line."""

from __future__ import annotations

import re

import pytest
from bad_input_cases import OUT, READER_CASES, BadInput

from sslpdl.cli import main


@pytest.mark.parametrize("case", READER_CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input_gives_one_sentence_and_status_2(case: BadInput, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.zarr"
    folder = tmp_path / "in"
    folder.mkdir()
    arguments = [str(out) if argument == OUT else argument for argument in case.arguments(folder)]
    monkeypatch.setattr("sys.argv", ["sslpdl", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capsys.readouterr()
    assert stop.value.code == 2, printed.err
    assert printed.out == ""
    assert printed.err.startswith("sslpdl: ") and printed.err.count("\n") == 1
    assert re.search(case.message, printed.err), printed.err
    assert not out.exists()
    assert not list(tmp_path.glob(".*.tmp"))
