"""Figures of predictors against scikit-learn and by hand; DeLong's variance against its formula, term by term."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from pets_eval.model import Unsupported
from pets_metrics.intervals import wilson
from pets_metrics.utility.prediction import (
    area_under_curve,
    auroc,
    average_precision,
    brier,
    calibration_error,
    delong,
    f1,
)

ALL = (auroc, average_precision, brier, calibration_error)


def people(values):
    return {("sick", str(i), "probability"): float(v) for i, v in enumerate(values)}


@pytest.mark.parametrize("decimals", [1, 9])
def test_area_equals_scikit_learn_with_and_without_ties(answer, decimals):
    rng = np.random.default_rng(decimals)
    outcomes = rng.integers(0, 2, 300)
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * outcomes, 0.2), 0, 1), decimals)
    found = auroc(answer(people(scores)), answer(people(outcomes)))
    assert found.value == pytest.approx(roc_auc_score(outcomes, scores))
    assert found.low < found.value < found.high and found.method == "newcombe-delong" and found.n == 300


@pytest.mark.parametrize("decimals", [1, 9])
def test_variance_equals_delong_s_formula(decimals):
    rng = np.random.default_rng(decimals)
    x, y = np.round(rng.normal(1, 1, 40), decimals), np.round(rng.normal(0, 1, 25), decimals)
    psi = (x[:, None] > y).astype(float) + 0.5 * (x[:, None] == y)  # equation 2 of the paper
    area = psi.mean()
    s10 = ((psi.mean(axis=1) - area) ** 2).sum() / 39
    s01 = ((psi.mean(axis=0) - area) ** 2).sum() / 24
    found = delong(x, y)
    freedom = (s10 / 40 + s01 / 25) ** 2 / ((s10 / 40) ** 2 / 39 + (s01 / 25) ** 2 / 24)
    assert found == (pytest.approx(area), pytest.approx(s10 / 40 + s01 / 25), pytest.approx(freedom))


def test_with_equal_sizes_the_degrees_of_freedom_are_welch_s():
    rng = np.random.default_rng(5)
    x, y = rng.normal(1, 1, 30), rng.normal(0, 1, 20)
    above = (x[:, None] > y).mean(axis=1)
    below = (x[:, None] > y).mean(axis=0)
    welch = stats.ttest_ind(above, below, equal_var=False).df
    assert delong(x, y)[2] == pytest.approx(welch)


@pytest.mark.parametrize("spread", [1.0, 2.0])
@pytest.mark.parametrize(
    ("true", "m", "n"),
    [(0.76, 60, 60), (0.95, 20, 20), (0.95, 8, 200), (0.9, 20, 400), (0.95, 20, 400), (0.98, 20, 400)],
)
def test_the_interval_covers_as_often_as_it_says(true, m, n, spread):
    rng = np.random.default_rng(11)
    apart = math.hypot(spread, 1) * stats.norm.ppf(true)  # two normals this far apart have that area
    hits = 0
    for _ in range(300):
        found = area_under_curve(rng.normal(apart, spread, m), rng.normal(0, 1, n))
        hits += found.low <= true <= found.high
    # 285 expected at 0.95; around DeLong's variance alone it is 220 in the last case
    assert hits >= 262


def test_the_interval_is_delong_s_where_there_are_many():
    rng = np.random.default_rng(13)
    x, y = rng.normal(1, 0.5, 4_000), rng.normal(0, 1, 6_000)
    found, (area, variance, _) = area_under_curve(x, y), delong(x, y)
    assert found.low == pytest.approx(area - 1.96 * variance**0.5, abs=3e-4)
    assert found.high == pytest.approx(area + 1.96 * variance**0.5, abs=3e-4)


def test_with_delong_s_variance_as_expected_the_interval_solves_newcombe_s_equation():
    x, y = np.arange(10.0) + 0.5, np.array([-2.0, -1.0, 1.0, 2.0, 3.0, -3.0])
    found, (area, variance, freedom) = area_under_curve(x, y), delong(x, y)

    def method5(t, k=(10 + 6) / 2 - 1):
        return t * (1 - t) * (1 + k * (1 - t) / (2 - t) + k * t / (1 + t)) / 60

    widened = max(1.0, variance / method5(area))
    for end in (found.low, found.high):
        assert abs(area - end) == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(widened * method5(end)))


def test_the_interval_stays_between_0_and_1_next_to_the_edge(answer):
    rng = np.random.default_rng(12)
    outcomes = np.repeat([0, 1], 40)
    scores = np.clip(rng.normal(0.3 + 0.4 * outcomes, 0.12), 0, 1)
    found = auroc(answer(people(scores)), answer(people(outcomes)))
    assert 0.98 < found.value < 1 and found.low < found.value < found.high < 1


def test_scores_that_tell_nothing_are_guessing_without_certainty(answer):
    found = auroc(answer(people([0.5] * 20)), answer(people([0, 1] * 10)))
    assert found.value == 0.5 and found.low < 0.3 and found.high > 0.7


def test_perfect_separation_is_not_certainty(answer):
    found = auroc(answer(people([0.1, 0.2, 0.9, 0.8])), answer(people([0, 0, 1, 1])))
    assert found.value == 1 and found.high == 1
    assert found.low < 0.5, "four people show nothing"
    alone = auroc(answer(people([0.1, 0.2, 0.9])), answer(people([0, 0, 1])))
    assert alone.value == 1 and alone.low == pytest.approx(0.025), "one success in one trial"


def test_people_without_an_outcome_are_left_out(answer):
    found = auroc(answer(people([0.9, 0.1, 0.8, 0.3])), answer(people([math.nan, 0, 1, 0])))
    assert found.value == 1 and found.n == 3


def test_what_cannot_be_measured_says_why(answer):
    one_class = auroc(answer(people([0.1, 0.2])), answer(people([1, 1])))
    assert math.isnan(one_class.value) and "one class" in one_class.note
    unscored = auroc(answer(people([0.1, math.nan])), answer(people([1, 0])))
    assert math.isnan(unscored.value) and "1 of 2 people are not scored" in unscored.note
    counts = answer({("t", "a", "count"): 1.0})
    for metric in (*ALL, f1):
        with pytest.raises(Unsupported, match="predicts no outcomes"):
            metric(counts, counts)


@pytest.mark.parametrize("decimals", [1, 9])
def test_average_precision_f1_and_brier_equal_scikit_learn(answer, decimals):
    rng = np.random.default_rng(decimals)
    outcomes = rng.random(400) < 0.2
    scores = np.round(np.clip(rng.normal(0.3 + 0.3 * outcomes, 0.2), 0, 1), decimals)
    released, truth = answer(people(scores)), answer(people(outcomes))
    found = average_precision(released, truth)
    assert found.value == pytest.approx(average_precision_score(outcomes, scores))
    assert found.low < found.value < found.high and found.note == f"guessing would come to {outcomes.mean():.3g}"
    assert brier(released, truth).value == pytest.approx(brier_score_loss(outcomes, scores))
    both = f1(released, truth)
    threshold = np.sort(scores)[-outcomes.sum()]
    assert both["at 0.5"].value == pytest.approx(f1_score(outcomes, scores >= 0.5))
    assert both["at prevalence"].value == pytest.approx(f1_score(outcomes, scores >= threshold))


def test_the_interval_of_f1_is_wilson_s_of_the_jaccard_index(answer):
    found = f1(answer(people([0.9, 0.8, 0.7, 0.1, 0.2])), answer(people([1, 1, 0, 1, 0])))["at 0.5"]
    low, high = wilson(2, 4)  # two true positives among four who are positive or predicted to be
    assert found.value == pytest.approx(2 * 0.5 / 1.5)
    assert (found.low, found.high) == (pytest.approx(2 * low / (1 + low)), pytest.approx(2 * high / (1 + high)))
    nobody = f1(answer(people([0.1, 0.2])), answer(people([0, 0])))
    assert math.isnan(nobody["at 0.5"].value) and "none" in nobody["at 0.5"].note
    assert f1(answer(people([0.1, 0.2])), answer(people([0, 1])))["at 0.5"].value == 0


def test_calibration_error_of_ten_bins_by_hand(answer):
    scores = np.repeat(np.arange(10) / 10 + 0.05, 4)  # ten distinct values, so ten bins of four people
    outcomes = np.tile([1, 0, 1, 0], 10)
    by_hand = np.abs(np.arange(10) / 10 + 0.05 - 0.5).mean()
    found = calibration_error(answer(people(scores)), answer(people(outcomes)))
    assert found.value == pytest.approx(by_hand) and found.low <= found.value <= found.high
    two = calibration_error(answer(people(scores)), answer(people(outcomes)), bins=2)
    assert two.value == pytest.approx(0.25), "0.25 and 0.75 on average, against 0.5"


def test_calibrated_predictions_are_not_accused_and_others_are(answer):
    rng = np.random.default_rng(3)
    p = rng.random(1_000)
    sound = calibration_error(answer(people(p)), answer(people(rng.random(1_000) < p)))
    assert sound.low == 0 < sound.value < 0.07
    wrong = calibration_error(answer(people(p)), answer(people(rng.random(1_000) < 0.5 + (p - 0.5) / 4)))
    assert wrong.low > 0.1  # 0.1875 in truth


def test_average_precision_covers(answer):
    rng = np.random.default_rng(4)
    hits = 0
    true = average_precision_score(*_world(rng, 200_000))
    for _ in range(20):
        outcomes, scores = _world(rng, 300)
        found = average_precision(answer(people(scores)), answer(people(outcomes)), rng)
        hits += found.low <= true <= found.high
    assert hits >= 10  # below that in fewer than 1 of 10^6 where it covers 0.9


def _world(rng, n):
    outcomes = rng.random(n) < 0.3
    return outcomes, rng.normal(1.5 * outcomes, 1)


def test_perfect_and_worst_predictions(answer):
    outcomes = answer(people([0, 1] * 10))
    best, worst = answer(people([0, 1] * 10)), answer(people([1, 0] * 10))
    assert [m(best, outcomes).value for m in ALL] == [1, 1, 0, 0]
    assert [m(worst, outcomes).value for m in ALL] == [0, 0.5, 1, 1]
    assert f1(best, outcomes)["at 0.5"].value == 1 and f1(worst, outcomes)["at prevalence"].value == 0


def test_figures_do_not_depend_on_the_order_of_people_and_say_when_they_are_not_probabilities(answer):
    rng = np.random.default_rng(6)
    outcomes, scores = _world(rng, 200)
    p = 1 / (1 + np.exp(-scores))
    cells = list(people(p))
    turned = rng.permutation(200)
    for metric in ALL:
        one = metric(answer(people(p)), answer(people(outcomes)))
        shuffled = answer({cells[i]: float(outcomes[i]) for i in turned})
        assert metric(answer(people(p)), shuffled).value == pytest.approx(one.value, rel=1e-12)
    for metric in (brier, calibration_error):
        assert "no probabilities" in metric(answer(people(scores)), answer(people(outcomes))).note
