"""Energy distance: how much farther real and released rows are from each other than from their own kind."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema
from pets_eval.registry import metric
from pets_metrics.fidelity.pooled import pooled
from pets_metrics.nearest import coordinates
from pets_metrics.tables import align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_Z = 1.959963984540054
_BLOCK = 1 << 18  # pairs that are held at once
_SOURCE = "Szekely and Rizzo, J. Stat. Planning and Inference 143 (2013); Gower's distance: Biometrics 27 (1971)"


@metric(
    axis="fidelity",
    goal="min",
    unit="share",
    range=(0, 1),
    source=_SOURCE,
    cannot_show="That the release is private: a copy is best. Differences in few of many columns weigh little.",
)
def energy_distance(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = 3_000,
) -> Estimate:
    """Excess of the distance between real and released rows over that among their own kind, as a share; 0 is best.

    (2 D(real, release) - D(real, real) - D(release, release)) / 2 D(real, release), where D is the mean over all pairs,
    a row with itself included, of the square root of Gower's distance. That is a Euclidean distance, between the rows'
    principal coordinates. (Without the root the figure would depend on single columns only, for Gower's distance is a
    sum over them.) 0 if and only if the tables agree in distribution, 1 if each is all in one point, but not the same.

    At most *rows* of each table are used; *rng* draws them. A sample of n rows adds about 1 / n for being one. The
    interval is by the delta method, as for independent rows; its low end has that addition taken off.

    >>> energy_distance(pd.DataFrame({"a": ["x", "x"]}), pd.DataFrame({"a": ["y", "y"]})).value
    1.0
    >>> energy_distance(pd.DataFrame({"a": ["x", "x"]}), pd.DataFrame({"a": ["x", "y"]})).value
    0.5
    """
    x, y = _points(real, synthetic, schema, rows, rng)
    across, back = _means(x, y)
    own_x, own_y = _means(x, x)[0], _means(y, y)[0]
    between = float(across.mean())
    n = len(x) + len(y)
    if between == 0:
        return Estimate(0.0, 0.0, 0.0, _LEVEL, "delta", n)
    within = float(own_x.mean() + own_y.mean())
    value = max(1 - within / (2 * between), 0.0)
    chance = float(own_x.mean() / len(x) + own_y.mean() / len(y)) / (2 * between)
    # the change of the figure if a row's weight grows
    pulls = [
        within / (2 * between**2) * (a - between) - (o - o.mean()) / between
        for a, o in ((across, own_x), (back, own_y))
    ]
    half = _Z * math.sqrt(sum(float(p.var()) / len(p) for p in pulls))
    return Estimate(value, max(value - chance - half, 0.0), min(value + half, 1.0), _LEVEL, "delta", n)


@metric(
    axis="fidelity",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source=_SOURCE,
    cannot_show="That the tables are alike: a thousand rows do not show a small difference.",
)
def energy_test(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = 1_000,
    permutations: int = 999,
) -> Estimate:
    """p-value of the hypothesis that both tables are samples of the same people; small says that they differ.

    The share of *permutations*, the true one counted in, in which the energy distance of rows that are dealt out at
    random is no less than the true one. At most *rows* of each table are used. They are drawn at the same places of the
    sorted tables where those are of one length, which makes the p-value larger if anything. Raises `PetsEvalError` for
    fewer than 1 permutation.

    >>> frame = pd.DataFrame({"a": ["x", "y"] * 5})
    >>> energy_test(frame, frame).value, energy_test(frame, pd.DataFrame({"a": ["z"] * 9})).value
    (1.0, 0.001)
    """
    if permutations < 1:
        raise PetsEvalError(f"permutations must be at least 1, not {permutations}")
    rng = rng or np.random.default_rng(0)
    x, y = _points(real, synthetic, schema, rows, rng)
    both = np.vstack([x, y])
    distances = roots(both, both)
    weights = np.repeat([1 / len(x), -1 / len(y)], [len(x), len(y)])
    dealt = np.column_stack([weights, *(rng.permutation(weights) for _ in range(permutations))])
    energies = -np.einsum("ij,ij->j", dealt, distances @ dealt)
    p = float(np.mean(energies >= energies[0] - 1e-9))
    return Estimate(p, low=1 / (permutations + 1), method="permutation", n=len(both))


def _points(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None,
    rows: int,
    rng: np.random.Generator | None,
) -> tuple[Floats, Floats]:
    if rows < 1:
        raise PetsEvalError(f"rows must be at least 1, not {rows}")
    tables = align(real, synthetic, schema=schema)
    places = pooled(tables, rows, rng or np.random.default_rng(0)).places
    order = np.argsort(tables.names)
    points = coordinates(tables.schema, tables.real, tables.synthetic)
    return points[0][places[0]][:, order], points[1][places[1]][:, order]


def _means(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Mean root distance of each row of *a* to all of *b*, and of each row of *b* to all of *a*."""
    rows, columns = np.empty(len(a)), np.zeros(len(b))
    size = max(1, _BLOCK // len(b))
    for start in range(0, len(a), size):
        block = roots(a[start : start + size], b)
        rows[start : start + size] = block.mean(axis=1)
        columns += block.sum(axis=0)
    return rows, columns / len(a)


def roots(a: Floats, b: Floats) -> Floats:
    """Square roots of Gower's distances from coordinates (`nearest.coordinates`); all pairs, shape (rows, rows)."""
    sums, gap = np.zeros((len(a), len(b))), np.empty((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):
        np.abs(np.subtract.outer(x, y, out=gap), out=gap)
        sums += np.minimum(gap, 1, out=gap)
    sums /= a.shape[1]
    return np.sqrt(sums, out=sums)
