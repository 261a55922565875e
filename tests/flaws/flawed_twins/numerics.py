"""Randomness and arithmetic as computers have them: seeds, last bits, rounding, time, and raw totals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flawed_twins.twins import Check, Generator, Mechanism, Twins, pair
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.neighbours import Pair
from pets_metrics.privacy.audit.outcomes import Event, Outcomes
from pets_metrics.privacy.audit.probes import error_channel, last_bits_test, lowest_bit, timing_channel
from pets_metrics.privacy.audit.repeats import repeat_test, same_noise_test, shared_noise_test

PURE = Claim(1.0)
NONE, ONE = np.empty(0), np.ones(1)

# -- row 3 -------------------------------------------------------------------------------------------------------------


def count(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return len(data) + rng.laplace(0, 1, n)


def count_with_a_fixed_seed(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return count(data, n, np.random.default_rng(7))


def asked_twice(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """Calls on each input, for one output each."""
    seen = (Outcomes.of(np.concatenate([mechanism(data, 1, rng) for _ in range(runs)])) for data in (NONE, ONE))
    return repeat_test(*seen, level=level)


def two_counts(reused: bool) -> Mechanism:
    """Two counts in one release, shape (n, 2); most of the variance of their noise is one draw for both if *reused*."""

    def release(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
        shared = rng.laplace(0, 2, (n, 1)) if reused else rng.laplace(0, 2, (n, 2))
        return len(data) + shared + rng.laplace(0, 1.5, (n, 2))

    return release


def looked_at_together(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    return shared_noise_test(*mechanism(ONE, runs, rng).T, level=level, rng=rng)


# -- row 4 -------------------------------------------------------------------------------------------------------------


def textbook_laplace(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return data.sum() + rng.laplace(0, 1, n)


def whole_numbers(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """The difference of two geometric numbers is discrete Laplace noise."""
    p = 1 - np.exp(-1)
    return np.rint(data.sum()) + rng.geometric(p, n) - rng.geometric(p, n)


FINER = Event("bits below 2^-53", lambda o: lowest_bit(o.values[:, 0]) < -53)


def by_last_bits(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """The probe that finds its own event."""
    seen = (Outcomes.of(mechanism(data, runs, rng)) for data in (np.zeros(1), ONE))
    return last_bits_test(*seen, PURE, level=level)


# -- row 22 ------------------------------------------------------------------------------------------------------------

LARGEST = 2.0**24  # that a value may be
ALL_ROUNDED = np.concatenate([[LARGEST, LARGEST], np.full(2**20, 2.5)])  # after 2^25, 2.5 is rounded to 4; before, to 2


def float_sum(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """In single precision, one row after the other."""
    return np.cumsum(data, dtype=np.float32)[-1].astype(float) + rng.laplace(0, LARGEST, n)


def fixed_point_sum(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """In whole 256ths, without any rounding of sums."""
    return np.rint(data * 256).astype(np.int64).sum() / 256 + rng.laplace(0, LARGEST, n)


def in_adversarial_order(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    seed = int(rng.integers(2**32))
    return same_noise_test(lambda d, g: mechanism(d, 1, g), ALL_ROUNDED, ALL_ROUNDED[1:], LARGEST, seed=seed)


# -- row 23 ------------------------------------------------------------------------------------------------------------

LONG = 10_000  # turns of a loop, a quarter of a millisecond
COMMON = np.zeros(3)
TARGET = Pair("the target beside others", COMMON, np.append(COMMON, 1.0), lambda k: np.append(COMMON, np.ones(k)))


def slow_on_the_target(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """The analyst's function is slow on purpose when it meets the target."""
    for _ in range(LONG * int(data.max())):
        pass
    return count(data, n, rng)


def as_slow_on_everyone(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    for _ in range(LONG):
        pass
    return count(data, n, rng)


def fails_on_the_target(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    if data.max() > 0:
        raise ValueError("division by zero")
    return count(data, n, rng)


def probed(probe: Callable[..., Finding]) -> Callable[..., Finding]:
    def judge(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
        seeded = {"rng": rng} if probe is timing_channel else {}
        return probe(lambda data: float(mechanism(data, 1, rng)[0]), TARGET, PURE, runs, level=level, **seeded)

    return judge


# -- row 24 ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shares:
    """Noisy counts of two groups, scaled to a total: the raw one, or the noisy one."""

    raw_total: bool

    def measure(self, groups: np.ndarray, rng: Generator) -> np.ndarray:
        """The counts with noise, and the total as the third number."""
        counts = np.bincount(groups, minlength=2)
        return np.append(counts, counts.sum()) + rng.laplace(0, 2, 3)

    def publish(self, measured: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """What leaves: two counts that add up."""
        total = len(groups) if self.raw_total else measured[2]
        return measured[:2] / measured[:2].sum() * total


GROUPS = np.repeat([0, 1], [30, 20])


def with_frozen_measurements(mechanism: Shares, runs: int, rng: Generator, level: float) -> Finding:
    frozen = mechanism.measure(GROUPS, rng)
    return same_noise_test(lambda data, _: mechanism.publish(frozen, data), GROUPS, GROUPS[1:], 0.0)


TWINS = (
    Twins(
        3,
        "seeded noise",
        "every call draws from the same seed",
        "Garfinkel and Leclerc 2020",
        PURE,
        flawed=count_with_a_fixed_seed,
        sound=count,
        checks=(Check("repeats", 2, asked_twice),),
    ),
    Twins(
        3,
        "reused noise",
        "most of the noise of two counts is one draw for both",
        "Garfinkel and Leclerc 2020",
        PURE,
        flawed=two_counts(reused=True),
        sound=two_counts(reused=False),
        checks=(Check("shared noise", 39, looked_at_together),),
    ),
    Twins(
        4,
        "floating-point last bits",
        "a sum of floats and textbook Laplace noise shows by its last bits what was added to what",
        "Mironov 2012, Haney 2022",
        PURE,
        flawed=textbook_laplace,
        sound=whole_numbers,
        checks=(
            pair(np.zeros(1), ONE, PURE, FINER, 110, more_likely="first"),
            Check("last bits", 600, by_last_bits),
        ),
    ),
    Twins(
        22,
        "order of a float sum",
        "rounding in single precision makes a row count for more than its greatest value",
        "Casacuberta 2022",
        PURE,
        flawed=float_sum,
        sound=fixed_point_sum,
        checks=(Check("replay", 1, in_adversarial_order, seeded=False),),
    ),
    Twins(
        23,
        "timing channel",
        "a release takes longer where the target is in the data",
        "Haeberlen 2011, Jin 2022",
        PURE,
        flawed=slow_on_the_target,
        sound=as_slow_on_everyone,
        checks=(Check("timing channel", 42, probed(timing_channel)),),
    ),
    Twins(
        23,
        "error channel",
        "a release fails where the target is in the data",
        "Haeberlen 2011",
        PURE,
        flawed=fails_on_the_target,
        sound=count,
        checks=(Check("error channel", 42, probed(error_channel)),),
    ),
    Twins(
        24,
        "raw totals in post-processing",
        "noisy counts are scaled to add up to the true total",
        "NIST SP 800-226, mixed releases",
        PURE,
        flawed=Shares(raw_total=True),
        sound=Shares(raw_total=False),
        checks=(Check("replay", 1, with_frozen_measurements),),
    ),
)
