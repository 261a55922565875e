"""The privacy loss of training in noisy steps on Poisson batches, by two libraries that must agree on it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pets_eval.model import PetsEvalError

_LEAST_NOISE = 0.3  # a smaller noise multiplier protects nobody, and its loss takes long to add up
_AGREE = 0.02


@dataclass(frozen=True)
class Schedule:
    """The public facts of a training run: Poisson sampling at a rate, the noise of each step, how many steps."""

    sampling_rate: float
    noise_multiplier: float
    steps: int

    def epsilon(self, delta: float, interval: float) -> float:
        """Epsilon at *delta* by dp-accounting's privacy loss distributions, in steps of *interval* rounded up."""
        from dp_accounting.pld import PLDAccountant

        accountant = PLDAccountant(value_discretization_interval=interval)  # of add and remove, the larger
        return float(accountant.compose(self.event()).get_epsilon(delta))

    def event(self) -> Any:
        """The run as dp-accounting describes it."""
        from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

        step = PoissonSampledDpEvent(self.sampling_rate, GaussianDpEvent(self.noise_multiplier))
        return SelfComposedDpEvent(step, self.steps)


def calibrate(sampling_rate: float, steps: int, epsilon: float, delta: float) -> tuple[Schedule, float]:
    """The schedule with the least noise that keeps (*epsilon*, *delta*) for one unit more or less, and its epsilon.

    Found by dp-accounting's calibration over its privacy loss distributions, not below a noise multiplier of 0.3.

    >>> schedule, epsilon = calibrate(0.01, 1000, 1.0, 1e-5)
    >>> round(schedule.noise_multiplier, 2), round(epsilon, 3)
    (1.42, 1.0)
    """
    from dp_accounting import get_sigma_gaussian
    from dp_accounting.mechanism_calibration import ExplicitBracketInterval, calibrate_dp_mechanism
    from dp_accounting.pld import PLDAccountant

    interval = 1e-3 * min(1.0, epsilon) * max(1.0, epsilon / 10)

    def lost(noise: float) -> float:
        return Schedule(sampling_rate, noise, steps).epsilon(delta, interval)

    # Search around what the central limit says (Bu et al. 2020), which is close, but no bound.
    mu = 1 / get_sigma_gaussian(epsilon, delta)
    low = high = max(_LEAST_NOISE, 1 / math.sqrt(math.log1p((mu / sampling_rate) ** 2 / steps)))
    while lost(high) > epsilon:
        low, high = high, 1.2 * high
    while low == high or lost(low) <= epsilon:
        if low <= _LEAST_NOISE:
            return Schedule(sampling_rate, low, steps), lost(low)
        low, high = max(_LEAST_NOISE, low / 1.2), low
    noise = calibrate_dp_mechanism(
        lambda: PLDAccountant(value_discretization_interval=interval),
        lambda n: Schedule(sampling_rate, n, steps).event(),
        epsilon,
        delta,
        ExplicitBracketInterval(low, high),
        tol=1e-4,
    )
    return Schedule(sampling_rate, float(noise), steps), lost(float(noise))


def agreement(accountant: Any, schedule: Schedule, claimed: Mapping[str, float]) -> str:
    """What opacus' own accountant makes of the steps it was told of, in words.

    Raises `PetsEvalError` where that is not the epsilon in *claimed*, or not the steps of *schedule*: then one of two
    libraries is wrong, and nothing may be released.
    """
    epsilon, delta = claimed["epsilon"], claimed["delta"]
    steps = sum(count for _, _, count in accountant.history)
    error = min(0.01, epsilon / 100)
    with warnings.catch_warnings():  # it warns of the range of orders in a bound that only sizes its grid
        warnings.simplefilter("ignore")
        theirs = float(accountant.get_epsilon(delta, eps_error=error))
    if steps != schedule.steps or not abs(theirs - epsilon) <= _AGREE * epsilon + error:
        raise PetsEvalError(
            f"dp-sgd-classifier: opacus accounts for epsilon {theirs:.6g} in {steps} steps, dp-accounting for "
            f"{epsilon:.6g} in {schedule.steps}; the model is not released, since one of them must be wrong"
        )
    return f"opacus' PRV accountant gives epsilon {theirs:.4g} for the {steps} steps that it saw"
