"""Counts of which only those that occur and stand out are released, so that which cells occur stays private.

OpenDP 0.16 releases what reaches a threshold, and its map adds up the probability of what exceeds it (its issue 2922).
On whole numbers, to reach t is to exceed t - 1: so the loss is taken from the map of the measurement with threshold
t - 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pets_eval.model import PetsEvalError
from pets_techniques.dp.budget import SPARE
from pets_techniques.dp.noise import Figures, Noise, approximate, gaussian, laplace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS = ("known", "private")
_FAR = 2**60
HELP = "known: every public cell gets noise; private: of the cells that occur, those with a large noisy count show"


@dataclass(frozen=True, eq=False)
class Threshold:
    """Noise on the cells that occur, of which those that reach `threshold` are released (OpenDP's hashmap measurement).

    `parameters` and `replaced` come out of the library's privacy map, as those of `Noise`. Their delta holds the
    probability `shows` that a cell appears which one unit alone makes occur (Rogers 2023, A unifying privacy analysis
    framework for unknown domain algorithms), and beside Gaussian noise that of the conversion from zCDP.
    """

    noise: Noise
    measurement: Any
    threshold: int
    shows: float
    parameters: Mapping[str, float]
    replaced: Mapping[str, float]
    notion: str = "approx-dp"

    @property
    def sensitivity(self) -> float:
        """That of the counts, in the norm of the noise."""
        return self.noise.sensitivity

    @property
    def exchanged(self) -> float:
        """That to one unit in another's place."""
        return self.noise.exchanged

    @property
    def norm(self) -> str:
        """L1 or L2, by the noise."""
        return self.noise.norm

    def released(self, counts: NDArray[np.int64]) -> Figures:
        """The counts that stand out, with noise; 0 for all others, which lie between 0 and `high` with 95 %."""
        import numpy as np

        flat, width = counts.ravel(), self.noise.half_width
        occur = np.flatnonzero(flat)
        shown = self.measurement(dict(zip(occur.tolist(), flat[occur].tolist())))
        at = np.fromiter(shown.keys(), dtype=np.int64, count=len(shown))
        value, se, low = np.zeros(flat.shape), np.full(flat.shape, np.nan), np.zeros(flat.shape)
        high = np.full(flat.shape, float(self.threshold - 1 + width))
        value[at] = np.fromiter(shown.values(), dtype=np.int64, count=len(shown))
        se[at], low[at], high[at] = self.noise.deviation, value[at] - width, value[at] + width
        note = (
            f"{flat.size - len(at)} of {flat.size} cells are suppressed and answered 0: they do not occur, or their "
            f"noisy count is below {self.threshold}"
        )
        shape = counts.shape
        return Figures(value.reshape(shape), se.reshape(shape), low.reshape(shape), high.reshape(shape), note)

    def events(self, count: int) -> tuple[dict[str, Any], ...]:
        """The native description of one release of *count* cells: the noise, and what the threshold adds."""
        return (self.noise.event(count), {"mechanism": "threshold", "delta": self.shows, "threshold": self.threshold})


def laplace_keys(rows: int, tables: int, epsilon: float, delta: float) -> Threshold:
    """Laplace noise for *epsilon* on counts where a unit adds at most *rows* rows to each of *tables* tables.

    The threshold is the smallest for which the library certifies *delta*.
    """
    from opendp.measurements import make_laplace_threshold
    from opendp.metrics import absolute_distance, l01inf_distance

    noise = laplace(rows * tables, epsilon * (1 - SPARE))  # whose map rounds otherwise than the one below
    metric = l01inf_distance(absolute_distance(T="i64"))

    def make(threshold: int) -> Any:
        return make_laplace_threshold(_hashmap(), metric, scale=noise.scale, threshold=threshold)

    near, far = ((times * rows * tables, times * rows * tables, rows) for times in (1, 2))
    threshold = _least(make, near, delta)
    certified = make(threshold - 1)
    certain, shows = certified.map(near)
    replaced = dict(zip(("epsilon", "delta"), certified.map(far)))
    return Threshold(noise, make(threshold), threshold, shows, {"epsilon": certain, "delta": shows}, replaced)


def gaussian_keys(rows: int, tables: int, epsilon: float, delta: float, *, rho: float | None = None) -> Threshold:
    """Gaussian noise for (*epsilon*, *delta*), or *rho*, on counts where a unit adds as many rows as above.

    Half of *delta* goes to the threshold, which is the smallest for which the library certifies that, and half to the
    conversion from zCDP.
    """
    from opendp.measurements import make_gaussian_threshold
    from opendp.metrics import absolute_distance, l02inf_distance

    less = 1 - SPARE
    noise = gaussian(rows**2 * tables, epsilon * less, delta / 2, rho=None if rho is None else rho * less)
    metric = l02inf_distance(absolute_distance(T="f64"))

    def make(threshold: int) -> Any:
        return make_gaussian_threshold(_hashmap(), metric, scale=noise.scale, threshold=threshold)

    near, far = (
        (times * rows * tables, math.nextafter(math.sqrt(times * tables) * rows, math.inf), float(rows))
        for times in (1, 2)
    )
    threshold = _least(make, near, delta / 2)
    certified = make(threshold - 1)
    (lost, shows), (_, more) = certified.map(near), certified.map(far)
    certain, failure = approximate(certified, shows + delta / 2).map(near)
    return Threshold(
        noise,
        make(threshold),
        threshold,
        shows,
        parameters={"epsilon": certain, "delta": failure, "rho": lost},
        replaced={
            "epsilon": approximate(certified, more + delta / 2).map(far)[0],
            "delta": more + delta / 2,
            "rho": certified.map(far)[0],
        },
    )


def _hashmap() -> Any:
    from opendp.domains import atom_domain, map_domain

    return map_domain(atom_domain(T="i64"), atom_domain(T="i64"))


def _least(make: Callable[[int], Any], distance: tuple[Any, ...], delta: float) -> int:
    """The smallest threshold that a cell which one unit alone makes occur reaches with probability *delta* at most."""
    from opendp.mod import binary_search, enable_features

    enable_features("contrib")
    rows = int(distance[-1])

    def fits(threshold: int) -> bool:
        return bool(make(threshold - 1).map(distance)[1] <= delta)

    high = rows + 2
    while not fits(high):
        high *= 2
        if high > _FAR:
            raise PetsEvalError(f"private keys: OpenDP certifies no threshold at delta = {delta:g}; raise delta")
    return int(binary_search(fits, bounds=(rows + 1, high), T=int))
