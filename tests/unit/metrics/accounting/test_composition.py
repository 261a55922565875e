"""Composition of several releases, against the library's accountants on the same events."""

import math

import numpy as np
import pytest

from pets_eval.model import Guarantee, PetsEvalError
from pets_metrics.privacy.accounting import Gdp, compose, composition, epsilon_at

accounting = pytest.importorskip("dp_accounting")


def release(*events, unit="record", adjacency="add-remove", notion="approx-dp", **parameters):
    return Guarantee(notion=notion, unit=unit, adjacency=adjacency, parameters=parameters, events=events)


LAPLACE = {"mechanism": "laplace", "scale": 4.0, "sensitivity": 1.0, "norm": "l1"}
GAUSSIAN = {"mechanism": "gaussian", "scale": 6.0, "sensitivity": 2.0, "norm": "l2"}
STEP = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.5, "sampling_rate": 0.02, "steps": 500}


def theirs(delta):
    """The same releases as events of dp-accounting, by both of its accountants."""
    events = accounting.ComposedDpEvent(
        [
            accounting.SelfComposedDpEvent(accounting.LaplaceDpEvent(4.0), 3),
            accounting.GaussianDpEvent(3.0),
            accounting.SelfComposedDpEvent(
                accounting.PoissonSampledDpEvent(0.02, accounting.GaussianDpEvent(1.5)), 500
            ),
        ]
    )
    pld = accounting.pld.PLDAccountant().compose(events).get_epsilon(delta)
    return pld, accounting.rdp.RdpAccountant().compose(events).get_epsilon(delta)


@pytest.mark.parametrize("delta", [1e-3, 1e-7])
def test_unlike_releases_cost_what_the_librarys_accountants_say(delta):
    found = compose([release(LAPLACE), release({**LAPLACE, "times": 2}), release(GAUSSIAN), release(STEP)], delta)
    pld, rdp = theirs(delta)
    assert found.pld == pytest.approx(pld, abs=2e-3)
    assert found.rdp == pytest.approx(rdp, rel=1e-3) and found.rdp <= rdp + 1e-9
    assert found.agree and found.exact and found.releases == 4
    assert found.epsilon == found.pld < found.rdp


def test_adding_up_is_used_where_it_is_less():
    found = compose([release(LAPLACE)] * 3, 0.0)
    assert found.pld == found.basic == 0.75 == found.rdp
    assert compose([release(LAPLACE)] * 3, 1e-9).pld <= 0.75


def test_repeats_listed_or_counted_cost_the_same():
    listed = compose([LAPLACE] * 12 + [GAUSSIAN] * 5, 1e-6)
    counted = compose([{**LAPLACE, "times": 12}, {**GAUSSIAN, "times": 5}], 1e-6)
    assert listed.pld == pytest.approx(counted.pld, abs=2e-3)
    assert listed.rdp == pytest.approx(counted.rdp)


def test_many_gaussian_releases_are_one_with_less_noise():
    assert compose([GAUSSIAN] * 9, 1e-6).pld == pytest.approx(accounting.get_epsilon_gaussian(1.0, 1e-6), rel=1e-3)


def test_zcdp_adds_up_beside_noise():
    """Of rho = 0.4 in two opaque parts and Gaussian noise of rho = 0.1: between the exact and the all-zCDP cost."""
    opaque = [{"mechanism": "zcdp", "rho": 0.1}, {"mechanism": "zcdp", "rho": 0.3}]
    noise = {"mechanism": "gaussian", "scale": 1.0, "sensitivity": math.sqrt(0.2), "norm": "l2"}
    found = compose([*opaque, noise], 1e-5)
    assert accounting.get_epsilon_gaussian(1.0, 1e-5) < found.pld <= 4.7285 * 1.02
    assert found.epsilon <= 4.7290 and not found.exact


def test_parallel_composition_is_not_assumed():
    """Two histograms of different towns are two releases: nobody said that their people are different."""
    assert compose([LAPLACE, LAPLACE], 0.0).pld == 2 * compose([LAPLACE], 0.0).pld


def test_nothing_released_costs_nothing():
    found = compose([], 0.0)
    assert found.pld == found.rdp == found.basic == 0 and found.releases == 0


def test_small_and_large_losses_share_a_grid():
    tiny = {**LAPLACE, "scale": 1e4}
    assert compose([tiny], 1e-9).pld == pytest.approx(1e-4, rel=0.01)
    assert compose([tiny] * 100, 1e-9).pld == pytest.approx(epsilon_at(Gdp(1e-3), 1e-9), rel=0.02)
    large = compose([{**LAPLACE, "scale": 0.01}, LAPLACE], 0.0)
    assert large.pld == 100.25


def test_without_delta_gaussian_noise_costs_infinitely_much():
    found = compose([GAUSSIAN], 0.0)
    assert found.pld == found.rdp == found.basic == math.inf


def test_adding_up_holds_at_delta():
    """Failures beyond delta leave no sum; such that are delta but for rounding leave the sum of the epsilons."""
    events = [{"mechanism": "approx", "epsilon": 0.5, "delta": 1e-6}] * 3
    found = compose(events, 2e-6)
    assert found.basic == found.pld == found.rdp == math.inf and found.failure == pytest.approx(3e-6)
    for delta in (3e-6, 1e-6 + 1e-6 + 1e-6, math.nextafter(3e-6, 0)):
        found = compose(events, delta)
        assert found.basic == found.pld == found.rdp == 1.5
    certain = compose([{"mechanism": "threshold", "delta": 0.6}] * 2, math.nextafter(1, 0))
    assert certain.basic == math.inf and certain.failure == 1.2


def test_it_says_where_nothing_was_reckoned():
    stated = {"mechanism": "pure", "epsilon": 0.5}
    assert compose([stated, stated], 0.0).stated
    assert not compose([stated, LAPLACE], 0.0).stated and not compose([], 0.0).stated


def test_a_contradiction_is_flagged(monkeypatch):
    """Divergences of half the true size (a broken accountant): the larger figure is given, with a warning."""
    halved = composition.total_renyi
    monkeypatch.setattr(composition, "total_renyi", lambda found: halved(found) / 2)
    found = compose([GAUSSIAN] * 4, 1e-6)
    assert not found.agree and found.epsilon == found.pld > found.rdp
    assert "contradict" in found.notes[-1]


@pytest.mark.parametrize("seed", range(3))
def test_random_studies_never_contradict_themselves(seed):
    rng = np.random.default_rng(seed)
    events = []
    for _ in range(rng.integers(2, 5)):
        kind = rng.integers(4)
        scale, times = float(np.exp(rng.uniform(0.5, 3))), int(rng.integers(1, 5))
        events.append(
            [
                {"mechanism": "laplace", "scale": scale, "sensitivity": 1, "norm": "l1", "times": times},
                {"mechanism": "laplace", "scale": scale, "sensitivity": 2, "norm": "l1", "discrete": True},
                {"mechanism": "gaussian", "scale": scale, "sensitivity": 1.0, "norm": "l2", "times": times},
                {"mechanism": "subsampled-gaussian", "noise_multiplier": scale, "sampling_rate": 0.1, "steps": 20},
            ][kind]
        )
    costs = [compose(events, delta) for delta in (1e-8, 1e-4)]
    assert all(c.agree and c.pld <= c.rdp * 1.01 + 2e-3 and c.pld <= c.basic + 1e-9 for c in costs)
    assert costs[0].pld >= costs[1].pld
    more = compose([*events, LAPLACE], 1e-4)
    assert costs[1].pld <= more.pld <= costs[1].pld + 0.25 + 1e-3


def test_what_does_not_add_up_is_refused_with_the_reason():
    for pair, said in (
        ([release(LAPLACE), release(LAPLACE, unit="household")], "different unit of privacy .household and record."),
        ([release(LAPLACE), release(LAPLACE, adjacency="replace")], "different adjacency .add-remove and replace."),
    ):
        with pytest.raises(PetsEvalError, match=said):
            compose(pair, 1e-6)
    with pytest.raises(PetsEvalError, match="hold for adjacency replace, not add-remove"):
        compose([release(LAPLACE, adjacency="replace")], 1e-6, adjacency="add-remove")
    for delta in (1.0, -0.1, math.nan):
        with pytest.raises(PetsEvalError, match="delta must be"):
            compose([LAPLACE], delta)
    with pytest.raises(PetsEvalError, match="k-anonymity is no guarantee"):
        compose([release(notion="k-anonymity", k=5)], 0.0)
