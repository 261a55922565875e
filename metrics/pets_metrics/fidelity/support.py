"""Where the release puts its rows: inside the real table's support, and over all of it?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema
from pets_eval.registry import metric
from pets_metrics.fidelity.pooled import pooled
from pets_metrics.intervals import proportion, t_interval
from pets_metrics.nearest import Index, coordinates
from pets_metrics.rows import distinct_rows
from pets_metrics.tables import align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_CENTRES = 50_000  # real rows at most whose surroundings are looked at
_SAME = 1e-9  # distances that differ by less are equal
_FAR = -1e8  # coordinates below this are missing values
_GRID = np.linspace(0, 1, 1_001)
_RESAMPLES = 500
_HELD = 1 << 22  # neighbours that are held at once
_ALAA = "Alaa, van Breugel, Saveliev and van der Schaar, How faithful is your synthetic data? (ICML 2022), section 3"
_NAEEM = "Naeem, Oh, Uh, Choi and Yoo, Reliable fidelity and diversity metrics (ICML 2020), section 3"


@metric(
    axis="fidelity",
    goal="max",
    unit="share",
    range=(0, 1),
    source=_ALAA,
    cannot_show="That the release covers the real table: rows of the right typicality can be all alike.",
)
def alpha_precision(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """How nearly a share alpha of the released rows lies in the real alpha-support, for every alpha; 1 is best.

    1 - 2 x the integral of |P(alpha) - alpha| over alpha in [0, 1]. The alpha-support is the smallest ball around the
    real table's centre that holds a share alpha of the real rows, P(alpha) the share of released rows in it. The place
    of a learned embedding is taken by the principal coordinates of Gower's distance: in them a row's distance from the
    centre of a table follows from its mean Gower distance to the table's rows. Real rows at the same distance take
    equal parts in every alpha between. A release that is too typical loses as one that is too odd. The interval is a
    percentile bootstrap over released rows, with the real ones as given; it is stretched to hold the figure itself.

    >>> real = pd.DataFrame({"a": ["x"] * 3 + ["y"]})
    >>> alpha_precision(real, real).value, round(alpha_precision(real, pd.DataFrame({"a": ["x"]})).value, 3)
    (1.0, 0.75)
    """
    x, y = _points(real, synthetic, schema)[:2]
    depths, share = np.unique(_depths(x, x), return_counts=True)
    cell = np.searchsorted(depths, _depths(y, x))
    inside = np.bincount(cell, minlength=len(depths) + 1)[:-1] / len(y)
    return _integrated(np.cumsum(share) / len(x), inside, len(y), rng)


@metric(
    axis="fidelity",
    goal="max",
    unit="share",
    range=(0, 1),
    source=_ALAA,
    cannot_show="That no released row is implausible, nor that the release is private: a copy is best.",
)
def beta_recall(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    k: int = 5,
    centres: int = _CENTRES,
) -> Estimate:
    """How nearly a share beta of the real rows lies in the release's beta-support, for every beta; 1 is best.

    1 - 2 x the integral of |R(beta) - beta|, as in `alpha_precision` with the tables exchanged. A real row is in the
    beta-support if it is in the release's ball that holds a share beta of the released rows, and if a released row is
    as near to it as its *k*-th nearest real row (`support_coverage`), so that a hole in the ball is noticed. (The
    authors' code looks for that row's place in the ball, which ties make a matter of chance.) At most *centres* real
    rows are looked at; *rng* draws them. The interval is a percentile bootstrap over them, stretched to hold the figure
    itself.

    >>> real = pd.DataFrame({"a": ["x"] * 3 + ["y"]})
    >>> beta_recall(real, real).value, beta_recall(real, pd.DataFrame({"a": ["z"]}), k=1).value
    (1.0, 0.0)
    """
    rng = rng or np.random.default_rng(0)
    x, y, some = _points(real, synthetic, schema, centres, rng)
    covered = _distances(some, y, 1) <= _radii(some, x, k) + _SAME
    depths, share = np.unique(_depths(y, y), return_counts=True)
    cell = np.searchsorted(depths, _depths(some[covered], y))
    inside = np.bincount(cell, minlength=len(depths) + 1)[:-1] / len(some)
    return _integrated(np.cumsum(share) / len(y), inside, len(some), rng)


@metric(
    axis="fidelity",
    goal="max",
    unit="share of real rows",
    range=(0, 1),
    source=_NAEEM,
    cannot_show="That the shares are right: one released row in each neighbourhood is enough. A copy is best.",
)
def support_coverage(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    k: int = 5,
    centres: int = _CENTRES,
) -> Estimate:
    """Share of the real rows that have a released row as near as their *k*-th nearest other real row; 1 is best.

    Distances are Gower's. A fresh sample of as many people is expected at 1 - 2^-k where no rows are equally near. A
    copy has 1, for each row finds itself. At most *centres* real rows are looked at, among all rows; *rng* draws them.
    The interval is Wilson's, which takes them as independent.

    >>> real = pd.DataFrame({"a": [0.5, 1.5, 2.5, 9.5]})
    >>> support_coverage(real, pd.DataFrame({"a": [0.5, 1.0]}), k=1).value
    0.5
    """
    x, y, some = _points(real, synthetic, schema, centres, rng)
    covered = _distances(some, y, 1) <= _radii(some, x, k) + _SAME
    return proportion(int(covered.sum()), len(some))


@metric(
    axis="fidelity",
    goal="none",
    unit="ratio",
    range=(0, math.inf),
    source=_NAEEM,
    headline=("release",),
    cannot_show="That the release covers the real table, or is private: rows copied from its thick of it are densest.",
)
def support_density(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    k: int = 5,
    centres: int = _CENTRES,
) -> dict[str, Estimate]:
    """Released rows in the real rows' neighbourhoods, over the number expected of a fresh sample: 1 is like the real.

    "release": the mean over real rows of the share of released rows that are as near as the *k*-th nearest other real
    row, over *k* / (real rows). "real": the same of the real rows, each left out of its own neighbourhood; it is 1, and
    more where rows are equally near, as they are among categories: compare with it. Below it, released rows are in
    places where few people are; above, they crowd where most are. A copy has "real" + 1 / *k*, for each row finds
    itself. Distances are Gower's. At most *centres* real rows are looked at; *rng* draws them. Intervals are Student's
    over them.

    >>> real = pd.DataFrame({"a": [0.5, 1.5, 2.5, 9.5]})
    >>> scores = support_density(real, pd.DataFrame({"a": [0.5, 1.0]}), k=1)
    >>> scores["release"].value, scores["real"].value
    (2.0, 1.25)
    """
    x, y, some = _points(real, synthetic, schema, centres, rng)
    radii, expected = _radii(some, x, k), max(min(k, len(x) - 1), 1)
    return {
        "release": _mean(_within(some, radii, y) * len(x) / len(y) / expected),
        "real": _mean((_within(some, radii, x) - 1) / expected),
    }


# -- rows as points ------------------------------------------------------------------------------------------------


def _points(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None,
    centres: int = _CENTRES,
    rng: np.random.Generator | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Coordinates of all real rows, of all released rows, and of at most *centres* real rows."""
    if centres < 1:
        raise PetsEvalError(f"centres must be at least 1, not {centres}")
    tables = align(real, synthetic, schema=schema)
    order = np.argsort(tables.names)
    x, y = (points[:, order] for points in coordinates(tables.schema, tables.real, tables.synthetic))
    if len(x) <= centres:
        return x, y, x
    return x, y, x[pooled(tables, centres, rng or np.random.default_rng(0)).places[0]]


def _radii(some: Floats, points: Floats, k: int) -> Floats:
    """Distance from each of *some* of the *points* to the *k*-th nearest other one, or the farthest of fewer."""
    if k < 1:
        raise PetsEvalError(f"k must be at least 1, not {k}")
    return _distances(some, points, min(k, len(points) - 1) + 1)


def _distances(some: Floats, points: Floats, k: int) -> Floats:
    """Distance from each of *some* to the *k*-th nearest of *points*."""
    return Index(points).search(some, k)[0][:, -1]


def _within(some: Floats, radii: Floats, points: Floats) -> Floats:
    """How many of *points* are within its radius of each of *some*."""
    first, weight, _ = distinct_rows(points)
    distinct = points[first]
    index, found = Index(distinct), np.zeros(len(some))
    left, k = np.arange(len(some)), 8
    while left.size:  # ask for more neighbours where all that were asked for are inside
        k = min(4 * k, len(distinct))
        full = []
        for start in range(0, len(left), max(1, _HELD // k)):
            rows = left[start : start + max(1, _HELD // k)]
            distances, places = index.search(some[rows], k)
            inside = distances <= radii[rows, None] + _SAME
            found[rows] = (weight[places] * inside).sum(axis=1)
            full.append(rows[inside[:, -1]])
        left = np.concatenate(full) if k < len(distinct) else left[:0]
    return found


def _depths(points: Floats, table: Floats) -> Floats:
    """Mean Gower distance, times the columns, of each of *points* to the rows of *table*; rounded, so that ties tie."""
    total = np.zeros(len(points))
    for a, b in zip(points.T, table.T, strict=True):
        known = np.sort(b[b > _FAR])
        sums = np.append(0.0, np.cumsum(known - known[:1].sum()))
        values, back = np.unique(a, return_inverse=True)
        low, middle, high = (np.searchsorted(known, values + shift) for shift in (-1.0, 0.0, 1.0))
        moved = values - known[:1].sum()
        near = moved * (2 * middle - low - high) - 2 * sums[middle] + sums[low] + sums[high]
        far = len(b) - (high - low)
        total += np.where(values > _FAR, near + far, len(known))[back] / len(b)
    return np.round(total, 9)


# -- the figures ---------------------------------------------------------------------------------------------------


def _integrated(edges: Floats, inside: Floats, n: int, rng: np.random.Generator | None) -> Estimate:
    """1 - 2 x the integral of |share - level|; *edges* are levels, *inside* the share of *n* rows that each adds."""
    rng = rng or np.random.default_rng(0)
    reached = np.interp(_GRID, np.append(0.0, edges), np.append(0.0, np.cumsum(inside)))
    value = float(_agreement(reached))
    parts = np.maximum(np.append(np.diff(reached), 1 - reached[-1]), 0.0)
    drawn = rng.multinomial(n, parts / parts.sum(), size=_RESAMPLES)[:, :-1].cumsum(axis=1) / n
    low, high = np.quantile(
        _agreement(np.hstack([np.zeros((_RESAMPLES, 1)), drawn])), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    )
    return Estimate(value, min(float(low), value), max(float(high), value), _LEVEL, "bootstrap", n)


def _agreement(reached: Floats) -> Floats:
    """1 - 2 x the integral over the grid, of shape (..., levels)."""
    area = np.trapezoid(np.abs(reached - _GRID), _GRID, axis=-1)
    agreement: Floats = np.clip(1 - 2 * np.round(area, 12), 0.0, 1.0)
    return agreement


def _mean(values: Floats) -> Estimate:
    low, high = t_interval(values, _LEVEL)
    return Estimate(float(values.mean()), max(low, 0.0), high, _LEVEL, "t", len(values))
