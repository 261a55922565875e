"""Integer noise for a whole vector of counts in one OpenDP measurement, and what the library certifies of it.

The noise is discrete and added to integers, so that no floating-point least significant bit gives the truth away
(Canonne, Kamath and Steinke 2020; Mironov 2012).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALPHA = 0.05
_SMALL = 10.0  # a discrete Gaussian at least this wide has the standard deviation of its scale to 15 digits


@dataclass(frozen=True, eq=False)
class Noise:
    """A resolved mechanism: `parameters` come out of the library's privacy map at the stated sensitivity.

    `deviation` is the standard deviation of the noise on one number; with 95 % probability or more it is at most
    `half_width` away from 0.
    """

    measurement: Any
    mechanism: str
    norm: str
    sensitivity: float
    scale: float
    parameters: Mapping[str, float]
    deviation: float
    half_width: int

    def add(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """*values* with independent noise on each; shape as given."""
        import numpy as np

        return np.asarray(self.measurement(values.ravel().tolist()), dtype=np.int64).reshape(values.shape)

    def event(self, count: int) -> dict[str, Any]:
        """The native description of one release of *count* numbers."""
        return {
            "mechanism": self.mechanism,
            "scale": self.scale,
            "sensitivity": self.sensitivity,
            "norm": self.norm,
            "count": count,
            "discrete": True,
        }


def laplace(sensitivity: int, epsilon: float) -> Noise:
    """Discrete Laplace noise with the smallest scale for which the library certifies *epsilon* at L1 *sensitivity*."""
    from opendp.accuracy import discrete_laplacian_scale_to_accuracy
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import binary_search_param, enable_features

    enable_features("contrib")
    domain, metric = vector_domain(atom_domain(T="i64")), l1_distance(T="i64")
    scale = binary_search_param(
        lambda s: make_laplace(domain, metric, scale=s), d_in=sensitivity, d_out=epsilon, T=float
    )
    measurement = make_laplace(domain, metric, scale=scale)
    return Noise(
        measurement,
        "laplace",
        "l1",
        sensitivity,
        scale,
        {"epsilon": measurement.map(sensitivity)},
        deviation=1 / (math.sqrt(2) * math.sinh(1 / (2 * scale))),
        half_width=math.floor(discrete_laplacian_scale_to_accuracy(scale=scale, alpha=_ALPHA)),
    )


def gaussian(squared_sensitivity: int, epsilon: float, delta: float) -> Noise:
    """Discrete Gaussian noise with the smallest scale for which the library certifies (*epsilon*, *delta*).

    The L2 sensitivity is the root of *squared_sensitivity*, rounded up.
    """
    from opendp.accuracy import discrete_gaussian_scale_to_accuracy
    from opendp.combinators import make_fix_delta, make_zCDP_to_approxDP
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import binary_search_param, enable_features

    enable_features("contrib")
    domain, metric = vector_domain(atom_domain(T="i64")), l2_distance(T="f64")
    sensitivity = math.nextafter(math.sqrt(squared_sensitivity), math.inf)

    def certified(scale: float) -> Any:
        return make_fix_delta(make_zCDP_to_approxDP(make_gaussian(domain, metric, scale=scale)), delta)

    scale = binary_search_param(certified, d_in=sensitivity, d_out=(epsilon, delta), T=float)
    measurement = make_gaussian(domain, metric, scale=scale)
    certain, failure = certified(scale).map(sensitivity)
    return Noise(
        measurement,
        "gaussian",
        "l2",
        sensitivity,
        scale,
        {"epsilon": certain, "delta": failure, "rho": measurement.map(sensitivity)},
        deviation=_gaussian_deviation(scale),
        half_width=math.floor(discrete_gaussian_scale_to_accuracy(scale=scale, alpha=_ALPHA)),
    )


def _gaussian_deviation(scale: float) -> float:
    if scale >= _SMALL:
        return scale
    mass = [math.exp(-(k**2) / (2 * scale**2)) for k in range(int(10 * scale) + 10)]
    variance = 2 * math.fsum(k**2 * m for k, m in enumerate(mass)) / (2 * math.fsum(mass) - mass[0])
    return math.sqrt(variance)
