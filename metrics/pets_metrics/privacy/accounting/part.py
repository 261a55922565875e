"""One mechanism as accountants see it, and how its figures are read from an event."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pets_eval.model import PetsEvalError, Unsupported
from pets_metrics.privacy.accounting.notions import Approx, BoundedRange, Floats, Gdp, Notion, Pure, Zcdp
from pets_metrics.privacy.accounting.renyi import divergence


@dataclass(frozen=True, eq=False)
class Part:
    """One mechanism, run `times` times on one unit, as accountants see it.

    `profile` gives the smallest delta at each epsilon of at least 0, for one run; `build(interval)`, where it is there,
    the distribution of the loss of all runs on a grid of that interval, which else comes from the profile. `pure` is
    the loss that is never exceeded (infinite if there is none) but with probability `failure`; `renyi` the divergences
    at `renyi.ORDERS` of what does not fail, None where they are not known; `rho` is there where zCDP is all that is
    known.
    `stated` says that its figures are what the release says of it, with nothing below them to reckon from;
    `tight` says that the worst mechanism of this kind is accounted exactly, so that no sound accountant finds less.
    `reach` is the largest loss that the grid must hold, `fine` the size of loss that it must resolve.
    """

    name: str
    times: int
    profile: Callable[[Floats], Floats]
    pure: float
    renyi: Floats | None
    reach: float
    fine: float
    failure: float = 0.0
    tight: bool = False
    stated: bool = False
    rho: float | None = None
    build: Callable[[float], Any] | None = None
    note: str = ""


def of_notion(notion: Notion) -> Part:
    """A mechanism of which nothing is known but that it satisfies *notion*."""
    return opaque(notion, "a mechanism that is not described", 1)


def opaque(notion: Notion, name: str, times: int, note: str = "") -> Part:
    """A mechanism of which only the definition is known that it satisfies."""
    if isinstance(notion, Zcdp):  # adds up exactly
        all_runs = Zcdp(notion.rho * times)
        return replace(by_zcdp(name, all_runs, note or "taken as stated"), stated=not note)
    if isinstance(notion, Gdp):
        many = Gdp(notion.mu * math.sqrt(times))
        return Part(name, 1, many.profile, unbounded(many.mu), divergence(many), many.reach, many.mu, stated=True)
    if not isinstance(notion, (Pure, Approx, BoundedRange)):
        raise Unsupported(f"{notion} cannot be composed as a part")
    failure = notion.delta if isinstance(notion, Approx) else 0.0
    curve = divergence(Pure(notion.epsilon) if isinstance(notion, Approx) else notion)
    reach = times * notion.epsilon
    return Part(
        name,
        times,
        notion.profile,
        notion.epsilon,
        curve,
        reach,
        notion.epsilon,
        failure=failure,
        stated=not note,
        note=note or "taken as stated",
    )


def by_zcdp(name: str, notion: Zcdp, note: str) -> Part:
    """All runs of a mechanism of which zCDP is all that is used."""
    pure, fine = unbounded(notion.rho), math.sqrt(2 * notion.rho)
    return Part(name, 1, notion.profile, pure, divergence(notion), notion.reach, fine, rho=notion.rho, note=note)


def unbounded(size: float) -> float:
    """The largest loss of a mechanism that has none, unless its *size* is 0."""
    return math.inf if size else 0.0


# -- what an event says ---------------------------------------------------------------------------


def number(event: Mapping[str, Any], name: str) -> float:
    """A finite figure of at least 0; raises `PetsEvalError` else."""
    value = event.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < math.inf:
        raise PetsEvalError(f"an event of {event.get('mechanism')} needs a finite {name} of at least 0")
    return float(value)


def positive(event: Mapping[str, Any], name: str) -> float:
    """A finite figure above 0; raises `PetsEvalError` else."""
    value = number(event, name)
    if value == 0:
        raise PetsEvalError(f"an event of {event.get('mechanism')} with {name} 0 adds no noise and promises nothing")
    return value


def whole(event: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number of at least 0; raises `PetsEvalError` else."""
    value = event.get(name, default)
    number_like = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number_like or not 0 <= value < math.inf or value != int(value):
        raise PetsEvalError(f"an event of {event.get('mechanism')} needs a whole {name} of at least 0")
    return int(value)
