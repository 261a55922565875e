"""Which of two guarantees is stronger, where that can be said; and whether a claim is what its mechanisms give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pets_eval.model import Guarantee, PetsEvalError, Unsupported
from pets_metrics.privacy.accounting.composition import Composed, common, composed
from pets_metrics.privacy.accounting.mechanisms import parts
from pets_metrics.privacy.accounting.notions import need_proven

Ordering = Literal["stronger", "equal", "weaker"]
_OWN = {"zcdp": "rho", "gdp": "mu"}
_ROUNDING = 1e-3  # relative: what grids and searches may move an epsilon
_FLOAT = 1e-9  # relative: a difference that says nothing but that sums were rounded


def compare(first: Guarantee, second: Guarantee) -> Ordering:
    """Whether the *first* guarantee is stronger than the *second*, as strong, or weaker.

    Raises `PetsEvalError` with the reason where they hold for another unit of privacy, adjacency or delta, or share no
    parameter: such guarantees are not to be ranked.

    >>> def g(epsilon, delta):
    ...     numbers = {"epsilon": epsilon, "delta": delta}
    ...     return Guarantee(notion="approx-dp", unit="record", adjacency="add-remove", parameters=numbers)
    >>> compare(g(0.5, 1e-6), g(1.0, 1e-6))
    'stronger'
    >>> compare(g(0.5, 1e-5), g(1.0, 1e-6))
    Traceback (most recent call last):
    pets_eval.model.errors.PetsEvalError: guarantees with a different delta (1e-05 and 1e-06) are not to be ranked: ...
    """
    need_proven(first)
    need_proven(second)
    common([first, second])
    own = _OWN.get(first.notion, "")
    if first.notion == second.notion and own in first.parameters and own in second.parameters:
        return _order(first.parameters[own], second.parameters[own])
    if not all("epsilon" in g.parameters for g in (first, second)):
        raise PetsEvalError(f"guarantees in {first.notion} and {second.notion} share no parameter to rank them by")
    deltas = [g.parameters.get("delta", 0.0) for g in (first, second)]
    if deltas[0] != deltas[1]:
        raise PetsEvalError(
            f"guarantees with a different delta ({deltas[0]:g} and {deltas[1]:g}) are not to be ranked: "
            "state both at the same one"
        )
    return _order(first.parameters["epsilon"], second.parameters["epsilon"])


def _order(first: float, second: float) -> Ordering:
    if math.isnan(first) or math.isnan(second):
        raise PetsEvalError("a guarantee whose parameter is not a number is not to be ranked")
    return "equal" if first == second else "stronger" if first < second else "weaker"


@dataclass(frozen=True)
class Recomputed:
    """What a guarantee claims, and what its mechanisms give at the same delta.

    `optimistic`: the claim is smaller than an exact account of its mechanisms, beyond rounding, so it does not hold for
    them. `contested`: it is smaller than the account, which is not exact, so it needs a proof of its own.
    """

    claimed: float
    composed: Composed

    @property
    def excess(self) -> float:
        """By how much the account is above the claim; negative where the claim is cautious, 0 but for rounding."""
        difference = self.composed.pld - self.claimed
        return 0.0 if abs(difference) <= _FLOAT * self.claimed else difference

    @property
    def optimistic(self) -> bool:
        """Whether the claim is below an exact account."""
        return self.composed.exact and self._below()

    @property
    def contested(self) -> bool:
        """Whether the claim is below an account that is not exact."""
        return not self.composed.exact and self._below()

    def _below(self) -> bool:
        return self.excess > _ROUNDING * max(self.claimed, 0.1)


def recompute(guarantee: Guarantee) -> Recomputed:
    """Account the events of *guarantee* at its own delta; `claimed` is NaN where it states no epsilon.

    Raises `Unsupported` where there are no events, or nothing below the claim to reckon from, or a mechanism is not
    known; and where the guarantee states no delta although its mechanisms have one.

    >>> step = {"mechanism": "subsampled-gaussian", "noise_multiplier": 1.1, "sampling_rate": 0.01, "steps": 10_000}
    >>> numbers = {"epsilon": 5.065, "delta": 1e-5}  # by the central limit theorem of GDP
    >>> claim = Guarantee(
    ...     notion="approx-dp", unit="record", adjacency="add-remove", parameters=numbers, events=(step,)
    ... )
    >>> found = recompute(claim)
    >>> round(found.composed.pld, 3), found.optimistic
    (5.193, True)
    """
    need_proven(guarantee)
    if not guarantee.events:
        raise Unsupported("the guarantee describes no mechanism, so there is nothing to reckon from")
    found = parts(guarantee)
    if len(found) == 1 and found[0].stated and found[0].rho is None and found[0].times == 1:
        raise Unsupported(f"the one event ({found[0].name}) only repeats the claim, so there is nothing to reckon from")
    delta = guarantee.parameters.get("delta", 0.0)
    if delta == 0 and any(p.pure == math.inf or p.failure for p in found) and "epsilon" not in guarantee.parameters:
        raise Unsupported("the guarantee states no delta at which its mechanisms have an epsilon")
    account = composed(found, delta, unit=guarantee.unit, adjacency=guarantee.adjacency)
    return Recomputed(guarantee.parameters.get("epsilon", math.nan), account)
