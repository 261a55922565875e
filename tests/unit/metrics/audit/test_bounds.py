import math

import numpy as np
import pytest
from scipy import optimize, stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.bounds import (
    admitted,
    epsilon_ceiling,
    epsilon_lower,
    limits,
    mu_lower,
    pair_floor,
    pair_p_value,
    pair_power,
    shown,
    worst_event,
)
from pets_metrics.privacy.audit.claim import Claim

COUNTS = [
    (40, 100, 10, 120),
    (100, 100, 0, 100),
    (0, 50, 0, 50),
    (3, 1_000, 1_000, 1_000),
    (5_000, 10_000, 1_839, 10_000),
]


@pytest.mark.parametrize("counts", COUNTS)
def test_limits_are_those_of_scipys_exact_intervals(counts):
    hits, runs, misses, others = counts
    low, high = limits(*counts, 0.05)
    assert low == pytest.approx(stats.binomtest(hits, runs).proportion_ci(0.95, "exact").low, rel=1e-9)
    assert high == pytest.approx(stats.binomtest(misses, others).proportion_ci(0.95, "exact").high, rel=1e-9)


def test_epsilon_is_the_logarithm_of_the_ratio_of_the_limits():
    low, high = stats.beta.ppf(0.025, 40, 61), stats.beta.ppf(0.975, 11, 110)
    assert epsilon_lower(40, 100, 10, 120) == pytest.approx(math.log(low / high))
    assert epsilon_lower(40, 100, 10, 120, delta=0.05) == pytest.approx(math.log((low - 0.05) / high))
    assert epsilon_lower(10, 100, 10, 100) == 0


def test_the_complement_is_used_where_it_shows_more():
    # what 95 of 100 against 60 of 100 shows is that 40 is more than 5
    low, high = limits(95, 100, 60, 100, 0.05)
    assert epsilon_lower(95, 100, 60, 100) == pytest.approx(math.log((1 - high) / (1 - low)))
    assert math.log(low / high) < epsilon_lower(95, 100, 60, 100)


def test_shown_of_certain_events():
    assert shown(1.0, 0.0) == math.inf
    assert shown(0.0, 1.0) == -math.inf
    assert shown(0.5, 0.5, 0.1) < 0 == shown(0.5, 0.5)


def test_mu_is_by_the_quantiles_of_the_limits():
    false_positive = stats.beta.ppf(0.975, 51, 50)
    false_negative = stats.beta.ppf(0.975, 17, 84)
    expected = stats.norm.ppf(1 - false_positive) - stats.norm.ppf(false_negative)
    assert mu_lower(84, 100, 50, 100) == pytest.approx(expected)
    assert mu_lower(0, 10, 10, 10) == mu_lower(5, 10, 5, 10) == 0


@pytest.mark.parametrize("claim", [Claim(0.0), Claim(1.0), Claim(1.0, 0.05), Claim(mu=1.0)])
@pytest.mark.parametrize("counts", [*COUNTS, (60, 100, 20, 100)])
def test_the_p_value_is_where_the_bound_meets_the_claim(claim, counts):
    p = pair_p_value(*counts, claim)
    assert 0 < p <= 1
    below, above = limits(*counts, min(1, p * 1.001)), limits(*counts, p * 0.999)
    if 1e-300 < p < 1:
        assert below[0] > admitted(claim, below[1])
        assert above[0] <= admitted(claim, above[1])
    if claim.mu is None:
        assert (epsilon_lower(*counts, claim.delta) > claim.epsilon) == (p < 0.05)


def test_what_a_claim_admits_is_its_tradeoff_curve():
    q = np.linspace(0, 1, 101)
    eps, delta = 1.3, 0.07
    lines = np.minimum(delta + math.exp(eps) * q, 1 - math.exp(-eps) * (1 - delta - q))
    np.testing.assert_allclose(admitted(Claim(eps, delta), q), np.clip(lines, 0, 1))
    np.testing.assert_allclose(admitted(Claim(mu=0.8), q), 1 - stats.norm.cdf(stats.norm.ppf(1 - q) - 0.8))
    np.testing.assert_allclose(admitted(Claim(0.0), q), q, atol=1e-12)
    assert (admitted(Claim(9_000.0), q[1:]) == 1).all()


@pytest.mark.parametrize(("runs", "ceiling"), [(100, 3.3), (1_000, 5.6), (10_000, 7.9)])
def test_ceilings(runs, ceiling):
    assert epsilon_ceiling(runs) == pytest.approx(ceiling, abs=0.05)
    assert epsilon_ceiling(runs, delta=0.1) < epsilon_ceiling(runs)


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    runs, p, q, claim = 120, 0.55, 0.09, Claim(1.0)
    hits, misses = rng.binomial(runs, p, 4_000), rng.binomial(runs, q, 4_000)
    low, high = limits(hits, runs, misses, runs, 0.05)
    found = int((low > admitted(claim, high)).sum())
    assert stats.binomtest(found, 4_000, pair_power(runs, runs, p, q, claim)).pvalue > 1e-3


@pytest.mark.parametrize(("p", "q", "power"), [(1.0, 0.0, 1), (0.0, 1.0, 0), (0.0, 0.0, 0), (1.0, 1.0, 0)])
def test_power_of_certain_events(p, q, power):
    assert pair_power(50, 50, p, q, Claim(1.0)) == power
    assert pair_power(50, 50, p, q, Claim(9_000.0)) == 0


def test_runs_that_a_known_event_needs():
    """A sensitivity that is off by 2 takes 152 runs, perfect separation 12 (with 95 % power, against epsilon 1)."""
    best = max(
        pair_power(152, 152, stats.laplace.sf(cut, 1, 0.5), stats.laplace.sf(cut, 0, 0.5), Claim(1.0))
        for cut in np.linspace(0, 1, 21)
    )
    assert best == pytest.approx(0.95, abs=0.01)
    assert pair_power(12, 12, 1 - 1e-12, 1e-12, Claim(1.0)) > 0.95 > pair_power(11, 11, 1 - 1e-12, 1e-12, Claim(1.0))


@pytest.mark.parametrize("claim", [Claim(1.0), Claim(0.5, 0.01), Claim(mu=0.5, delta=1e-5)])
def test_the_floor_is_where_the_power_is_reached(claim):
    floor = pair_floor(500, claim)
    strength = floor
    if claim.mu is not None:
        strength = optimize.brentq(lambda mu: Claim(mu=mu, delta=claim.delta).epsilon - floor, 0.5, 3)
    assert floor > claim.epsilon
    assert pair_power(500, 500, *worst_event(claim, strength), claim) == pytest.approx(0.95, abs=0.01)
    assert pair_floor(5_000, claim) < floor < pair_floor(100, claim)


@pytest.mark.parametrize("counts", [(-1, 10, 0, 10), (11, 10, 0, 10), (1, 10, 11, 10), (0, 0, 0, 10), (0, 10, 0, 0)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(PetsEvalError, match="cannot have shown"):
        epsilon_lower(*counts)
    with pytest.raises(PetsEvalError, match="cannot have shown"):
        pair_p_value(*counts, Claim(1.0))


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5])
def test_impossible_levels_are_refused(level):
    with pytest.raises(PetsEvalError, match="strictly between"):
        epsilon_lower(5, 10, 1, 10, level=level)
