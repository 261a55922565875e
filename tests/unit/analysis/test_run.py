"""A run directory as tables and figures."""

import math
from xml.etree import ElementTree

import pytest

from pets_eval import open_run
from pets_eval.model import PetsEvalError


@pytest.fixture(scope="module")
def made(example):
    return example.rich()


def written(directory, manifest, records):
    """The run of these records, read back from *directory*."""
    (directory / "cells").mkdir()
    (directory / "run.json").write_text(manifest.model_dump_json(by_alias=True))
    for r in records:
        (directory / "cells" / f"{r.identity}.json").write_text(r.model_dump_json(by_alias=True))
    return open_run(str(directory))


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    return written(tmp_path_factory.mktemp("run"), *made)


def test_cells_are_one_row_per_record(run, made):
    _, records = made
    assert len(run.cells) == len(records)
    assert run.cells.status.value_counts().to_dict()["finished"] == sum(r.status == "finished" for r in records)
    laplace = run.cells.query("name == 'dp-laplace-marginals'")
    assert sorted(laplace.param_epsilon.unique()) == [0.1, 1.0, 10.0]


def test_scores_hold_every_row(run, made):
    _, records = made
    assert len(run.scores) == sum(len(m.rows) for r in records for m in r.scores.values())
    one = records[40]
    mine = run.scores.query("identity == @one.identity and metric == 'wall-time'")
    assert mine.value.item() == one.scores["wall-time"].rows[0].value


def test_unmeasured_is_nan_and_infinite_is_not(example, tmp_path):
    rows = [example.row(-math.inf), example.row(math.inf), example.row(None, method="none", note="x")]
    records = [example.record(repeat=i, scores=example.scores(mean_absolute_error=r)) for i, r in enumerate(rows)]
    values = written(tmp_path, example.manifest(records), records).scores.value
    assert list(values[:2]) == [-math.inf, math.inf]
    assert math.isnan(values[2])


def test_claims_and_costs(run, made):
    _, records = made
    finished = sum(r.status == "finished" for r in records)
    assert len(run.claims) == finished
    assert set(run.claims.query("technique == 'dp-laplace-marginals (epsilon=1)'").claimed_epsilon) == {1.0}
    assert len(run.costs) == finished
    assert set(run.costs.wall_s) == {1.0}


def test_what_rests_on_a_violated_assumption_is_not_proven(example, tmp_path):
    weak = example.dp(1.0, hazards=["bounds were read from the data"])
    records = [example.record(guarantee=weak), example.record("dp-sound", guarantee=example.dp(1.0))]
    claims = written(tmp_path, example.manifest(records), records).claims.set_index("technique")
    assert claims.proven.to_dict() == {"dp-noise": False, "dp-sound": True}
    assert claims.status.to_dict() == {"dp-noise": "proven, but an assumption is violated here", "dp-sound": "proven"}


def test_scorecard_and_repr(run, made):
    card = run.scorecard()
    assert card.counts.planned == len(made[1])
    assert "finished" in repr(run)


def test_figure(run):
    figure = run.figure("marginals", dataset="nhanes")
    root = ElementTree.fromstring(figure._repr_svg_())
    assert root.get("role") == "img"
    assert "<table>" in figure._repr_html_()
    table = figure.table.set_index("technique")
    assert table.loc["raw", "x"] == math.inf
    assert table.loc["raw", "y"] == 0
    assert math.isnan(table.loc["null", "x"])
    assert table.loc["dp-laplace-marginals (epsilon=0.1)", "x"] == 0.1


def test_figure_of_other_metrics(run, tmp_path):
    figure = run.figure("marginals", x="exact-cell-disclosure", y="mean-relative-error")
    assert (figure.data.x.metric, figure.data.y.metric) == ("exact-cell-disclosure", "mean-relative-error")
    assert ElementTree.parse(figure.save(tmp_path / "c.svg")).getroot().tag.endswith("svg")
    ids = {f._repr_svg_().split('"')[5] for f in (figure, run.figure("marginals"))}
    assert len(ids) == 2, "two charts in a notebook have different ids"


def test_mistakes(run, tmp_path):
    with pytest.raises(PetsEvalError, match=r"no task 'marginal' .did you mean 'marginals'"):
        run.figure("marginal")
    with pytest.raises(PetsEvalError, match="too few techniques have figures"):
        run.figure("marginals", x="auroc")
    with pytest.raises(PetsEvalError, match="is not a run"):
        open_run(str(tmp_path))


def test_nothing_to_draw_is_one_sentence(example, tmp_path):
    """Without figures of privacy, and with a guideline that prefers none."""
    records = [example.record(t, scores=example.scores(mean_absolute_error=1)) for t in ("raw", "null")]
    run = written(tmp_path, example.manifest(records), records)
    (tmp_path / "guideline.yaml").write_text(
        "schema: pets-eval/guideline/1\nid: x\ntitle: X\nversion: 1.0.0\ncriteria:\n- id: AA-01\n  text: T\n"
        "  families: [all]\n  evidence: measured\n  check: {report: [wall-time]}\n  sources: [S]\n"
    )
    with pytest.raises(PetsEvalError, match="no figure of privacy to draw"):
        run.figure("counts", y="mean-absolute-error")


def test_empty_run(example, tmp_path):
    manifest, _ = example.small()
    (tmp_path / "run.json").write_text(manifest.model_dump_json(by_alias=True))
    run = open_run(str(tmp_path))
    for frame in (run.cells, run.scores, run.claims, run.costs):
        assert frame.empty
        assert "identity" in frame.columns
