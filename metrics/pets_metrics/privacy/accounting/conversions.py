"""From one definition of differential privacy to another, saying what is lost on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import scipy  # its parts load when they are first asked for

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.accounting.notions import (
    Approx,
    BoundedRange,
    Gdp,
    LossDistribution,
    Notion,
    Pure,
    Renyi,
    Zcdp,
    check_delta,
    epsilon_at,
)
from pets_metrics.privacy.accounting.renyi import ORDERS, divergence

T = TypeVar("T")


@dataclass(frozen=True)
class Converted(Generic[T]):
    """What a guarantee implies in another definition; `lossless` if it implies the guarantee in turn."""

    value: T
    lossless: bool
    note: str


def to_approx(notion: Notion, delta: float) -> Converted[Approx]:
    """The smallest epsilon that *notion* implies at *delta*.

    Of zCDP by the optimal conversion of Canonne, Kamath and Steinke (2020), corollary 13, which holds for every
    mechanism with that rho, and so lies above what Gaussian noise needs. Raises `PetsEvalError` where nothing is
    implied at that delta.

    >>> found = to_approx(Zcdp(0.5), 1e-5)
    >>> round(found.value.epsilon, 3), found.lossless
    (4.728, False)
    >>> found.note
    'for every mechanism with rho = 0.5; Gaussian noise of that rho has epsilon 4.377 at this delta, 7.4 % less'
    """
    check_delta(delta)
    own = notion.delta if isinstance(notion, Approx) else 0.0
    if delta < own:
        raise PetsEvalError(f"a guarantee with delta = {own:g} says nothing at a delta of {delta:g}")
    epsilon = epsilon_at(notion, delta)
    if math.isinf(epsilon):
        raise PetsEvalError(f"{notion} implies no finite epsilon at delta = {delta:g}; choose a delta above 0")
    value = Approx(epsilon, delta)
    if isinstance(notion, (Pure, Approx)) and delta == own:
        return Converted(value, True, "the same guarantee")
    if isinstance(notion, Zcdp) and delta > 0:
        exact = epsilon_at(Gdp(math.sqrt(2 * notion.rho)), delta)
        less = f", {1 - exact / epsilon:.1%} less".replace("%", " %") if epsilon else ""
        note = f"for every mechanism with {notion}; Gaussian noise of that rho has epsilon {exact:.4g} at this delta"
        return Converted(value, False, note + less)
    if isinstance(notion, Renyi):
        return Converted(value, False, "from the best of the orders that were given")
    return Converted(value, False, "one point of the curve, exact there; what it says at other deltas is given up")


def to_renyi(notion: Notion) -> Converted[Renyi]:
    """The divergences that *notion* implies at `renyi.ORDERS`; raises `PetsEvalError` where it implies none."""
    found = divergence(notion)
    if found is None:
        raise PetsEvalError(f"{notion} implies no Renyi divergence: with probability delta the loss may be infinite")
    exact = isinstance(notion, (Zcdp, Gdp))
    note = "exact at every order" if exact else "the largest divergences that the definition admits"
    return Converted(Renyi(ORDERS, tuple(map(float, found))), isinstance(notion, (Zcdp, Renyi)), note)


def to_zcdp(notion: Notion) -> Converted[Zcdp]:
    """The smallest rho known under *notion*; raises `PetsEvalError` where it implies none.

    Pure: epsilon^2 / 2 (Bun and Steinke 2016, proposition 1.4). Bounded range: epsilon^2 / 8 (Cesar and Rogers 2021,
    lemma 3.4). Gaussian: mu^2 / 2.

    >>> to_zcdp(Pure(1.0)).value, to_zcdp(Gdp(1.0)).value
    (Zcdp(rho=0.5), Zcdp(rho=0.5))
    """
    if isinstance(notion, Zcdp):
        return Converted(notion, True, "the same guarantee")
    if isinstance(notion, Pure) or (isinstance(notion, Approx) and notion.delta == 0):
        return Converted(Zcdp(notion.epsilon**2 / 2), False, "that no loss exceeds epsilon is given up")
    if isinstance(notion, BoundedRange):
        return Converted(Zcdp(notion.epsilon**2 / 8), False, "that no loss exceeds epsilon is given up")
    if isinstance(notion, Gdp):
        return Converted(Zcdp(notion.mu**2 / 2), False, "the shape of the curve is given up")
    raise PetsEvalError(f"{notion} implies no zero-concentrated differential privacy")


def to_gdp(notion: Notion) -> Converted[Gdp]:
    """The smallest mu under *notion*; raises `PetsEvalError` where it implies none.

    Pure: the Gaussian curve through the corner of the trade-off function, mu = 2 Phi^-1(e^epsilon / (1 + e^epsilon)),
    below which it lies since it is convex (Liu et al., Identification, amplification and measurement, 2022).

    >>> round(to_gdp(Pure(1.0)).value.mu, 4)
    1.232
    """
    if isinstance(notion, Gdp):
        return Converted(notion, True, "the same guarantee")
    if isinstance(notion, (Pure, BoundedRange)) or (isinstance(notion, Approx) and notion.delta == 0):
        mu = 2 * float(scipy.stats.norm.ppf(scipy.special.expit(notion.epsilon)))
        if not math.isfinite(mu):
            mu = 2 * -float(scipy.stats.norm.ppf(scipy.special.expit(-notion.epsilon)))
        return Converted(Gdp(mu), False, "that no loss exceeds epsilon is given up")
    raise PetsEvalError(f"{notion} implies no Gaussian differential privacy")


def to_distribution(notion: Notion) -> Converted[LossDistribution]:
    """The smallest loss distribution on a grid that dominates *notion* at every delta (Connect the dots, 2022)."""
    from pets_metrics.privacy.accounting.composition import distribution, interval
    from pets_metrics.privacy.accounting.part import of_notion

    if isinstance(notion, LossDistribution):
        return Converted(notion, True, "the same guarantee")
    found = [of_notion(notion)]
    value = LossDistribution(distribution(found, interval(found)))
    return Converted(value, False, "the same profile, but for the rounding of losses to a grid")
