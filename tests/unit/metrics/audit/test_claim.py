import math

import pytest

from pets_eval.model import Guarantee, PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": math.nan}, "epsilon"),
        ({"epsilon": 1e9}, "epsilon"),
        ({"epsilon": math.inf}, "epsilon"),
        ({"epsilon": 1.0, "delta": 1.0}, "delta"),
        ({"epsilon": 1.0, "delta": -0.1}, "delta"),
        ({"epsilon": 1.0, "delta": math.nan}, "delta"),
        ({"mu": -1.0}, "mu"),
        ({"mu": math.nan}, "mu"),
        ({"epsilon": 1.0, "neighbours": "swap"}, "neighbours"),
    ],
)
def test_what_claims_nothing_is_refused(arguments, what):
    with pytest.raises(PetsEvalError, match=what):
        Claim(**arguments)


def test_mu_gives_the_epsilon_of_the_exact_gaussian():
    """4.377 at delta 1e-5 for noise as large as the sensitivity (dp-accounting's exact value)."""
    assert Claim(mu=1.0, delta=1e-5).epsilon == pytest.approx(4.3772, abs=1e-4)
    assert Claim(mu=0.0).epsilon == 0
    assert Claim(mu=1.0).epsilon == math.inf


def test_epsilon_of_mu_agrees_with_dp_accounting():
    accounting = pytest.importorskip("dp_accounting")
    for mu, delta in [(0.3, 1e-5), (2.0, 1e-6), (0.1, 1e-3)]:
        assert Claim(mu=mu, delta=delta).epsilon == pytest.approx(
            accounting.get_epsilon_gaussian(1 / mu, delta), abs=1e-5
        )


def test_a_claim_of_a_guarantee():
    guarantee = Guarantee(
        notion="approx-dp",
        unit="record",
        adjacency="replace-one",
        parameters={"epsilon": 2.0, "delta": 1e-6},
        events=(),
        status="proven",
        assumes=(),
    )
    claim = Claim.of(guarantee)
    assert (claim.epsilon, claim.delta, claim.neighbours) == (2.0, 1e-6, "replace")
    assert str(claim) == "epsilon = 2, delta = 1e-06"
    assert str(Claim(mu=0.5)) == "mu = 0.5 (Gaussian)"


def test_a_finding_is_violated_only_by_its_outcome():
    assert Finding(check="any", outcome="violation found").violated
    assert not Finding(check="any", outcome="no violation found", epsilon=9.0).violated
