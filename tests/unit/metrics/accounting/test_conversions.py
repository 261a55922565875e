"""Conversions: what they give, that they say what is lost, and that they refuse what does not follow."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.accounting import (
    Approx,
    BoundedRange,
    Gdp,
    LossDistribution,
    Pure,
    Renyi,
    Zcdp,
    epsilon_at,
    to_approx,
    to_distribution,
    to_gdp,
    to_renyi,
    to_zcdp,
)
from pets_metrics.privacy.accounting.renyi import ORDERS


def test_zcdp_says_how_far_above_gaussian_noise_it_is():
    found = to_approx(Zcdp(0.5), 1e-5)
    assert found.value.epsilon == pytest.approx(4.728, abs=5e-4) and found.value.delta == 1e-5
    assert not found.lossless
    assert "epsilon 4.377" in found.note and "7.4 % less" in found.note


def test_what_is_kept_is_said():
    assert to_approx(Pure(1.0), 0.0).lossless and to_approx(Pure(1.0), 0.0).value == Approx(1.0, 0.0)
    assert to_approx(Approx(1.0, 1e-6), 1e-6).lossless
    for notion in (Pure(1.0), Approx(1.0, 1e-6), Gdp(1.0), BoundedRange(1.0), Renyi((2.0, 8.0), (0.1, 0.4))):
        found = to_approx(notion, 1e-3)
        assert not found.lossless and found.note and found.value.epsilon == epsilon_at(notion, 1e-3)
    assert to_renyi(Zcdp(0.1)).lossless and to_zcdp(Zcdp(0.1)).lossless and to_gdp(Gdp(1.0)).lossless
    assert not to_zcdp(Gdp(1.0)).lossless and not to_renyi(Pure(1.0)).lossless and not to_gdp(Pure(1.0)).lossless


def test_pure_to_zcdp_is_opendps():
    pytest.importorskip("opendp")
    from opendp.combinators import make_pureDP_to_zCDP
    from opendp.domains import atom_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import absolute_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    for scale in (0.5, 2.0, 20.0):
        noise = make_laplace(atom_domain(T="f64", nan=False), absolute_distance(T="f64"), scale=scale)
        converted = make_pureDP_to_zCDP(noise).map(1.0)
        assert to_zcdp(Pure(noise.map(1.0))).value.rho >= converted * (1 - 1e-9)
        assert to_zcdp(Pure(1 / scale)).value.rho == pytest.approx(1 / scale**2 / 2)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0])
def test_pure_implies_the_renyi_divergences_of_randomised_response(epsilon):
    rdp = pytest.importorskip("dp_accounting.rdp.rdp_privacy_accountant")
    noise = 2 / (1 + math.exp(epsilon))  # dp-accounting's way to state it for two answers
    found = to_renyi(Pure(epsilon)).value
    theirs = [rdp._randomized_response_rdp_replace_one(noise, 2, a) for a in (1.5, 2.0, 16.0)]
    assert [found.values[ORDERS.index(a)] for a in (1.5, 2.0, 16.0)] == pytest.approx(theirs)
    assert all(r <= min(epsilon, a * epsilon**2 / 2) * (1 + 1e-9) for a, r in zip(found.orders, found.values))


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 5.0, 40.0])
def test_pure_implies_a_gaussian_curve_below_its_own(epsilon):
    mu = to_gdp(Pure(epsilon)).value.mu
    alpha = np.concatenate([np.geomspace(1e-25, 0.5, 2000), np.linspace(0.5, 1, 500)])
    own = np.maximum.reduce([1 - math.exp(epsilon) * alpha, math.exp(-epsilon) * (1 - alpha), 0 * alpha])
    gaussian = norm.cdf(norm.isf(alpha) - mu)
    assert (gaussian <= own + 1e-12).all()
    corner = 1 / (1 + math.exp(epsilon))
    assert norm.cdf(norm.isf(corner) - mu) == pytest.approx(corner, rel=1e-6)  # and touches it: no smaller one does


@pytest.mark.parametrize("notion", [Pure(1.0), Approx(0.7, 1e-4), Zcdp(0.2), Gdp(1.0), BoundedRange(1.0)])
def test_the_loss_distribution_dominates_and_is_close(notion):
    pytest.importorskip("dp_accounting")
    found = to_distribution(notion).value
    assert isinstance(found, LossDistribution)
    for e in (0.0, 0.2, 0.6, 0.9, 2.5):
        true, ours = float(notion.profile(np.array([e]))[0]), float(found.profile(np.array([e]))[0])
        assert true - 1e-12 <= ours <= true + 1e-5
    assert to_distribution(found).lossless


def test_what_does_not_follow_is_refused():
    refused = [
        (lambda: to_approx(Approx(1.0, 1e-5), 1e-6), "says nothing at a delta of 1e-06"),
        (lambda: to_approx(Gdp(1.0), 0.0), "no finite epsilon at delta = 0; choose a delta above 0"),
        (lambda: to_renyi(Approx(1.0, 1e-5)), "implies no Renyi divergence"),
        (lambda: to_zcdp(Approx(1.0, 1e-5)), "implies no zero-concentrated"),
        (lambda: to_gdp(Zcdp(0.5)), "implies no Gaussian"),
        (lambda: to_approx(Pure(1.0), 1.0), "delta must be at least 0 and below 1"),
    ]
    for convert, said in refused:
        with pytest.raises(PetsEvalError, match=said):
            convert()


def test_nothing_lost_converts_to_nothing_lost():
    assert to_approx(Zcdp(0.0), 1e-6).value.epsilon == 0
    assert to_gdp(Pure(0.0)).value.mu == pytest.approx(0.0)
    assert to_approx(Pure(1e6), 0.0).value.epsilon == 1e6
    assert math.isfinite(to_gdp(Pure(500.0)).value.mu)
