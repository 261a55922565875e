"""A mechanism with a known flaw beside the same mechanism with the flaw mended, and the checks that should tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.pair import pair_test

Generator = np.random.Generator
Mechanism = Callable[..., Any]  # of (data, n, rng): n outputs


@dataclass(frozen=True)
class Check:
    """One way to tell the twins apart.

    `judge` takes either twin, the number of runs on each input, a generator and the level. `runs` are enough to tell
    with 95 % probability; 0 where nothing is run. `seeded`: whether the finding depends on chance at all.
    """

    name: str
    runs: int
    judge: Callable[[Any, int, Generator, float], Finding]
    seeded: bool = True


@dataclass(frozen=True)
class Twins:
    """`flawed` and `sound` have one interface; `claim` is true of the second and false of the first."""

    number: int
    name: str
    flaw: str
    modelled_on: str
    claim: Claim
    flawed: Any
    sound: Any
    checks: tuple[Check, ...]

    def judge(self, check: Check, seed: int, *, flawed: bool, level: float = 0.95, runs: int | None = None) -> Finding:
        """What *check* finds of one of the twins."""
        mechanism = self.flawed if flawed else self.sound
        return check.judge(mechanism, check.runs if runs is None else runs, np.random.default_rng(seed), level)


def pair(first: Any, second: Any, claim: Claim, event: Event, runs: int, *, more_likely: str = "second") -> Check:
    """The pair test with an event and a direction that are fixed in advance."""

    def judge(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
        seen = mechanism(first, runs, rng), mechanism(second, runs, rng)
        return pair_test(*seen, claim, event=event, more_likely=more_likely, level=level)

    return Check("pair test", runs, judge)
