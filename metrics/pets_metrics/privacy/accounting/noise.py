"""Additive noise as accountants see it: Laplace, Gaussian, and Gaussian on Poisson samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for

from pets_eval.model import PetsEvalError, Unsupported
from pets_metrics.privacy.accounting.notions import MOST, Floats, Gdp, Pure, Zcdp
from pets_metrics.privacy.accounting.part import Part, by_zcdp, number, opaque, positive, unbounded, whole
from pets_metrics.privacy.accounting.renyi import divergence, laplace_divergence, subsampled_gaussian

_SLACK = 1e-12  # what the comparison of discrete and continuous Gaussian noise may add to the loss
_SMALL = 1e4  # discrete Gaussian noise this narrow is accounted one value after the other
_NARROW = 0.1  # share of the variance that this comparison may cost; beyond, only zCDP is used


def laplace(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    """Laplace noise on a vector: its worst case is one number that moves by the whole L1 sensitivity.

    Shifting one coordinate after the other composes trade-off functions (Dong, Roth and Su 2022, lemma A.5), and those
    of shifts of log-concave noise compose to that of the sum of the shifts. The best test is then that the noisy number
    lies on one side of a cut (Neyman and Pearson).
    """
    scale, sensitivity = positive(event, "scale"), number(event, "sensitivity")
    if event.get("norm", "l1") != "l1":
        raise Unsupported("Laplace noise is accounted for an L1 sensitivity only")
    if not event.get("discrete"):
        epsilon = Pure(sensitivity / scale).epsilon

        def profile(e: Floats) -> Floats:
            return -np.expm1(np.minimum(e - epsilon, 0.0) / 2)

        return Part(
            "laplace", times, profile, epsilon, laplace_divergence(epsilon), times * epsilon, epsilon, tight=True
        )
    shift = math.ceil(sensitivity)  # of whole numbers
    epsilon = Pure(shift / scale).epsilon

    def discrete(e: Floats) -> Floats:
        e = np.minimum(e, epsilon)
        cut = np.floor((shift - e * scale) / 2 + 1e-9)
        noise = scipy.stats.dlaplace(1 / scale)
        return np.where(e < epsilon, np.maximum(noise.cdf(cut) - np.exp(e) * noise.cdf(cut - shift), 0.0), 0.0)

    return Part("laplace", times, discrete, epsilon, divergence(Pure(epsilon)), times * epsilon, epsilon, tight=True)


def gaussian(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    """Gaussian noise at an L2 sensitivity: exact where continuous, or discrete on one number.

    A vector of discrete Gaussian noise is not dominated by continuous noise of the same width. But discrete noise of
    variance s^2 is, up to a factor of (1 + t) / (1 - t) for each number that moves, continuous noise of variance
    s^2 - w^2 that was rounded at random with width w, where t = 2 e^(-2 pi^2 w^2) (Peikert 2010, theorem 3.1). The
    width is chosen so that all factors together move the loss by less than 1e-12; noise too narrow for that is
    accounted by its zCDP alone, which discrete noise shares (Canonne, Kamath and Steinke 2020, theorem 14). Scale and
    sensitivity of discrete noise are in steps of its grid.
    """
    scale, sensitivity = positive(event, "scale"), number(event, "sensitivity")
    many = Gdp(sensitivity / scale * math.sqrt(times))
    concentrated = Zcdp(many.mu**2 / 2)
    if not event.get("discrete") or many.mu == 0:
        return _normal("gaussian", many, many, tight=True)
    moving = max(1.0, math.floor(sensitivity**2 * (1 + 1e-9))) * times  # numbers that one unit can move
    width = math.log(8 * moving / _SLACK) / (2 * math.pi**2)
    steps = round(sensitivity)  # whole numbers move by whole numbers, however the root was rounded
    if event.get("count") == 1 and math.isclose(sensitivity, steps, rel_tol=1e-12) and scale < _SMALL:

        def exact(interval: float) -> Any:
            return _discrete_gaussian_loss(scale, steps, interval).self_compose(times)

        return replace(_normal("gaussian", many, many, tight=True), profile=concentrated.profile, build=exact)
    if width > _NARROW * scale**2:
        return by_zcdp("gaussian", concentrated, "noise too narrow to compare with continuous: by its zCDP alone")
    wider = Gdp(many.mu / math.sqrt(1 - width / scale**2))
    return _normal("gaussian", many, wider, note=f"discrete noise: as continuous of variance less {width:.2g}")


def _normal(name: str, true: Gdp, used: Gdp, *, tight: bool = False, note: str = "") -> Part:
    """Gaussian noise of all runs together, its loss that of *used*, its divergences those of *true*."""
    pure, curve = unbounded(used.mu), divergence(true)
    return Part(name, 1, used.profile, pure, curve, used.reach, used.mu, tight=tight, note=note)


def _discrete_gaussian_loss(scale: float, sensitivity: int, interval: float) -> Any:
    from dp_accounting.pld import privacy_loss_distribution

    return privacy_loss_distribution.from_discrete_gaussian_mechanism(
        scale, sensitivity, value_discretization_interval=interval, use_connect_dots=True
    )


def sampled_gaussian(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    """Noisy gradients of Poisson samples: each step adds noise of `noise_multiplier` times the clipping norm."""
    noise, rate = positive(event, "noise_multiplier"), number(event, "sampling_rate")
    steps = whole(event, "steps", 1) * times
    if event.get("sampling", "poisson") != "poisson":
        raise Unsupported(f"sampling {str(event['sampling'])[:40]!r} is not accounted: only Poisson samples are")
    if not 0 <= rate <= 1:
        raise PetsEvalError(f"the sampling rate of an event must be from 0 to 1, not {rate}")
    if rate == 0 or steps == 0:
        return opaque(Pure(0.0), "subsampled-gaussian", 1)
    replaced = adjacency.startswith("replace")
    mu = (2 if replaced else 1) / noise
    curve = None if replaced and rate < 1 else subsampled_gaussian(noise, rate, replaced)
    note = "no Renyi bound for Poisson samples where a unit is replaced" if curve is None else ""

    def build(interval: float) -> Any:
        from dp_accounting import NeighboringRelation
        from dp_accounting.pld import privacy_loss_distribution

        relation = NeighboringRelation.REPLACE_ONE if replaced else NeighboringRelation.ADD_OR_REMOVE_ONE
        one = privacy_loss_distribution.from_gaussian_mechanism(
            noise, value_discretization_interval=interval, sampling_prob=rate, neighboring_relation=relation
        )
        return one.self_compose(steps)

    # never more than without sampling, and typically far less: a first guess of how much the grid must hold
    full = Gdp(min(mu * math.sqrt(steps), math.sqrt(MOST)))
    typical = Gdp(min(rate * math.sqrt(steps * math.expm1(min(mu**2, 20.0))), math.sqrt(MOST)))
    reach = min(full.reach, typical.reach + Gdp(mu).reach)
    return Part(
        "subsampled-gaussian",
        1,
        full.profile,
        math.inf,
        None if curve is None else steps * curve,
        reach,
        math.inf,
        tight=True,
        build=build,
        note=note,
    )
