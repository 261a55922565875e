"""Gray-box replay: what a mechanism measures exactly, on neighbours, against the sensitivity that it declares.

The cheapest audit there is: no noise is drawn, so that one run on each input decides, and nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from pets_eval.model import Inputs
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.neighbours import Pair
from pets_metrics.privacy.audit.techniques import Released

_ROUNDING = 1e-9  # relative; what floating-point arithmetic adds to a norm


@runtime_checkable
class Calibrated(Protocol):
    """Noise that says what it is made for: `norm` is "l1" or "l2".

    `sensitivity` is that to one unit more or less, and `exchanged` that to one in another's place.
    """

    norm: str
    sensitivity: float
    exchanged: float


@runtime_checkable
class Replayable(Protocol):
    """A resolved mechanism that adds `noise` to a vector of exact measurements."""

    noise: Calibrated

    def exact(self, inputs: Inputs) -> Any:
        """The measurements of *inputs* before any noise; numbers of any shape, the same for all inputs."""
        ...


def replay(mechanism: Replayable, target: Released, pairs: Iterable[Pair], claim: Claim) -> Finding:
    """Whether one unit moves what *mechanism* measures by more than its noise is made for.

    The *pairs* are neighbours as the claim has them. `epsilon` of the finding is the claim's
    times actual by declared sensitivity, the loss of noise that is proportional to it: an estimate, not a bound, and
    only where the claim is violated.
    """
    worst, where, tried = 0.0, "", 0
    for pair in pairs:
        first, second = (_exact(mechanism, target, data) for data in (pair.first, pair.second))
        moved = np.linalg.norm(second - first, ord=1 if mechanism.noise.norm == "l1" else 2)
        tried += 1
        if moved > worst:
            worst, where = float(moved), pair.name
    noise = mechanism.noise
    declared = noise.exchanged if claim.neighbours == "replace" else noise.sensitivity
    violated = worst > declared * (1 + _ROUNDING)
    return Finding(
        check="replay",
        outcome="violation found" if violated else "no violation found",
        epsilon=claim.epsilon * worst / declared if violated else float("nan"),
        level=1.0,
        runs=tried,
        event=f"{mechanism.noise.norm.upper()} distance of the exact measurements",
        neighbours=where,
        note=f"declared sensitivity {declared:.6g}, largest seen {worst:.6g}",
    )


def _exact(mechanism: Replayable, target: Released, data: Any) -> Any:
    assert isinstance(data, pd.DataFrame)
    return np.asarray(mechanism.exact(target.inputs(data)), dtype=np.float64).ravel()
