"""Stopping anywhere loses at most the running cells; going on gives what an uninterrupted run gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.journal import lock, read_run
from pets_eval.run.verify import verify_run

TECHNIQUES = [
    {"use": "test-noisy", "grid": {"scale": [1.0, 2.0, 3.0]}},
    {"use": "test-slow", "params": {"seconds": 0.3}},
]


def seeded_results(directory: Path) -> dict[str, object]:
    _, records = read_run(directory)
    return {
        r.identity: (r.spec.model_dump_json(), r.status, {n: s.model_dump_json() for n, s in r.scores.items()})
        for r in records
    }


@pytest.mark.parametrize("wait", [0.2, 1.0])
def test_kill_and_go_on(run, study, tmp_path, wait):
    _, _, reference = run("whole", techniques=TECHNIQUES, repeats=5)
    file = study(techniques=TECHNIQUES, repeats=5)
    target = tmp_path / "killed"
    script = (
        "import sys; from pathlib import Path\n"
        "from pets_eval.run.studyfile import read_study; from pets_eval.run.runner import run_study\n"
        "class Mute:\n"
        "    def start(self, *a): pass\n"
        "    def note(self, *a): pass\n"
        "    def cell(self, record): print(record.identity, flush=True)\n"
        "run_study(read_study(Path(sys.argv[1])), Path(sys.argv[2]), reporter=Mute())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(file.path), str(target)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ.copy(),
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first record is written
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = len(list((target / "cells").glob("*.json")))
    total = len(list((reference / "cells").glob("*.json")))
    assert 0 < before < total, "the kill did not fall into the middle of the run"

    summary, reporter, _ = run("killed", techniques=TECHNIQUES, repeats=5)
    assert len(reporter.records) == total - before, "a finished cell was run twice, or one was lost"
    assert seeded_results(target) == seeded_results(reference)
    assert verify_run(target) == []
    assert summary.unfinished == 0
    for _ in range(100):
        if not _left_over(target):
            return
        time.sleep(0.1)
    raise AssertionError("children of the killed run are still there")


def test_interrupt_and_go_on(study, run, tmp_path):
    file = study(techniques=TECHNIQUES, repeats=5)
    target = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "pets_eval", "run", str(file.path), "-o", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((target / "cells").glob("*.json")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told and "goes on from there" in told
    before = len(list((target / "cells").glob("*.json")))
    summary, reporter, _ = run(techniques=TECHNIQUES, repeats=5)
    assert before > 0 and len(reporter.records) == sum(summary.counts.values()) - before
    assert verify_run(target) == []


def _left_over(target: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if str(target) in line:
                found.append(process.name)
    return found


def test_running_again_does_nothing(run):
    run()
    start = time.perf_counter()
    summary, reporter, directory = run()
    assert reporter.records == [] and summary.resumed == summary.counts["finished"]
    assert verify_run(directory) == []
    assert time.perf_counter() - start < 30  # a bound against hanging, not a timing


def test_a_changed_grid_runs_only_what_is_new(run):
    run(techniques=[{"use": "test-noisy", "grid": {"scale": [1.0]}}])
    _, reporter, directory = run(techniques=[{"use": "test-noisy", "grid": {"scale": [1.0, 9.0]}}])
    assert {r.spec.params.get("scale") for r in reporter.records} == {9.0}
    assert verify_run(directory) == []


def test_adding_a_technique_changes_nobodys_draws(run):
    _, _, alone = run("alone", techniques=[{"use": "test-noisy"}])
    _, _, together = run("together", techniques=[{"use": "test-masked-sum"}, {"use": "test-noisy"}])
    ours = seeded_results(alone)
    assert {k: v for k, v in seeded_results(together).items() if k in ours} == ours


def test_a_second_run_says_who_holds_the_directory(run, tmp_path):
    directory = tmp_path / "out"
    directory.mkdir()
    with lock(directory), pytest.raises(PetsEvalError, match=f"in use by process {os.getpid()} on "):
        run()


def test_another_study_is_refused(run):
    run()
    with pytest.raises(PetsEvalError, match="holds the study 'engine test'"):
        run(name="another")


def test_a_folder_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("keep me")
    with pytest.raises(PetsEvalError, match="not empty and is not a run"):
        run()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["precious.txt"]


def test_a_study_that_cannot_begin_leaves_nothing(run, tmp_path):
    with pytest.raises(PetsEvalError):
        run(datasets=[{"use": "test-people", "control": 0.0001}])
    assert not (tmp_path / "out").exists()


def test_the_index_is_rebuilt_from_the_documents(run):
    _, _, directory = run()
    (directory / "index.sqlite").write_bytes(b"not a database at all" * 100)
    _, reporter, _ = run()
    assert reporter.records == []
    assert verify_run(directory) == []


def test_verify_finds_loss_and_alteration(run):
    _, records = read_run(run()[2])
    directory = run()[2]
    first, second, third = (directory / "cells" / f"{r.identity}.json" for r in records[:3])
    first.unlink()
    document = json.loads(second.read_text())
    document["cost"]["wall-s"] = 0.0
    second.write_text(json.dumps(document))
    kept = directory / "confidential" / json.loads(third.read_text())["artifacts"][0]["path"]
    kept.write_bytes(kept.read_bytes() + b"x")
    problems = verify_run(directory)
    assert [p.split(":")[0] for p in problems] == ["lost", "altered", "altered"]
