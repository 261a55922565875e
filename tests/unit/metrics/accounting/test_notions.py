"""Each notion's privacy profile, against closed forms and other people's code."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from pets_eval.model import Guarantee, PetsEvalError
from pets_metrics.privacy.accounting import (
    Approx,
    BoundedRange,
    Gdp,
    LossDistribution,
    Pure,
    Renyi,
    Zcdp,
    epsilon_at,
    native,
)
from pets_metrics.privacy.accounting.renyi import ORDERS

GRID = np.linspace(0, 6, 61)


def test_pure_profile_is_that_of_randomised_response():
    keep = math.e / (1 + math.e)
    for e in (0.0, 0.3, 0.99, 1.0, 2.0):
        assert Pure(1.0).profile(np.array([e]))[0] == pytest.approx(
            max(0.0, keep - math.exp(e) * (1 - keep)), abs=1e-15
        )
    assert Pure(1.0).profile(np.array([1.0]))[0] == 0


def test_approx_profile_is_that_of_failing_randomised_response():
    """Outcomes (gives it away, true, false, gives the other away) of Kairouz, Oh and Viswanath's worst mechanism."""
    epsilon, delta = 1.2, 0.01
    p = np.array(
        [delta, (1 - delta) * math.exp(epsilon) / (1 + math.exp(epsilon)), (1 - delta) / (1 + math.exp(epsilon)), 0]
    )
    q = p[::-1]
    for e in (0.0, 0.5, 1.1, 1.2, 3.0):
        assert Approx(epsilon, delta).profile(np.array([e]))[0] == pytest.approx(
            np.maximum(p - math.exp(e) * q, 0).sum()
        )


@pytest.mark.parametrize("rho", [1e-4, 0.02, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-12])
def test_zcdp_epsilon_is_opendps(rho, delta):
    pytest.importorskip("opendp")
    from opendp.combinators import make_fix_delta, make_zCDP_to_approxDP
    from opendp.domains import atom_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import absolute_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    noise = make_gaussian(atom_domain(T="f64", nan=False), absolute_distance(T="f64"), scale=1 / math.sqrt(2 * rho))
    theirs = make_fix_delta(make_zCDP_to_approxDP(noise), delta).map(1.0)[0]
    ours = epsilon_at(Zcdp(rho), delta)
    assert ours == pytest.approx(theirs, rel=2e-4) or ours < theirs  # ours also knows the bound of order 1


def test_the_figures_of_one_gaussian():
    assert epsilon_at(Zcdp(0.5), 1e-5) == pytest.approx(4.728, abs=5e-4)
    assert epsilon_at(Gdp(1.0), 1e-5) == pytest.approx(4.377, abs=5e-4)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 7.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-8])
def test_gdp_is_dp_accountings_exact_gaussian(sigma, delta):
    accounting = pytest.importorskip("dp_accounting")
    assert epsilon_at(Gdp(1 / sigma), delta) == pytest.approx(accounting.get_epsilon_gaussian(sigma, delta), rel=1e-6)


@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-10])
def test_renyi_epsilon_and_delta_are_dp_accountings(delta):
    rdp = pytest.importorskip("dp_accounting.rdp.rdp_privacy_accountant")
    orders = [1.5, 2.0, 4.0, 16.0, 64.0]
    curve = Renyi(tuple(orders), tuple(0.1 * a + 0.01 * a**1.5 for a in orders))
    assert curve.epsilon(delta) == pytest.approx(rdp.compute_epsilon(orders, curve.values, delta)[0])
    for e in (0.1, 1.0, 3.0):
        assert curve.profile(np.array([e]))[0] == pytest.approx(rdp.compute_delta(orders, curve.values, e)[0])


def test_bounded_range_is_the_worst_pair_of_two_losses():
    """Losses t and t - r, at every t: the definition's worst case by search (Dong, Durfee and Rogers 2020)."""
    r = 1.5
    t = np.linspace(1e-9, r - 1e-9, 200_001)
    upper = -np.expm1(t - r) / -math.expm1(-r)
    for e in (0.0, 0.4, 1.0, 1.4):
        best = np.maximum(upper - math.exp(e) * upper * np.exp(-t), 0).max()
        assert BoundedRange(r).profile(np.array([e]))[0] == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("notion", [Pure(1.0), Approx(1.0, 1e-3), Zcdp(0.3), Gdp(0.8), BoundedRange(2.0),
                                    Renyi(ORDERS, tuple(0.3 * a for a in ORDERS))])  # fmt: skip
def test_profiles_fall_and_epsilons_fit_them(notion):
    deltas = notion.profile(GRID)
    assert (np.diff(deltas) <= 1e-12).all() and (deltas >= 0).all() and (deltas <= 1).all()
    for delta in (0.5, 0.05, 2e-3):
        e = epsilon_at(notion, delta)
        assert notion.profile(np.array([e]))[0] <= delta * (1 + 1e-12)
        assert e == 0 or notion.profile(np.array([e * 0.999]))[0] > delta
    assert notion.profile(np.array([notion.reach]))[0] <= getattr(notion, "delta", 0.0) + 2e-18


def test_a_stronger_notion_is_never_above():
    """Gaussian noise of some rho has a smaller delta than what zCDP with that rho admits, everywhere."""
    assert (Gdp(1.0).profile(GRID) <= Zcdp(0.5).profile(GRID) + 1e-15).all()
    assert (BoundedRange(1.0).profile(GRID) <= Pure(1.0).profile(GRID) + 1e-15).all()


def test_nothing_spent_is_nothing_lost():
    for notion in (Pure(0.0), Approx(0.0, 0.0), Zcdp(0.0), Gdp(0.0), BoundedRange(0.0), Renyi((2.0,), (0.0,))):
        assert epsilon_at(notion, 0.0) == 0
        assert notion.profile(np.array([0.0]))[0] == 0


def test_without_delta_gaussian_noise_has_no_epsilon():
    assert epsilon_at(Gdp(1.0), 0.0) == math.inf
    assert epsilon_at(Zcdp(0.5), 0.0) == math.inf
    assert epsilon_at(Renyi((2.0,), (0.1,)), 0.0) == math.inf
    assert epsilon_at(Approx(1.0, 1e-5), 1e-6) == math.inf


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, 1e9])
@pytest.mark.parametrize("make", [Pure, Zcdp, Gdp, BoundedRange, lambda v: Approx(v, 0.1)])
def test_parameters_that_promise_nothing_are_one_sentence(make, value):
    with pytest.raises(PetsEvalError, match=r"^(epsilon|rho|mu) must be at least 0 and at most"):
        make(value)


@pytest.mark.parametrize("delta", [1.0, 1.5, -1e-9, math.nan, math.inf])
def test_deltas_that_promise_nothing_are_one_sentence(delta):
    with pytest.raises(PetsEvalError, match="delta must be at least 0 and below 1"):
        epsilon_at(Gdp(1.0), delta)
    with pytest.raises(PetsEvalError, match="delta must be at least 0 and below 1"):
        Approx(1.0, delta)


def test_curves_that_make_no_sense_are_one_sentence():
    for orders, values in (((), ()), ((2.0,), ()), ((1.0,), (0.1,)), ((2.0,), (-0.1,)), ((2.0,), (math.nan,))):
        with pytest.raises(PetsEvalError, match="Renyi"):
            Renyi(orders, values)


def test_the_native_notion_is_kept():
    def g(notion, status="proven", **parameters):
        return Guarantee(notion=notion, unit="record", adjacency="replace", parameters=parameters, status=status)

    assert native(g("pure-dp", epsilon=1.0)) == Pure(1.0)
    assert native(g("approx-dp", epsilon=1.0, delta=1e-6)) == Approx(1.0, 1e-6)
    assert native(g("zcdp", epsilon=4.7, delta=1e-6, rho=0.5)) == Zcdp(0.5)
    assert native(g("gdp", epsilon=4.4, delta=1e-6, mu=1.0)) == Gdp(1.0)
    for bad, said in (
        (g("k-anonymity", k=5.0), "k-anonymity is no guarantee"),
        (g("none"), "none is no guarantee"),
        (g("pure-dp", status="heuristic", epsilon=1.0), "is not proven"),
        (g("zcdp"), "states no epsilon, rho or mu"),
        (g("pure-dp", epsilon=math.inf), "epsilon must be"),
    ):
        with pytest.raises(PetsEvalError, match=said):
            native(bad)


def test_a_loss_distribution_answers_like_its_mechanism():
    library = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    kept = LossDistribution(library.from_gaussian_mechanism(1.0))
    assert kept.epsilon(1e-5) == pytest.approx(epsilon_at(Gdp(1.0), 1e-5), abs=1e-3)
    assert kept.profile(np.array([0.0]))[0] == pytest.approx(2 * norm.cdf(0.5) - 1, abs=1e-6)
    assert epsilon_at(kept, 1e-5) == kept.epsilon(1e-5)
