"""Tables: aligned, no column that says nothing, no control character, one line per row where nobody reads along."""

import json
import os

from pets_eval.cli import table
from pets_eval.cli.table import print_json, print_table


def test_columns_are_aligned_and_empty_ones_left_out(capsys):
    print_table(
        [
            {"name": "a", "n": 5, "gap": "", "x": 0.123456, "about": "first"},
            {"name": "longer", "n": 1000, "gap": None, "x": 12.0, "about": "second"},
        ]
    )
    assert capsys.readouterr().out == (
        "name       n       x  about\n"
        "a          5  0.1235  first\n"
        "longer  1000      12  second\n"
    )  # fmt: skip


def test_no_rows_print_nothing(capsys):
    print_table([])
    assert capsys.readouterr().out == ""


def test_control_characters_cannot_reach_the_terminal(capsys):
    print_table([{"name": "a\x1b[31m\nb", "list": ["x", "y"], "flag": True, "end": None, "last": "z"}])
    assert capsys.readouterr().out.splitlines()[1] == "a?[31m?b  x, y   yes  z"


def test_the_last_column_wraps_on_a_terminal_only(capsys, monkeypatch):
    rows = [{"name": "a", "about": "word " * 20}]
    print_table(rows, indent=2)
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr(table.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(table.shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))
    print_table(rows, indent=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 40 for line in lines)
    assert all(line.startswith(" " * 8 + "word") for line in lines[2:])


def test_json_has_no_nan(capsys):
    print_json([{"a": 1, "b": None}])
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "b": None}]
