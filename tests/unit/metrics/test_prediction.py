"""Area under the ROC curve against scikit-learn, its variance against DeLong's formula term by term."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from pets_eval.model import Unsupported
from pets_metrics.utility.prediction import auroc, delong


def people(values):
    return {("sick", str(i), "probability"): float(v) for i, v in enumerate(values)}


@pytest.mark.parametrize("decimals", [1, 9])
def test_area_equals_scikit_learn_with_and_without_ties(answer, decimals):
    rng = np.random.default_rng(decimals)
    outcomes = rng.integers(0, 2, 300)
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * outcomes, 0.2), 0, 1), decimals)
    found = auroc(answer(people(scores)), answer(people(outcomes)))
    assert found.value == pytest.approx(roc_auc_score(outcomes, scores))
    assert found.low < found.value < found.high and found.method == "delong-logit" and found.n == 300


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


@pytest.mark.parametrize(("true", "m", "n"), [(0.76, 60, 60), (0.95, 20, 20), (0.95, 8, 200)])
def test_the_interval_covers_as_often_as_it_says(answer, true, m, n):
    rng = np.random.default_rng(11)
    apart = math.sqrt(2) * stats.norm.ppf(true)  # two normals this far apart have that area
    outcomes = answer(people([1] * m + [0] * n))
    hits = 0
    for _ in range(600):
        scores = stats.norm.cdf(np.concatenate([rng.normal(apart, 1, m), rng.normal(0, 1, n)]))
        found = auroc(answer(people(scores)), outcomes)
        hits += found.low <= true <= found.high
    # 570 expected at 0.95; the plain interval, area +- 1.96 standard errors, covers 0.76 of the third case
    assert hits >= 525, "below 0.875"


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
    assert found.low == pytest.approx(0.025**0.5), "two successes in two trials"


def test_people_without_an_outcome_are_left_out(answer):
    found = auroc(answer(people([0.9, 0.1, 0.8, 0.3])), answer(people([math.nan, 0, 1, 0])))
    assert found.value == 1 and found.n == 3


def test_what_cannot_be_measured_says_why(answer):
    one_class = auroc(answer(people([0.1, 0.2])), answer(people([1, 1])))
    assert math.isnan(one_class.value) and "one class" in one_class.note
    unscored = auroc(answer(people([0.1, math.nan])), answer(people([1, 0])))
    assert math.isnan(unscored.value) and "1 of 2 people are not scored" in unscored.note
    counts = answer({("t", "a", "count"): 1.0})
    with pytest.raises(Unsupported, match="predicts no outcomes"):
        auroc(counts, counts)
