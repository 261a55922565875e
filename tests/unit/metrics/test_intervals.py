"""Intervals against scipy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pets_metrics.intervals import (
    bonferroni,
    bootstrap,
    bootstrap_paired,
    bounded_mean,
    clopper_pearson,
    difference,
    holm,
    newcombe,
    t_interval,
    wilson,
)

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


@pytest.mark.parametrize("one", CASES)
@pytest.mark.parametrize("two", CASES)
@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_newcombe_equals_statsmodels(one, two, level):
    theirs = confint_proportions_2indep(*one, *two, method="newcomb", compare="diff", alpha=1 - level)
    ours = newcombe(*one, *two, level)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert -1 <= ours[0] <= one[0] / one[1] - two[0] / two[1] <= ours[1] <= 1


# Newcombe 1998, table II, method 10
PAPER = {
    (56, 70, 48, 80): (0.0524, 0.3339),
    (9, 10, 3, 10): (0.1705, 0.8090),
    (5, 56, 0, 29): (-0.0381, 0.1926),
    (0, 10, 0, 10): (-0.2775, 0.2775),
    (10, 10, 0, 10): (0.6075, 1.0),
}


@pytest.mark.parametrize("counts", PAPER)
def test_newcombe_equals_his_own_table(counts):
    np.testing.assert_allclose(newcombe(*counts), PAPER[counts], atol=5e-5)


def test_a_difference_without_trials_is_not_measured():
    assert newcombe(0, 0, 1, 2) == (-1, 1)
    assert math.isnan(difference(0, 0, 1, 2).value) and difference(0, 0, 1, 2).note
    found = difference(9, 10, 3, 10)
    assert (found.value, found.method, found.n) == (pytest.approx(0.6), "newcombe", 20)


def by_median(x, axis):
    return np.median(x, axis=axis)


def by_slow_median(x):
    return np.median(x)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", [np.mean, np.std, by_median, by_slow_median])
def test_the_same_draws_give_scipy_s_interval(method, statistic):
    x = np.random.default_rng(0).exponential(size=60)
    ours = bootstrap(x, statistic, np.random.default_rng(1), 0.9, 500, method=method)
    theirs = stats.bootstrap(
        (x,), statistic, confidence_level=0.9, method=method, n_resamples=500, rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(ours, (theirs.low, theirs.high), rtol=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_paired_arrays_equal_scipy_s(method):
    rng = np.random.default_rng(5)
    x = rng.normal(size=80)
    y = x + rng.normal(size=80)

    def correlation(a, b):
        return np.corrcoef(a, b)[0, 1]

    ours = bootstrap_paired([x, y], correlation, np.random.default_rng(1), 0.95, 400, method=method)
    theirs = stats.bootstrap(
        (x, y), correlation, paired=True, vectorized=False, method=method, n_resamples=400, rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(ours, (theirs.low, theirs.high), rtol=1e-9)


def test_many_values_are_drawn_in_steps_to_the_same_end(monkeypatch):
    x = np.random.default_rng(0).normal(size=100)
    at_once = bootstrap(x, np.mean, np.random.default_rng(1), resamples=300)
    monkeypatch.setattr("pets_metrics.intervals._AT_ONCE", 1_000)
    assert bootstrap(x, np.mean, np.random.default_rng(1), resamples=300) == pytest.approx(at_once)


def test_bca_of_many_values_leaves_blocks_out(monkeypatch):
    x = np.random.default_rng(0).exponential(size=2_000)
    one_by_one = bootstrap(x, np.mean, np.random.default_rng(1), method="bca")
    monkeypatch.setattr("pets_metrics.intervals._MOST_LEFT_OUT", 400)
    blocks = bootstrap(x, np.mean, np.random.default_rng(1), method="bca")
    plain = bootstrap(x, np.mean, np.random.default_rng(1))
    assert plain[1] < one_by_one[1], "a long right tail moves the interval to the right"
    # acceleration from 400 blocks differs by chance only: far less than the correction itself
    np.testing.assert_allclose(blocks, one_by_one, atol=0.4 * (one_by_one[1] - plain[1]))


def test_rows_of_one_unit_are_drawn_together():
    """20 people with 50 equal rows each: the interval is that of 20 values, not of 1,000."""
    people = np.random.default_rng(0).normal(size=20)
    labels = np.repeat([f"person {i}" for i in range(20)], 50)
    order = np.random.default_rng(1).permutation(1_000)
    ours = bootstrap(
        people.repeat(50)[order], np.mean, np.random.default_rng(2), resamples=4_000, cluster=labels[order]
    )
    of_people = bootstrap(people, np.mean, np.random.default_rng(3), resamples=4_000)
    width = of_people[1] - of_people[0]
    # quantiles of 4,000 resamples: standard error below 2 % of the width
    np.testing.assert_allclose(ours, of_people, atol=0.1 * width)
    alone = bootstrap(people.repeat(50), np.mean, np.random.default_rng(2))
    assert alone[1] - alone[0] < width / 4, "as independent rows they would seem far surer"


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_units_of_one_row_are_rows(method):
    x = np.random.default_rng(0).exponential(size=50)
    alone = bootstrap(x, by_slow_median, np.random.default_rng(1), resamples=200, method=method)
    assert bootstrap(
        x, by_slow_median, np.random.default_rng(1), resamples=200, method=method, cluster=np.arange(50)
    ) == pytest.approx(alone)


def test_units_of_unequal_size_and_bca():
    """A ratio of sums over people with 1 to 9 rows: the delta method gives nearly the same interval."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 10, 400)
    own = rng.normal(2, 1, 400)
    x = own.repeat(sizes) + rng.normal(0, 0.1, sizes.sum())
    labels = np.arange(400).repeat(sizes)
    mean = x.mean()
    error = np.bincount(labels, x - mean)
    half = 1.96 * math.sqrt((error**2).sum()) / sizes.sum()
    for method in ("percentile", "bca"):
        ours = bootstrap(x, np.mean, np.random.default_rng(1), method=method, cluster=labels)
        np.testing.assert_allclose(ours, (mean - half, mean + half), atol=0.2 * half)


def test_faulty_units_and_arrays_are_refused():
    rng = np.random.default_rng(0)
    for labels in ([1, 2], [1, 2, None]):
        with pytest.raises(ValueError, match="label"):
            bootstrap([1.0, 2.0, 3.0], np.mean, rng, cluster=labels)
    with pytest.raises(ValueError, match="one length"):
        bootstrap_paired([[1.0], [1.0, 2.0]], lambda a, b: 0, rng)
    assert all(math.isnan(end) for end in bootstrap([1.0, 2.0], np.mean, rng, cluster=["a", "a"]))


def test_resamples_without_a_figure_are_left_out():
    def rare(x):
        return x.mean() if x.max() > 0 else math.nan

    low, high = bootstrap([0.0, 0.0, 3.0], rare, np.random.default_rng(0), method="bca")
    assert 1 <= low <= high <= 3
    assert all(math.isnan(e) for e in bootstrap([1.0, 2.0], lambda x: math.nan, np.random.default_rng(0)))


def test_constant_values_have_an_interval_of_width_zero():
    assert bootstrap([2.0] * 9, np.mean, np.random.default_rng(0), method="bca") == (2, 2)


def test_bca_covers_a_skewed_mean():
    """Mean of 15 exponential values: over 3,000 samples BCa covers 0.893, the percentiles 0.885 of them.

    Of 400 samples, Binomial(400, 0.88) is below 310 with probability below 1e-6 (mean 352, sd 6.5). Both see the same
    samples, of which few are covered by one alone: that BCa covers fewer by 30 or more is as improbable.
    """
    rng = np.random.default_rng(11)
    covered = {"percentile": 0, "bca": 0}
    for seed in range(400):
        x = rng.exponential(size=15)
        for method in covered:
            low, high = bootstrap(x, np.mean, np.random.default_rng(seed), resamples=400, method=method)
            covered[method] += low <= 1 <= high
    assert covered["bca"] > covered["percentile"] - 30
    assert covered["bca"] >= 310


@pytest.mark.parametrize("seed", range(5))
def test_corrections_equal_statsmodels(seed):
    p = np.random.default_rng(seed).beta(0.5, 2, 20)
    for ours, method in ((holm, "holm"), (bonferroni, "bonferroni")):
        np.testing.assert_allclose(ours(list(p)), multipletests(p, method=method)[1], rtol=1e-12)


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


def test_a_bounded_mean_is_student_s_cut_at_the_bounds():
    values = np.array([0.0, 0.1, 0.1, 0.9])
    found = bounded_mean(values, note="few")
    low, high = t_interval(values)
    assert (found.value, found.low, found.high) == (pytest.approx(0.275), 0.0, pytest.approx(high))
    assert low < 0 and (found.method, found.n, found.note) == ("t", 4, "few")
    assert math.isnan(bounded_mean([]).value) and bounded_mean([]).note
    with pytest.raises(ValueError, match="below"):
        bounded_mean([0.5], 1, 0)


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 7, 40])
def test_alike_values_have_an_interval_with_a_width(value, n):
    found = bounded_mean([value] * n)
    low, high = clopper_pearson(math.floor(value * n), n)[0], clopper_pearson(math.ceil(value * n), n)[1]
    assert found.method == "clopper-pearson" and found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((low, high)) and found.high - found.low > 0.05
    turned = bounded_mean([4 * value - 2] * n, -2, 2)  # the same between other bounds
    assert (turned.low, turned.high) == pytest.approx((4 * low - 2, 4 * high - 2))
