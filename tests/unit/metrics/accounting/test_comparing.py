"""Ranking guarantees, and telling an optimistic accountant from a cautious one."""

import math

import pytest

from pets_eval.model import Guarantee, PetsEvalError, Unsupported
from pets_metrics.privacy.accounting import compare, recompute

STEP = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.1, "sampling_rate": 0.01, "steps": 10_000}


def g(notion="approx-dp", unit="record", adjacency="add-remove", events=(), status="proven", **parameters):
    return Guarantee(notion=notion, unit=unit, adjacency=adjacency, parameters=parameters, events=events, status=status)


def test_the_smaller_epsilon_is_stronger():
    one, two = g(epsilon=0.5, delta=1e-6), g(epsilon=1.0, delta=1e-6)
    assert compare(one, two) == "stronger" and compare(two, one) == "weaker" and compare(one, one) == "equal"
    assert compare(g("pure-dp", epsilon=1.0), g("pure-dp", epsilon=0.0)) == "weaker"
    assert compare(g("zcdp", rho=0.1), g("zcdp", rho=0.2)) == "stronger"
    assert compare(g("gdp", mu=2.0), g("gdp", mu=1.0)) == "weaker"
    assert compare(g("zcdp", rho=0.1, epsilon=1.0, delta=1e-6), two) == "equal"


def test_native_parameters_go_first():
    """At different deltas the epsilons say nothing, but rho does."""
    assert (
        compare(g("zcdp", rho=0.1, epsilon=3.0, delta=1e-9), g("zcdp", rho=0.2, epsilon=2.0, delta=1e-3)) == "stronger"
    )


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (g(epsilon=1.0, delta=1e-6), g(epsilon=1.0, delta=1e-5), "different delta .1e-06 and 1e-05."),
        (g("pure-dp", epsilon=1.0), g(epsilon=1.0, delta=1e-5), "different delta .0 and 1e-05."),
        (g("pure-dp", epsilon=1.0), g("pure-dp", epsilon=1.0, unit="visit"), "different unit of privacy"),
        (g("pure-dp", epsilon=1.0), g("pure-dp", epsilon=1.0, adjacency="replace"), "different adjacency"),
        (g("zcdp", rho=1.0), g("gdp", mu=1.0), "share no parameter"),
        (g("pure-dp", epsilon=1.0), g("k-anonymity", k=5), "k-anonymity is no guarantee"),
        (g("pure-dp", epsilon=1.0), g("pure-dp", epsilon=1.0, status="heuristic"), "not proven"),
        (g("pure-dp", epsilon=1.0), g("pure-dp", epsilon=math.nan), "not a number"),
    ],
)
def test_what_is_not_to_be_ranked_is_refused_with_the_reason(first, second, said):
    for pair in ((first, second), (second, first)):
        with pytest.raises(PetsEvalError):
            compare(*pair)
    with pytest.raises(PetsEvalError, match=said):
        compare(first, second)


def test_the_central_limit_accountant_is_found_optimistic():
    """Opacus' GDP accountant claims less than the loss distribution of the very same training shows."""
    with pytest.warns(UserWarning, match="can underestimate privacy expenditure"):
        accountant = pytest.importorskip("opacus.accountants").GaussianAccountant()
    accountant.history = [(1.1, 0.01, 10_000)]
    claimed = accountant.get_epsilon(1e-5)
    found = recompute(g(epsilon=claimed, delta=1e-5, events=(STEP,)))
    assert claimed == pytest.approx(5.065, abs=1e-3)
    assert found.optimistic and not found.contested and found.excess == pytest.approx(0.128, abs=2e-3)


def test_the_rounding_of_a_sum_is_no_excess():
    pytest.importorskip("dp_accounting")
    noise = {"mechanism": "laplace", "scale": 1.0, "sensitivity": 1.0, "norm": "l1"}
    for claimed, excess in ((math.nextafter(1.0, 2.0), 0.0), (1 + 5e-10, 0.0), (1 + 1e-6, -1e-6)):
        assert recompute(g("pure-dp", epsilon=claimed, events=(noise,))).excess == pytest.approx(excess, abs=1e-12)
        assert (recompute(g("pure-dp", epsilon=claimed, events=(noise,))).excess == 0) == (excess == 0)


@pytest.mark.parametrize("claimed", [5.1927, 5.632])
def test_sound_accountants_are_not(claimed):
    pytest.importorskip("dp_accounting")
    found = recompute(g(epsilon=claimed, delta=1e-5, events=(STEP,)))
    assert not found.optimistic and not found.contested and found.excess <= 1e-4


def test_a_budget_that_was_not_composed_is_found():
    """Five pure releases of epsilon 1 that together claim 1 (flaw 7)."""
    pytest.importorskip("dp_accounting")
    five = ({"mechanism": "pure", "epsilon": 1.0, "times": 5},)
    found = recompute(g("pure-dp", epsilon=1.0, events=five))
    assert found.composed.pld == pytest.approx(5.0) and found.contested
    noise = {"mechanism": "laplace", "scale": 1.0, "sensitivity": 1.0, "norm": "l1", "times": 5}
    assert recompute(g("pure-dp", epsilon=1.0, events=(noise,))).optimistic


def test_a_claim_without_epsilon_is_still_recomputed():
    pytest.importorskip("dp_accounting")
    found = recompute(g("zcdp", rho=0.5, delta=1e-5, events=({"mechanism": "zcdp", "rho": 0.5},)))
    assert math.isnan(found.claimed) and found.composed.pld == pytest.approx(4.728, abs=1e-3)
    assert not found.optimistic


@pytest.mark.parametrize(
    ("guarantee", "said"),
    [
        (g("pure-dp", epsilon=1.0), "describes no mechanism"),
        (g("pure-dp", epsilon=1.0, events=({"mechanism": "pure", "epsilon": 1.0},)), "only repeats the claim"),
        (g(epsilon=1.0, delta=1e-6, events=({"mechanism": "new"},)), "'new' is not known"),
        (g("zcdp", rho=0.5, events=({"mechanism": "zcdp", "rho": 0.5},)), "states no delta"),
    ],
)
def test_where_there_is_nothing_to_reckon_from_it_says_so(guarantee, said):
    with pytest.raises(Unsupported, match=said):
        recompute(guarantee)
