"""The noise-scale test: against tables and tails, and its own error rate."""

import math

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.scale import needed_scale, scale_test


def test_the_needed_scales_are_those_of_the_mechanisms():
    accounting = pytest.importorskip("dp_accounting")
    for epsilon, delta in ((0.1, 1e-6), (1.0, 1e-5), (4.0, 1e-3)):
        ours = needed_scale(Claim(epsilon, delta), "gaussian", 3.0)
        assert ours == pytest.approx(3 * accounting.get_sigma_gaussian(epsilon, delta), rel=1e-6)
    assert needed_scale(Claim(0.25), "laplace", 2.0) == 8.0
    assert needed_scale(Claim(mu=0.5), "gaussian", 1.0) == 2.0


def test_the_p_value_is_the_tail_of_a_table():
    # chi-squared with 10 degrees of freedom is below 3.940 with probability 0.05 (Pearson and Hartley, table 8)
    noise = np.full(10, math.sqrt(3.940 / 10)) * needed_scale(Claim(mu=0.5), "gaussian")
    assert scale_test(noise, 0, Claim(mu=0.5), noise="gaussian").p_value == pytest.approx(0.05, abs=2e-5)
    # |noise| / b is exponential: two of sum s are as small with probability 1 - e^-s (1 + s)
    found = scale_test([2.5, 1.5], [2.0, 2.0], Claim(1.0), noise="laplace")
    assert found.p_value == pytest.approx(1 - 2 * math.exp(-1))


def test_a_sound_mechanism_is_accused_as_often_as_said():
    rng = np.random.default_rng(1)
    claim = Claim(1.0, 1e-5)
    sigma = needed_scale(claim, "gaussian")
    p_values = [scale_test(rng.normal(5, sigma, 14), 5, claim, noise="gaussian").p_value for _ in range(200)]
    p_values += [scale_test(rng.laplace(5, 2, 14), 5, Claim(0.5), noise="laplace").p_value for _ in range(200)]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3  # seeded


def test_the_bound_covers_the_truth_at_its_level():
    rng = np.random.default_rng(2)
    claim = Claim(1.0, 1e-5)
    narrow = needed_scale(Claim(3.0, 1e-5), "gaussian")
    bounds = [scale_test(rng.normal(0, narrow, 30), 0, claim, noise="gaussian").epsilon for _ in range(200)]
    above = sum(bound > 3.0 for bound in bounds)
    assert stats.binomtest(above, 200, 0.05).pvalue > 1e-3  # seeded
    assert np.median(bounds) > 2.0


def test_noise_that_is_not_there_is_found():
    found = scale_test([3.0, 3.0], 3.0, Claim(1.0, 1e-5), noise="gaussian")
    assert found.violated and found.epsilon == math.inf and found.p_value == 0


@pytest.mark.parametrize("outputs", [[], [math.nan, 1.0]])
def test_what_is_no_noise_is_refused(outputs):
    with pytest.raises(PetsEvalError, match="finite numbers"):
        scale_test(outputs, 0.0, Claim(1.0), noise="laplace")


@pytest.mark.parametrize(
    ("claim", "noise"), [(Claim(0.0), "laplace"), (Claim(1.0), "gaussian"), (Claim(mu=0.0), "gaussian")]
)
def test_a_claim_that_no_such_noise_keeps_is_refused(claim, noise):
    with pytest.raises(PetsEvalError, match="keeps the claim"):
        needed_scale(claim, noise)
