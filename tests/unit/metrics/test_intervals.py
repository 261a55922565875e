"""Intervals against scipy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pets_metrics.intervals import bootstrap, clopper_pearson, t_interval, wilson

CASES = [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (137, 1000)]


@pytest.mark.parametrize("successes, trials", CASES)
@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_proportions_equal_statsmodels(successes, trials, level):
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        theirs = proportion_confint(successes, trials, alpha=1 - level, method=method)
        np.testing.assert_allclose(ours(successes, trials, level), np.nan_to_num(theirs, nan=0.0), atol=1e-12)


@pytest.mark.parametrize("successes, trials", CASES)
def test_clopper_pearson_equals_scipy(successes, trials):
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(clopper_pearson(successes, trials), (theirs.low, theirs.high), atol=1e-12)


def test_nothing_observed_says_nothing():
    assert wilson(0, 0) == (0, 1) == clopper_pearson(0, 0)


@pytest.mark.parametrize("successes, trials", [(2, 1), (-1, 5)])
def test_impossible_counts_are_refused(successes, trials):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="impossible"):
            interval(successes, trials)


@pytest.mark.parametrize("n", [2, 5, 100])
def test_t_interval_equals_scipy(n):
    x = np.random.default_rng(n).normal(3, 2, n)
    theirs = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    np.testing.assert_allclose(t_interval(x, 0.9), (theirs.low, theirs.high))


def test_one_value_has_no_interval():
    assert all(math.isnan(end) for end in t_interval([1.0]) + bootstrap([1.0], np.mean, np.random.default_rng(0)))


def test_bootstrap_agrees_with_scipy_s():
    x = np.random.default_rng(0).exponential(size=200)
    ours = bootstrap(x, np.median, np.random.default_rng(1), resamples=4_000)
    theirs = stats.bootstrap((x,), np.median, method="percentile", n_resamples=4_000, rng=np.random.default_rng(2))
    low, high = theirs.confidence_interval
    # both ends are quantiles of 4,000 resamples: their standard error is below 2 % of the width here
    assert abs(ours[0] - low) < 0.1 * (high - low) and abs(ours[1] - high) < 0.1 * (high - low)


def test_bootstrap_keeps_rows_together():
    pairs = np.column_stack([np.arange(50.0), 2 * np.arange(50.0)])
    low, high = bootstrap(pairs, lambda x: float((x[:, 1] - 2 * x[:, 0]).max()), np.random.default_rng(0))
    assert low == high == 0


def test_coverage_is_what_it_says():
    """Exact coverage for 40 trials: at least nominal everywhere, or nominal on average (Agresti and Coull 1998)."""
    rates, k = np.linspace(0.01, 0.99, 99), np.arange(41)
    mass = stats.binom.pmf(k[:, None], 40, rates)
    coverage = {}
    for interval in (wilson, clopper_pearson):
        low, high = np.array([interval(int(successes), 40) for successes in k]).T[:, :, None]
        coverage[interval] = (mass * ((low <= rates) & (rates <= high))).sum(axis=0)
    assert coverage[clopper_pearson].min() >= 0.95
    assert abs(coverage[wilson].mean() - 0.95) < 0.01
