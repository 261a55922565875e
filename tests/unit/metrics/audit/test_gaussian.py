import math

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.gaussian import Area, claimed_mu, curve_test, mu_test


def normal(shift, runs, seed):
    return np.random.default_rng(seed).normal(shift, 1, runs)


def test_the_area_is_mann_and_whitneys():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 40), rng.integers(2, 11, 60)
    area = Area.of(x.astype(float), y.astype(float))
    assert area.share == pytest.approx(stats.mannwhitneyu(x, y).statistic / (40 * 60))
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    delong = wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 60
    assert area.spread == pytest.approx(math.sqrt(delong))


@pytest.mark.parametrize("mu", [0.0, 0.8, 2.5])
def test_the_share_spreads_as_two_gaussians_make_it(mu):
    """The p-value of a share is uniform under its own mu; so its 16 % and 84 % are where the normal law has them."""
    shares = np.array([Area.of(normal(mu, 60, s), normal(0, 60, s + 5_000)).share for s in range(800)])
    centre = float(stats.norm.cdf(mu / math.sqrt(2)))
    high = np.quantile(shares, 0.84)
    p = Area(float(high), 0.0, (60, 60)).p_value(mu)
    assert p == pytest.approx(0.16 * (2 if mu == 0 else 1), rel=0.25)
    assert shares.mean() == pytest.approx(centre, abs=0.005)


def test_the_bound_is_below_the_truth_and_close():
    found = mu_test(normal(0, 20_000, 0), normal(1, 20_000, 1), Claim(mu=0.5, delta=1e-5))
    assert found.violated
    assert 4.1 < found.epsilon < 4.377
    assert found.event == "value is greater on the second input"
    swapped = mu_test(normal(1, 20_000, 1), normal(0, 20_000, 0), Claim(mu=0.5, delta=1e-5))
    assert swapped.p_value == pytest.approx(found.p_value)


def test_separation_in_few_runs_shows_only_so_much():
    found = mu_test(np.arange(20.0), np.arange(20.0) + 100, Claim(1.0, 1e-5))
    assert found.violated
    assert found.epsilon == found.ceiling < 20
    none = mu_test(np.ones(20), np.ones(20), Claim(1.0, 1e-5))
    assert (none.epsilon, none.p_value) == (0, 1)


def test_many_numbers_are_compared_along_what_tells_them_apart():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2_000, 20)), rng.normal(size=(2_000, 20)) + 0.3
    found = mu_test(first, second, Claim(mu=0.5, delta=1e-5))
    assert found.violated
    assert found.runs == 1_600
    assert found.event.startswith("linear")
    holes = mu_test([None, *first[1:, 0]], second[:, 0], Claim(mu=3.0, delta=1e-5))
    assert not holes.violated


def test_it_is_not_measured_where_no_gaussian_mechanism_could_keep_the_claim():
    assert mu_test(normal(0, 50, 0), normal(1, 50, 1), Claim(1.0)).outcome == "not measured"
    assert mu_test(normal(0, 500, 0), normal(1, 500, 1), Claim(mu=0.3)).violated
    assert mu_test(normal(0, 500, 0), normal(1, 500, 1), Claim(0.0)).violated


def test_the_mu_of_a_claim_gives_it_back():
    for epsilon, delta in [(1.0, 1e-5), (8.0, 1e-9), (0.1, 0.01), (0.0, 0.1)]:
        assert Claim(mu=claimed_mu(Claim(epsilon, delta)), delta=delta).epsilon == pytest.approx(epsilon, abs=1e-6)


def test_the_curve_test_needs_no_gaussian():
    """Randomised response at epsilon 1 keeps no Gaussian curve below mu = 1.23, which passes through its event."""
    rng = np.random.default_rng(0)
    first, second = ((rng.random(20_000) < p).astype(float) for p in (0.7311, 0.2689))
    assert curve_test(first, second, Claim(mu=1.15)).violated
    found = curve_test(first, second, Claim(mu=1.24))
    assert not found.violated
    assert found.check == "curve test"
    assert curve_test(first, second, Claim(0.9)).violated
    assert not curve_test(first, second, Claim(1.0)).violated


def test_too_few_runs_are_refused():
    with pytest.raises(PetsEvalError, match="at least 8 runs"):
        mu_test([1.0] * 7, [1.0] * 7, Claim(1.0, 1e-5))
    with pytest.raises(PetsEvalError, match="needs one number from each"):
        mu_test(["a"] * 9, ["b"] * 9, Claim(1.0, 1e-5))
