"""A sequential test: it looks after every run, and stops as soon as the evidence suffices.

For each run a fair coin decides which of two neighbouring inputs it gets, and by its outcome that is guessed, or not.
Under pure epsilon-DP a guess is right with probability e^eps / (1 + e^eps) at most, whatever was seen before. So what
is staked on it at these odds gains nothing on average, and a mechanism that keeps the claim multiplies it by 1 / alpha,
at whatever time, with probability alpha at most (Ville's inequality). What to guess by, and how much to stake, is
learned from the runs before.

With a delta, an event may be right more often by delta, and the gain is divided by what that adds.

Sources: Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference" (2023), sections 2 and 3; González,
Dulce-Rubio, Ramdas and Ribero, "Sequentially auditing differential privacy" (2025), who first audited so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.events import Candidates, candidates
from pets_metrics.privacy.audit.outcomes import Event, Outcomes, together

Floats = NDArray[np.float64]
Sample = Callable[[int], Outcomes | NDArray[Any] | Iterable[Any]]

_START, _GROWTH = 8, 0.1  # runs in the first batch, and in each later one as a share of those before
_IMAGINED = 12  # guesses before the first, right as often as an epsilon this much above the claim's admits:
_KNOWN, _SELECTED = 0.8, 0.4  # of an event fixed in advance, and of the luckiest of many


@dataclass(frozen=True)
class Bet:
    """That a run that shows `event` was of the first input (or the second), and how often that should be right."""

    event: Event
    first: bool
    right: float


def sequential_test(
    sample_first: Sample,
    sample_second: Sample,
    claim: Claim,
    *,
    event: Event | tuple[Event, Event] | None = None,
    most: int = 10_000,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    neighbours: str = "",
) -> Finding:
    """Whether runs contradict *claim*, taken one after the other until they do or *most* runs in all were made.

    `sample_first(n)` and `sample_second(n)` return n further outputs on the one input and the other. *event* may be
    fixed in advance, or be two: one that speaks for the first input, and one that speaks for the second. A mechanism
    that keeps the claim is accused with probability 1 - *level* at most, however long the test runs. Epsilon is a lower
    bound at the claim's delta (of a claim of mu without delta, of what it implies at epsilon = mu). Runs is half of the
    runs in all. Raises `PetsEvalError` where *most* leaves nothing to run.

    >>> rng = np.random.default_rng(0)
    >>> found = sequential_test(
    ...     lambda n: rng.laplace(0, 1, n), lambda n: rng.laplace(2, 1, n), Claim(1.0), rng=np.random.default_rng(1)
    ... )
    >>> found.outcome, found.runs < 250
    ('violation found', True)
    """
    if most < 1:
        raise PetsEvalError(f"a sequential test needs a run at least, not {most}")
    rng = np.random.default_rng() if rng is None else rng
    epsilon, delta = claim.epsilon, claim.delta
    if not math.isfinite(epsilon) and claim.mu is not None:
        epsilon, delta = claim.mu, claim.delta_at(claim.mu)
    wealth = _Wealth(epsilon, delta, 1 - level)
    past: tuple[Outcomes, Outcomes] | None = None
    bets: list[Bet] = []
    used = 0
    while used < most and not wealth.suffices:
        count = min(max(1, int(_GROWTH * used)) if used else _START, most - used)
        is_first = rng.random(count) < 0.5
        outcomes = together(
            _sampled(sample_first, int(is_first.sum())), _sampled(sample_second, int((~is_first).sum()))
        )
        bets = list(_bets(past, event, epsilon))
        used += wealth.play(bets, *outcomes, is_first)
        past = outcomes if past is None else (_joined(past[0], outcomes[0]), _joined(past[1], outcomes[1]))
    return Finding(
        check="sequential test",
        outcome="violation found" if wealth.suffices else "no violation found",
        epsilon=wealth.bound,
        level=level,
        p_value=wealth.p_value,
        runs=(used + 1) // 2,
        event=", ".join(f"{bet.event.name} for the {'first' if bet.first else 'second'} input" for bet in bets),
        neighbours=neighbours,
        note=f"stopped after {used} runs in all" if wealth.suffices else f"{used} runs in all did not suffice",
    )


class _Wealth:
    """What has become of a stake of 1 against each of a grid of epsilons, that of the claim among them."""

    def __init__(self, epsilon: float, delta: float, alpha: float) -> None:
        below, above = np.linspace(0, epsilon, 11), epsilon + np.geomspace(0.05, 8, 30)
        self.grid = np.unique(np.concatenate([below, [epsilon], above]))
        self.claimed = int(np.searchsorted(self.grid, epsilon))
        self.delta, self.target = delta, -math.log(alpha)
        self.now = np.zeros(len(self.grid))  # logarithms
        self.most = np.zeros(len(self.grid))

    @property
    def suffices(self) -> bool:
        """Whether the claim is contradicted."""
        return bool(self.most[self.claimed] >= self.target)

    @property
    def bound(self) -> float:
        """The largest epsilon of the grid up to which all are contradicted; 0 for none."""
        stands = np.flatnonzero(self.most < self.target)
        place = int(stands[0]) if len(stands) else len(self.grid)
        return float(self.grid[place - 1]) if place else 0.0

    @property
    def p_value(self) -> float:
        """That of the claim, valid whenever it is looked at."""
        return math.exp(-float(self.most[self.claimed]))

    def play(self, bets: list[Bet], first: Outcomes, second: Outcomes, is_first: NDArray[np.bool_]) -> int:
        """Stake on runs in the order of *is_first*; how many were looked at until the evidence sufficed."""
        gain = np.ones((len(self.grid), len(is_first)))
        price = np.zeros(len(self.grid))
        for bet in bets:
            shows = np.zeros(len(is_first), dtype=bool)
            shows[is_first], shows[~is_first] = bet.event.holds(first), bet.event.holds(second)
            right = is_first == bet.first
            stake = np.maximum(0.0, bet.right / scipy.special.expit(self.grid) - 1)
            gain += np.outer(stake, shows & right) - np.outer(
                stake * np.exp(np.minimum(self.grid, 700.0)), shows & ~right
            )
            price += stake * self.delta / 2
        course = self.now[:, None] + np.cumsum(np.log(gain / (1 + price[:, None])), axis=1)
        enough = np.flatnonzero(course[self.claimed] >= self.target)
        looked = int(enough[0]) + 1 if len(enough) else len(is_first)
        self.most = np.maximum(self.most, course[:, :looked].max(axis=1))
        self.now = course[:, looked - 1]
        return looked


def _bets(
    past: tuple[Outcomes, Outcomes] | None, event: Event | tuple[Event, Event] | None, epsilon: float
) -> Iterator[Bet]:
    """For each input, the bet for it that would have grown fastest on the *past* runs, if one gains at all."""
    if isinstance(event, tuple):
        kinds = [[_of_event(event[0], past)], [_of_event(event[1], past)]]
    elif past is None or not len(past[0]) or not len(past[1]):
        return
    else:
        found = list(candidates(*past)) if event is None else [_of_event(event, past)]
        kinds = [[way for group in found for way in (group, _complement(group))]] * 2
    for first, groups in zip((True, False), kinds, strict=True):
        most, best = -1.0, None
        for group in groups:
            right, growth = _growth(group, first, epsilon, _SELECTED if event is None else _KNOWN)
            if growth.size and growth.max() > most:
                place = int(growth.argmax())
                most, best = float(growth[place]), Bet(group.event(place), first, float(right[place]))
        if best is not None:
            yield best


def _growth(group: Candidates, first: bool, epsilon: float, excess: float) -> tuple[Floats, Floats]:
    """How often a bet on each candidate should be right, and its growth per run (-1 for none), shapes (c,)."""
    hits, misses = group.seen if first else group.seen[::-1]
    expit, relative = scipy.special.expit, scipy.special.rel_entr
    most = 1 - 1e-12  # of a claim that admits everything nothing is gained
    admitted = min(float(expit(epsilon)), most)
    right = np.minimum(most, (hits + _IMAGINED * expit(epsilon + excess)) / (hits + misses + _IMAGINED))
    divergence = relative(right, admitted) + relative(1 - right, 1 - admitted)
    growth = (hits + misses) / max(1, sum(group.runs)) * divergence
    return right, np.where(right > admitted, growth, -1.0)


def _of_event(event: Event, past: tuple[Outcomes, Outcomes] | None) -> Candidates:
    if past is None:
        return Candidates((np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)), (0, 0), lambda _: event)
    seen = [event.holds(o).sum(keepdims=True) for o in past]
    return Candidates((seen[0], seen[1]), (len(past[0]), len(past[1])), lambda _: event)


def _complement(group: Candidates) -> Candidates:
    seen = group.runs[0] - group.seen[0], group.runs[1] - group.seen[1]
    return Candidates(seen, group.runs, lambda i: group.event(i).negated())


def _sampled(sample: Sample, count: int) -> Outcomes:
    if count == 0:
        return Outcomes(np.empty((0, 0)), (), np.empty(0, dtype=object))
    outcomes = Outcomes.of(sample(count))
    if len(outcomes) != count:
        raise PetsEvalError(f"{count} runs were asked for, and {len(outcomes)} came")
    return outcomes


def _joined(seen: Outcomes, more: Outcomes) -> Outcomes:
    one, other = together(seen, more)
    return Outcomes(np.concatenate([one.values, other.values]), one.keys, np.concatenate([one.labels, other.labels]))
