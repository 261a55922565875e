"""Confidence intervals as plain functions: what an estimate from few observations may really be.

Each returns (low, high) at the asked *level*. Corrections for many tests (`holm`, `bonferroni`) are here as well.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Estimate
from pets_eval.model.multiplicity import bonferroni, holm

__all__ = [
    "bonferroni",
    "bootstrap",
    "bootstrap_paired",
    "bounded_mean",
    "clopper_pearson",
    "difference",
    "holm",
    "newcombe",
    "proportion",
    "t_interval",
    "wilson",
]

Indices = NDArray[np.intp]
Method = Literal["percentile", "bca"]

_AT_ONCE = 2_000_000  # values that are drawn in one step
_MOST_LEFT_OUT = 2_000  # leave-one-out values of a statistic; of more observations, blocks are left out


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


def bounded_mean(
    values: ArrayLike, low: float = 0.0, high: float = 1.0, level: float = 0.95, note: str = ""
) -> Estimate:
    """Mean of *values*, shape (n,), that lie in [*low*, *high*], with Student's interval, cut at these bounds.

    Values that are all alike have no spread, but they may be so by chance: their interval is Clopper and Pearson's for
    n trials whose share of successes is the value's place between the bounds (method "clopper-pearson"), as of a single
    value. Two-valued outcomes spread most among all with that mean. Not measured without values.

    >>> found = bounded_mean([1.0] * 20)
    >>> found.value, round(found.low, 3), found.high
    (1.0, 0.832, 1.0)
    >>> bounded_mean([0.0, 0.5, 1.0, 0.5]).method
    't'
    """
    x = np.asarray(values, dtype=np.float64)
    if not low < high:
        raise ValueError("the lower bound must be below the upper one")
    if not x.size:
        return Estimate.missing(note or "there was nothing to average")
    value = min(max(float(x.mean()), low), high)
    if x.size > 1 and np.ptp(x) > 0:
        least, most = t_interval(x, level)
        return Estimate(value, max(least, low), min(most, high), level, "t", x.size, note)
    hits = (value - low) / (high - low) * x.size
    least = clopper_pearson(math.floor(hits + 1e-9), x.size, level)[0]
    most = clopper_pearson(min(math.ceil(hits - 1e-9), x.size), x.size, level)[1]
    least, most = (low + end * (high - low) for end in (least, most))
    return Estimate(value, min(least, value), max(most, value), level, "clopper-pearson", x.size, note)


def newcombe(
    successes_1: int, trials_1: int, successes_2: int, trials_2: int, level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's interval for the difference of two independent proportions, first minus second, in [-1, 1].

    It joins Wilson's intervals of the two (method 10); (-1, 1) where either has no trials.
    Source: Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine
    17 (1998), 873-890.

    >>> low, high = newcombe(56, 70, 48, 80)  # the paper's example (a)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    (low_1, high_1), (low_2, high_2) = wilson(successes_1, trials_1, level), wilson(successes_2, trials_2, level)
    if trials_1 == 0 or trials_2 == 0:
        return -1.0, 1.0
    p, q = successes_1 / trials_1, successes_2 / trials_2
    return p - q - math.hypot(p - low_1, high_2 - q), p - q + math.hypot(high_1 - p, q - low_2)


def difference(
    successes_1: int, trials_1: int, successes_2: int, trials_2: int, level: float = 0.95, note: str = ""
) -> Estimate:
    """The first share minus the second with Newcombe's interval; not measured where either has no trials.

    >>> round(difference(56, 70, 48, 80).value, 6)
    0.2
    """
    low, high = newcombe(successes_1, trials_1, successes_2, trials_2, level)
    if trials_1 == 0 or trials_2 == 0:
        return Estimate.missing(note or "there was nothing to count")
    value = successes_1 / trials_1 - successes_2 / trials_2
    return Estimate(value, low, high, level, "newcombe", trials_1 + trials_2, note)


def bootstrap(
    values: ArrayLike,
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2_000,
    *,
    method: Method = "percentile",
    cluster: ArrayLike | None = None,
) -> tuple[float, float]:
    """Bootstrap interval for *statistic* of *values*, shape (n,) or (n, columns); NaN for fewer than two units.

    Rows are drawn with replacement; resamples on which the statistic is not a number are left out. With *cluster*, the
    label of each row's unit of privacy, whole units are drawn: rows of one person are no independent evidence. *method*
    "bca" corrects for bias and skewness (acceleration by the jackknife; beyond 2,000 units by leaving out blocks).
    A statistic that has a parameter `axis`, as `np.mean` does, is asked for many resamples of one-dimensional values at
    once. Raises `ValueError` where labels are missing or of another length.
    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapters 13 and 14; clusters: Field and
    Welsh, JRSS B 69 (2007).

    >>> low, high = bootstrap(np.arange(100.0), np.mean, np.random.default_rng(0))
    >>> bool(43 < low < 45 and 54 < high < 56)
    True
    """
    return bootstrap_paired([values], statistic, rng, level, resamples, method=method, cluster=cluster)


def bootstrap_paired(
    arrays: Sequence[ArrayLike],
    statistic: Callable[..., Any],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2_000,
    *,
    method: Method = "percentile",
    cluster: ArrayLike | None = None,
) -> tuple[float, float]:
    """Bootstrap interval for *statistic* of several *arrays* whose rows belong together: statistic(first, second, ...).

    The same rows are drawn from each, shapes (n,) or (n, columns). Everything else is as in `bootstrap`.

    >>> x = np.arange(50.0)
    >>> bootstrap_paired([x, x + 3], lambda a, b: (b - a).mean(), np.random.default_rng(0))
    (3.0, 3.0)
    """
    x = [np.asarray(a, dtype=np.float64) for a in arrays]
    if len({len(a) for a in x}) != 1:
        raise ValueError("arrays whose rows belong together must be of one length")
    together = "axis" in _parameters(statistic) and all(a.ndim == 1 for a in x)

    def measured(rows: Indices) -> NDArray[np.float64]:
        """The statistic of each line of row numbers, shape (lines, n)."""
        if together:
            return np.asarray(statistic(*(a[rows] for a in x), axis=-1), dtype=np.float64)
        return np.array([statistic(*(a[line] for a in x)) for line in rows], dtype=np.float64)

    units = _units(len(x[0]), cluster)
    count = len(x[0]) if units is None else len(units)
    if count < 2:
        return math.nan, math.nan
    drawn = np.concatenate([measured(rows) for rows in _draws(count, units, resamples, rng)])
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return math.nan, math.nan
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and np.ptp(drawn) > 0:
        value = measured(np.arange(len(x[0]))[None, :])[0]
        without = np.concatenate([measured(rows) for rows in _left_out(count, units, rng)])
        ends = _corrected(ends, drawn, value, without)
    low, high = np.quantile(drawn, ends)
    return float(low), float(high)


def _parameters(statistic: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(statistic).parameters)
    except ValueError:  # some functions written in C tell nothing
        return set()


@dataclass(frozen=True, eq=False)
class _Units:
    """Row numbers in the order of their units, and each unit's first place and number of rows, shapes (units,)."""

    rows: Indices
    first: Indices
    sizes: Indices

    def __len__(self) -> int:
        return len(self.sizes)

    def of(self, chosen: Indices) -> Indices:
        """The row numbers of the *chosen* units, one after the other."""
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(self.first[chosen] - ends + sizes, sizes)
        rows: Indices = self.rows[places]
        return rows


def _units(rows: int, cluster: ArrayLike | None) -> _Units | None:
    """The rows of each unit; None where every row is one."""
    if cluster is None:
        return None
    codes, names = pd.factorize(np.asarray(cluster))
    if len(codes) != rows or (codes < 0).any():
        raise ValueError("every row needs the label of its unit")
    sizes = np.bincount(codes, minlength=len(names))
    return _Units(np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes, sizes)


def _draws(count: int, units: _Units | None, resamples: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Lines of row numbers, shape (lines, rows), *resamples* in all; where units differ in size, one by one."""
    if units is None:
        at_once = max(1, _AT_ONCE // count)
        for start in range(0, resamples, at_once):
            yield rng.integers(0, count, (min(at_once, resamples - start), count))
        return
    for _ in range(resamples):
        yield units.of(rng.integers(0, count, count))[None, :]


def _left_out(count: int, units: _Units | None, rng: np.random.Generator) -> Iterator[Indices]:
    """Lines of row numbers without one unit each, or without one of 2,000 random blocks of units."""
    blocks = min(count, _MOST_LEFT_OUT)
    owner = np.arange(count) if blocks == count else rng.permutation(np.arange(count) % blocks)
    for out in range(blocks):
        kept = np.flatnonzero(owner != out)
        yield (kept if units is None else units.of(kept))[None, :]


def _corrected(
    ends: NDArray[np.float64], drawn: NDArray[np.float64], value: float, without: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The shares of the resamples at which BCa cuts (Efron and Tibshirani, section 14.3); ties count half."""
    bias = scipy.special.ndtri(((drawn < value).mean() + (drawn <= value).mean()) / 2)
    influence = np.nanmean(without) - without
    spread = float(np.nansum(influence**2))
    skew = float(np.nansum(influence**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    if not np.isfinite(bias):  # the value lies outside of all resamples: nothing to correct by
        return ends
    z = bias + scipy.special.ndtri(ends)
    share: NDArray[np.float64] = scipy.special.ndtr(bias + z / (1 - skew * z))
    return share


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials are impossible")
