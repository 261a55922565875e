"""Integer noise for a whole vector of counts in one OpenDP measurement, and what the library certifies of it.

The noise is discrete and added to integers, so that no floating-point least significant bit gives the truth away
(Canonne, Kamath and Steinke 2020; Mironov 2012).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALPHA = 0.05
_WIDE = 1e5  # the library adds up one probability after the other: beyond, the quantile is the normal one's
_SMALL = 10.0  # a discrete Gaussian at least this wide has the standard deviation of its scale to 15 digits

# what is imported of the library when noise is resolved; far less than its prelude
MODULES = ("opendp.accuracy", "opendp.combinators", "opendp.measurements", "opendp.mod")


@dataclass(frozen=True, eq=False)
class Figures:
    """Released numbers, all of one shape: `se` is their standard error (NaN: not known), [low, high] covers 95 %.

    `note` says what a reader must know beside them.
    """

    value: NDArray[np.float64]
    se: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Noise:
    """A resolved mechanism: `parameters` come out of the library's privacy map at the stated sensitivity.

    That is the sensitivity to one unit more or less; `replaced` is what the same map gives where one unit is replaced
    by another, which moves the numbers by at most `exchanged` in the same norm. `deviation` is the standard deviation
    of the noise on one number; with 95 % probability or more it is at most `half_width` away from 0.
    """

    measurement: Any
    mechanism: str
    norm: str
    sensitivity: float
    exchanged: float
    scale: float
    parameters: Mapping[str, float]
    replaced: Mapping[str, float]
    deviation: float
    half_width: int
    notion: str

    def add(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """*values* with independent noise on each; shape as given."""
        import numpy as np

        return np.asarray(self.measurement(values.ravel().tolist()), dtype=np.int64).reshape(values.shape)

    def released(self, counts: NDArray[np.int64]) -> Figures:
        """*counts* with noise, and how far to trust them."""
        import numpy as np

        noisy = self.add(counts).astype(np.float64)
        se = np.full(noisy.shape, self.deviation)
        return Figures(noisy, se, noisy - self.half_width, noisy + self.half_width)

    def events(self, count: int) -> tuple[dict[str, Any], ...]:
        """The native description of one release of *count* numbers, all of it."""
        return (self.event(count),)

    def event(self, count: int | None = None) -> dict[str, Any]:
        """The native description of the noise on *count* numbers (None: how many is not known beforehand)."""
        return {
            "mechanism": self.mechanism,
            "scale": self.scale,
            "sensitivity": self.sensitivity,
            "norm": self.norm,
            **({} if count is None else {"count": count}),
            "discrete": True,
        }


@functools.lru_cache(maxsize=64)
def laplace(sensitivity: int, epsilon: float) -> Noise:
    """Discrete Laplace noise with the smallest scale for which the library certifies *epsilon* at L1 *sensitivity*."""
    from opendp.accuracy import discrete_laplacian_scale_to_accuracy
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import binary_search, enable_features

    enable_features("contrib")
    domain, metric = vector_domain(atom_domain(T="i64")), l1_distance(T="i64")
    near = sensitivity / epsilon  # where to search; the library's own search fails on very wide noise
    scale = binary_search(
        lambda s: make_laplace(domain, metric, scale=s).map(sensitivity) <= epsilon, bounds=(near / 2, near * 2)
    )
    measurement = make_laplace(domain, metric, scale=scale)
    return Noise(
        measurement,
        "laplace",
        "l1",
        sensitivity,
        2 * sensitivity,
        scale,
        parameters={"epsilon": measurement.map(sensitivity)},
        replaced={"epsilon": measurement.map(2 * sensitivity)},
        deviation=1 / (math.sqrt(2) * math.sinh(1 / (2 * scale))),
        half_width=math.floor(discrete_laplacian_scale_to_accuracy(scale=scale, alpha=_ALPHA)),
        notion="pure-dp",
    )


@functools.lru_cache(maxsize=64)
def gaussian(
    squared_sensitivity: int, epsilon: float, delta: float, *, rho: float | None = None, signed: bool = False
) -> Noise:
    """Discrete Gaussian noise with the smallest scale for which the library certifies (*epsilon*, *delta*).

    Where *rho* is given it is spent instead, in zero-concentrated differential privacy, and the parameters tell the
    epsilon that it is worth at *delta*. The L2 sensitivity is the root of *squared_sensitivity*, rounded up. Replacing
    a unit moves counts by no more than the root of twice that (two vectors without negative numbers are at most as far
    apart as their norms make a right angle), and *signed* numbers by twice as much as adding one does.
    """
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import binary_search, enable_features

    enable_features("contrib")
    domain, metric = vector_domain(atom_domain(T="i64")), l2_distance(T="f64")
    sensitivity, replaced = (
        math.nextafter(math.sqrt(times * squared_sensitivity), math.inf) for times in (1, 4 if signed else 2)
    )

    def make(scale: float) -> Any:
        return make_gaussian(domain, metric, scale=scale)

    def fits(scale: float) -> bool:
        if rho is not None:
            return bool(make(scale).map(sensitivity) <= rho)
        return bool(approximate(make(scale), delta).map(sensitivity)[0] <= epsilon)

    scale = binary_search(fits, bounds=_bounds(sensitivity, epsilon, delta, rho))
    measurement, certified = make(scale), approximate(make(scale), delta)
    certain, failure = certified.map(sensitivity)
    return Noise(
        measurement,
        "gaussian",
        "l2",
        sensitivity,
        replaced,
        scale,
        parameters={"epsilon": certain, "delta": failure, "rho": measurement.map(sensitivity)},
        replaced={"epsilon": certified.map(replaced)[0], "delta": failure, "rho": measurement.map(replaced)},
        deviation=_gaussian_deviation(scale),
        half_width=_gaussian_half_width(scale),
        notion="approx-dp" if rho is None else "zcdp",
    )


def _bounds(sensitivity: float, epsilon: float, delta: float, rho: float | None) -> tuple[float, float]:
    """Where to search for a scale, since the library's own search overflows on wide noise."""
    if rho is not None:
        near = sensitivity / math.sqrt(2 * rho)
        return near / 1.01, near * 1.01
    # Up to the scale that suffices by the textbook conversion epsilon = rho + 2 sqrt(rho ln(1/delta)), and down to
    # where rho = 300 is too much for anything.
    log = math.log(1 / delta)
    enough = 1.001 * sensitivity * (math.sqrt(log + epsilon) + math.sqrt(log)) / (math.sqrt(2) * epsilon)
    return max(enough / 1000, sensitivity / math.sqrt(2 * 300)), enough


def approximate(measurement: Any, delta: float) -> Any:
    """What a zCDP *measurement* is worth at *delta*, by the library's conversion."""
    from opendp.combinators import make_fix_delta, make_zCDP_to_approxDP

    return make_fix_delta(make_zCDP_to_approxDP(measurement), delta)


def _gaussian_half_width(scale: float) -> int:
    from opendp.accuracy import discrete_gaussian_scale_to_accuracy

    if scale < _WIDE:
        return int(discrete_gaussian_scale_to_accuracy(scale=scale, alpha=_ALPHA)) - 1  # noise that reaches it is rare
    return math.ceil(NormalDist().inv_cdf(1 - _ALPHA / 2) * scale)


def _gaussian_deviation(scale: float) -> float:
    if scale >= _SMALL:
        return scale
    mass = [math.exp(-(k**2) / (2 * scale**2)) for k in range(int(10 * scale) + 10)]
    variance = 2 * math.fsum(k**2 * m for k, m in enumerate(mass)) / (2 * math.fsum(mass) - mass[0])
    return math.sqrt(variance)
