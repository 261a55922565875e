"""What a guarantee means to a reader, against closed forms, optimal tests and the attack itself."""

import math
import statistics

import numpy as np
import pytest
from scipy.stats import norm

from pets_eval.model import Guarantee, PetsEvalError
from pets_metrics.privacy.accounting import (
    Approx,
    BoundedRange,
    Gdp,
    Pure,
    Renyi,
    Zcdp,
    compose,
    risk,
    to_distribution,
)
from pets_metrics.privacy.accounting.renyi import ORDERS

pytest.importorskip("riskcal")


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0, 3.0])
def test_pure_is_the_closed_form(epsilon):
    found = risk(Pure(epsilon))
    assert found.advantage == pytest.approx(math.tanh(epsilon / 2))
    assert found.tpr_1 == pytest.approx(min(0.01 * math.exp(epsilon), 1 - 0.99 / math.exp(epsilon)))
    for prior in (0.5, 0.01):  # Wood et al.'s bound on every posterior
        assert found.posterior(prior) == pytest.approx(
            prior * math.exp(epsilon) / (1 - prior + prior * math.exp(epsilon))
        )


@pytest.mark.parametrize("mu", [0.2, 1.0, 3.0])
def test_gaussian_is_the_closed_form(mu):
    found = risk(Gdp(mu))
    assert found.advantage == pytest.approx(2 * norm.cdf(mu / 2) - 1)
    assert found.tpr_01 == pytest.approx(norm.sf(norm.isf(0.001) - mu))


def test_the_best_attack_on_gaussian_noise_reaches_it_and_no_more():
    """A threshold on one noisy count, 400,000 draws a side: within sampling error of what is implied."""
    rng = np.random.default_rng(3)
    n = 400_000
    absent, there = rng.normal(0, 1, n), rng.normal(1, 1, n)
    found = risk(compose([{"mechanism": "gaussian", "scale": 2.0, "sensitivity": 2.0, "norm": "l2"}], 1e-6))
    reached = (there > np.quantile(absent, 0.99)).mean()
    assert reached == pytest.approx(found.tpr_1, abs=5e-3)
    assert (there > 0.5).mean() - (absent > 0.5).mean() == pytest.approx(found.advantage, abs=6e-3)


@pytest.mark.parametrize("notion", [Pure(1.0), Approx(1.0, 1e-3), Gdp(1.0), BoundedRange(1.0)])
def test_the_loss_distribution_says_the_same_as_the_notion(notion):
    direct, by_loss = risk(notion), risk(to_distribution(notion).value)
    for one, other in ((direct.advantage, by_loss.advantage), (direct.tpr_1, by_loss.tpr_1),
                       (direct.tpr_01, by_loss.tpr_01)):  # fmt: skip
        assert other == pytest.approx(one, rel=0.03, abs=2e-4)


STEP = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.1, "sampling_rate": 0.01, "steps": 2_000}


@pytest.mark.parametrize("events", [
    [STEP], [{"mechanism": "laplace", "scale": 2.0, "sensitivity": 1.0, "norm": "l1", "times": 7}],
    [{"mechanism": "exponential", "epsilon": 0.5, "times": 4}, {"mechanism": "threshold", "delta": 1e-3}],
])  # fmt: skip
def test_riskcal_agrees_with_the_dual_of_the_profile(events):
    """TPR at most delta(e) + e^(e) FPR for every e, and the same of the mirror image (Dong, Roth and Su, prop. 6).

    For noise on samples riskcal alone is 0.2 % below that bound, so the larger of both is given.
    """
    analysis = pytest.importorskip("riskcal.analysis")
    total = compose(events, 1e-6)
    found = risk(total)
    riskcals = 1 - analysis.get_beta_from_pld(total.distribution.pld, np.array([0.001, 0.01]))
    assert found.tpr_01 >= riskcals[0] - 1e-12 and found.tpr_1 >= riskcals[1] - 1e-12
    grid = np.linspace(0, 12, 4001)
    deltas = total.distribution.profile(grid)
    for fpr, tpr in ((0.01, found.tpr_1), (0.001, found.tpr_01)):
        first = (deltas + np.exp(grid) * fpr).min()
        second = (1 - np.exp(-grid) * (1 - deltas - fpr)).min()
        assert min(first, second) * (1 - 3e-3) <= tpr <= min(first, second) * (1 + 1e-3)
    assert found.advantage == pytest.approx(deltas[0], abs=1e-9)


def test_a_weaker_guarantee_is_never_less_risky():
    rising = [risk(Pure(e)) for e in (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 50.0, 1e6)]
    for name in ("advantage", "tpr_1", "tpr_01"):
        values = [getattr(r, name) for r in rising]
        assert values == sorted(values) and values[0] >= 0 and values[-1] <= 1
    assert (
        rising[0].advantage == 0
        and rising[0].tpr_1 == pytest.approx(0.01)
        and rising[0].posterior(0.3) == pytest.approx(0.3)
    )
    assert rising[-1].advantage == 1 and rising[-1].tpr_01 == 1


def test_zcdp_lies_above_gaussian_noise_of_its_rho():
    wide, narrow = risk(Zcdp(0.5)), risk(Gdp(1.0))
    assert narrow.advantage < wide.advantage < 1.3 * narrow.advantage
    assert narrow.tpr_1 < wide.tpr_1 and narrow.tpr_01 < wide.tpr_01
    curve = risk(Renyi(ORDERS, tuple(0.5 * a for a in ORDERS)))
    assert curve.tpr_1 >= narrow.tpr_1 and curve.advantage <= 1
    assert risk(Zcdp(0.0)).advantage == 0


def test_failures_count():
    assert risk(Approx(0.0, 0.1)).advantage == pytest.approx(0.1)
    assert risk(Approx(0.0, 0.1)).tpr_01 == pytest.approx(0.101)


def test_a_guarantee_is_read_by_its_events_else_by_its_parameters():
    def g(*events, **parameters):
        return Guarantee(
            notion="approx-dp", unit="record", adjacency="add-remove", parameters=parameters, events=events
        )

    gaussian = {"mechanism": "gaussian", "scale": 1.0, "sensitivity": 1.0, "norm": "l2"}
    by_events, by_claim = risk(g(gaussian, epsilon=4.377, delta=1e-5)), risk(g(epsilon=4.377, delta=1e-5))
    assert by_events.advantage == pytest.approx(0.3829, abs=1e-3) and "events" in by_events.source
    assert by_claim.advantage == pytest.approx(0.975, abs=1e-3) and "claim" in by_claim.source
    assert risk(g({"mechanism": "zcdp", "rho": 0.5}, epsilon=4.73, delta=1e-5)) == risk(
        g({"mechanism": "zcdp", "rho": 0.25, "times": 2}, epsilon=4.73, delta=1e-5)
    )
    assert risk(g({"mechanism": "pure", "epsilon": 1.0}, epsilon=1.0)).tpr_1 == risk(Pure(1.0)).tpr_1


def test_bad_input_is_one_sentence():
    for prior in (-0.1, 1.1, math.nan):
        with pytest.raises(PetsEvalError, match="prior must be a probability"):
            risk(Pure(1.0)).posterior(prior)
    with pytest.raises(PetsEvalError, match="no guarantee"):
        risk(Guarantee(notion="none", unit="record", adjacency="none", parameters={}))
    assert risk(Pure(1.0)).posterior(0.0) == 0 and risk(Pure(1.0)).posterior(1.0) == 1
    assert statistics.fmean([risk(Pure(1.0)).posterior(0.5)]) < 0.7312
