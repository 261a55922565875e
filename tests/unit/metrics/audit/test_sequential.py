import math

import numpy as np
import pytest
from scipy.special import expit

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.sequential import sequential_test

TAILS = Event.at_least(0.8), Event.at_least(0.2).negated()


def laplace(shift, seed, scale=0.5):
    rng = np.random.default_rng(seed)
    return lambda n: rng.laplace(shift, scale, n)


def stopped(claim, seed, scale=0.5, **options):
    """Noise of *scale* on 1 and 0: epsilon is 1 / scale."""
    rng = np.random.default_rng(seed + 10_000)
    return sequential_test(laplace(1, seed, scale), laplace(0, seed + 5_000, scale), claim, rng=rng, **options)


def in_all(found):
    """How many runs were made, whatever came out."""
    return int(next(word for word in found.note.split() if word.isdigit()))


def test_a_known_event_at_known_odds():
    """With perfect separation each right guess multiplies by right / admitted, as so many right ones promise."""
    one = Event.at_least(1.0)
    found = sequential_test(
        lambda n: np.ones(n),
        lambda n: np.zeros(n),
        Claim(1.0),
        event=(one, one.negated()),
        rng=np.random.default_rng(0),
    )
    # the first eight at the imagined rate of epsilon 1.8, which does not suffice; ln(1.368) is the most that one gains
    assert 8 * math.log(expit(1.8) / expit(1.0)) < math.log(20) < 10 * math.log(1 / expit(1.0))
    assert found.violated
    assert 10 <= in_all(found) <= 20


def test_it_takes_a_quarter_of_the_runs_of_a_fixed_number():
    """Of 152 runs on each input with the best known event, and of about 220 that choose one of their own."""
    known = [in_all(stopped(Claim(1.0), seed, event=TAILS)) for seed in range(60)]
    learned = [in_all(stopped(Claim(1.0), seed)) for seed in range(60)]
    assert np.median(known) <= 2 * 152 / 4
    assert np.median(learned) <= 2 * 220 / 4


@pytest.mark.parametrize("event", [Event.at_least(0.8), Event.at_least(0.8).negated()])
def test_of_one_event_the_direction_is_learned(event):
    assert stopped(Claim(1.0), 0, event=event).violated


def test_the_bound_lies_between_the_claim_and_the_truth():
    for seed in range(10):
        found = stopped(Claim(1.0), seed)
        assert 1 <= found.epsilon < 2
        assert found.p_value <= 0.05
        assert found.runs == (in_all(found) + 1) // 2


def test_a_sound_mechanism_uses_up_its_runs():
    found = stopped(Claim(1.0), 0, scale=1.0, most=500)
    assert not found.violated
    assert (in_all(found), found.runs) == (500, 250)
    assert 0 <= found.epsilon < 1
    assert 0.05 < found.p_value <= 1


def test_delta_is_granted():
    """An event of 4 % on one input alone is no violation at delta 0.04, and one at 0.001."""

    rng = np.random.default_rng(0)

    def rare(n):
        return (rng.random(n) < 0.04).astype(float)

    def never(n):
        return np.zeros(n)

    assert not sequential_test(rare, never, Claim(1.0, 0.04), rng=rng, most=4_000).violated
    assert sequential_test(rare, never, Claim(1.0, 0.001), rng=rng, most=4_000).violated


def test_claims_of_mu():
    def normal(shift, seed):
        rng = np.random.default_rng(seed)
        return lambda n: rng.normal(shift, 1, n)

    rng = np.random.default_rng(0)
    assert sequential_test(normal(3, 0), normal(0, 1), Claim(mu=0.5), rng=rng, most=3_000).violated
    assert sequential_test(normal(3, 0), normal(0, 1), Claim(mu=0.5, delta=1e-5), rng=rng, most=3_000).violated


def test_outputs_of_any_kind():
    rng = np.random.default_rng(0)
    sampled = sequential_test(
        lambda n: [{"a": 1.0, "b": 2.0}] * n, lambda n: [ValueError()] * n, Claim(1.0), rng=rng, most=500
    )
    assert sampled.violated


def test_impossible_numbers_of_runs_are_refused():
    with pytest.raises(PetsEvalError, match="a run at least"):
        stopped(Claim(1.0), 0, most=0)
    with pytest.raises(PetsEvalError, match="were asked for"):
        sequential_test(lambda n: np.zeros(n + 1), lambda n: np.zeros(n + 1), Claim(1.0))
