"""The scorecard as a value, and the reports as files."""

import json
import random
import time

import jsonschema
import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.model import PetsEvalError
from pets_eval.model.record import Artifact, Planned
from pets_eval.report.as_json import to_json
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.schemas import schema_texts
from pets_eval.report.scorecard import scorecard
from pets_eval.report.write import write_reports


@pytest.fixture(scope="module")
def card(example):
    return scorecard(*example.rich(), load_guideline("core"))


def write_run(directory, manifest, records):
    """A run directory as the runner leaves it."""
    (directory / "cells").mkdir(parents=True)
    (directory / "run.json").write_text(manifest.model_dump_json(by_alias=True))
    for r in records:
        (directory / "cells" / f"{r.identity}.json").write_text(r.model_dump_json(by_alias=True))


@pytest.mark.parametrize("make", [to_json, to_markdown, to_html])
def test_same_input_same_bytes_whatever_the_order(example, card, make):
    manifest, records = example.rich()
    random.Random(1).shuffle(records)
    assert make(scorecard(manifest, records, load_guideline("core"))) == make(card)


def test_it_validates_against_its_published_schema(card):
    schema = json.loads(schema_texts()["scorecard.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(to_json(card)), schema)


def test_counts_and_every_bad_end_is_listed(example, card):
    _, records = example.rich()
    bad = [r for r in records if r.status != "finished"]
    assert card.counts.planned == len(records)
    assert card.counts.finished == len(records) - len(bad)
    assert sum(card.counts.ended.values()) == len(bad)
    assert {(e.identity, e.status, e.reason) for e in card.ended} == {(r.identity, r.status, r.reason) for r in bad}


def test_what_broke_on_finished_cells_is_listed_everywhere(example):
    """A metric that failed in some repeats only, one that failed in an audit, and a remark on a cell."""
    failed = example.scores(mean_absolute_error="failed: ValueError in error.py", wall_time=1.0)
    records = [
        example.record(repeat=0, scores=example.scores(mean_absolute_error=1)),
        example.record(repeat=1, scores=failed),
        example.record(repeat=2, scores=failed, reason="scoring crashed: signal 9"),
        example.record(kind="probe", probe="noise-fit", scores=example.scores(noise_fit="failed: no noise")),
    ]
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    assert [(b.repeat, b.probe, b.metric, b.reason) for b in card.broken] == [
        (1, "", "mean-absolute-error", "ValueError in error.py"),
        (2, "", "", "scoring crashed: signal 9"),
        (2, "", "mean-absolute-error", "ValueError in error.py"),
        (0, "noise-fit", "noise-fit", "no noise"),
    ]
    assert {b.identity for b in card.broken} == {r.identity for r in records[1:]}
    html = to_html(card).partition('id="ended"')[2].partition("</section>")[0]
    markdown = to_markdown(card).partition("## 5.")[2].partition("## 6.")[0]
    assert to_html(card).count("failed, see section 5") == to_markdown(card).count("failed, see section 5") == 1
    for page in (html, markdown):
        for told in ("ValueError in error.py", "scoring crashed: signal 9", "no noise", "2nd, 3rd", "audit: noise-fit"):
            assert told in page
    assert "something went wrong on 3 of those that finished" in to_html(card)
    assert "something went wrong on 3 of those that finished" in to_markdown(card)


def test_a_run_without_a_flaw_lists_none(example):
    records = [example.record(scores=example.scores(mean_absolute_error=1))]
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    assert card.broken == []
    assert "went wrong" not in to_html(card) + to_markdown(card)


def test_a_planned_cell_without_a_record_is_listed(example):
    records = [example.record(repeat=i) for i in range(3)]
    plan = [Planned(identity=r.identity, spec=r.spec) for r in records]
    card = scorecard(example.manifest(records, plan=plan), records[:2], load_guideline("core"))
    assert [(e.status, e.repeat) for e in card.ended] == [("not-run", 2)]
    assert card.counts.planned == 3
    verdict = next(v for v in card.verdicts if v.criterion == "PV-05")
    assert verdict.verdict == "fail"


def test_warnings(card):
    by_name = {d.name: " ".join(d.warnings) for d in card.datasets}
    assert "survey with weights (WTMEC2YR)" in by_name["nhanes"]
    assert "generated" in by_name["hospitals"]
    assert "read from the data" in by_name["hospitals"]


def test_anchors_come_first_and_labels_stay_apart(example):
    records = [
        example.record(params={"k": 1}, label="dp-noise"),
        example.record(params={"k": 2}, label="dp-noise", repeat=1),
        example.record("raw"),
    ]
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    assert [t.label for t in card.techniques] == ["raw", 'dp-noise {"k": 1}', 'dp-noise {"k": 2}']


def test_a_run_in_which_nothing_finished_still_reports(example):
    records = [example.record(status="failed", reason="no")]
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    assert "No cell finished" in to_html(card)
    assert "No cell finished" in to_markdown(card)


def test_write_reports(example, tmp_path):
    manifest, records = example.small()
    kept = Artifact(path="confidential/releases/1/release.parquet", sha256="ab" * 32, nbytes=10)
    records = [r.model_copy(update={"artifacts": [kept]}) for r in records]
    write_run(tmp_path / "out", manifest, records)
    paths = write_reports(tmp_path / "out")
    assert [p.name for p in paths] == ["scorecard.json", "scorecard.md", "scorecard.html"]
    before = [p.read_bytes() for p in paths]
    assert write_reports(tmp_path / "out") == paths
    assert [p.read_bytes() for p in paths] == before
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "cells",
        "guideline.yaml",
        "run.json",
        "scorecard.html",
        "scorecard.json",
        "scorecard.md",
    ]
    for p in paths:
        assert "confidential/" not in p.read_text()
        assert kept.sha256 not in p.read_text()


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(PetsEvalError, match="is not a run"):
        write_reports(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_thousand_cells_in_five_seconds(example, tmp_path):
    manifest, records = example.rich(repeats=14, tasks=("marginals", "group-means", "classification", "four", "five"))
    assert len(records) >= 1000
    write_run(tmp_path / "out", manifest, records)
    start = time.perf_counter()
    write_reports(tmp_path / "out")
    assert time.perf_counter() - start < 5
