"""What chooses must find every kind of event, and few runs must not mislead it."""

import numpy as np
import pytest

from pets_metrics.privacy.audit.bounds import shown
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.events import choose
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.projections import projections

RUNS = 400


def chosen(first, second):
    return choose(*together(Outcomes.of(first), Outcomes.of(second)), (RUNS, RUNS), Claim(1.0), 0.05)


def rates(first, second):
    """How often the chosen event shows on fresh runs of the input where it is more likely, and on the other."""
    choice = chosen(first(0), second(1))
    seen = [float(choice.event.holds(Outcomes.of(runs)).mean()) for runs in (first(2), second(3))]
    return choice, *(seen if choice.first else seen[::-1])


def test_cuts_atoms_labels_and_absent_keys():
    rng = np.random.default_rng(0)
    noise = rng.laplace(size=RUNS)
    assert chosen(noise, noise + 4).event.name.startswith("value >= ")
    zeros = np.where(rng.random(RUNS) < 0.5, 0.0, rng.laplace(size=RUNS))
    assert chosen(noise, zeros).event.name == "value == 0"
    assert "raised" in chosen(list(noise), [*noise[:300], *[ValueError()] * 100]).event.name
    keyed = [{"a": 1.0, "b": 2.0} if u < 0.2 else {"a": 1.0} for u in rng.random(RUNS)]
    assert "b" in chosen([{"a": 1.0}] * RUNS, keyed).event.name
    assert chosen(["yes"] * RUNS, ["no"] * RUNS).event.name.startswith("text")


@pytest.mark.parametrize("swapped", [False, True])
def test_the_direction_is_chosen_as_well(swapped):
    def low(seed):
        return np.random.default_rng(seed).laplace(0, 1, RUNS)

    def high(seed):
        return np.random.default_rng(seed).laplace(3, 1, RUNS)

    choice, more, less = rates(*((high, low) if swapped else (low, high)))
    assert more > 3 * less
    assert choice.first == swapped


def test_another_spread_is_found_that_no_cut_shows():
    def narrow(seed):
        return np.random.default_rng(seed).normal(0, 1, (2_000, 3))

    def wide(seed):
        return np.random.default_rng(seed).normal(0, 4, (2_000, 3))

    choice, more, less = rates(narrow, wide)
    assert choice.event.name.startswith("log-ratio")
    assert shown(more, less) > 2, "a cut through one number shows ln(4) at most"


def test_a_small_shift_of_many_numbers_is_found_together():
    def still(seed):
        return np.random.default_rng(seed).normal(0, 1, (2_000, 30))

    def moved(seed):
        return still(seed) + 0.4

    choice, more, less = rates(still, moved)
    assert choice.event.name.startswith("linear")
    assert more > 2 * less, "one number alone shows far less"


def test_correlated_numbers_are_told_apart_by_their_difference():
    """The shared noise hides the shift in each number."""

    def still(seed):
        rng = np.random.default_rng(seed)
        return rng.normal(0, 10, (1_000, 1)) + rng.normal(0, 0.1, (1_000, 2))

    def moved(seed):
        return still(seed) + np.array([0.5, -0.5])

    _, more, less = rates(still, moved)
    assert more > 0.8
    assert less < 0.05


def test_rare_events_of_a_few_runs_are_not_trusted():
    """One lucky value in a tail must not win against what the middle shows surely."""
    first = np.concatenate([np.arange(50.0), [1_000.0, 1_001.0]])
    second = np.concatenate([np.arange(25.0), np.arange(25.0), [-1.0, -2.0]])
    assert chosen(first, second).event.holds(Outcomes.of(first)).mean() > 0.3


def test_outcomes_that_do_not_vary_or_are_not_there():
    choice = chosen(np.ones(20), np.ones(20))
    assert choice.event.holds(Outcomes.of(np.ones(3))).shape == (3,)
    nothing = chosen([None] * 20, [None] * 20)
    assert nothing.event.holds(Outcomes.of([None, 1.0])).shape == (2,)
    endless = chosen(np.array([np.inf, 1, 2, 3] * 9), np.array([-np.inf, 1, 2, 3] * 9))
    assert endless.event.holds(Outcomes.of(np.array([np.inf, -np.inf]))).sum() == 1


def test_projections_are_shown_on_runs_that_did_not_teach_them():
    rng = np.random.default_rng(0)
    same = [Outcomes.of(rng.normal(size=(60, 200))) for _ in range(2)]
    for projection in projections(*same):
        gap = projection.held_out[0].mean() - projection.held_out[1].mean()
        spread = np.concatenate(projection.held_out).std()
        assert abs(gap) < spread, "what teaches would look separated"
    assert list(projections(Outcomes.of(np.ones(7)), Outcomes.of(np.ones(7)))) == []


def test_absent_and_endless_numbers_do_not_spoil_projections():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + 2
    x[::3, 0], y[::5, 1], x[0, 2], y[:, 3] = np.nan, np.nan, np.inf, np.nan
    found = list(projections(Outcomes.of(x), Outcomes.of(y)))
    assert [p.name for p in found] == ["linear", "log-ratio"]
    for projection in found:
        assert np.isfinite(np.concatenate(projection.held_out)).all()
