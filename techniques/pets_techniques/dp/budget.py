"""What several parts of one release are worth together, and how much each may spend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pets_techniques.dp.noise import approximate, gaussian

SPARE = 1e-9  # of a part's budget: the sum of the parts stays within the whole however it is rounded


@dataclass(frozen=True)
class Loss:
    """What a release loses: `parameters` where one unit comes or goes, `replaced` where another takes its place."""

    notion: str
    parameters: Mapping[str, float]
    replaced: Mapping[str, float]


def add_up(*losses: float) -> float:
    """The sum, rounded up."""
    return math.nextafter(math.fsum(losses), math.inf)


def zcdp_loss(
    rho: float, replaced: float, delta: float, *, shows: tuple[float, float] = (0.0, 0.0), native: bool = False
) -> Loss:
    """The loss of parts that are *rho* together, or *replaced*, converted to epsilon at *delta* by the library.

    *shows* is what thresholds add to delta, where a unit comes or goes and where it is replaced. With *native* the
    guarantee is one of zCDP, and epsilon is told beside it.
    """
    one, other = (
        {"epsilon": epsilon_of(r, delta), "delta": delta + s, "rho": r} for r, s in zip((rho, replaced), shows)
    )
    return Loss("zcdp" if native else "approx-dp", one, other)


def zcdp_within(epsilon: float, delta: float) -> float:
    """The largest rho that the library's conversion certifies as (*epsilon*, *delta*)."""
    return gaussian(1, epsilon, delta).parameters["rho"]


def epsilon_of(rho: float, delta: float) -> float:
    """What *rho* is worth at *delta* by the library's conversion: that of a Gaussian which loses it."""
    from opendp.domains import atom_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import absolute_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    loses = make_gaussian(atom_domain(T="i64"), absolute_distance(T="f64"), scale=1.0)
    return float(approximate(loses, delta).map(math.nextafter(math.sqrt(2 * rho), math.inf))[0])
