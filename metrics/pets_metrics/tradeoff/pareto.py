"""The techniques that nobody beats, how sure that is, and how much of the plane they cover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Estimate, PetsEvalError
from pets_metrics.intervals import wilson
from pets_metrics.tradeoff.points import Direction, Floats, Goals, oriented, tied

_AT_ONCE = 4_000_000  # comparisons in one step


def pareto_set(points: pd.DataFrame | ArrayLike, goals: Goals) -> NDArray[np.bool_]:
    """Which of the points, shape (n, axes), no other one beats: at least as good on all axes and better on one.

    Equal points are in the set together. A point with a NaN is not in it and beats nobody.
    Source: Miettinen, "Nonlinear multiobjective optimization" (1998), section 2.2.

    >>> pareto_set([[1, 5], [2, 2], [3, 3], [5, 1]], ["min", "min"]).tolist()
    [True, True, False, True]
    """
    x = oriented(points, goals)
    found = np.zeros(len(x), dtype=bool)
    waiting = np.lexsort(x.T[::-1])  # nobody beats the first of those that wait
    waiting = waiting[~np.isnan(x[waiting]).any(axis=1)]
    while waiting.size:
        best = x[waiting[0]]
        alike = (x[waiting] == best).all(axis=1)
        found[waiting[alike]] = True
        waiting = waiting[~(x[waiting] >= best).all(axis=1)]
    return found


def pareto_probability(
    points: pd.DataFrame,
    goals: Mapping[str, Direction],
    rng: np.random.Generator | None = None,
    resamples: int = 2_000,
    level: float = 0.95,
) -> pd.DataFrame:
    """How probable it is that each technique is in the Pareto set of the means, by bootstrap over its repeats.

    *points* has the technique as (first) index level and one row per repeat, as `by_technique` gives. One row per
    technique: `probability` with the ends `low` and `high` of Wilson's interval on the number of *resamples* (the error
    of the simulation alone), `in_set` on the means as they are, and the number of `repeats`. A technique with a single
    repeat never varies, and few repeats vary too little: read a probability together with `repeats`. A technique
    without a value on some axis has NaN.
    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapter 6.

    >>> index = pd.Index(["a", "a", "b", "b", "c", "c"], name="technique")
    >>> points = pd.DataFrame({"risk": [1, 1, 2, 2, 3, 3], "error": [3, 3, 1, 5, 4, 4]}, index=index)
    >>> pareto_probability(points, {"risk": "min", "error": "min"})["in_set"].tolist()
    [True, False, False]
    """
    rng = np.random.default_rng(0) if rng is None else rng
    x = pd.DataFrame(oriented(points, goals), index=points.index.get_level_values(0)).dropna()
    names = list(dict.fromkeys(points.index.get_level_values(0)))
    repeats = {name: part.to_numpy() for name, part in x.groupby(level=0, sort=False)}
    placed = [name for name in names if name in repeats]
    drawn = np.empty((resamples, len(placed), x.shape[1]))
    for i, name in enumerate(placed):
        own = repeats[name]
        drawn[:, i] = own[rng.integers(0, len(own), (resamples, len(own)))].mean(axis=1)
    hits = dict(zip(placed, _unbeaten(tied(drawn)).sum(axis=0).tolist(), strict=True))
    now = np.array([repeats[name].mean(axis=0) for name in placed]).reshape(1, len(placed), x.shape[1])
    in_set = dict(zip(placed, _unbeaten(tied(now))[0].tolist(), strict=True))
    rows = [
        (hits[n] / resamples, *wilson(hits[n], resamples, level), in_set[n], len(repeats[n]))
        if n in repeats
        else (math.nan, math.nan, math.nan, False, 0)
        for n in names
    ]
    index = pd.Index(names, name="technique")
    return pd.DataFrame(rows, index=index, columns=["probability", "low", "high", "in_set", "repeats"])


def _unbeaten(x: Floats) -> NDArray[np.bool_]:
    """Which points no other of the same draw beats, shape (draws, points), from *x*, shape (draws, points, axes)."""
    draws, count, axes = x.shape
    found = np.empty((draws, count), dtype=bool)
    at_once = max(1, _AT_ONCE // max(1, count * count * axes))
    for start in range(0, draws, at_once):
        mine, other = x[start : start + at_once, :, None], x[start : start + at_once, None]
        beaten = (other <= mine).all(axis=-1) & (other < mine).any(axis=-1)
        found[start : start + at_once] = ~beaten.any(axis=-1)
    return found


def hypervolume(points: pd.DataFrame | ArrayLike, goals: Goals, reference: Sequence[float]) -> float:
    """Volume of the outcomes that some point beats and that beat the *reference*, the worst that is acceptable.

    In the product of the axes' units, at least 0, more is better; it depends on the reference and on the units, so
    bring the axes to comparable ones first. Points with a NaN or not better than the reference count for nothing.
    Exact, by slicing; meant for a few hundred points on up to about five axes.
    Source: Zitzler and Thiele (1998), PPSN V; slicing: While et al., IEEE Trans. Evolutionary Computation 10 (2006).

    >>> hypervolume([[1, 3], [2, 1], [3, 3]], ["min", "min"], [4, 4])
    7.0
    """
    worst = oriented([list(reference)], list(goals.values()) if isinstance(goals, Mapping) else goals)[0]
    if not np.isfinite(worst).all():
        raise PetsEvalError("the reference must be finite")
    x = oriented(points, goals)
    x = x[~np.isnan(x).any(axis=1)]
    x = x[(x < worst).all(axis=1)]
    return _volume(x, worst)


def _volume(x: Floats, worst: Floats) -> float:
    if not len(x):
        return 0.0
    if len(worst) == 1:
        return float(worst[0] - x.min())
    x = x[pareto_set(x, ["min"] * len(worst))]
    x = x[np.argsort(x[:, 0], kind="stable")]
    depths = np.diff(np.append(x[:, 0], worst[0]))  # slices along the first axis: the points so far cover each
    if len(worst) == 2:
        return float((depths * (worst[1] - np.minimum.accumulate(x[:, 1]))).sum())
    return sum(float(d) * _volume(x[: i + 1, 1:], worst[1:]) for i, d in enumerate(depths) if d > 0)


def dominance_test(
    a: pd.DataFrame | ArrayLike,
    b: pd.DataFrame | ArrayLike,
    goals: Goals,
    rng: np.random.Generator | None = None,
    permutations: int = 10_000,
) -> Estimate:
    """p-value of "A is not better than B on every axis", from the repeats of both, shapes (repeats, axes).

    A small one says that A dominates B by more than luck. On each axis the repeats are shuffled between the two, and
    one counts how often the mean of A would come out as good as it did; the largest of these p-values counts, as all
    axes must show it (an intersection-union test, which needs no further correction). All splits are tried where there
    are at most *permutations* of them, else that many random ones; `low` is the smallest p-value that can come out.
    Repeats with a NaN are left out. It speaks of these repeats on these data, not of other data.
    Source: Berger, Technometrics 24 (1982); Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).

    >>> found = dominance_test([[1, 9], [2, 8], [1, 9]], [[5, 3], [4, 2], [5, 3]], ["min", "max"])
    >>> found.value  # 1 of the 20 splits of six repeats
    0.05
    """
    rng = np.random.default_rng(0) if rng is None else rng
    x, y = oriented(a, goals), oriented(b, goals)
    x, y = x[~np.isnan(x).any(axis=1)], y[~np.isnan(y).any(axis=1)]
    m, n = len(x), len(x) + len(y)
    if m == 0 or n == m:
        return Estimate.missing("one of the two has no repeat with all axes")
    both = np.vstack([x, y])
    if not np.isfinite(both).all():
        return Estimate.missing("a repeat is infinite")
    splits = math.comb(n, m)
    if splits <= permutations:
        chosen = np.array(list(itertools.combinations(range(n), m)))
    else:
        chosen = rng.permuted(np.broadcast_to(np.arange(n), (permutations, n)), axis=1)[:, :m]
    sums = both[chosen].sum(axis=1)  # of A's part; less is better, and the rest follows from it
    seen = x.sum(axis=0)
    as_good = (sums <= seen + 1e-12 * np.abs(both).sum(axis=0)).sum(axis=0)
    exact = splits <= permutations
    p = as_good / splits if exact else (as_good + 1) / (permutations + 1)
    least = 1 / splits if exact else 1 / (permutations + 1)
    return Estimate(float(p.max()), low=least, method="permutation", n=n)
