"""`plan`: one row per technique and task, the reasons of what is skipped, and the time in all."""

import json

import pytest

from pets_eval.cli import main
from pets_eval.cli.plan import duration

STUDY = """\
name: planned
repeats: 3
limits: {timeout: 90}
datasets: [{use: hospitals}]
tasks: [{use: marginals}, {use: quantiles}]
techniques:
  - use: sampling
  - use: dp-laplace-marginals
    grid: {epsilon: [1, 2]}
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(STUDY)
    return str(path)


def test_rows_for_programs(study, capsys):
    assert main(["plan", study, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    cells = {(r["task"], r["technique"]): r["cells"] for r in rows}
    assert cells["marginals", "dp-laplace-marginals (epsilon=1)"] == 3
    assert cells["quantiles", "sampling (p=0.1)"] == 3
    assert {r["technique"] for r in rows if r["skip"]} == {f"dp-laplace-marginals (epsilon={e})" for e in (1, 2)}
    assert all(r["at_most_s"] == (0 if r["skip"] else 90 * r["cells"]) for r in rows)


def test_a_table_for_people(study, capsys):
    assert main(["plan", study, "--workers", "1"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["dataset", "task", "technique", "cells", "at", "most"]
    assert table[-1].startswith("skipped (2 cells): dp-laplace-marginals releases noisy counts")
    cells = sum(int(line.split()[-3]) for line in table[1:-1])
    assert last == (
        f"{cells + 2} cells with 1 worker: not known before a first run on this machine, "
        f"at most {duration(90.0 * cells)} by the study's time limit"
    )


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (0.5, "0.5 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h")])
def test_duration(seconds, words):
    assert duration(seconds) == words
