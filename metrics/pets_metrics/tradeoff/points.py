"""Scores as points: one row per technique and repeat, one column per axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import PetsEvalError, near
from pets_metrics.intervals import t_interval

Floats = NDArray[np.float64]
Direction = Literal["min", "max"]
Goals = Mapping[str, Direction] | Sequence[Direction]


def by_technique(
    scores: pd.DataFrame, axes: Mapping[str, str | Mapping[str, str]], *, dataset: str = "", task: str = ""
) -> pd.DataFrame:
    """One row per technique and repeat (the index), and per axis its value and ends, `risk`, `risk_low`, `risk_high`.

    *scores* is what `pets_eval.open_run(directory).scores` gives. *axes* names each axis and its metric; where that has
    several statistics, seats or groups, a mapping chooses: {"risk": {"metric": "singling-out", "statistic": "risk"}}
    (the group is "" unless chosen). Raises `PetsEvalError` where nothing is found and where a choice is open.

    >>> rows = [("m", "none", 1, "error", 0.0), ("m", "dp", 1, "error", 4.0), ("m", "dp", 1, "risk", 0.1)]
    >>> scores = pd.DataFrame(rows, columns=["task", "technique", "repeat", "metric", "value"])
    >>> scores = scores.assign(dataset="d", seat="", group="", statistic="", low=scores.value, high=scores.value)
    >>> by_technique(scores, {"risk": "risk", "error": "error"})[["risk", "error"]]
                      risk  error
    technique repeat
    dp        1        0.1    4.0
    none      1        NaN    0.0
    """
    if not axes:
        raise PetsEvalError("name at least one axis and its metric")
    for column, asked in (("dataset", dataset), ("task", task)):
        there = sorted(scores[column].unique())
        if asked and asked not in there:
            raise PetsEvalError(f"the scores have no {column} {asked!r}{near(asked, there)}")
        if not asked and len(there) > 1:
            raise PetsEvalError(f"the scores cover several {column}s; choose one of: {', '.join(there)}")
        scores = scores[scores[column] == asked] if asked else scores
    parts = [_axis(scores, name, {"metric": a} if isinstance(a, str) else a) for name, a in axes.items()]
    return pd.concat(parts, axis=1).sort_index()


def _axis(scores: pd.DataFrame, axis: str, asked: Mapping[str, str]) -> pd.DataFrame:
    rows = scores
    for column, wanted in {"group": "", **asked}.items():
        there = sorted(rows[column].unique())
        if wanted not in there:
            raise PetsEvalError(f"axis {axis!r}: the scores have no {column} {wanted!r}{near(wanted, there)}")
        rows = rows[rows[column] == wanted]
    for column in ("statistic", "seat"):
        there = sorted(rows[column].unique())
        if len(there) > 1:
            raise PetsEvalError(f"axis {axis!r}: there is more than one {column}; choose one of: {', '.join(there)}")
    part = rows.set_index(["technique", "repeat"])[["value", "low", "high"]].astype("float64")
    if part.index.has_duplicates:
        raise PetsEvalError(f"axis {axis!r}: a technique has more than one figure in a repeat; choose among its rows")
    return part.set_axis([axis, f"{axis}_low", f"{axis}_high"], axis=1)


def summary(points: pd.DataFrame, axis: str, level: float = 0.95) -> pd.DataFrame:
    """Per technique the mean of *axis* over the repeats, with the ends `low` and `high`, and the number of `repeats`.

    The interval is Student's over the repeats, widened to the mean of the repeats' own intervals where these reach
    further: that is sampling error which all repeats share. A single repeat keeps its own; NaN where none is known.
    Where a repeat is infinite, the interval holds all of them.

    >>> points = pd.DataFrame({"error": [1.0, 2.0, 3.0]}, index=pd.Index(["dp", "dp", "dp"], name="technique"))
    >>> summary(points, "error").round(3).values.tolist()
    [[2.0, -0.484, 4.484, 3.0]]
    """
    if axis not in points:
        raise PetsEvalError(f"there is no axis {axis!r}{near(axis, map(str, points.columns))}")
    rows = {name: _combined(part, axis, level) for name, part in points.groupby(level=0, sort=False)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "repeats"])
    return table.rename_axis("technique")


def _combined(points: pd.DataFrame, axis: str, level: float) -> tuple[float, float, float, int]:
    """Value, low, high and number of repeats of one technique."""
    points = points[points[axis].notna()]
    values = points[axis].to_numpy(dtype="float64")
    low_of, high_of = (f"{axis}_{end}" for end in ("low", "high"))
    own = points[[low_of, high_of]].dropna() if low_of in points and high_of in points else None
    if not values.size:
        return math.nan, math.nan, math.nan, 0
    if values.size == 1:
        low, high = own.iloc[0] if own is not None and len(own) else (math.nan, math.nan)
        return float(values[0]), float(low), float(high), 1
    if not np.isfinite(values).all():
        both = np.isposinf(values).any() and np.isneginf(values).any()
        return math.nan if both else float(values.sum()), float(values.min()), float(values.max()), values.size
    low, high = t_interval(values, level)
    if own is not None and (own[low_of] < own[high_of]).any():
        low, high = min(low, own[low_of].mean()), max(high, own[high_of].mean())
    return float(values.mean()), float(low), float(high), values.size


def oriented(points: pd.DataFrame | ArrayLike, goals: Goals) -> Floats:
    """The axes of *goals* as an array (points, axes) in which less is better; raises `PetsEvalError` where none is.

    >>> oriented([[1, 2]], ["min", "max"]).tolist()
    [[1.0, -2.0]]
    """
    if isinstance(goals, Mapping):
        if not isinstance(points, pd.DataFrame):
            raise PetsEvalError("goals by name need a DataFrame whose columns have those names")
        for name in goals:
            if name not in points:
                raise PetsEvalError(f"there is no axis {name!r}{near(name, map(str, points.columns))}")
        points, goals = points[list(goals)], list(goals.values())
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(goals) or not goals:
        raise PetsEvalError("points need one column per goal, and at least one")
    if not set(goals) <= {"min", "max"}:
        raise PetsEvalError('a goal is "min" or "max"')
    return x * np.where(np.asarray(goals) == "max", -1.0, 1.0)


def tied(means: Floats) -> Floats:
    """Means, shape (..., axes), in which those that differ by no more than rounding errors are equal.

    >>> tied(np.array([[0.1 + 0.2], [0.3]])).ravel().tolist()
    [0.3, 0.3]
    """
    sizes = np.where(np.isfinite(means), np.abs(means), 0.0).reshape(-1, means.shape[-1])
    unit = 10.0 ** np.ceil(np.log10(np.maximum(sizes.max(axis=0, initial=0.0), 1e-290)))
    rounded: Floats = np.round(means / unit, 12) * unit
    return rounded
