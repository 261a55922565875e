"""Confidence intervals as plain functions: what an estimate from few observations may really be.

Each returns (low, high) at the asked *level*.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Estimate


def t_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of *values*, shape (n,); (NaN, NaN) for fewer than two.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).

    >>> low, high = t_interval([1.0, 2.0, 3.0, 4.0])
    >>> round(low, 3), round(high, 3)
    (0.446, 4.554)
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size < 2:
        return math.nan, math.nan
    half = float(scipy.stats.t.ppf((1 + level) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size))
    return float(x.mean()) - half, float(x.mean()) + half


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion; (0, 1) without trials.

    Source: Wilson, "Probable inference", JASA 22 (1927).

    >>> low, high = wilson(0, 20)
    >>> low, round(high, 3)
    (0.0, 0.161)
    """
    _check(successes, trials)
    if trials == 0:
        return 0.0, 1.0
    z = float(scipy.stats.norm.ppf((1 + level) / 2))
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def proportion(successes: int, trials: int, level: float = 0.95, note: str = "") -> Estimate:
    """The share *successes* / *trials* with Wilson's interval; not measured without trials.

    >>> proportion(5, 10).value, round(proportion(5, 10).low, 3)
    (0.5, 0.237)
    """
    if trials == 0:
        return Estimate.missing(note or "there was nothing to count")
    low, high = wilson(successes, trials, level)
    return Estimate(successes / trials, low, high, level, "wilson", trials, note)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval for a proportion: covers at least *level*, whatever the truth.

    Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> low, high = clopper_pearson(20, 20)
    >>> round(low, 3), high
    (0.832, 1.0)
    """
    _check(successes, trials)
    alpha = 1 - level
    low = 0.0 if successes == 0 else float(scipy.stats.beta.ppf(alpha / 2, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(scipy.stats.beta.ppf(1 - alpha / 2, successes + 1, trials - successes))
    return low, high


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], float],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2_000,
) -> tuple[float, float]:
    """Percentile bootstrap interval for *statistic* of *values*, shape (n,) or (n, columns); NaN for fewer than two.

    Rows are drawn with replacement; resamples on which the statistic is not a number are left out.
    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapter 13.

    >>> low, high = bootstrap(np.arange(100.0), np.mean, np.random.default_rng(0))
    >>> bool(43 < low < 45 and 54 < high < 56)
    True
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return math.nan, math.nan
    drawn = np.array([statistic(x[rng.integers(0, len(x), len(x))]) for _ in range(resamples)], dtype=np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials are impossible")
