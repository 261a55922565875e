"""Pareto sets, volumes, curves and tests of dominance: by hand, by brute force and by chance."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics import tradeoff
from pets_metrics.tradeoff import pareto

MIN2 = {"risk": "min", "error": "min"}


def repeated(**techniques):
    """Points from {technique: [(risk, error), ...]}."""
    rows = [(name, i, *row) for name, found in techniques.items() for i, row in enumerate(found, start=1)]
    return pd.DataFrame(rows, columns=["technique", "repeat", "risk", "error"]).set_index(["technique", "repeat"])


# -- the set ---------------------------------------------------------------------------------------------------------


def test_pareto_set_by_hand():
    points = [[1, 5], [2, 2], [2, 2], [3, 2], [5, 1], [5, 5], [np.nan, 0]]
    assert tradeoff.pareto_set(points, ["min", "min"]).tolist() == [True, True, True, False, True, False, False]
    assert tradeoff.pareto_set(points, ["max", "max"]).tolist() == [False] * 5 + [True, False]
    assert tradeoff.pareto_set(points, ["min", "max"]).tolist() == [True] + [False] * 6
    assert tradeoff.pareto_set(np.empty((0, 2)), ["min", "min"]).tolist() == []


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
def test_pareto_set_by_brute_force(axes):
    rng = np.random.default_rng(axes)
    x = rng.integers(0, 6, (200, axes)).astype(float)  # many ties
    goals = rng.choice(["min", "max"], axes).tolist()
    y = x * np.where(np.array(goals) == "max", -1, 1)
    beaten = [any((o <= p).all() and (o < p).any() for o in y) for p in y]
    found = tradeoff.pareto_set(x, goals)
    assert (found == ~np.array(beaten)).all()
    order = rng.permutation(200)
    assert (tradeoff.pareto_set(x[order], goals) == found[order]).all(), "the order of the points does not matter"
    assert (tradeoff.pareto_set(np.exp(x), goals) == found).all(), "nor does the scale"


def test_infinite_points_can_be_compared():
    assert tradeoff.pareto_set([[0, np.inf], [1, 1], [2, np.inf]], ["min", "min"]).tolist() == [True, True, False]


def test_faulty_goals_are_refused():
    table = repeated(a=[(1, 2)])
    for goals in (["min"], ["min", "up"], {"risk": "min"}):
        with pytest.raises(PetsEvalError):
            tradeoff.pareto_set([[1, 2]], goals)
    with pytest.raises(PetsEvalError, match="did you mean 'risk'"):
        tradeoff.pareto_set(table, {"rsk": "min"})


# -- how sure the set is ---------------------------------------------------------------------------------------------


def test_probability_of_clear_cases():
    points = repeated(
        best=[(1, 1), (2, 1)], beaten=[(8, 9), (9, 8)], other=[(0, 5), (0, 6)], unmeasured=[(np.nan, 1), (1, np.nan)]
    )
    found = tradeoff.pareto_probability(points, MIN2)
    assert found["probability"].tolist()[:3] == [1, 0, 1] and found["in_set"].tolist() == [True, False, True, False]
    assert found["repeats"].tolist() == [2, 2, 2, 0]
    assert math.isnan(found.loc["unmeasured", "probability"])
    assert found.loc["best", "low"] == pytest.approx(1 - found.loc["beaten", "high"])
    assert 0.99 < found.loc["best", "low"] < found.loc["best", "high"] == 1


def test_probability_counted_out():
    """a has mean error 0, 1 or 2 with chances 1/4, 1/2, 1/4 over its resamples; b always 1.5 at the same risk."""
    points = repeated(a=[(1, 0), (1, 2)], b=[(1, 1.5)])
    found = tradeoff.pareto_probability(points, MIN2, np.random.default_rng(0), resamples=20_000)
    # a is beaten with chance 1/4, else b is; 5 standard errors of a share of 20,000 are 0.0153 (false alarm < 1e-6)
    assert found.loc["a", "probability"] == pytest.approx(0.75, abs=0.0153)
    assert found.loc["b", "probability"] == pytest.approx(1 - found.loc["a", "probability"])
    again = tradeoff.pareto_probability(points, MIN2, np.random.default_rng(0), resamples=20_000)
    pd.testing.assert_frame_equal(found, again)


def test_probability_in_small_steps(monkeypatch):
    rng = np.random.default_rng(3)
    points = repeated(**{f"t{i}": rng.normal(size=(4, 2)).tolist() for i in range(6)})
    whole = tradeoff.pareto_probability(points, MIN2)
    monkeypatch.setattr(pareto, "_AT_ONCE", 100)
    pd.testing.assert_frame_equal(tradeoff.pareto_probability(points, MIN2), whole)
    means = points.groupby(level=0).mean()
    assert (whole["in_set"].to_numpy() == tradeoff.pareto_set(means.loc[whole.index], MIN2)).all()


def test_means_that_differ_by_rounding_only_are_equal():
    """The sums are equal, their sums of floats are not; a is also better in error, so b is beaten."""
    points = repeated(a=[(0.1, 1), (0.2, 1)], b=[(0.3, 2), (0.0, 2)]) * [1e-3, 1e9]
    assert points.loc["a", "risk"].sum() != points.loc["b", "risk"].sum()
    assert tradeoff.frontier(points, MIN2)["pareto"].to_dict() == {"a": True, "b": False}
    assert tradeoff.pareto_probability(points, MIN2)["in_set"].to_dict() == {"a": True, "b": False}


# -- volume ----------------------------------------------------------------------------------------------------------


def test_hypervolume_by_hand():
    points = [[1, 3], [2, 1], [3, 3], [9, 0], [np.nan, 0]]  # one is beaten, one lies beyond the reference
    assert tradeoff.hypervolume(points, ["min", "min"], [4, 4]) == 1 * 1 + 2 * 3
    assert tradeoff.hypervolume([[-x, y] for x, y in points], ["max", "min"], [-4, 4]) == 7
    assert tradeoff.hypervolume([[9, 9]], ["min", "min"], [4, 4]) == 0
    assert tradeoff.hypervolume([[1], [3]], ["min"], [4]) == 3
    # three boxes of 3 axes: 8 + 8 + 8, less the overlaps of two (4 each), plus that of all (2)
    boxes = [[0, 0, 2], [0, 2, 0], [2, 0, 0]]
    union = 2 * 4 * 4 * 3 - 3 * (2 * 2 * 4) + 2 * 2 * 2
    assert tradeoff.hypervolume(boxes, ["min"] * 3, [4, 4, 4]) == union
    with pytest.raises(PetsEvalError, match="finite"):
        tradeoff.hypervolume([[1, 1]], ["min", "min"], [np.inf, 1])


@pytest.mark.parametrize("axes, count", [(2, 30), (3, 30), (4, 15), (5, 8)])
def test_hypervolume_by_chance(axes, count):
    rng = np.random.default_rng(axes)
    x = rng.random((count, axes))
    draws = rng.random((200_000, axes))
    inside = np.zeros(len(draws), dtype=bool)
    for p in x:
        inside |= (draws >= p).all(axis=1)
    exact = tradeoff.hypervolume(x, ["min"] * axes, [1] * axes)
    # a share of 200,000 draws: 5 standard errors, so a false alarm has a chance below 1e-6
    assert exact == pytest.approx(inside.mean(), abs=5 * math.sqrt(0.25 / len(draws)))
    assert tradeoff.hypervolume(np.vstack([x, x]), ["min"] * axes, [1] * axes) == pytest.approx(exact)
    assert tradeoff.hypervolume(x[: count // 2], ["min"] * axes, [1] * axes) <= exact, "more points, no less volume"


# -- dominance -------------------------------------------------------------------------------------------------------


def test_dominance_equals_scipy_s_permutation_test_on_each_axis():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 2)), rng.normal(0.5, 1, (6, 2))

    def gap(x, y, axis):
        return x.mean(axis=axis) - y.mean(axis=axis)

    theirs = [
        stats.permutation_test((a[:, i], b[:, i]), gap, alternative="less", n_resamples=np.inf).pvalue for i in (0, 1)
    ]
    found = tradeoff.dominance_test(a, b, ["min", "min"])
    assert found.value == pytest.approx(max(theirs)) and found.low == 1 / math.comb(11, 5)
    sampled = tradeoff.dominance_test(a, b, ["min", "min"], permutations=400)
    # a share of 400 draws has a standard error below 0.025; 5 of them
    assert sampled.value == pytest.approx(found.value, abs=0.125) and sampled.low == 1 / 401


def test_dominance_needs_every_axis():
    better = np.array([[0.0, 1.0]] * 5) + np.arange(5)[:, None] / 100
    worse = better + np.array([1.0, 0.0])
    assert tradeoff.dominance_test(better, worse, ["min", "min"]).value > 0.4, "equal on the second axis"
    assert tradeoff.dominance_test(better, worse + np.array([0, 1]), ["min", "min"]).value == 1 / math.comb(10, 5)
    assert tradeoff.dominance_test(better, better, ["min", "min"]).value > 0.4
    assert tradeoff.dominance_test([[1.0, 1.0]] * 4, [[1.0, 1.0]] * 4, ["min", "min"]).value == 1
    assert math.isnan(tradeoff.dominance_test([[np.nan, 1.0]], better, ["min", "min"]).value)
    assert math.isnan(tradeoff.dominance_test([[np.inf, 1.0]], better, ["min", "min"]).value)


def test_equal_techniques_are_rarely_ranked():
    """600 pairs of one distribution, equal on one axis and far apart on the other (the hardest case), at 0.05.

    Binomial(600, 0.05) exceeds 60 with probability below 1e-6 (mean 30, sd 5.3).
    """
    rng = np.random.default_rng(8)
    false = 0
    for _ in range(600):
        a, b = rng.normal(size=(5, 2)), rng.normal([0, 50], 1, (5, 2))
        false += tradeoff.dominance_test(a, b, ["min", "min"], rng, permutations=200).value <= 0.05
    assert false <= 60


# -- curve, knee, rules ----------------------------------------------------------------------------------------------


def test_knee_of_the_paper_s_figure():
    """Satopaa et al., figure 2: y = -1/(x + 0.1) + 5 at ten points in [0, 1] bends most at 0.22."""
    x = np.linspace(0, 1, 10)
    points = np.column_stack([x, -1 / (x + 0.1) + 5])
    assert x[tradeoff.knee(points, ["min", "max"])] == pytest.approx(2 / 9)
    order = np.random.default_rng(0).permutation(10)
    assert x[order][tradeoff.knee(points[order], ["min", "max"])] == pytest.approx(2 / 9)
    assert x[tradeoff.knee(points * [1, 40] + 3, ["min", "max"])] == pytest.approx(2 / 9), "whatever the units"
    beaten = np.vstack([points, [0.3, -100], [np.nan, 1]])
    assert tradeoff.knee(beaten, ["min", "max"]) == 2


def test_a_straight_or_hollow_curve_has_no_knee():
    x = np.linspace(0, 1, 9)
    assert tradeoff.knee(np.column_stack([x, 1 - x]), ["min", "min"]) is None
    assert tradeoff.knee(np.column_stack([x, np.sqrt(1 - x**2)]), ["min", "min"]) is None
    assert tradeoff.knee([[1.0, 1.0]], ["min", "min"]) is None
    with pytest.raises(PetsEvalError, match="two axes"):
        tradeoff.knee([[1.0]], ["min"])


def test_frontier_has_student_s_band_in_the_order_of_privacy():
    points = repeated(loose=[(0.4, 1), (0.5, 2), (0.6, 3)], strict=[(0.1, 7), (0.1, 9)], bad=[(0.55, 9), (0.55, 9)])
    points.loc[("gone", 1), :] = [np.nan, 1]
    found = tradeoff.frontier(points, MIN2)
    assert found.index.tolist() == ["strict", "loose", "bad"] and found["repeats"].tolist() == [2, 3, 2]
    assert found["pareto"].tolist() == [True, True, False]
    band = stats.ttest_1samp([1, 2, 3], 0).confidence_interval(0.95)
    assert found.loc["loose", ["error_low", "error_high"]].tolist() == pytest.approx([band.low, band.high])
    assert found.loc["strict", ["risk_low", "risk_high"]].tolist() == [0.1, 0.1]
    with pytest.raises(PetsEvalError, match="no technique"):
        tradeoff.frontier(points.loc[["gone"]], MIN2)


def test_summary_keeps_the_repeats_own_intervals():
    points = repeated(one=[(0.5, 0)], two=[(0.5, 0), (0.5, 0)], odd=[(np.inf, 0), (1, 0)])
    points["risk_low"], points["risk_high"] = points["risk"] - 0.2, points["risk"] + 0.3
    found = tradeoff.summary(points, "risk")
    assert found.loc["one"].tolist() == pytest.approx([0.5, 0.3, 0.8, 1])
    assert found.loc["two"].tolist() == pytest.approx([0.5, 0.3, 0.8, 2])
    assert found.loc["odd"].tolist() == [np.inf, 1, np.inf, 2]
    assert tradeoff.summary(points, "error").loc["one"].isna().tolist() == [False, True, True, False]


def test_satisfying_takes_the_unfavourable_end():
    points = repeated(good=[(0.05, 9), (0.05, 9)], wide=[(0.05, 9), (0.08, 9)], once=[(0.01, 9)])
    found = tradeoff.satisfying(points, {"risk": ("<=", 0.09), "error": (">=", 9)})
    assert found["satisfied"].tolist() == [True, False, False]
    assert found["fails"].tolist() == ["", "risk", "risk, error"], "what has no interval is not shown to meet a rule"
    assert tradeoff.satisfying(points, {"error": (">", 9)})["satisfied"].tolist() == [False] * 3
    with pytest.raises(PetsEvalError, match="constraint"):
        tradeoff.satisfying(points, {"risk": ("=", 1)})


# -- from a run ------------------------------------------------------------------------------------------------------


def tidy(*rows):
    columns = ["task", "technique", "repeat", "metric", "statistic", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(dataset="d", seat="", group="", low=frame["value"] - 1, high=frame["value"] + 1)


def test_by_technique_pivots_scores():
    scores = tidy(
        ("t", "a", 1, "error", "mean", 1.0),
        ("t", "a", 1, "error", "max", 5.0),
        ("t", "a", 2, "error", "max", 6.0),
        ("t", "a", 1, "risk", "", 0.5),
        ("u", "a", 1, "risk", "", 0.7),
    )
    axes = {"risk": "risk", "error": {"metric": "error", "statistic": "max"}}
    found = tradeoff.by_technique(scores, axes, task="t")
    assert found.columns.tolist() == ["risk", "risk_low", "risk_high", "error", "error_low", "error_high"]
    assert found["error"].tolist() == [5, 6] and found["error_high"].tolist() == [6, 7]
    assert found["risk"].fillna(-1).tolist() == [0.5, -1]
    with pytest.raises(PetsEvalError, match="several tasks"):
        tradeoff.by_technique(scores, axes)
    with pytest.raises(PetsEvalError, match="more than one statistic; choose one of: max, mean"):
        tradeoff.by_technique(scores, {"error": "error"}, task="t")
    with pytest.raises(PetsEvalError, match="did you mean 'risk'"):
        tradeoff.by_technique(scores, {"risk": "risks"}, task="t")
    with pytest.raises(PetsEvalError, match="more than one figure"):
        tradeoff.by_technique(pd.concat([scores, scores]), {"risk": "risk"}, task="t")


def test_groups_are_left_out_unless_asked_for():
    scores = tidy(("t", "a", 1, "risk", "", 0.5))
    scores = pd.concat([scores, scores.assign(group="race", value=0.9)])
    assert tradeoff.by_technique(scores, {"risk": "risk"})["risk"].tolist() == [0.5]
    assert tradeoff.by_technique(scores, {"r": {"metric": "risk", "group": "race"}})["r"].tolist() == [0.9]
