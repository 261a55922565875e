"""Infinities keep their sign from the metric to the page, and every file on the way is strict JSON."""

import json
import math

import jsonschema
import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.model.evidence import Estimate, Score
from pets_eval.model.record import MetricResult, RunRecord, ScoreRow
from pets_eval.report.as_json import to_json
from pets_eval.report.chart import chart_svg
from pets_eval.report.model import Position
from pets_eval.report.scale import Scale
from pets_eval.report.schemas import schema_texts
from pets_eval.report.scorecard import scorecard
from pets_eval.run.files import write_json
from pets_eval.run.journal import dump, read_record

INF = math.inf
ENDS = [(INF, INF, INF), (-INF, -INF, -INF), (1.0, -INF, INF), (1.0, 0.5, INF), (-INF, -INF, 3.0), (0.0, -0.5, 0.5)]


def strict(text):
    """The value of a JSON text; the bare words NaN and Infinity are refused."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(("value", "low", "high"), ENDS)
def test_a_row_is_what_the_metric_found(value, low, high):
    row = ScoreRow.of(Score(Estimate(value, low, high, note="n")))
    assert (row.value, row.low, row.high, row.note) == (value, low, high, "n")
    estimate = row.estimate()
    assert (estimate.value, estimate.low, estimate.high, estimate.note) == (value, low, high, "n")


def test_nan_is_null_and_nothing_else():
    row = ScoreRow.of(Score(Estimate.missing("infinite")))
    assert (row.value, row.low, row.high, row.note) == (None, None, None, "infinite")
    assert math.isnan(row.estimate().value)
    for wrong in (math.nan, "NaN"):
        with pytest.raises(ValueError, match="null, not NaN"):
            ScoreRow(value=wrong)


@pytest.mark.parametrize(("value", "low", "high"), ENDS)
def test_records_survive_the_journal(example, tmp_path, value, low, high):
    record = example.record(scores=example.scores(mean_absolute_error=example.row(value, low, high, method="x")))
    raw = dump(record)
    plain = strict(raw)
    jsonschema.validate(plain, json.loads(schema_texts()["run-record.schema.json"]))
    (tmp_path / "a.json").write_bytes(raw)
    assert read_record(tmp_path / "a.json") == record
    assert RunRecord.model_validate_json(record.model_dump_json(by_alias=True)) == record


@pytest.mark.parametrize(("value", "low", "high"), ENDS)
def test_results_survive_the_outcome_file_of_a_cell(example, tmp_path, value, low, high):
    result = example.scores(mean_absolute_error=example.row(value, low, high, method="x"))["mean-absolute-error"]
    write_json(tmp_path / "out.json", result.model_dump(mode="json"))
    assert MetricResult.model_validate(strict((tmp_path / "out.json").read_text())) == result


def test_no_other_word_is_accepted_by_the_schema(example):
    record = strict(dump(example.record(scores=example.scores(wall_time=INF))))
    schema = json.loads(schema_texts()["run-record.schema.json"])
    jsonschema.validate(record, schema)
    record["scores"]["wall-time"]["rows"][0]["value"] = "NaN"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, schema)


@pytest.fixture
def card(example):
    rows = {"raw": (INF, 0), "null": (0.5, -INF), "dp-a": (1.0, 3.0), "dp-b": (-INF, example.row(5, -INF, INF))}
    records = [
        example.record(t, scores=example.scores(claimed_epsilon=x, mean_absolute_error=y, peak_memory=x))
        for t, (x, y) in rows.items()
    ]
    return scorecard(example.manifest(records), records, load_guideline("core"))


def test_the_scorecard_is_strict_json(card):
    plain = strict(to_json(card))
    jsonschema.validate(plain, json.loads(schema_texts()["scorecard.schema.json"]))
    found = {f["technique"]: f["value"] for f in plain["figures"] if f["metric"] == "claimed-epsilon"}
    assert found == {"raw": "Infinity", "null": 0.5, "dp-a": 1.0, "dp-b": "-Infinity"}


def test_the_page_tells_the_sign(card):
    from pets_eval.report.html import to_html

    html = to_html(card)
    assert "<td>minus infinite" in html
    assert "<td>infinite" in html
    assert "minus infinite to infinite" in html
    assert "infinite TB" not in html


def test_a_chart_has_a_place_for_each(card):
    (chart,) = card.tradeoffs
    svg = chart_svg(chart)
    assert "nan" not in svg
    assert '"inf' not in svg
    assert ">−infinite<" in svg
    assert ">infinite<" in svg


@pytest.mark.parametrize(("start", "end"), [(0.0, 400.0), (400.0, 0.0)])
def test_the_strips_are_in_order(start, end):
    values = [-INF, 0.0, 0.01, 10.0, INF, None]
    positions = [Position(value=v, low=None, high=None) for v in values]
    scale = Scale(positions, start, end)
    assert scale.log
    at = [scale.place(p) for p in positions]
    assert at == sorted(at, reverse=start > end)
    assert len(set(at)) == len(values)
    assert all(min(start, end) < a < max(start, end) for a in at)
    assert {t.at for t in scale.ticks() if t.strip} == {at[0], at[1], at[4], at[5]}
