"""The definitions of differential privacy in which a guarantee may come: each kept as it is, none turned into another.

Every notion answers one question, its privacy profile: the smallest delta for which it promises (epsilon, delta)-DP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Guarantee, PetsEvalError

Floats = NDArray[np.float64]
MOST = 1e6  # a privacy loss beyond says nothing, and no grid holds it
_TAIL = 1e-18  # a probability that is counted as a certain failure where a profile is cut off


@dataclass(frozen=True)
class Pure:
    """Pure differential privacy: no outcome is more than e^`epsilon` times as likely (Dwork and Roth 2014, 2.4)."""

    epsilon: float

    def __post_init__(self) -> None:
        _within("epsilon", self.epsilon)

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta at each *epsilon* of at least 0: that of randomised response, which is the worst."""
        return Approx(self.epsilon, 0.0).profile(epsilon)

    @property
    def reach(self) -> float:
        """The loss that is exceeded with no probability beyond the failure that is stated."""
        return self.epsilon

    def __str__(self) -> str:
        return f"epsilon = {self.epsilon:g}"


@dataclass(frozen=True)
class Approx:
    """Approximate differential privacy (`epsilon`, `delta`) (Dwork and Roth 2014, definition 2.4)."""

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        _within("epsilon", self.epsilon)
        check_delta(self.delta)

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta at each *epsilon* of at least 0 (Kairouz, Oh and Viswanath 2015, theorem 2.1)."""
        excess = -np.expm1(np.minimum(epsilon - self.epsilon, 0.0)) / (1 + math.exp(-self.epsilon))
        return self.delta + (1 - self.delta) * excess

    @property
    def reach(self) -> float:
        """The loss that is exceeded with no probability beyond the failure that is stated."""
        return self.epsilon

    def __str__(self) -> str:
        return f"epsilon = {self.epsilon:g}, delta = {self.delta:g}"


@dataclass(frozen=True)
class Zcdp:
    """Zero-concentrated differential privacy with `rho` (Bun and Steinke 2016, definition 1.1)."""

    rho: float

    def __post_init__(self) -> None:
        _within("rho", self.rho)

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta known at each *epsilon* of at least 0.

        The best order a solves (2a - 1) rho - epsilon + ln(1 - 1/a) = 0, which rises in a.
        Source: Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy (2020), corollary 13; and
        sqrt(1 - e^-rho) from the divergence of order 1 (Bretagnolle and Huber 1979).
        """
        epsilon = np.asarray(epsilon, dtype=np.float64)
        if self.rho == 0:
            return np.zeros_like(epsilon)
        low = np.full_like(epsilon, -40.0)  # ln(a - 1)
        high = np.log1p(epsilon / self.rho + 1 / math.sqrt(self.rho))
        for _ in range(60):
            middle = (low + high) / 2
            a = 1 + np.exp(middle)
            rising = (2 * a - 1) * self.rho - epsilon + middle - np.log(a) > 0
            low, high = np.where(rising, low, middle), np.where(rising, middle, high)
        a = 1 + np.exp(high)
        log = (a - 1) * (a * self.rho - epsilon + high - np.log(a)) - np.log(a)
        best: Floats = np.minimum(np.exp(np.minimum(log, 0.0)), math.sqrt(-math.expm1(-self.rho)))
        return best

    @property
    def reach(self) -> float:
        """The loss that is exceeded with a probability of at most 1e-18."""
        return self.rho + 2 * math.sqrt(-math.log(_TAIL) * self.rho)

    def __str__(self) -> str:
        return f"rho = {self.rho:g}"


@dataclass(frozen=True)
class Renyi:
    """Renyi differential privacy: at each of `orders` above 1 the divergence is at most the one of `values`.

    Source: Mironov, Renyi differential privacy (2017), definition 4.
    """

    orders: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.orders or len(self.orders) != len(self.values):
            raise PetsEvalError("a curve of Renyi divergences needs as many values as orders, and at least one")
        if not all(1 < a < math.inf for a in self.orders):
            raise PetsEvalError("orders of Renyi divergences must be finite and above 1")
        if not all(r >= 0 for r in self.values):
            raise PetsEvalError("Renyi divergences must be at least 0")

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta known at each *epsilon* of at least 0 (Canonne et al. 2020, proposition 12)."""
        best = np.ones_like(np.asarray(epsilon, dtype=np.float64))
        for a, r in zip(self.orders, self.values):
            if math.isfinite(r):
                log = (a - 1) * (r - epsilon + math.log1p(-1 / a)) - math.log(a)
                best = np.minimum(best, np.exp(np.minimum(log, 0.0)))
                best = np.minimum(best, math.sqrt(-math.expm1(-r)))
        return best

    @property
    def reach(self) -> float:
        """The loss that is exceeded with a probability of at most 1e-18."""
        return self.epsilon(_TAIL)

    def epsilon(self, delta: float) -> float:
        """The smallest epsilon known at *delta* (the same proposition, solved for epsilon)."""
        if delta <= 0:
            return 0.0 if not any(self.values) else math.inf
        a, r = np.array(self.orders), np.array(self.values)
        known = r + np.log1p(-1 / a) - np.log(delta * a) / (a - 1)
        known = np.where(delta**2 + np.expm1(-r) > 0, 0.0, known)
        return max(0.0, float(known.min()))

    def __str__(self) -> str:
        return f"Renyi divergences at {len(self.orders)} orders"


@dataclass(frozen=True)
class Gdp:
    """Gaussian differential privacy with `mu` (Dong, Roth and Su 2022, definition 4)."""

    mu: float

    def __post_init__(self) -> None:
        _within("mu", self.mu, math.sqrt(MOST))

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta at each *epsilon* of at least 0 (the same paper, corollary 1)."""
        epsilon = np.asarray(epsilon, dtype=np.float64)
        if self.mu == 0:
            return np.zeros_like(epsilon)
        norm = scipy.stats.norm
        second = np.exp(epsilon + norm.logcdf(-epsilon / self.mu - self.mu / 2))
        best: Floats = np.maximum(norm.cdf(-epsilon / self.mu + self.mu / 2) - second, 0.0)
        return best

    @property
    def reach(self) -> float:
        """The loss that is exceeded with a probability of at most 1e-18."""
        return self.mu**2 / 2 - float(scipy.stats.norm.ppf(_TAIL)) * self.mu

    def __str__(self) -> str:
        return f"mu = {self.mu:g} (Gaussian)"


@dataclass(frozen=True)
class BoundedRange:
    """Bounded range: any two outcomes' losses differ by at most `epsilon`, as those of the exponential mechanism do.

    Source: Dong, Durfee and Rogers, Optimal differential privacy composition for exponential mechanisms (2020).
    """

    epsilon: float

    def __post_init__(self) -> None:
        _within("epsilon", self.epsilon)

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta at each *epsilon* of at least 0: (1 - e^-(range - epsilon)/2)^2 / (1 - e^-range)."""
        if self.epsilon == 0:
            return np.zeros_like(np.asarray(epsilon, dtype=np.float64))
        half = np.expm1(np.minimum(epsilon - self.epsilon, 0.0) / 2)
        return half**2 / -math.expm1(-self.epsilon)

    @property
    def reach(self) -> float:
        """The loss that is never exceeded."""
        return self.epsilon

    def __str__(self) -> str:
        return f"range = {self.epsilon:g}"


@dataclass(frozen=True, eq=False)
class LossDistribution:
    """A privacy loss distribution of dp-accounting: `pld` is its `PrivacyLossDistribution`."""

    pld: Any

    def profile(self, epsilon: Floats) -> Floats:
        """The smallest delta at each *epsilon* of at least 0."""
        points = np.atleast_1d(np.asarray(epsilon, dtype=np.float64))
        return np.asarray(self.pld.get_delta_for_epsilon(points), dtype=np.float64).reshape(np.shape(epsilon))

    def epsilon(self, delta: float) -> float:
        """The smallest epsilon at *delta*."""
        return float(self.pld.get_epsilon_for_delta(delta))

    def __str__(self) -> str:
        return "a privacy loss distribution"


Notion = Pure | Approx | Zcdp | Renyi | Gdp | BoundedRange | LossDistribution


def epsilon_at(notion: Notion, delta: float) -> float:
    """The smallest epsilon for which *notion* promises (epsilon, *delta*)-DP; infinite where there is none.

    >>> round(epsilon_at(Zcdp(0.5), 1e-6), 3), round(epsilon_at(Gdp(1.0), 1e-5), 3), epsilon_at(Gdp(1.0), 0.0)
    (5.222, 4.377, inf)
    """
    check_delta(delta)
    if isinstance(notion, (Renyi, LossDistribution)):
        return notion.epsilon(delta)
    if isinstance(notion, (Pure, Approx, BoundedRange)):
        if delta < getattr(notion, "delta", 0.0):
            return math.inf
        if delta == getattr(notion, "delta", 0.0):
            return notion.epsilon

    def above(epsilon: float) -> float:
        return float(notion.profile(np.float64(epsilon))) - delta  # type: ignore[arg-type]

    if above(0.0) <= 0:
        return 0.0
    if delta == 0:
        return math.inf
    high = 1.0
    while above(high) > 0:
        high *= 2
    found = float(scipy.optimize.brentq(above, 0.0, high, xtol=1e-12, rtol=1e-12))
    return found if above(found) <= 0 else found + 1e-9 * max(1.0, found)  # the end at which delta suffices


def native(guarantee: Guarantee) -> Notion:
    """What *guarantee* promises by its own parameters, in its own notion.

    Raises `PetsEvalError` where it is not a proven guarantee of differential privacy, or names no parameter of one.

    >>> g = Guarantee(notion="zcdp", unit="record", adjacency="add-remove", parameters={"rho": 0.5, "epsilon": 4.7})
    >>> native(g)
    Zcdp(rho=0.5)
    """
    need_proven(guarantee)
    given = guarantee.parameters
    if guarantee.notion == "zcdp" and "rho" in given:
        return Zcdp(given["rho"])
    if guarantee.notion == "gdp" and "mu" in given:
        return Gdp(given["mu"])
    if "epsilon" not in given:
        raise PetsEvalError(f"the guarantee ({guarantee.notion}) states no epsilon, rho or mu")
    delta = given.get("delta", 0.0)
    return Approx(given["epsilon"], delta) if delta else Pure(given["epsilon"])


def need_proven(guarantee: Guarantee) -> None:
    """Raise `PetsEvalError` where *guarantee* is none of differential privacy, or not proven."""
    if guarantee.notion not in ("pure-dp", "approx-dp", "zcdp", "rdp", "gdp"):
        raise PetsEvalError(f"{guarantee.notion or 'no notion'} is no guarantee of differential privacy")
    if guarantee.status != "proven":
        raise PetsEvalError(f"the guarantee is not proven (its status is {guarantee.status})")


def check_delta(delta: float) -> float:
    """*delta* if it is a probability below 1; raises `PetsEvalError` else."""
    if not 0 <= delta < 1:
        raise PetsEvalError(f"delta must be at least 0 and below 1, not {delta}: at 1 nothing is promised")
    return delta


def _within(name: str, value: float, most: float = MOST) -> None:
    if not 0 <= value <= most:
        raise PetsEvalError(f"{name} must be at least 0 and at most {most:g}, not {value}: more promises nothing")
