"""The noise is what it says, and OpenDP's privacy map agrees with dp-accounting.

OpenDP draws from the operating system, so these tests cannot be seeded: each states its false-alarm rate.
"""

import math

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("opendp")

from pets_techniques.dp.noise import gaussian, laplace

DRAWS = 20_000
FALSE_ALARM = 1e-9


def mass(noise, k):
    """Probability of whole numbers: exp(-|k|/s), or exp(-k^2/2s^2), over its sum on a wide support."""
    weight = np.exp(-np.abs(k) / noise.scale if noise.mechanism == "laplace" else -(k**2) / (2 * noise.scale**2))
    return weight / weight.sum()


@pytest.mark.parametrize(
    "noise",
    [laplace(6, 1.0), laplace(1, 4.0), gaussian(6, 1.0, 1e-6), gaussian(1, 20.0, 1e-6)],
    ids=["laplace", "narrow laplace", "gaussian", "narrow gaussian"],
)
def test_the_noise_follows_the_claimed_distribution(noise):
    drawn = noise.add(np.zeros(DRAWS, dtype=np.int64))
    support = np.arange(-2000, 2001)
    expected = mass(noise, support.astype(float)) * DRAWS
    inner = np.flatnonzero(expected >= 20)
    low, high = support[inner[0]], support[inner[-1]]
    observed = np.bincount(np.clip(drawn, low, high) - low, minlength=high - low + 1)
    folded = expected[inner].copy()
    folded[0] += expected[: inner[0]].sum()
    folded[-1] += expected[inner[-1] + 1 :].sum()
    assert stats.chisquare(observed, folded).pvalue > FALSE_ALARM
    exact = math.sqrt((mass(noise, support.astype(float)) * support**2).sum())
    assert noise.deviation == pytest.approx(exact, rel=1e-6)
    inside = mass(noise, support.astype(float))[np.abs(support) <= noise.half_width].sum()
    assert inside >= 0.95
    narrower = mass(noise, support.astype(float))[np.abs(support) <= noise.half_width - 1].sum()
    assert narrower < 0.95, "the interval is wider than it need be"


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 8.0])
@pytest.mark.parametrize("sensitivity", [1, 10, 190])
def test_laplace_epsilon_is_recomputed_by_dp_accounting(epsilon, sensitivity):
    accounting = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    noise = laplace(sensitivity, epsilon)
    assert noise.parameters["epsilon"] <= epsilon
    assert noise.parameters["epsilon"] == pytest.approx(epsilon, rel=1e-6)
    event = noise.event(3)
    loss = accounting.from_laplace_mechanism(event["scale"], sensitivity=event["sensitivity"])
    # The loss of a Laplace mechanism has an atom of mass 1/2 at epsilon, which a delta this small does not cut off.
    assert loss.get_epsilon_for_delta(1e-9) == pytest.approx(noise.parameters["epsilon"], rel=1e-3)


@pytest.mark.parametrize("epsilon, delta", [(0.1, 1e-6), (1.0, 1e-6), (1.0, 1e-9), (8.0, 1e-5)])
@pytest.mark.parametrize("squared", [1, 6, 190])
def test_gaussian_epsilon_is_no_smaller_than_the_exact_one(epsilon, delta, squared):
    accounting = pytest.importorskip("dp_accounting")
    noise = gaussian(squared, epsilon, delta)
    claimed = noise.parameters["epsilon"]
    assert claimed <= epsilon and noise.parameters["delta"] == delta
    event = noise.event(3)
    assert event["sensitivity"] >= math.sqrt(squared)
    exact = accounting.get_epsilon_gaussian(event["scale"] / event["sensitivity"], delta)
    assert exact <= claimed <= 1.4 * exact  # zCDP's conversion costs a little
    assert noise.parameters["rho"] == pytest.approx(squared / (2 * event["scale"] ** 2), rel=1e-9)


def test_noise_on_neighbours_is_independent():
    noise = laplace(1, 0.1)
    drawn = noise.add(np.zeros(DRAWS, dtype=np.int64)).astype(float)
    correlation = np.corrcoef(drawn[:-1], drawn[1:])[0, 1]
    assert abs(correlation) < 7 / math.sqrt(DRAWS)  # false alarm below 1e-11


def test_shape_is_kept():
    assert laplace(1, 1.0).add(np.zeros((2, 3, 4), dtype=np.int64)).shape == (2, 3, 4)


@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("delta", [1e-30, 1e-6, 1e-2])
@pytest.mark.parametrize("squared", [1, 10**12])
def test_all_admitted_budgets_resolve_quickly_and_no_smaller_scale_would_do(epsilon, delta, squared):
    noise = gaussian(squared, epsilon, delta)
    assert 0.99999 * epsilon < noise.parameters["epsilon"] <= epsilon and noise.parameters["delta"] == delta
    assert noise.half_width == pytest.approx(stats.norm.ppf(0.975) * noise.scale, rel=1e-3, abs=2)
    assert laplace(squared, epsilon).parameters["epsilon"] == pytest.approx(epsilon, rel=1e-6)


@pytest.mark.parametrize("squared", [1, 6, 190])
def test_replacing_a_unit_is_recomputed_by_dp_accounting(squared):
    accounting = pytest.importorskip("dp_accounting")
    noise = gaussian(squared, 1.0, 1e-6)
    exact = accounting.get_epsilon_gaussian(noise.scale / math.sqrt(2 * squared), 1e-6)
    assert exact <= noise.replaced["epsilon"] <= 1.4 * exact
    assert noise.replaced["rho"] == pytest.approx(2 * noise.parameters["rho"])
    assert laplace(squared, 0.7).replaced["epsilon"] == pytest.approx(1.4)
