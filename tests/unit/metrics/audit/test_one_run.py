"""Against jax-privacy 2.0.0 (`jax_privacy.auditing`, which implements both papers), and against the papers' laws."""

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.one_run import (
    one_run_epsilon,
    one_run_mu,
    one_run_mu_p_value,
    one_run_p_value,
    one_run_test,
)


@pytest.mark.parametrize(
    ("counts", "epsilon", "delta", "expected"),
    [
        ((1_000, 100, 90), 1.0, 1e-5, 0.0008412885614385309),
        ((1_000, 100, 75), 0.5, 1e-3, 0.10262942114455562),
        ((10_000, 1_000, 903), 2.0, 1e-5, 0.02035286876983984),
        ((500, 500, 300), 0.2, 1e-2, 0.2453648556708731),
    ],
)
def test_p_values_are_the_peers(counts, epsilon, delta, expected):
    assert one_run_p_value(*counts, epsilon, delta) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "delta", "expected"),
    [
        ((1_000, 100, 91), 1e-5, 1.7155763354323839),
        ((10_000, 1_000, 903), 1e-5, 2.0464145836170893),
        ((100_000, 10_000, 9_037), 1e-5, 2.1756525609687993),
        ((200, 20, 20), 0.0, 1.822715468913766),
        ((1_000, 1_000, 600), 1e-3, 0.2659911799179627),
    ],
)
def test_bounds_are_the_peers(counts, delta, expected):
    assert one_run_epsilon(*counts, delta) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    ("counts", "delta", "expected"),
    [
        ((1_000, 100, 91), 1e-5, 2.5988018075719346),
        ((10_000, 1_000, 903), 1e-5, 2.8480129692833045),
        ((200, 20, 20), 1e-5, 2.892102871817154),
        ((1_000, 1_000, 600), 1e-3, 0.3578129599772913),
    ],
)
def test_bounds_by_f_dp_are_the_peers(counts, delta, expected):
    assert Claim(mu=one_run_mu(*counts), delta=delta).epsilon == pytest.approx(expected, abs=1e-5)


def test_without_delta_it_is_the_binomial_test():
    q = 1 / (1 + np.exp(-1.0))
    assert one_run_p_value(500, 80, 70, 1.0) == pytest.approx(stats.binomtest(70, 80, q, "greater").pvalue)


@pytest.mark.parametrize("counts", [(1_000, 100, 91), (400, 400, 260), (50, 50, 50), (50, 50, 25)])
def test_the_p_value_of_mu_is_where_the_bound_meets_it(counts):
    mu = one_run_mu(*counts)
    assert one_run_mu_p_value(*counts, mu + 1e-3) > 0.05
    if mu > 0:
        assert one_run_mu_p_value(*counts, mu - 1e-3) <= 0.05
    assert one_run_mu(*counts, level=0.99) <= mu


def simulated(canaries, mu, seed):
    rng = np.random.default_rng(seed)
    included = rng.random(canaries) < 0.5
    return rng.normal(size=canaries) + mu * included, included


def test_medians_of_the_gaussian_mechanism():
    """At true epsilon 4.38 (mu = 1, delta 1e-5), a tenth guessed: 1.67 and 2.03 of 10^3 and 10^4 canaries.

    Few canaries give few values: at 10^3 the median lies between 90 and 91 right guesses (1.63 and 1.72).
    """
    claim = Claim(1.0, 1e-5)
    few, more = ([one_run_test(*simulated(m, 1.0, seed), claim).epsilon for seed in range(40)] for m in (1_000, 10_000))
    assert 1.62 < np.median(few) < 1.72
    assert np.median(more) == pytest.approx(2.03, rel=0.02)
    by_f_dp = one_run_test(*simulated(10_000, 1.0, 0), Claim(mu=0.5, delta=1e-5))
    assert by_f_dp.violated
    assert max(more) < 2.5 < by_f_dp.epsilon < 4.38, "f-DP comes closer to the truth"


def test_scores_and_inclusion():
    """Of six canaries four are guessed: the lowest two out, the highest two in; one of them wrongly."""
    found = one_run_test([6, 1, 5, 2, 3, 4], [True, False, True, True, False, True], Claim(1.0), guesses=4)
    assert found.event == "3 of 4 guesses right"
    assert found.runs == 1
    assert found.p_value == one_run_p_value(6, 4, 3, 1.0)
    assert found.ceiling == one_run_epsilon(6, 4, 4)


def test_a_violation_is_found_and_a_sound_mechanism_is_not_accused():
    assert one_run_test(*simulated(2_000, 3.0, 0), Claim(1.0, 1e-5)).violated
    assert not one_run_test(*simulated(2_000, 1.0, 0), Claim(4.38, 1e-5)).violated
    assert not one_run_test(*simulated(2_000, 0.0, 0), Claim(mu=0.2, delta=1e-5)).violated


@pytest.mark.parametrize("counts", [(10, 11, 5), (10, 5, 6), (10, 0, 0), (10, 5, -1)])
def test_impossible_counts_are_refused(counts):
    for of in (one_run_epsilon, one_run_mu):
        with pytest.raises(PetsEvalError, match="impossible"):
            of(*counts)


@pytest.mark.parametrize(
    ("scores", "included", "guesses"),
    [([1.0], [True], None), ([1.0, 2.0], [True], None), ([1.0, np.nan], [True, False], None), ([1, 2], [1, 0], 3)],
)
def test_scores_that_do_not_fit_are_refused(scores, included, guesses):
    with pytest.raises(PetsEvalError):
        one_run_test(scores, included, Claim(1.0), guesses=guesses)
