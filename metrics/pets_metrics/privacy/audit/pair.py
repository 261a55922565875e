"""The pair test: an event that is too much more frequent on one input than on its neighbour contradicts the claim.

Some of the runs choose the event, the others judge it, so that however many events were tried, only one is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.bounds import epsilon_ceiling, epsilon_lower, pair_floor, pair_p_value
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.events import Choice, choose
from pets_metrics.privacy.audit.outcomes import Event, Outcomes, together

Runs = Outcomes | NDArray[Any] | Iterable[Any]
Side = Literal["first", "second"]

_CHOOSING = 0.2  # share of the runs that choose the event
_LEAST_CHOOSING = 4  # runs on each input


def pair_test(
    first: Runs,
    second: Runs,
    claim: Claim,
    *,
    event: Event | None = None,
    more_likely: Side | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    neighbours: str = "",
) -> Finding:
    """Whether runs on two neighbouring inputs contradict *claim*, with a lower bound on epsilon at its delta.

    *first* and *second* are what n runs gave: outcomes, arrays of shape (n,) or (n, k), or sequences of outputs. The
    event is chosen, with its direction, on a fifth of them and judged on the others. An *event* that was fixed in
    advance is judged by all runs: in the direction *more_likely*, where that was fixed as well, else in both at half of
    the error each. A mechanism that keeps the claim is accused with probability 1 - *level* at most. The floor is for
    the judging runs and an event that shows all of epsilon. Raises `PetsEvalError` for too few runs.

    >>> rng = np.random.default_rng(0)
    >>> found = pair_test(rng.laplace(0, 1, 4_000), rng.laplace(2, 1, 4_000), Claim(1.0))
    >>> found.outcome, 1.5 < found.epsilon < 2
    ('violation found', True)
    """
    one, other = together(Outcomes.of(first), Outcomes.of(second))
    if event is None:
        choice, one, other = _chosen(one, other, claim, level, rng)
        choices = [choice]
    else:
        _enough(one, other, 1)
        choices = [Choice(event, side == "first") for side in ("first", "second") if more_likely in (side, None)]
    return judged(one, other, choices, claim, level=level, neighbours=neighbours)


def judged(
    first: Outcomes, second: Outcomes, choices: list[Choice], claim: Claim, *, level: float, neighbours: str = ""
) -> Finding:
    """What these runs say of *choices* that were made without them, each at an equal part of the error."""
    part = 1 - (1 - level) / len(choices)
    found = []
    for choice in choices:
        seen = int(choice.event.holds(first).sum()), len(first), int(choice.event.holds(second).sum()), len(second)
        counts = seen if choice.first else seen[2:] + seen[:2]
        p_value = min(1.0, len(choices) * pair_p_value(*counts, claim))
        found.append((p_value, -epsilon_lower(*counts, claim.delta, part), choice, seen))
    p_value, negative, choice, seen = min(found, key=lambda f: f[:2])
    runs = min(len(first), len(second))
    side = "first" if choice.first else "second"
    return Finding(
        check="pair test",
        outcome="violation found" if p_value <= 1 - level else "no violation found",
        epsilon=-negative,
        level=level,
        p_value=p_value,
        runs=runs,
        event=choice.event.name,
        neighbours=neighbours,
        floor=pair_floor(runs, claim, part),
        ceiling=epsilon_ceiling(runs, claim.delta, part),
        note=f"seen in {seen[0]} of {seen[1]} runs and {seen[2]} of {seen[3]}, more likely on the {side} input",
    )


def _chosen(
    first: Outcomes, second: Outcomes, claim: Claim, level: float, rng: np.random.Generator | None
) -> tuple[Choice, Outcomes, Outcomes]:
    """An event that some of the runs chose, and the runs that are left to judge it."""
    _enough(first, second, 2 * _LEAST_CHOOSING)
    rng = np.random.default_rng(0) if rng is None else rng
    (one, judge_1), (other, judge_2) = (parted(o, choosing(len(o)), rng) for o in (first, second))
    return choose(one, other, (len(judge_1), len(judge_2)), claim, 1 - level), judge_1, judge_2


def choosing(runs: int) -> int:
    """How many of the *runs* on one input choose the event."""
    return max(_LEAST_CHOOSING, round(_CHOOSING * runs))


def parted(runs: Outcomes, count: int, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
    """*count* of the runs, drawn at random, and the others."""
    order = rng.permutation(len(runs))
    return runs.part(order[:count]), runs.part(order[count:])


def _enough(first: Outcomes, second: Outcomes, least: int) -> None:
    runs = min(len(first), len(second))
    if runs < least:
        raise PetsEvalError(f"a pair test needs at least {least} runs on each input, not {runs}")
