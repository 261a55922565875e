"""Scoring is separate from running."""

from __future__ import annotations

import pytest

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.journal import purge, read_run
from pets_eval.run.score import score_run
from pets_eval.run.verify import verify_run

from .conftest import Quiet


def test_a_metric_is_added_without_running_again(run):
    _, _, directory = run(metrics=["test-error"])
    before = {r.identity: (r.ended, r.cost) for r in read_run(directory)[1]}
    reporter = Quiet()
    score_run(directory, ["test-view-size"], probe=False, reporter=reporter)
    _, records = read_run(directory)
    assert {r.identity: (r.ended, r.cost) for r in records} == before
    assert all(set(r.scores) == {"test-error", "test-view-size"} for r in records)
    assert verify_run(directory) == []
    again = Quiet()
    score_run(directory, ["test-view-size"], probe=False, reporter=again)
    assert again.records == []


def test_running_again_with_another_metric_only_scores(run):
    _, _, directory = run(metrics=["test-error"])
    before = {r.identity: r.attempts for r in read_run(directory)[1]}
    _, reporter, _ = run(metrics=["test-error", "test-view-size"])
    assert len(reporter.records) == len(before)
    assert {r.identity: r.attempts for r in read_run(directory)[1]} == before


def test_probes_are_added_on_demand(run):
    _, _, directory = run(metrics=["test-error"], techniques=[{"use": "test-noisy"}])
    with pytest.raises(PetsEvalError, match="--probe"):
        score_run(directory, ["test-rerun-spread"], probe=False, reporter=Quiet())
    score_run(directory, ["test-rerun-spread"], probe=True, reporter=Quiet())
    probes = [r for r in read_run(directory)[1] if r.spec.kind == "probe"]
    assert {r.spec.technique for r in probes} == {"raw", "null", "test-noisy"}
    assert verify_run(directory) == []


def test_a_purged_run_keeps_its_records_and_says_why_it_cannot_be_scored(run):
    _, _, directory = run(metrics=["test-error"])
    assert purge(directory) > 0
    assert not (directory / "confidential").exists()
    assert verify_run(directory) == []
    with pytest.raises(PetsEvalError, match="purged"):
        score_run(directory, ["test-view-size"], probe=False, reporter=Quiet())


def test_a_purged_run_stays_purged_and_sound_when_run_again(run):
    _, _, directory = run(metrics=["test-error"])
    purge(directory)
    _, reporter, _ = run(metrics=["test-error"])
    assert reporter.records == [] and not (directory / "confidential").exists()
    assert verify_run(directory) == []
    _, reporter, _ = run(metrics=["test-error"], techniques=[{"use": "test-plain"}, {"use": "test-slow"}])
    assert {r.spec.technique for r in reporter.records} == {"test-slow"}
    assert verify_run(directory) == []


def test_probes_outlive_the_next_run(run):
    _, _, directory = run(metrics=["test-error"], techniques=[{"use": "test-noisy"}])
    score_run(directory, ["test-rerun-spread"], probe=True, reporter=Quiet())
    run(metrics=["test-error"], techniques=[{"use": "test-noisy"}, {"use": "test-slow"}])
    assert len([r for r in read_run(directory)[1] if r.spec.kind == "probe"]) == 3


def test_planned_probes_are_not_run_without_being_asked_for(run):
    _, _, directory = run(metrics=["test-error"], techniques=[{"use": "test-noisy"}])
    score_run(directory, ["test-rerun-spread"], probe=True, reporter=Quiet())
    for record in read_run(directory)[1]:
        if record.spec.kind == "probe":
            (directory / "cells" / f"{record.identity}.json").unlink()
    reporter = Quiet()
    score_run(directory, ["test-error"], probe=False, reporter=reporter)
    assert reporter.records == []
