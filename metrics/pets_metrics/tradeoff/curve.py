"""The privacy-utility curve with its band, its knee, and who meets given rules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.tradeoff.pareto import pareto_set
from pets_metrics.tradeoff.points import Direction, Goals, oriented, summary, tied


def frontier(points: pd.DataFrame, goals: Mapping[str, Direction], level: float = 0.95) -> pd.DataFrame:
    """The techniques along the first axis of *goals*, each axis with its interval over the repeats: a curve and band.

    One row per technique, from the lowest value of the first axis to the highest: per axis its mean, `_low` and `_high`
    (see `summary`), the number of `repeats` with all axes, and whether the means are in the `pareto` set. Techniques
    without a value on some axis are left out.

    >>> index = pd.Index(["b", "b", "a", "a"], name="technique")
    >>> points = pd.DataFrame({"risk": [0.3, 0.3, 0.1, 0.1], "error": [1.0, 1.0, 2.0, 4.0]}, index=index)
    >>> frontier(points, {"risk": "min", "error": "min"})[["risk", "error", "pareto"]].values.tolist()
    [[0.1, 3.0, True], [0.3, 1.0, True]]
    """
    oriented(points, goals)  # refuses what is not there
    whole = points.dropna(subset=list(goals))
    if whole.empty:
        raise PetsEvalError("no technique has a value on every axis")
    parts = []
    for axis in goals:
        found = summary(whole, axis, level)
        parts.append(found.drop(columns="repeats").set_axis([axis, f"{axis}_low", f"{axis}_high"], axis=1))
    table = pd.concat([*parts, found["repeats"]], axis=1)
    table["pareto"] = pareto_set(tied(table[list(goals)].to_numpy()), list(goals.values()))
    return table.sort_values(list(goals), kind="stable")


def knee(points: pd.DataFrame | ArrayLike, goals: Goals) -> int | None:
    """Number of the point where the Pareto curve of two axes bends most; None where it does not bend towards the best.

    Both axes are brought to [0, 1] over the Pareto set of the points, shape (n, 2); the knee is the point of it that
    lies farthest on the good side of the chord between the two ends. A figure of speech made exact: it depends on which
    points were tried, and says nothing of what is acceptable.
    Source: Satopaa, Albrecht, Irwin and Raghavan, "Finding a kneedle in a haystack", ICDCS workshops (2011), section
    III, without its smoothing and without its threshold.

    >>> knee([[0, 10], [1, 3], [2, 1], [10, 0]], ["min", "min"])
    2
    """
    x = oriented(points, goals)
    if x.shape[1] != 2:
        raise PetsEvalError("a knee needs two axes")
    at = np.flatnonzero(pareto_set(x, ["min", "min"]) & np.isfinite(x).all(axis=1))
    if not at.size:
        return None
    spread = np.ptp(x[at], axis=0)
    if not (spread > 0).all():
        return None
    scaled = (x[at] - x[at].min(axis=0)) / spread
    below = 1 - scaled.sum(axis=1)  # the chord of a front goes from (0, 1) to (1, 0)
    best = int(below.argmax())
    return int(at[best]) if below[best] > 1e-12 else None


_RULES = {
    "<=": ("high", np.less_equal),
    "<": ("high", np.less),
    ">=": ("low", np.greater_equal),
    ">": ("low", np.greater),
}


def satisfying(points: pd.DataFrame, constraints: Mapping[str, tuple[str, float]], level: float = 0.95) -> pd.DataFrame:
    """Which techniques meet all *constraints*, such as {"risk": ("<=", 0.09)}, at the unfavourable end of the interval.

    One row per technique: that end per axis (`high` for an upper limit, `low` for a lower one; see `summary`),
    `satisfied`, and in `fails` the axes that are not met. What was not measured, or has no known interval, is not met.

    >>> index = pd.Index(["a", "b"], name="technique")
    >>> points = pd.DataFrame({"risk": [0.05, 0.05], "risk_low": [0.04, 0.0], "risk_high": [0.06, 0.1]}, index=index)
    >>> satisfying(points, {"risk": ("<=", 0.09)})["satisfied"].tolist()
    [True, False]
    """
    if not constraints:
        raise PetsEvalError("name at least one constraint")
    ends: dict[str, pd.Series] = {}
    met: dict[str, NDArray[np.bool_]] = {}
    for axis, (sign, limit) in constraints.items():
        if sign not in _RULES:
            raise PetsEvalError(f"a constraint is one of {', '.join(_RULES)} and a number")
        end, holds = _RULES[sign]
        ends[axis] = summary(points, axis, level)[end]
        met[axis] = holds(ends[axis].to_numpy(), limit)  # False for NaN
    table = pd.DataFrame(ends)
    kept = pd.DataFrame(met, index=table.index)
    table["satisfied"] = kept.all(axis=1)
    table["fails"] = [", ".join(kept.columns[~row]) for row in kept.to_numpy(dtype=bool)]
    return table
