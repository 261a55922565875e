"""Noise that is too narrow: for a wrong sensitivity, or a wrong epsilon."""

from __future__ import annotations

import numpy as np

from flawed_twins.twins import Check, Generator, Mechanism, Twins, pair
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.gaussian import mu_test
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.scale import needed_scale, scale_test

ONE = Claim(1.0, neighbours="replace")
GAUSSIAN = Claim(1.0, 1e-5)
SIGMA = needed_scale(GAUSSIAN, "gaussian")  # at sensitivity 1
MU = Claim(mu=1 / SIGMA, delta=1e-5)


def clipped_sum(scale: float) -> Mechanism:
    """The sum of values clipped to [-1, 1], with Laplace noise."""
    return lambda data, n, rng: np.clip(data, -1, 1).sum() + rng.laplace(0, scale, n)


def count(sigma: float) -> Mechanism:
    """The number of rows, with Gaussian noise."""
    return lambda data, n, rng: len(data) + rng.normal(0, sigma, n)


def by_mu(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """The mu-test of a count of none against a count of one."""
    seen = mechanism([], runs, rng), mechanism([0], runs, rng)
    return mu_test(*seen, MU, level=level, rng=rng)


def by_scale(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """The width of the noise around a count that the auditor knows."""
    return scale_test(mechanism([0] * 50, runs, rng), 50, GAUSSIAN, noise="gaussian", level=level)


LOW, HIGH = np.array([-1.0, 0.0]), np.array([1.0, 0.0])

TWINS = (
    Twins(
        1,
        "sensitivity off by 2",
        "a value that is replaced moves a sum of values in [-1, 1] by 2, and the noise is for 1",
        "OpenDP #2945",
        ONE,
        flawed=clipped_sum(1.0),
        sound=clipped_sum(2.0),
        checks=(pair(LOW, HIGH, ONE, Event.at_least(0.62), 152),),
    ),
    Twins(
        1,
        "sensitivity off by a tenth",
        "the noise is for 2 / 1.1",
        "OpenDP #2945",
        ONE,
        flawed=clipped_sum(2 / 1.1),
        sound=clipped_sum(2.0),
        checks=(pair(LOW, HIGH, ONE, Event.at_least(0.92), 10_428),),
    ),
    Twins(
        2,
        "noise from the wrong epsilon",
        "the scale of Gaussian noise, in proportion to 1 / epsilon, is computed for twice the epsilon",
        "smartnoise-core #316",
        GAUSSIAN,
        flawed=count(SIGMA / 2),
        sound=count(SIGMA),
        checks=(
            pair([], [0], GAUSSIAN, Event.at_least(2.48 * SIGMA / 2), 23_751),
            Check("mu-test", 887, by_mu),
            Check("noise scale", 14, by_scale),
        ),
    ),
)
