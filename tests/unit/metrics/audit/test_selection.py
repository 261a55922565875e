"""Exact selection: against every order of the candidates, against sampling, and against closed forms."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.selection import exponential_pmf, permute_and_flip_pmf, pmf_test


def by_every_order(scores, temperature):
    """Permute-and-flip as it is defined: in a random order, each candidate is taken by a coin of its own."""
    coins = np.exp((np.asarray(scores) - max(scores)) / temperature)
    pmf = np.zeros(len(scores))
    for order in itertools.permutations(range(len(scores))):
        left = 1.0 / math.factorial(len(scores))
        for i in order:
            pmf[i] += left * coins[i]
            left *= 1 - coins[i]
    return pmf


@pytest.mark.parametrize(
    "scores", [[0.0], [1.0, 1.0], [0.0, 3.0], [2.0, -1.0, 0.5, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]
)
def test_permute_and_flip_is_that_of_every_order(scores):
    np.testing.assert_allclose(permute_and_flip_pmf(scores, 1.7), by_every_order(scores, 1.7), atol=1e-12)


def test_permute_and_flip_is_noisy_max_with_exponential_noise():
    rng = np.random.default_rng(3)
    scores = np.array([0.0, 0.4, 1.0, -2.0])
    chosen = (scores + rng.exponential(1.5, (20_000, 4))).argmax(axis=1)
    expected = permute_and_flip_pmf(scores, 1.5) * 20_000
    assert stats.chisquare(np.bincount(chosen, minlength=4), expected).pvalue > 1e-3  # seeded


def test_many_candidates_add_up():
    scores = np.random.default_rng(4).normal(0, 5, 300)
    assert permute_and_flip_pmf(scores, 2.0).sum() == pytest.approx(1, abs=1e-9)
    assert exponential_pmf(scores, 2.0).sum() == pytest.approx(1)


def test_only_one_of_the_two_has_the_range_that_is_accounted_for():
    # Dong, Durfee and Rogers (2020): the exponential mechanism at temperature 2 / epsilon has losses within epsilon
    pair = [0.0, 0.0], [1.0, -1.0]
    ranges = []
    for pmf in (exponential_pmf, permute_and_flip_pmf):
        loss = np.log(pmf(pair[0], 2.0)) - np.log(pmf(pair[1], 2.0))
        assert np.abs(loss).max() <= 1 + 1e-12
        ranges.append(loss.max() - loss.min())
    assert ranges[0] == pytest.approx(1) and ranges[1] > 1.3


def test_the_loss_is_that_of_randomised_response():
    # k answers at epsilon each (Kairouz, Oh and Viswanath 2015, theorem 3.3)
    epsilon, times, delta = 0.5, 6, 1e-3
    truth = 1 / (1 + math.exp(-epsilon))
    found = pmf_test([truth, 1 - truth], [1 - truth, truth], Claim(1.0, delta), times=times)

    def exact(total):
        terms = (
            math.comb(times, i) * (math.exp((times - i) * epsilon) - math.exp(total + i * epsilon))
            for i in range(times + 1)
        )
        return sum(max(0.0, t) for t in terms) / (1 + math.exp(epsilon)) ** times

    assert exact(found.epsilon) == pytest.approx(delta, rel=0.01)
    assert found.violated
    assert not pmf_test([truth, 1 - truth], [1 - truth, truth], Claim(3.0, delta), times=times).violated


def test_a_claim_that_is_just_kept_is_not_accused():
    truth = 1 / (1 + math.exp(-1))
    pair = [truth, 1 - truth], [1 - truth, truth]
    assert not pmf_test(*pair, Claim(1.0)).violated
    assert pmf_test(*pair, Claim(0.999)).violated
    assert not pmf_test(*pair, Claim(1.0, 1e-9)).violated
    assert not pmf_test(*pair, Claim(3.0), times=3).violated


def test_an_impossible_output_costs_delta():
    assert pmf_test([0.9, 0.1], [1.0, 0.0], Claim(5.0)).epsilon == math.inf
    assert not pmf_test([0.9, 0.1], [1.0, 0.0], Claim(5.0, 0.1)).violated


@pytest.mark.parametrize("pmf", [[0.5, 0.6], [-0.1, 1.1], [0.5, math.nan]])
def test_what_are_no_probabilities_is_refused(pmf):
    with pytest.raises(PetsEvalError, match="add up to 1"):
        pmf_test(pmf, [0.5, 0.5], Claim(1.0))


def test_outputs_that_do_not_match_are_refused():
    with pytest.raises(PetsEvalError, match="same outputs"):
        pmf_test([1.0], [0.5, 0.5], Claim(1.0))


@pytest.mark.parametrize(("scores", "temperature"), [([], 1.0), ([1.0], 0.0), ([math.inf, 0.0], 1.0)])
def test_selections_from_nothing_are_refused(scores, temperature):
    with pytest.raises(PetsEvalError, match="finite scores"):
        permute_and_flip_pmf(scores, temperature)
