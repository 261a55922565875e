"""Repeats become figures: against scipy, statsmodels, and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pets_eval.guideline.subject import labeller
from pets_eval.model.record import Planned
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
    assert f.high == math.inf, "an end that one repeat does not know may be anywhere"


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
    assert f.note == "measured in 2 of 3 repeats; failed in 1, see section 5"
    (f,) = figures("failed: ValueError", "not-applicable: no")
    assert (f.status, f.value) == ("failed", None)


def test_infinite(figures):
    (f,) = figures(math.inf, math.inf, metric="claimed_epsilon")
    assert (f.value, f.low, f.high, f.n) == (math.inf, math.inf, math.inf, 2)


def test_infinities_keep_their_sign_and_are_not_averaged_away(figures, example):
    (f,) = figures(-math.inf, -math.inf)
    assert (f.value, f.low, f.high) == (-math.inf, -math.inf, -math.inf)
    (f,) = figures(math.inf, 3.0)
    assert (f.value, f.low, f.high) == (math.inf, 3.0, math.inf)
    (f,) = figures(-math.inf, example.row(3.0, 2.0, 5.0))
    assert (f.value, f.low, f.high) == (-math.inf, -math.inf, 5.0)
    (f,) = figures(math.inf, -math.inf, 1.0)
    assert f.value is None
    assert "infinite in both directions" in f.note
    (f,) = figures(example.row(None, method="none", note="infinite"))
    assert math.isnan(f.number), "a note is a note"


def test_intervals_without_bounds_are_kept(figures, example):
    """Two repeats of which each knows another end, and repeats that know none: not the same as no interval."""
    (f,) = figures(example.row(1.0, 0.5, None), example.row(1.0, None, 1.5), metric="claimed_epsilon")
    assert (f.low, f.high) == (0, math.inf)  # an epsilon is not below 0
    (f,) = figures(*[example.row(1.0, -math.inf, math.inf)] * 3)
    assert (f.low, f.high) == (0, math.inf)


def test_huge_values_do_not_stop_the_page(figures):
    (f,) = figures(1e200, -1e200)
    assert f.value == 0


def test_a_figure_knows_how_many_repeats_were_planned(example):
    done = [example.record(repeat=0, scores=example.scores(mean_absolute_error=1))]
    done += [example.record(repeat=1, status="timed-out", reason="x")]
    done += [example.record(repeat=2, scores=example.scores(mean_absolute_error="failed: ValueError"))]
    done += [example.record(repeat=0, task="other", scores=example.scores(mean_absolute_error=1))]
    third = example.record(repeat=3)
    plan = [Planned(identity=r.identity, spec=r.spec) for r in [*done, third]]
    label = labeller([r.spec for r in done])
    one, other = aggregate(done, label, plan)
    assert (one.measured, one.of, one.coverage) == (1, 4, "measured in 1 of 4 repeats")
    assert one.coverage in one.note
    assert (other.measured, other.of, other.coverage) == (1, 1, "")


def test_an_audit_is_planned_once(example):
    cells = [example.record(repeat=i, scores=example.scores(mean_absolute_error=1)) for i in range(5)]
    audit = example.record(kind="probe", probe="noise-fit", scores=example.scores(noise_fit=0.5))
    found = aggregate([*cells, audit], labeller([r.spec for r in cells]))
    assert {f.metric: (f.measured, f.of) for f in found} == {"mean-absolute-error": (5, 5), "noise-fit": (1, 1)}


def test_notes_of_repeats_are_said_once(figures, example):
    (f,) = figures(*[example.row(1.0, note=n) for n in ("a", "b", "b")])
    assert f.note == "b (in 2 of 3)"
    (f,) = figures(*[example.row(1.0, note="a")] * 3)
    assert f.note == "a"


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


def test_the_tests_of_an_anchor_are_corrected_among_themselves(example):
    """An anchor's p-value takes no power from the others, and is not accused of what chance does to one of many."""
    given = [("dp-noise", 0, 0.03), ("null", 0, 0.004), ("null", 1, 0.5), ("null", 2, 0.7)]
    records = [example.record(t, repeat=i, scores=example.scores(noise_fit=p)) for t, i, p in given]
    f, null = aggregate(records, labeller([r.spec for r in records]))
    assert (f.adjusted, f.tests) == (0.03, 1)
    assert (null.value, null.adjusted, null.tests) == (0.004, pytest.approx(0.012), 3)


def test_a_p_value_has_no_interval_but_a_permutation_test_has_a_floor(figures, example):
    permuted = [example.row(0.3, 0.01, None, method="permutation", n=99)]
    (f,) = figures(*permuted, metric="noise_fit")
    assert (f.low, f.high, f.floor, f.method) == (None, None, 0.01, "permutation")
    (f,) = figures(*permuted, 0.2, metric="noise_fit")
    assert (f.low, f.high, f.floor) == (None, None, 0.01)
    (f,) = figures(0.2, metric="noise_fit")
    assert f.floor is None
    (f,) = figures(example.row(0.08, 0.07, None, method="hypergeometric"), metric="noise_fit")
    assert f.floor == 0.07


def test_each_axis_has_its_own_correction(example):
    """A test of fidelity accuses nobody of a leak, and takes no power from those of privacy."""
    scores = example.scores(noise_fit=0.03)
    fidelity = scores["noise-fit"].model_copy(update={"axis": "fidelity"})
    records = [example.record(scores={**scores, "two-sample-test": fidelity})]
    found = aggregate(records, labeller([r.spec for r in records]))
    assert [(f.adjusted, f.tests) for f in found] == [(0.03, 1), (0.03, 1)]


def test_versions_of_a_metric_are_not_mixed_silently(example):
    records = [example.record(repeat=i, scores=example.scores(mean_absolute_error=i)) for i in range(2)]
    other = records[1].scores["mean-absolute-error"].model_copy(update={"source": "bb" * 32})
    records[1] = records[1].model_copy(update={"scores": {"mean-absolute-error": other}})
    (f,) = aggregate(records, labeller([r.spec for r in records]))
    assert "different versions" in f.note


def test_unfinished_cells_give_no_figure(example):
    records = [example.record(status="failed", reason="x", scores=example.scores(mean_absolute_error=1))]
    assert aggregate(records, labeller([r.spec for r in records])) == []
