"""One noisy choice among candidates with whole-numbered scores (OpenDP), and what it loses."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Choice:
    """A resolved choice: `lost` and `replaced` are epsilon if `pure`, else rho, by the library's map.

    That is where a unit's rows come or go, which moves every score by at most *sensitivity*, and where others take
    their place, which moves it by at most *exchanged*.
    """

    measurement: Any
    pure: bool
    lost: float
    replaced: float

    def of(self, scores: NDArray[np.int64]) -> int:
        """The number of the candidate that is chosen; *scores* of shape (candidates,)."""
        return int(self.measurement(scores.tolist()))

    def event(self, times: int = 1) -> dict[str, Any]:
        """The native description of *times* such choices."""
        if self.pure:
            return {"mechanism": "pure", "epsilon": self.lost, "times": times}
        # rho = epsilon^2 / 8 where the loss ranges over epsilon (Cesar and Rogers 2021, Bounding, concentrating, ...)
        return {"mechanism": "exponential", "epsilon": math.sqrt(8 * self.lost), "times": times}


@functools.lru_cache(maxsize=256)
def choice(sensitivity: int, exchanged: int, budget: float, *, pure: bool = False, least: bool = False) -> Choice:
    """The least noisy choice of the highest (or *least*) score that loses *budget*: epsilon if *pure*, else rho.

    Pure: permute-and-flip (McKenna and Sheldon 2020); else the exponential mechanism, whose bounded range zCDP rewards.
    """
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_noisy_max
    from opendp.measures import max_divergence, zero_concentrated_divergence
    from opendp.metrics import linf_distance
    from opendp.mod import binary_search, enable_features

    enable_features("contrib")
    domain, metric = vector_domain(atom_domain(T="i64")), linf_distance(T="i64")
    measure = max_divergence() if pure else zero_concentrated_divergence()

    def make(scale: float) -> Any:
        return make_noisy_max(domain, metric, measure, scale=scale, negate=least)

    near = 2 * sensitivity / (budget if pure else math.sqrt(8 * budget))
    scale = binary_search(lambda s: make(s).map(sensitivity) <= budget, bounds=(near / 1.01, near * 1.01))
    made = make(scale)
    return Choice(made, pure, made.map(sensitivity), made.map(exchanged))
