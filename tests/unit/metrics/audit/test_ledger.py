"""The ledger: stated events against claims, by figures of other accountants."""

import pytest

from pets_eval.model import Guarantee, Unsupported
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.ledger import ledger_test

pytest.importorskip("dp_accounting")

LAPLACE = {"mechanism": "laplace", "scale": 2.0, "sensitivity": 1.0, "norm": "l1"}
# opacus' accountants say of these: prv 5.203, gdp 5.065
TRAINING = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.1, "sampling_rate": 0.01, "steps": 10_000}


@pytest.mark.parametrize(("claimed", "violated"), [(5.065, True), (5.203, False)])
def test_an_optimistic_claim_of_training_is_found(claimed, violated):
    found = ledger_test([{**TRAINING, "sampling": "poisson"}], Claim(claimed, 1e-5))
    assert found.violated == violated and found.epsilon == pytest.approx(5.193, rel=0.005) and found.runs == 0


def test_the_exact_gaussian_is_that_of_the_library():
    from dp_accounting import get_epsilon_gaussian

    event = {"mechanism": "gaussian", "scale": 2.0, "sensitivity": 1.0, "norm": "l2"}
    exact = get_epsilon_gaussian(2.0, 1e-6)
    assert ledger_test([event], Claim(1.0, 1e-6)).epsilon == pytest.approx(exact, rel=0.005)
    assert not ledger_test([event], Claim(exact, 1e-6)).violated
    assert ledger_test([event], Claim(0.95 * exact, 1e-6)).violated


def test_events_and_guarantees_add_up():
    # Laplace noise composes to no less than the sum at delta = 0 (Dwork and Roth 2014, theorem 3.14)
    assert ledger_test([LAPLACE, {**LAPLACE, "times": 3}], Claim(2.0)).epsilon == pytest.approx(2.0, rel=1e-3)
    stated = Guarantee(
        notion="pure-dp", unit="person", adjacency="add-remove", parameters={"epsilon": 0.5}, events=(LAPLACE,)
    )
    assert not ledger_test([stated] * 2, Claim(1.0)).violated
    assert ledger_test([stated] * 3, Claim(1.0)).violated


def test_a_mechanism_that_is_not_known_is_not_guessed():
    with pytest.raises(Unsupported, match="not known"):
        ledger_test([{"mechanism": "homemade"}], Claim(1.0))
