"""The claim that an audit is held against, and what an audit found of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import scipy  # its parts load when they are first asked for

from pets_eval.model import Guarantee, PetsEvalError

Neighbours = Literal["add-remove", "replace"]
Outcome = Literal["violation found", "no violation found", "not measured"]
_MOST = 1e4  # an epsilon beyond says nothing


@dataclass(frozen=True)
class Claim:
    """That outputs on neighbouring inputs are (`epsilon`, `delta`)-indistinguishable, or `mu`-GDP where `mu` is given.

    `unit` says whose data neighbours differ in, and `neighbours` whether one is added or removed, or replaced by
    another. With `mu`, `epsilon` is the one that `mu` implies at `delta`, unless given. Raises `PetsEvalError` for
    parameters under which nothing is claimed.
    """

    epsilon: float = math.nan
    delta: float = 0.0
    mu: float | None = None
    unit: str = "record"
    neighbours: Neighbours = "add-remove"

    def __post_init__(self) -> None:
        if not 0 <= self.delta < 1:
            raise PetsEvalError(f"delta must be at least 0 and below 1, not {self.delta}: at 1 nothing is claimed")
        if self.mu is not None:
            if not 0 <= self.mu < _MOST:
                raise PetsEvalError(f"mu must be at least 0 and below {_MOST:g}, not {self.mu}")
            if math.isnan(self.epsilon):
                object.__setattr__(self, "epsilon", _gdp_epsilon(self.mu, self.delta))
        if math.isnan(self.epsilon) or self.epsilon < 0 or (self.epsilon >= _MOST and self.mu is None):
            raise PetsEvalError(f"epsilon must be at least 0 and below {_MOST:g}, not {self.epsilon}")
        if self.neighbours not in ("add-remove", "replace"):
            raise PetsEvalError(f"neighbours must be add-remove or replace, not {self.neighbours!r}")

    def delta_at(self, epsilon: float) -> float:
        """The delta that the claim admits at *epsilon*: of the Gaussian curve with `mu`, else `delta` or 1.

        >>> round(Claim(mu=1.0, delta=1e-5).delta_at(1.0), 4)
        0.1269
        >>> Claim(1.0, 1e-6).delta_at(1.0), Claim(1.0, 1e-6).delta_at(0.9)
        (1e-06, 1.0)
        """
        if self.mu is None:
            return self.delta if epsilon >= self.epsilon else 1.0
        return _gdp_delta(self.mu, epsilon)

    @staticmethod
    def of(guarantee: Guarantee) -> Claim:
        """The claim of a release's guarantee; raises `PetsEvalError` where it states no epsilon."""
        epsilon = guarantee.parameters.get("epsilon")
        if epsilon is None:
            raise PetsEvalError(f"the guarantee ({guarantee.notion}) states no epsilon to audit")
        replaced = guarantee.adjacency.startswith("replace")
        if not replaced and guarantee.adjacency != "add-remove":
            raise PetsEvalError(f"neighbours by {guarantee.adjacency[:40]!r} cannot be made: add-remove or replace can")
        return Claim(
            epsilon,
            guarantee.parameters.get("delta", 0.0),
            unit=guarantee.unit,
            neighbours="replace" if replaced else "add-remove",
        )

    def __str__(self) -> str:
        what = f"mu = {self.mu:g} (Gaussian)" if self.mu is not None else f"epsilon = {self.epsilon:g}"
        return what + (f", delta = {self.delta:g}" if self.delta else "")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found. It never says that a claim holds: only that nothing against it was found.

    `epsilon` is a lower bound at `level` on the privacy loss at the claim's delta (0: nothing shown; NaN: the check
    gives no bound), `p_value` that of the claim being true (NaN: a deterministic check). `floor`: the smallest true
    epsilon that this check, with as many `runs` per input, finds against the claim in 95 % of tries (infinite: none,
    NaN: not applicable). `ceiling`: the largest bound that as many runs could have given at all.
    """

    check: str
    outcome: Outcome
    epsilon: float = math.nan
    level: float = 0.95
    p_value: float = math.nan
    runs: int = 0
    event: str = ""
    neighbours: str = ""
    floor: float = math.nan
    ceiling: float = math.nan
    note: str = ""

    @property
    def violated(self) -> bool:
        """Whether the claim was found not to hold."""
        return self.outcome == "violation found"


def _gdp_delta(mu: float, epsilon: float) -> float:
    """Smallest delta for which mu-GDP gives (epsilon, delta)-DP (Dong, Roth and Su 2022, corollary 1)."""
    if mu == 0:
        return 0.0
    norm = scipy.stats.norm
    first = float(norm.cdf(-epsilon / mu + mu / 2))
    second = math.exp(epsilon + float(norm.logcdf(-epsilon / mu - mu / 2)))
    return max(0.0, first - second)


def _gdp_epsilon(mu: float, delta: float) -> float:
    """Smallest epsilon for which mu-GDP gives (epsilon, delta)-DP; infinite where delta is 0 and mu is not."""
    if mu == 0 or _gdp_delta(mu, 0.0) <= delta:
        return 0.0
    if delta == 0:
        return math.inf
    high = 1.0
    while _gdp_delta(mu, high) > delta:
        high *= 2
    return float(scipy.optimize.brentq(lambda e: _gdp_delta(mu, e) - delta, 0.0, high, xtol=1e-12))
