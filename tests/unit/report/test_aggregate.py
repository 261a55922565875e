"""Repeats become figures: against scipy, statsmodels, and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pets_eval.guideline.subject import labeller
from pets_eval.report.aggregate import aggregate


@pytest.fixture
def figures(example):
    """The figures of one technique whose repeats gave these results for one metric."""

    def figures(*values, metric="mean_absolute_error"):
        records = [example.record(repeat=i, scores=example.scores(**{metric: v})) for i, v in enumerate(values)]
        return aggregate(records, labeller([r.spec for r in records]))

    return figures


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_mean_and_t_interval_are_scipys(figures, n):
    values = np.random.default_rng(n).normal(10, 3, n)
    (f,) = figures(*values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose([f.value, f.low, f.high], [values.mean(), max(low, 0), high], rtol=1e-12)
    assert (f.n, f.level) == (n, 0.95)


def test_equal_repeats_have_no_width(figures):
    (f,) = figures(0.1, 0.1, 0.1)
    assert (f.value, f.low, f.high) == (0.1, 0.1, 0.1)


def test_one_repeat_keeps_its_own_interval(figures, example):
    (f,) = figures(example.row(0.5, 0.3, 0.8, n=40, method="wilson"))
    assert (f.value, f.low, f.high, f.method, f.n) == (0.5, 0.3, 0.8, "wilson", 40)


def test_own_intervals_are_not_lost_by_repeating(figures, example):
    """Three equal repeats on one data set do not make its sampling error vanish."""
    (f,) = figures(*[example.row(0.5, 0.3, 0.8, method="wilson")] * 3)
    assert (f.value, f.low, f.high) == (0.5, pytest.approx(0.3), pytest.approx(0.8))
    assert "widened" in f.method
    (f,) = figures(example.row(0.5, 0.3, None, method="x"), example.row(0.5, 0.3, 0.8, method="x"))
    assert f.high is None, "an unbounded end stays unbounded"


def test_unmeasured_repeats_are_left_out_and_said(figures, example):
    (f,) = figures(1.0, example.row(None, method="none", note="empty"), 3.0)
    assert (f.value, f.n) == (2.0, 2)
    assert "measured in 2 of 3 repeats" in f.note
    assert "empty" in f.note
    (f,) = figures(example.row(None, method="none", note="empty"))
    assert math.isnan(f.number)
    assert f.note == "empty"


def test_a_metric_that_fails_in_some_repeats(figures):
    (f,) = figures(1.0, "failed: ValueError", 3.0)
    assert (f.value, f.status) == (2.0, "measured")
    assert "failed in 1 more repeats: ValueError" in f.note
    (f,) = figures("failed: ValueError", "not-applicable: no")
    assert (f.status, f.value) == ("failed", None)


def test_infinite(figures):
    (f,) = figures(math.inf, math.inf, metric="claimed_epsilon")
    assert f.infinite
    assert f.value is None
    assert f.number == math.inf


def test_costs_and_shares_stay_where_they_can_be(figures):
    (f,) = figures(0.1, 5.0, metric="wall_time")
    assert f.low == 0
    (f,) = figures(0.0, 1.0, metric="exact_cell_disclosure")
    assert (f.low, f.high) == (0, 1)
    (f,) = figures(0.1, 5.0)
    assert f.low == 0


def test_p_values_keep_the_smallest_and_are_adjusted_over_the_whole_page(example):
    p = {"a": [0.03, 0.2, 0.9], "b": [0.004, 0.5]}
    records = [
        example.record("dp-noise", label=label, params={"k": label}, repeat=i, scores=example.scores(noise_fit=v))
        for label, values in p.items()
        for i, v in enumerate(values)
    ]
    adjusted = multipletests([*p["a"], *p["b"]], method="holm")[1]
    a, b = aggregate(records, labeller([r.spec for r in records]))
    assert (a.value, a.n, b.value, b.n) == (0.03, 3, 0.004, 2)
    assert a.adjusted == pytest.approx(adjusted[:3].min())
    assert b.adjusted == pytest.approx(adjusted[3:].min())


def test_versions_of_a_metric_are_not_mixed_silently(example):
    records = [example.record(repeat=i, scores=example.scores(mean_absolute_error=i)) for i in range(2)]
    other = records[1].scores["mean-absolute-error"].model_copy(update={"source": "bb" * 32})
    records[1] = records[1].model_copy(update={"scores": {"mean-absolute-error": other}})
    (f,) = aggregate(records, labeller([r.spec for r in records]))
    assert "different versions" in f.note


def test_unfinished_cells_give_no_figure(example):
    records = [example.record(status="failed", reason="x", scores=example.scores(mean_absolute_error=1))]
    assert aggregate(records, labeller([r.spec for r in records])) == []
