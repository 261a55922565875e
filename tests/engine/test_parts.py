"""Views per seat, taps, model owners, vertical splits, attachments, probes and reruns."""

from __future__ import annotations

import pytest

from pets_eval.run.journal import read_run
from pets_eval.run.store import load_held
from pets_eval.run.transcript import read_transcript


def scores(record, metric):
    return {(row.seat, row.statistic): row.value for row in record.scores[metric].rows}


def one(records, technique):
    (record,) = [r for r in records if r.spec.technique == technique and r.spec.kind == "cell"]
    return record


def test_a_party_in_its_own_process_writes_its_own_transcript(run):
    _, reporter, directory = run(techniques=[{"use": "test-two-process"}])
    record = one(reporter.records, "test-two-process")
    assert {(f.sender, f.receiver, f.label): f.messages for f in record.flows} == {
        ("alice", "bob", "please"): 1,
        ("bob", "alice", "count"): 5,
    }
    seen = scores(record, "test-view-size")
    assert seen["alice", "received"] == 5 and seen["bob", "received"] == 1
    assert seen["alice", "held"] == 1 and seen["bob", "held"] == 0
    assert seen["public", "received"] == 0
    home = directory / "confidential" / "cells" / record.identity
    messages = read_transcript(home / "spool", ["alice", "bob"])
    assert [(m.sender, m.sequence) for m in messages] == [("alice", 0), *(("bob", i) for i in range(5))]
    assert load_held(home / "held")["alice", "counts"].shape == (5,)
    assert record.cost.sent_bytes == sum(m.nbytes for m in messages)


def test_a_model_owner_and_a_released_model(run):
    parties = [{"name": "owner", "roles": ["model-owner", "computing"]}]
    _, reporter, _ = run(
        tasks=[{"use": "test-owned-model"}],
        techniques=[{"use": "test-owner-scores"}],
        parties=parties,
        metrics=["test-error", "test-view-size"],
    )
    record = one(reporter.records, "test-owner-scores")
    assert record.status == "finished" and record.release_kind == "model"
    assert scores(record, "test-error")["", ""] == 0.0
    assert scores(record, "test-view-size")["owner", "held"] == 1


def test_a_vertical_split_is_joined_by_the_unit_of_privacy(run):
    columns = {"clinic": ["size", "ill"], "tax office": ["income", "colour"]}
    _, reporter, directory = run(
        datasets=[{"use": "test-people", "partition": {"by": "vertical", "columns": columns}}],
        techniques=[{"use": "test-vertical"}],
    )
    record = one(reporter.records, "test-vertical")
    assert record.status == "finished"
    assert scores(record, "test-error")["", ""] == 0.0
    manifest, _ = read_run(directory)
    assert manifest.datasets["test-people"].layout == "vertical"
    spooled = read_transcript(directory / "confidential" / "cells" / record.identity / "spool")
    assert {m.payload for m in spooled} == {b"person,size,ill", b"person,colour,income"}


def test_an_attachment_is_verified_and_a_forged_one_is_not(run):
    _, reporter, _ = run(techniques=[{"use": "test-signed"}], metrics=["test-verified"])
    record = one(reporter.records, "test-signed")
    assert scores(record, "test-verified") == {("", "genuine"): 1.0, ("", "forged"): 0.0}
    assert one(reporter.records, "raw").scores["test-verified"].status == "not-applicable"


def test_seats_coalitions_and_the_ideal_server(run):
    _, reporter, _ = run(
        datasets=[{"use": "test-people", "partition": {"by": "iid", "parties": 3}}],
        techniques=[{"use": "test-masked-sum"}],
        coalitions=[["curator", "site-1"]],
    )
    record = one([r for r in reporter.records if r.spec.repeat == 0], "test-masked-sum")
    assert set(record.seats) == {"public", "curator", "site-1", "site-2", "site-3", "curator+site-1", "sum-only"}
    seen = scores(record, "test-view-size")
    assert seen["curator", "received"] == 3
    assert seen["sum-only", "received"] == 0 and seen["sum-only", "held"] == 1
    assert scores(record, "test-error")["", ""] == pytest.approx(0.0, abs=1e-9)
    assert record.cost.rounds == 1


def test_probe_cells_rerun_the_technique(run):
    _, reporter, _ = run(
        techniques=[{"use": "test-noisy", "params": {"scale": 4.0}}],
        metrics=["test-error", "test-rerun-spread"],
        repeats=1,
    )
    (probe,) = [r for r in reporter.records if r.spec.kind == "probe" and r.spec.technique == "test-noisy"]
    spread = scores(probe, "test-rerun-spread")["", ""]
    # 50 draws with standard deviation 4: 49 s^2 / 16 is chi-square(49); outside these with probability below 1e-6
    assert 4 * (14.0 / 50) ** 0.5 < spread < 4 * (110.0 / 50) ** 0.5
    (cell,) = [r for r in reporter.records if r.spec.kind == "cell" and r.spec.technique == "test-noisy"]
    assert "test-rerun-spread" not in cell.scores


def test_an_adversary_may_alter_messages_in_a_rerun(run):
    _, reporter, _ = run(
        datasets=[{"use": "test-people", "partition": {"by": "iid", "parties": 2}}],
        techniques=[{"use": "test-masked-sum"}],
        metrics=["test-tamper"],
    )
    (probe,) = [r for r in reporter.records if r.spec.technique == "test-masked-sum" and r.spec.kind == "probe"]
    assert scores(probe, "test-tamper")["", ""] == pytest.approx(10.0)


def test_phases_and_cost(run):
    _, reporter, _ = run(
        techniques=[{"use": "test-slow", "params": {"seconds": 0.3}}, {"use": "test-noisy"}], repeats=1
    )
    slow = one(reporter.records, "test-slow").cost
    assert 0.3 <= slow.wall_s < 2 and slow.cpu_s < 0.3
    noisy = one(reporter.records, "test-noisy").cost
    assert set(noisy.phases) == {"release"} and set(noisy.phases["release"]) == {"curator"}


def test_a_technique_that_does_not_apply_is_skipped_with_its_reason(run):
    _, reporter, _ = run(tasks=[{"use": "test-owned-model"}], techniques=[{"use": "test-plain"}])
    record = one(reporter.records, "test-plain")
    assert (record.status, record.reason) == ("skipped", "counts only")
