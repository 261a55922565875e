"""Which event tells two sets of runs apart best: chosen on runs that do not judge it.

Tried are cuts through every number and its exact repeated values, that a number came out at all, how a run ended, and,
of several numbers, cuts through projections that are learned on one part of these runs and cut on the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_metrics.privacy.audit.bounds import shown
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.outcomes import Event, Outcomes
from pets_metrics.privacy.audit.projections import projections

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_CUTS = 200  # through each number, and ends of a run: the most frequent
_ATOMS = 50  # repeated values of each number
_CAUTION = 2.0  # standard errors that candidates are held back by: many are tried, and the luckiest would win


@dataclass(frozen=True)
class Choice:
    """An event, and whether it is the first input on which it is more frequent."""

    event: Event
    first: bool


@dataclass(frozen=True)
class Candidates:
    """Events of one kind with how often each was seen on the two inputs, shapes (c,), in so many runs."""

    seen: tuple[Counts, Counts]
    runs: tuple[int, int]
    event: Callable[[int], Event]


def choose(first: Outcomes, second: Outcomes, judges: tuple[int, int], claim: Claim, alpha: float) -> Choice:
    """The event that should give the greatest bound against *claim* when *judges* further runs judge it.

    *first* and *second* have the same keys. A candidate counts as what its frequencies here, taken with caution, would
    show in so many judging runs at error *alpha*: of epsilon at the claim's delta, or of mu where that is claimed.

    >>> left, right = Outcomes.of(np.array([0.0, 1.0, 2.0, 3.0] * 9)), Outcomes.of(np.array([0.0, 0.0, 1.0, 1.0] * 9))
    >>> choice = choose(left, right, (100, 100), Claim(1.0), 0.05)
    >>> choice.event.name, choice.first
    ('value >= 2', True)
    """
    best, found = -np.inf, Choice(Event("any", lambda o: np.ones(len(o), dtype=bool)), first=True)
    for group in candidates(first, second):
        for is_first in (True, False):
            promise = _promise(group, judges, claim, alpha, is_first)
            if promise.size and promise.max() > best:
                place = int(promise.argmax())
                best, found = float(promise[place]), Choice(group.event(place), is_first)
    return found


def _promise(group: Candidates, judges: tuple[int, int], claim: Claim, alpha: float, first: bool) -> Floats:
    """The bound that each candidate is expected to give, shape (c,)."""
    one, other = (0, 1) if first else (1, 0)
    z = float(scipy.special.ndtri(1 - alpha / 2))
    cautious = (
        _wilson(group.seen[one] / group.runs[one], group.runs[one], -_CAUTION),
        _wilson(group.seen[other] / group.runs[other], group.runs[other], _CAUTION),
    )
    low, high = _wilson(cautious[0], judges[one], -z), _wilson(cautious[1], judges[other], z)
    if claim.mu is not None:
        strength: Floats = scipy.special.ndtri(low) - scipy.special.ndtri(high)
        return np.nan_to_num(strength, nan=-np.inf, posinf=-np.inf)
    return shown(low, high, claim.delta)


def _wilson(share: Floats, runs: int, z: float) -> Floats:
    """Wilson's limit of a share seen in so many runs, upper for positive *z*: near enough, and fast, to compare by."""
    square = z * z / runs
    half = z * np.sqrt(share * (1 - share) / runs + square / (4 * runs))
    limit: Floats = np.clip((share + square / 2 + half) / (1 + square), 0, 1)
    return limit


def candidates(first: Outcomes, second: Outcomes) -> Iterator[Candidates]:
    """The events that are tried on these runs, which have the same keys, kind by kind."""
    runs = len(first), len(second)
    ends = [Counter(o.labels.tolist()) for o in (first, second)]
    names = [name for name, _ in (ends[0] + ends[1]).most_common(_CUTS)]
    if len(names) > 1:
        seen = tuple(np.array([end[name] for name in names]) for end in ends)
        yield Candidates((seen[0], seen[1]), runs, lambda i: Event.labelled(names[i]))
    for column, key in enumerate(first.keys):
        x, y = first.values[:, column], second.values[:, column]
        yield from _of_number(x, y, partial(_number, key), key)
        absent = np.isnan(x).sum(keepdims=True), np.isnan(y).sum(keepdims=True)
        if absent[0] or absent[1]:
            yield Candidates(absent, runs, partial(_absence, key))
    for projection in projections(first, second) if len(first.keys) > 1 else ():
        yield from _of_number(*projection.held_out, projection.of, projection.name)


def _number(key: str, outcomes: Outcomes) -> Floats:
    return outcomes.on([key]).values[:, 0]


def _absence(key: str, _: int) -> Event:
    return Event.present(key).negated()


def _of_number(x: Floats, y: Floats, of: Callable[[Outcomes], Floats], name: str) -> Iterator[Candidates]:
    """Cuts and atoms of one number, shapes (n,) and (m,), that *of* takes from outcomes."""
    runs = len(x), len(y)
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    pooled = np.sort(np.concatenate([x, y]), kind="stable")
    if not pooled.size:
        return
    fresh = np.flatnonzero(np.concatenate([[True], pooled[1:] != pooled[:-1]]))
    values = pooled[fresh]
    cuts = values if len(values) <= _CUTS else np.unique(pooled[_places(len(pooled))])
    above = len(x) - np.searchsorted(x, cuts), len(y) - np.searchsorted(y, cuts)
    yield Candidates(above, runs, lambda i: Event(f"{name} >= {cuts[i]:.6g}", lambda o: of(o) >= cuts[i]))
    repeats = np.diff(fresh, append=len(pooled))
    often = np.flatnonzero(repeats > 1)
    if len(often):
        atoms = values[often[np.argsort(-repeats[often], kind="stable")[:_ATOMS]]]
        at = tuple(np.searchsorted(z, atoms, "right") - np.searchsorted(z, atoms) for z in (x, y))
        yield Candidates(
            (at[0], at[1]), runs, lambda i: Event(f"{name} == {atoms[i]:.17g}", lambda o: of(o) == atoms[i])
        )


def _places(count: int) -> NDArray[Any]:
    """Where to cut *count* sorted numbers: evenly, and closer towards both ends."""
    even = np.linspace(0, 1, _CUTS // 2)
    ends = np.geomspace(1 / count, 0.5, _CUTS // 4)
    share = np.concatenate([even, ends, 1 - ends])
    return np.unique((share * (count - 1)).round().astype(np.intp))
