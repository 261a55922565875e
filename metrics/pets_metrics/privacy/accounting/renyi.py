"""Renyi divergences at a fixed set of orders: the second way of reckoning, independent of loss distributions."""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts load when they are first asked for

from pets_eval.model import MissingExtra
from pets_metrics.privacy.accounting.notions import (
    BoundedRange,
    Floats,
    Gdp,
    LossDistribution,
    Notion,
    Pure,
    Renyi,
    Zcdp,
)

# dp-accounting's own orders, then as many for losses so small that only high orders tell
_COMMON = [1 + x / 10 for x in range(1, 100)] + [float(x) for x in range(11, 64)]
ORDERS = tuple(_COMMON + [float(round(64 * 1.2**i)) for i in range(45)])


def divergence(notion: Notion) -> Floats | None:
    """The largest divergence at each of `ORDERS` under *notion*; None where it implies none.

    Pure: that of randomised response, which is the worst (Bun and Steinke 2016, lemma 3.1 and proposition 3.3). Bounded
    range: that of epsilon^2 / 8 zCDP (Cesar and Rogers 2021, lemma 3.4) or pure, whichever is less.
    """
    orders = np.array(ORDERS)
    if isinstance(notion, Zcdp):
        return notion.rho * orders
    if isinstance(notion, Gdp):
        return notion.mu**2 / 2 * orders
    if isinstance(notion, Pure):
        return _response(notion.epsilon, orders)
    if isinstance(notion, BoundedRange):
        return np.minimum(notion.epsilon**2 / 8 * orders, _response(notion.epsilon, orders))
    if isinstance(notion, Renyi):
        # divergences rise with the order: at an order that was not given, the next one's bounds it
        place = np.searchsorted(notion.orders, orders)
        return np.append(np.array(notion.values), math.inf)[place]
    if isinstance(notion, LossDistribution):
        return None
    return _response(notion.epsilon, orders) if notion.delta == 0 else None


def _response(epsilon: float, orders: Floats) -> Floats:
    log_keep = -math.log1p(math.exp(-epsilon))
    weights = np.stack([log_keep + (orders - 1) * epsilon, log_keep - orders * epsilon])
    found: Floats = np.maximum(scipy.special.logsumexp(weights, axis=0), 0.0)
    return found / (orders - 1)


def laplace_divergence(epsilon: float) -> Floats:
    """The divergences of continuous Laplace noise at `ORDERS` (Mironov 2017, proposition 6)."""
    a: Floats = np.array(ORDERS)
    logs = np.stack([np.log(a / (2 * a - 1)) + (a - 1) * epsilon, np.log((a - 1) / (2 * a - 1)) - a * epsilon])
    found: Floats = np.maximum(scipy.special.logsumexp(logs, axis=0), 0.0)
    return found / (a - 1)


def subsampled_gaussian(noise: float, rate: float, replaced: bool) -> Floats:
    """The divergences of one step of noisy gradients of a Poisson sample, by dp-accounting.

    Orders above 1,024 are left out (infinite) where there is sampling: each takes a sum over as many terms.
    """
    if rate == 1:
        return ((2 if replaced else 1) / noise) ** 2 / 2 * np.array(ORDERS)
    try:
        from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
        from dp_accounting.rdp import RdpAccountant
    except ImportError:
        raise MissingExtra("dp-accounting", "dp") from None
    low = [a for a in ORDERS if a <= 1024]
    event = PoissonSampledDpEvent(rate, GaussianDpEvent(noise))
    relation = NeighboringRelation.ADD_OR_REMOVE_ONE
    found = RdpAccountant(orders=low, neighboring_relation=relation).compose(event).rdp
    return np.append(found, np.full(len(ORDERS) - len(low), math.inf))
