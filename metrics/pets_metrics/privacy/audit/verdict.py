"""What a whole audit ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pets_metrics.privacy.audit.claim import Claim, Finding, Outcome


@dataclass(frozen=True)
class Planted:
    """A violation planted into the same mechanism: what `times` units change at once, passed off as one unit's change.

    `power` is the probability that the pair test, with as many runs, finds it.
    """

    times: int
    power: float


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found of a claim.

    `worst` is the pair test on the worst neighbours; with the findings of the other checks in `also`, it makes the
    `outcome`. Those in `beside` do not count. `explored` has the bound that each pair of neighbours seemed to give, by
    name. `caught` is the smallest epsilon that was found in 95 % of tries when it was planted in the mechanism's own
    outcomes: infinite where none was, NaN where they are all alike. `planted` stands beside "no violation found" only.
    """

    target: str
    claim: Claim
    worst: Finding
    also: tuple[Finding, ...] = ()
    beside: tuple[Finding, ...] = ()
    explored: dict[str, float]
    planted: Planted | None = None
    caught: float = math.nan
    runs: int
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """Whether anything against the claim was found. It never says that the claim holds."""
        return "violation found" if self.violations else "no violation found"

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The findings against the claim, the pair test's first."""
        return tuple(f for f in (self.worst, *self.also) if f.violated)

    @property
    def p_value(self) -> float:
        """Of the claim being true: the least of the findings that count; 0 where a deterministic one contradicts it."""
        found = [0.0 if math.isnan(f.p_value) else f.p_value for f in self.violations]
        return min(found, default=self.worst.p_value)
