"""Auditors are audited: on mechanisms without any leak, and on ones that leak exactly what they claim, none may accuse
one in twenty (at level 0.95) more often than chance explains, nor give a bound beyond the truth.
"""

import numpy as np
import pytest
from scipy import stats

from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.gaussian import claimed_mu, curve_test, mu_test
from pets_metrics.privacy.audit.one_run import one_run_test
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.pair import pair_test
from pets_metrics.privacy.audit.sequential import sequential_test

CHANCE = 1e-6  # of a false alarm of one of these tests, were its seeds not fixed
DELTA = 1e-2
MU = claimed_mu(Claim(1.0, DELTA))


def laplace(rng, side, runs):
    return rng.laplace(side, 1, runs)


def still(rng, side, runs):
    return rng.laplace(0, 1, runs)


def response(rng, side, runs):
    """Randomised response at epsilon 1: the mechanism that is easiest to tell from one that leaks more."""
    return np.where(rng.random(runs) < 1 / (1 + np.exp(-1)), side, 1 - side).astype(float)


def leaking(rng, side, runs):
    """(1, delta)-DP to the full: with probability delta it says which input it had."""
    return np.where(rng.random(runs) < DELTA, 10.0 + side, response(rng, side, runs))


def gaussian(rng, side, runs):
    return rng.normal(side * MU, 1, runs)


def vector(rng, side, runs):
    return rng.laplace(size=(runs, 5)) + np.array([side, 0, 0, 0, 0])


def counted(rng, side, runs):
    return stats.dlaplace.rvs(1.0, size=runs, random_state=rng) + float(side)


SOUND = {
    "no-leak": (still, Claim(0.0)),
    "laplace": (laplace, Claim(1.0)),
    "response": (response, Claim(1.0)),
    "leaking": (leaking, Claim(1.0, DELTA)),
    "gaussian": (gaussian, Claim(1.0, DELTA)),
    "gaussian-mu": (gaussian, Claim(mu=MU, delta=DELTA)),
    "vector": (vector, Claim(1.0)),
    "counted": (counted, Claim(1.0)),
}


def pair(mechanism, claim, rng):
    return pair_test(mechanism(rng, 0, 400), mechanism(rng, 1, 400), claim, rng=rng)


def pair_of_a_fixed_event(mechanism, claim, rng):
    event = Event.at_least(0.5, "0" if mechanism is vector else "value")
    return pair_test(mechanism(rng, 0, 400), mechanism(rng, 1, 400), claim, event=event)


def curve(mechanism, claim, rng):
    return curve_test(mechanism(rng, 0, 400), mechanism(rng, 1, 400), claim, rng=rng)


def mu(mechanism, claim, rng):
    return mu_test(mechanism(rng, 0, 400), mechanism(rng, 1, 400), claim, rng=rng)


def sequential(mechanism, claim, rng):
    return sequential_test(
        lambda n: mechanism(rng, 0, n), lambda n: mechanism(rng, 1, n), claim, most=200, rng=rng.spawn(1)[0]
    )


def one_run(mechanism, claim, rng):
    """Each canary is a run of its own: its score is what the mechanism gives where it is in, or is not."""
    included = rng.random(500) < 0.5
    scores = np.where(included, mechanism(rng, 1, 500), mechanism(rng, 0, 500)) + rng.normal(0, 1e-9, 500)
    return one_run_test(scores, included, claim)


AUDITS = {
    "pair": (pair, SOUND.keys()),
    "fixed-event": (pair_of_a_fixed_event, SOUND.keys()),
    "curve": (curve, SOUND.keys()),
    "mu": (mu, ["no-leak", "gaussian", "gaussian-mu"]),
    "sequential": (sequential, SOUND.keys()),
    "one-run": (one_run, SOUND.keys() - {"vector"}),
}
CASES = [pytest.param(a, m, id=f"{a}-{m}") for a, (_, mechanisms) in AUDITS.items() for m in sorted(mechanisms)]


def alarms(audit, mechanism, seeds):
    """How often the audit accuses, and how often its bound exceeds the truth."""
    made, claim = SOUND[mechanism]
    found = [AUDITS[audit][0](made, claim, rng) for rng in np.random.default_rng(0).spawn(seeds)]
    assert all(f.violated == (f.p_value <= 0.05) for f in found)
    return sum(f.violated for f in found), sum(f.epsilon > claim.epsilon + 1e-9 for f in found)


@pytest.mark.parametrize(("audit", "mechanism"), CASES)
def test_sound_mechanisms_are_rarely_accused(audit, mechanism):
    accused, beyond = alarms(audit, mechanism, 20)
    assert max(accused, beyond) <= stats.binom.isf(CHANCE, 20, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("audit", "mechanism"), CASES)
def test_sound_mechanisms_are_accused_by_chance_only(audit, mechanism):
    accused, beyond = alarms(audit, mechanism, 1_000)
    assert max(accused, beyond) <= stats.binom.isf(CHANCE, 1_000, 0.05)


@pytest.mark.parametrize("audit", AUDITS)
def test_a_claim_that_admits_everything_is_never_contradicted(audit):
    claims = [Claim(9_000.0, DELTA), Claim(mu=25.0, delta=DELTA)]
    for claim in claims if audit != "mu" else claims[1:]:
        found = AUDITS[audit][0](laplace, claim, np.random.default_rng(0))
        assert not found.violated
        assert found.p_value == 1


@pytest.mark.parametrize("audit", AUDITS)
def test_the_same_audits_do_accuse(audit):
    """Of four times the claim: silence would be no merit otherwise."""

    def broken(rng, side, runs):
        return rng.normal(side * 4, 1, runs)

    claim = Claim(1.0, DELTA) if audit == "mu" else Claim(1.0)
    found = [AUDITS[audit][0](broken, claim, rng) for rng in np.random.default_rng(0).spawn(10)]
    assert sum(f.violated for f in found) == 10
