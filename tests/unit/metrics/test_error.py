"""Errors of released numbers, against figures made by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from pets_eval.model import Unsupported
from pets_metrics.utility.error import (
    bias,
    bias_sign_test,
    concordance,
    max_absolute_error,
    mean_absolute_error,
    mean_relative_error,
    rank_agreement,
    root_mean_square_error,
)

NAN = math.nan
ALL = (
    mean_absolute_error,
    max_absolute_error,
    mean_relative_error,
    root_mean_square_error,
    bias,
    bias_sign_test,
    rank_agreement,
)
TRUE = {("t", "a", "count"): 10, ("t", "b", "count"): 0, ("m", "a", "mean"): 4.0, ("m", "b", "mean"): NAN}
GIVEN = {("m", "b", "mean"): 7.0, ("m", "a", "mean"): 3.0, ("t", "b", "count"): 2, ("t", "a", "count"): 15}


def values(scores):
    return {name: e.value for name, e in scores.items()}


def test_each_statistic_is_judged_by_itself_and_cells_by_name(answer):
    truth, released = answer(TRUE), answer(GIVEN)
    assert values(mean_absolute_error(released, truth)) == {"count": 3.5, "mean of m": 1.0}
    assert values(max_absolute_error(released, truth)) == {"count": 5.0, "mean of m": 1.0}
    relative = values(mean_relative_error(released, truth))
    assert relative == {"count": pytest.approx((0.5 + 2 / 1) / 2), "mean of m": pytest.approx(0.25)}
    assert mean_absolute_error(released, truth)["count"].n == 2
    assert mean_absolute_error(released, truth)["mean of m"].n == 1, "a cell without a true value is left out"


def test_columns_of_different_units_are_never_mixed_and_counts_of_all_tables_are(answer):
    cells = [(b, c, s) for b in ("age by sex", "income by sex") for c in "FM" for s in ("count", "mean")]
    truth = answer(dict(zip(cells, [10, 40.0, 20, 50.0, 10, 30_000.0, 20, 0.0])))
    released = answer(dict(zip(cells, [12, 41.0, 20, 47.0, 10, 30_600.0, 24, 90.0])))
    assert values(mean_absolute_error(released, truth)) == {
        "count": 1.5,
        "mean of age by sex": 2.0,
        "mean of income by sex": 345.0,
    }
    assert values(max_absolute_error(released, truth))["mean of age by sex"] == 3.0
    relative = values(mean_relative_error(released, truth))
    # the floor is a hundredth of the column's own usual value: it must not lift the ages to the size of the incomes
    assert relative["mean of age by sex"] == pytest.approx((1 / 40 + 3 / 50) / 2)
    assert relative["mean of income by sex"] == pytest.approx((600 / 30_000 + 90 / 150) / 2)


def test_one_cell_and_a_number_that_is_not_finite(answer):
    one = answer({("t", "a", "count"): 4})
    assert values(mean_absolute_error(answer({("t", "a", "count"): 1}), one)) == {"count": 3.0}
    assert math.isinf(mean_absolute_error(answer({("t", "a", "count"): math.inf}), one)["count"].value)


def test_the_floor_is_one_person_or_a_hundredth_of_the_usual_value(answer):
    truth = answer({("t", "a", "sum"): 300.0, ("t", "b", "sum"): 0.0})
    released = answer({("t", "a", "sum"): 300.0, ("t", "b", "sum"): 3.0})
    assert mean_relative_error(released, truth)["sum"].value == pytest.approx((0 + 3 / 1.5) / 2)
    assert mean_relative_error(released, truth, floor=6.0)["sum"].value == pytest.approx((0 + 3 / 6) / 2)


def test_unanswered_cells_are_said_not_hidden(answer):
    truth = answer(TRUE)
    part = answer({("t", "a", "count"): 15})
    scores = mean_absolute_error(part, truth)
    assert scores["count"].value == 5 and scores["count"].note == "1 of 2 cells are not answered"
    assert math.isnan(scores["mean of m"].value) and scores["mean of m"].note == "none of 1 cells is answered"


def test_nothing_to_compare_with_is_not_measured(answer):
    empty = answer({("m", "a", "mean"): NAN})
    for metric in ALL:
        score = metric(answer({("m", "a", "mean"): 1.0}), empty)["mean"]
        assert math.isnan(score.value) and score.note
    zeros = answer({("m", "a", "mean"): 0.0})
    assert math.isnan(mean_relative_error(zeros, zeros)["mean"].value)


def test_predictions_of_people_are_not_judged_as_numbers(answer):
    people = answer({("sick", "0", "probability"): 1.0})
    for metric in ALL:
        with pytest.raises(Unsupported, match="auroc"):
            metric(people, people)


def test_many_cells_equal_numpy(answer):
    rng = np.random.default_rng(0)
    true, given = rng.poisson(20, 500).astype(float), rng.normal(20, 9, 500)
    names = [("t", str(i), "count") for i in range(500)]
    truth, released = answer(dict(zip(names, true))), answer(dict(zip(names, given)))
    assert mean_absolute_error(released, truth)["count"].value == pytest.approx(np.abs(true - given).mean())
    assert max_absolute_error(released, truth)["count"].value == pytest.approx(np.abs(true - given).max())
    assert root_mean_square_error(released, truth)["count"].value == pytest.approx(
        np.sqrt(((given - true) ** 2).mean())
    )
    found = bias(released, truth)["count"]
    assert found.value == pytest.approx((given - true).mean())
    assert (found.low, found.high) == pytest.approx(DescrStatsW(given - true).tconfint_mean())
    p = bias_sign_test(released, truth)["count"]
    assert p.value == pytest.approx(stats.binomtest(int((given > true).sum()), 500).pvalue) and p.n == 500
    tau = rank_agreement(released, truth)["count"]
    assert tau.value == pytest.approx(stats.kendalltau(given, true).statistic) and tau.low < tau.value < tau.high


def test_large_and_infinite_numbers_do_not_overflow(answer):
    truth = answer({("t", "a", "count"): 0.0, ("t", "b", "count"): 0.0})
    big = answer({("t", "a", "count"): 3e200, ("t", "b", "count"): 4e200})
    assert root_mean_square_error(big, truth)["count"].value == pytest.approx(12.5**0.5 * 1e200)
    endless = answer({("t", "a", "count"): math.inf, ("t", "b", "count"): -math.inf})
    assert math.isinf(root_mean_square_error(endless, truth)["count"].value)
    assert "infinite" in bias(endless, truth)["count"].note
    assert bias_sign_test(endless, truth)["count"].value == 1


def test_an_exact_release_is_perfect_and_has_no_bias(answer):
    truth = answer({("t", str(i), "count"): float(i) for i in range(9)})
    assert root_mean_square_error(truth, truth)["count"].value == 0
    assert (bias(truth, truth)["count"].value, bias(truth, truth)["count"].high) == (0, 0)
    p = bias_sign_test(truth, truth)["count"]
    assert p.value == 1 and p.note == "no cell differs from the truth"
    assert rank_agreement(truth, truth)["count"].value == 1


def test_a_planted_bias_is_found_and_noise_is_not_accused(answer):
    rng = np.random.default_rng(2)
    names = [("t", str(i), "count") for i in range(400)]
    truth = answer(dict.fromkeys(names, 50.0))
    noise = rng.normal(0, 5, 400)
    sound, shifted = answer(dict(zip(names, 50 + noise))), answer(dict(zip(names, 52 + noise)))
    assert bias_sign_test(sound, truth)["count"].value > 0.01 and abs(bias(sound, truth)["count"].value) < 1
    assert bias_sign_test(shifted, truth)["count"].value < 1e-6 and bias(shifted, truth)["count"].low > 1


def test_order_with_ties_and_unanswered_cells_equals_scipy(answer):
    rng = np.random.default_rng(1)
    true, given = rng.integers(0, 6, 60).astype(float), rng.integers(0, 6, 60).astype(float)
    given = np.where(rng.random(60) < 0.5, true, given)
    names = [("t", str(i), "count") for i in range(60)]
    truth = answer(dict(zip(names, true)))
    found = rank_agreement(answer(dict(zip(names[:50], given[:50]))), truth)["count"]
    assert found.value == pytest.approx(stats.kendalltau(given[:50], true[:50]).statistic)
    assert found.n == 50 and found.note == "10 of 60 cells are not answered"
    without = [stats.kendalltau(np.delete(given[:50], i), np.delete(true[:50], i)).statistic for i in range(50)]
    se = math.sqrt(49 * np.var(without)) / (1 - found.value**2)
    half = stats.t.ppf(0.975, 49) * se
    ends = np.tanh(np.arctanh(found.value) + np.array([-half, half]))
    assert (found.low, found.high) == pytest.approx(tuple(ends))


@pytest.mark.parametrize("n", [1, 2, 37, 300])
def test_concordance_counts_all_pairs(n):
    rng = np.random.default_rng(n)
    a, b = rng.integers(0, n // 2 + 1, n), rng.integers(0, n + 1, n)
    pairs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    assert concordance(a, b).tolist() == pairs.sum(axis=1).tolist()


@pytest.mark.parametrize(("rho", "n"), [(0.0, 100), (0.6, 30), (0.9, 30)])
def test_the_interval_of_the_order_covers(answer, rho, n):
    rng = np.random.default_rng(n)
    names = [("t", str(i), "count") for i in range(n)]
    hits = 0
    for _ in range(100):
        x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n).T
        found = rank_agreement(answer(dict(zip(names, x))), answer(dict(zip(names, y))))["count"]
        hits += found.low <= 2 / math.pi * math.asin(rho) <= found.high
    assert hits >= 80  # 95 expected; below that in fewer than 1 of 10^6 where it covers 0.94


def test_order_that_cannot_be_told_says_why(answer):
    names = [("t", str(i), "count") for i in range(3)]
    truth, flat = answer(dict(zip(names, [1.0, 2.0, 3.0]))), answer(dict.fromkeys(names, 1.0))
    assert rank_agreement(flat, truth)["count"].note == "the released values are all alike"
    assert rank_agreement(truth, flat)["count"].note == "the true values are all alike"
    few = answer({names[0]: 1.0, names[1]: 2.0})
    assert "fewer than three" in rank_agreement(few, truth)["count"].note
    assert rank_agreement(answer(dict(zip(names, [3.0, 2.0, 1.0]))), truth)["count"].value == -1
