"""A cell that misbehaves becomes a record with its reason; nobody else is harmed, and nothing confidential gets out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.journal import read_run

PLANTED = "XQZ-PLANTED"


def test_four_ways_to_fail(run):
    faulty = ["test-segfault", "test-sleep", "test-hog", "test-raise"]
    summary, reporter, _ = run(
        techniques=[{"use": name} for name in (*faulty, "test-plain")], limits={"timeout": 4, "memory": 0.4}
    )
    by_name = {r.spec.technique: r for r in reporter.records}
    assert {n: by_name[n].status for n in faulty} == {
        "test-segfault": "crashed",
        "test-sleep": "timed-out",
        "test-hog": "out-of-memory",
        "test-raise": "failed",
    }
    assert "SIGSEGV" in by_name["test-segfault"].reason
    assert "time limit of 4 s" in by_name["test-sleep"].reason
    assert "memory limit of 0.4 GB" in by_name["test-hog"].reason
    assert by_name["test-raise"].reason.startswith("ValueError in pets_testbed/faulty.py, line ")
    assert {by_name[n].status for n in ("raw", "null", "test-plain")} == {"finished"}
    assert summary.unfinished == 4


def test_a_grandchild_in_a_group_of_its_own_is_killed(run, tmp_path):
    pid_file = tmp_path / "pid"
    _, reporter, _ = run(
        techniques=[{"use": "test-grandchild", "params": {"pid_file": str(pid_file)}}], limits={"timeout": 3}
    )
    assert {r.spec.technique: r.status for r in reporter.records}["test-grandchild"] == "timed-out"
    pid = int(pid_file.read_text())
    for _ in range(50):
        if not _alive(pid):
            return
        time.sleep(0.1)
    raise AssertionError("the grandchild outlived its cell")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_raw_value_leaves_the_confidential_folder(run):
    _, reporter, directory = run(
        techniques=[{"use": "test-raise"}, {"use": "test-plain"}], metrics=["test-broken", "test-error"]
    )
    results = {r.spec.technique: r for r in reporter.records}
    assert results["test-plain"].scores["test-broken"].status == "failed"
    assert results["test-plain"].scores["test-error"].status == "measured"
    confidential = directory / "confidential"
    assert confidential.stat().st_mode & 0o777 == 0o700
    found_inside = False
    for path in directory.rglob("*"):
        if path.is_file():
            holds = PLANTED.encode() in path.read_bytes()
            if confidential in path.parents:
                found_inside = found_inside or holds
            else:
                assert not holds, f"{path.name} quotes a row"
    assert found_inside, "the search would not have found anything anywhere"


def test_failed_cells_are_tried_again_and_finished_ones_are_not(run):
    run(techniques=[{"use": "test-raise"}, {"use": "test-plain"}])
    _, reporter, directory = run(techniques=[{"use": "test-raise"}, {"use": "test-plain"}])
    assert [r.spec.technique for r in reporter.records] == ["test-raise"]
    _, records = read_run(directory)
    assert {r.spec.technique: r.attempts for r in records if r.spec.technique == "test-raise"} == {"test-raise": 2}


def test_nothing_is_left_running(run):
    before = _children()
    run(techniques=[{"use": "test-plain"}])
    assert _children() <= before


def _children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(p) for p in listed.read_text().split()}


def test_a_daemon_does_not_outlive_its_cell(run, tmp_path):
    pid_file = tmp_path / "pid"
    _, reporter, _ = run(techniques=[{"use": "test-daemon", "params": {"pid_file": str(pid_file)}}], repeats=1)
    assert {r.spec.technique: r.status for r in reporter.records}["test-daemon"] == "finished"
    assert not _alive(int(pid_file.read_text()))


def test_a_metric_that_takes_its_process_down_takes_no_other_score(run):
    summary, reporter, _ = run(
        techniques=[{"use": "test-plain"}], metrics=["test-error", "test-crash", "test-view-size"], repeats=1
    )
    for record in reporter.records:
        assert record.status == "finished"
        assert {n: r.status for n, r in record.scores.items()} == {
            "test-error": "measured",
            "test-crash": "failed",
            "test-view-size": "measured",
        }
        assert "SIGSEGV" in record.scores["test-crash"].reason
    assert summary.failed_metrics == len(reporter.records) == 3


def test_what_is_almost_a_release_fails_its_cell_only(run):
    techniques = [{"use": "test-malformed", "grid": {"how": ["kind", "notes", "weight", "nothing"]}}]
    _, reporter, _ = run(techniques=[*techniques, {"use": "test-plain"}], repeats=1)
    statuses = {r.spec.params.get("how", r.spec.technique): r for r in reporter.records}
    for how, words in (
        ("kind", "kind and value do not belong together"),
        ("notes", "notes that are not texts"),
        ("weight", "weight is not a positive number"),
        ("nothing", "returned a NoneType, not a Release"),
    ):
        assert statuses[how].status == "failed" and words in statuses[how].reason
    assert statuses["test-plain"].status == "finished"


def test_cpu_of_a_child_that_is_never_waited_for_is_counted_and_no_memory_is_invented(run):
    _, reporter, _ = run(techniques=[{"use": "test-spinner"}], repeats=1)
    cost = {r.spec.technique: r.cost for r in reporter.records}["test-spinner"]
    assert 0.7 < cost.cpu_s < 2.5
    assert cost.peak_bytes < 100e6


def test_a_limit_holds_also_for_a_peak_that_nobody_saw(run):
    _, reporter, _ = run(techniques=[{"use": "test-noisy"}], limits={"memory": 1e-9}, repeats=1)
    assert {r.status for r in reporter.records if r.spec.technique == "test-noisy"} == {"out-of-memory"}


def test_a_source_that_quotes_a_row_in_its_error(run, tmp_path):
    with pytest.raises(PetsEvalError) as told:
        run(datasets=[{"use": "test-broken-source"}])
    assert PLANTED not in str(told.value) and "ValueError in pets_testbed/data.py" in str(told.value)
    assert told.value.__cause__ is None
    assert not (tmp_path / "out").exists()
