"""From an attacker's scores to figures: against scikit-learn and scipy, by hand, and in repeated games."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.attack_scores import (
    FIGURES,
    advantage,
    attack_figures,
    attack_test,
    auc,
    effective_epsilon,
    privacy_loss,
    smallest_test,
    tail_test,
    tpr_at_fpr,
    widened,
)
from pets_metrics.utility.prediction import area_under_curve


def alarms(share, trials):
    """Bound on how often something of probability *share* happens in *trials*, exceeded by chance below 1e-6."""
    return stats.binom.isf(1e-6, trials, share) / trials


@pytest.mark.parametrize("ties", [False, True])
def test_area_and_rates_are_those_of_scikit_learn(ties):
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.7, 1, 300), rng.normal(0, 1, 1_000)
    if ties:
        x, y = x.round(1), y.round(1)
    labels, scores = np.r_[np.ones(300), np.zeros(1_000)], np.r_[x, y]
    assert auc(x, y).value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    for rate in (0.01, 0.001):
        assert tpr_at_fpr(x, y, rate).value == pytest.approx(tpr[fpr <= rate + 1e-12].max(), abs=1e-12)


def test_the_interval_of_the_area_is_that_of_predictions():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.7, 1, 30), rng.normal(0, 1, 100)
    assert auc(x, y, 0.99) == area_under_curve(x, y, 0.99)
    x[x == x.max()] = np.inf  # infinite scores are welcome
    assert auc(x, y, 0.99) == area_under_curve(x, y, 0.99) and auc(x, y).method == "newcombe-delong"


def test_the_test_is_mann_whitneys():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 40).astype(float), rng.integers(0, 4, 60).astype(float)
    assert attack_test(x, y).value == stats.mannwhitneyu(x, y, alternative="greater").pvalue
    x[x == 4] = np.inf  # ranks are all that counts
    assert attack_test(x, y).value == pytest.approx(stats.mannwhitneyu(x, y, alternative="greater").pvalue)
    assert attack_test([1.0, 1.0], [1.0]).value == 1


def test_the_tail_is_counted_by_hand():
    # the 2 highest of 8 are members; C(4, 2) of C(8, 2) ways
    assert tail_test([7, 8, 1, 2], [3, 4, 5, 6], share=0.25).value == pytest.approx(6 / 28)
    # all that tie with the last are taken along
    assert tail_test([8, 5, 1, 2], [3, 4, 5, 6], share=0.26).value == pytest.approx(
        stats.hypergeom.sf(1, 8, 4, 4)  # 8, 6, 5, 5: two of them members
    )


def test_tests_accuse_nobody_more_often_than_they_say():
    rng = np.random.default_rng(2)
    games = [rng.normal(size=300) for _ in range(400)]
    found = [attack_test(g[:100], g[100:]).value for g in games]
    assert stats.kstest(found, "uniform").pvalue > 1e-6
    tails = [tail_test(g[:100], g[100:]).value for g in games]
    assert np.mean(np.array(tails) <= 0.05) <= alarms(0.05, 400)


def test_scores_without_noise_give_everything_away():
    figures = attack_figures(np.arange(100, 200), np.arange(100), np.random.default_rng(0))
    assert tuple(figures) == FIGURES
    assert figures["auc"].value == 1 and figures["auc"].low < 1
    assert figures["tpr at 1% fpr"].value == 1
    assert figures["advantage"].value > 0.95
    assert figures["effective epsilon"].low == pytest.approx(math.log(stats.beta.ppf(0.025, 50, 1) / 0.0711), abs=0.01)


def test_rates_that_cannot_be_resolved_say_so():
    few = tpr_at_fpr([2.0, 3.0], np.arange(50.0), 0.01)
    assert "cannot resolve" in few.note and few.value == 0 and few.low == 0 and few.high > 0.5
    assert not tpr_at_fpr([2.0, 3.0], np.arange(100.0), 0.01).note


def test_intervals_of_a_rate_cover_although_the_threshold_is_estimated():
    rng = np.random.default_rng(3)
    truth = stats.norm.sf(stats.norm.isf(0.01) - 1)
    covered = []
    for _ in range(300):
        e = tpr_at_fpr(rng.normal(1, 1, 200), rng.normal(0, 1, 500), 0.01)
        covered.append(e.low <= truth <= e.high)
    assert 1 - np.mean(covered) <= alarms(0.05, 300)


def test_a_guesser_has_no_advantage_on_average_and_its_bounds_hold():
    rng = np.random.default_rng(4)
    games = [(rng.normal(size=60), rng.normal(size=90)) for _ in range(300)]
    gains = [advantage(x, y, rng) for x, y in games]
    values = np.array([g.value for g in gains])
    assert abs(values.mean()) < 5 * values.std() / math.sqrt(300)
    assert np.mean([not g.low <= 0 <= g.high for g in gains]) <= alarms(0.06, 300)  # the halves share a threshold
    losses = [effective_epsilon(x, y, rng) for x, y in games]
    assert np.mean([loss.low > 0 for loss in losses]) <= alarms(0.05, 300)
    assert all(loss.low <= loss.value < math.inf for loss in losses)


def test_randomised_response_shows_its_epsilon():
    rng = np.random.default_rng(5)
    epsilon = 1.0
    keep = math.exp(epsilon) / (1 + math.exp(epsilon))
    x, y = rng.random(20_000) < keep, rng.random(20_000) >= keep
    e = effective_epsilon(x, y, rng)
    assert e.low < epsilon and e.value == pytest.approx(epsilon, abs=0.1) and e.low > 0.9
    # a mechanism that clears members only: no score below the threshold is a member's
    one_sided = effective_epsilon(np.ones(500), np.r_[np.ones(250), np.zeros(250)], rng)
    assert one_sided.low > 3


def test_losses_by_hand():
    value, low = privacy_loss(90, 100, 10, 100, 0.95)
    assert value == pytest.approx(math.log(90.5 / 10.5))
    assert low == pytest.approx(math.log(stats.beta.ppf(0.025, 90, 11) / stats.beta.ppf(0.975, 11, 90)))
    assert privacy_loss(10, 100, 90, 100, 0.95) == (0, 0)


def test_order_of_the_people_does_not_matter():
    rng = np.random.default_rng(6)
    x, y = rng.normal(1, 1, 50), rng.normal(0, 1, 70)
    one = attack_figures(x, y, np.random.default_rng(0))
    assert one == attack_figures(x[::-1], y[::-1], np.random.default_rng(0))


def test_nobody_to_tell_apart_is_not_measured():
    for e in attack_figures([], [1.0], np.random.default_rng(0)).values():
        assert math.isnan(e.value) and e.note
    assert math.isnan(attack_test([1.0], []).value) and math.isnan(tail_test([], []).value)
    assert math.isnan(widened(auc([], []), "x").value)
    one = attack_figures([1.0], [0.0], np.random.default_rng(0))
    assert one["auc"].value == 1 and math.isnan(one["advantage"].value)
    with pytest.raises(PetsEvalError, match="one score"):
        auc([np.nan], [1.0])


def test_a_tail_test_tells_what_it_could_have_given_at_best():
    found = tail_test([7, 8, 1, 2], [3, 4, 5, 6], share=0.25)  # both of the 2 named are members
    assert found.low == found.value and found.method == "hypergeometric"
    mixed = tail_test([8, 1, 2, 3], [7, 4, 5, 6], share=0.25)  # one of them is
    assert mixed.low == pytest.approx(6 / 28) and mixed.value == pytest.approx(1 - 6 / 28)
    assert tail_test([8.0], [7.0, 6.0, 5.0], share=0.5).low == pytest.approx(0.5), "there is one member only"


def test_the_smallest_test_counts_all_tests():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=300), rng.normal(size=300)
    few = np.where(np.arange(300) < 6, 99.0, x)
    found = smallest_test({"a": (x, y), "b": (few, y)})
    assert found.value == pytest.approx(min(1, 4 * tail_test(few, y).value)) and "b, hypergeometric" in found.note
    assert attack_test(few, y).value > 0.05 and found.value < 0.1
    assert math.isnan(smallest_test({"a": ([1.0], [])}).value)
