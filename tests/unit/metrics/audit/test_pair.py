import math
import time

import numpy as np
import pytest

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.bounds import epsilon_ceiling, epsilon_lower, pair_p_value
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.pair import pair_test


def laplace(shift, runs, seed, scale=1.0):
    return np.random.default_rng(seed).laplace(shift, scale, runs)


def test_a_fixed_event_is_judged_by_all_runs():
    """Of uniform numbers 0 to 99, 60 are at least 40, and of the second's 20."""
    first, second = np.arange(100.0), np.arange(100.0) - 40
    found = pair_test(first, second, Claim(0.5), event=Event.at_least(40.0), more_likely="first")
    assert found.runs == 100
    assert found.epsilon == epsilon_lower(60, 100, 20, 100)
    assert found.p_value == pair_p_value(60, 100, 20, 100, Claim(0.5))
    assert "60 of 100 runs and 20 of 100" in found.note


def test_a_fixed_event_without_direction_costs_half_of_the_error():
    first, second = np.arange(100.0), np.arange(100.0) - 40
    known = pair_test(second, first, Claim(0.5), event=Event.at_least(40.0), more_likely="second")
    either = pair_test(second, first, Claim(0.5), event=Event.at_least(40.0))
    assert either.p_value == pytest.approx(2 * known.p_value)
    assert either.epsilon == epsilon_lower(60, 100, 20, 100, level=0.975)
    assert known.epsilon > either.epsilon
    wrong = pair_test(second, first, Claim(0.5), event=Event.at_least(40.0), more_likely="first")
    assert (wrong.epsilon, wrong.p_value) == (0, 1)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_sensitivity_off_by_two_is_found(swapped):
    runs = [laplace(0, 1_000, 0, 0.5), laplace(1, 1_000, 1, 0.5)]
    found = pair_test(*runs[:: -1 if swapped else 1], Claim(1.0), neighbours="one more")
    assert found.violated
    assert 1 < found.epsilon < 2
    assert found.p_value < 0.01
    assert (found.runs, found.neighbours) == (800, "one more")
    assert found.ceiling == epsilon_ceiling(800)
    assert 1 < found.floor < 1.5


def test_the_decision_the_bound_and_the_p_value_agree():
    for seed in range(40):
        found = pair_test(laplace(0, 300, seed), laplace(1.4, 300, seed + 1_000), Claim(1.0))
        assert found.violated == (found.p_value <= 0.05) == (found.epsilon > 1)


def test_what_other_outcomes_give_away():
    rng = np.random.default_rng(0)
    raising = [ValueError() if u < 0.3 else 1.0 for u in rng.random(500)]
    found = pair_test([1.0] * 500, raising, Claim(1.0))
    assert found.violated
    assert found.event in ("raised ValueError", "not (value is there)", "a number", "value >= 1", "value == 1")
    keys = [{"common": 5.0, "rare": 1.0} if u < 0.5 else {"common": 5.0} for u in rng.random(500)]
    assert "rare" in pair_test([{"common": 5.0}] * 500, keys, Claim(1.0)).event


def test_delta_is_taken_off():
    """An event of 4 % that never shows on the neighbour is no violation at delta 0.05, and one at 0.001."""
    rng = np.random.default_rng(0)
    rare, never = (rng.random(4_000) < 0.04).astype(float), np.zeros(4_000)
    assert not pair_test(rare, never, Claim(1.0, 0.05)).violated
    assert pair_test(rare, never, Claim(1.0, 0.001)).violated


def test_claims_of_mu_are_held_against_their_curve():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 3_000), rng.normal(1, 1, 3_000)
    assert pair_test(first, second, Claim(mu=0.5)).violated
    assert not pair_test(first, second, Claim(mu=1.0)).violated


def test_the_same_seed_gives_the_same_finding():
    first, second = laplace(0, 500, 0), laplace(1, 500, 1)
    assert pair_test(first, second, Claim(1.0)) == pair_test(first, second, Claim(1.0))
    one, other = (pair_test(first, second, Claim(1.0), rng=np.random.default_rng(s)) for s in (1, 2))
    assert one != other


def test_unequal_numbers_of_runs():
    found = pair_test(laplace(0, 200, 0), laplace(5, 2_000, 1), Claim(1.0))
    assert found.violated
    assert found.runs == 160


@pytest.mark.parametrize("runs", [0, 1, 7])
def test_too_few_runs_are_refused(runs):
    with pytest.raises(PetsEvalError, match="at least 8 runs on each input"):
        pair_test(np.ones(runs), np.ones(50), Claim(1.0))


def test_a_fixed_event_needs_a_run():
    with pytest.raises(PetsEvalError, match="at least 1 runs"):
        pair_test([], [1.0], Claim(1.0), event=Event.at_least(1.0))


def test_many_numbers_take_bounded_time():
    rng = np.random.default_rng(0)
    first, second = rng.laplace(size=(500, 1_000)), rng.laplace(size=(500, 1_000))
    second[:, 417] += 4
    start = time.perf_counter()
    found = pair_test(first, second, Claim(1.0))
    assert found.violated
    assert found.event.startswith(("417", "linear", "log-ratio"))
    assert time.perf_counter() - start < 30, "about one second on an idle core"


def test_tightness():
    """At true epsilon 1 and 10^4 runs, the median bound is at least 0.9 (0.92 over 200 seeds)."""
    found = [
        pair_test(laplace(0, 10_000, seed), laplace(1, 10_000, seed + 500), Claim(1.0)).epsilon for seed in range(15)
    ]
    assert 0.9 < np.median(found) < 1
    assert math.isfinite(max(found))
