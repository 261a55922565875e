"""How released rows differ from real ones along the real table's principal components."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score
from pets_eval.registry import metric
from pets_metrics.fidelity.pooled import Pooled, pooled
from pets_metrics.tables import align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_ROWS = 50_000  # of each table at most


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="After NIST, SDNist 2.4, metrics/pca.py, which only draws them; Massart, Annals of Probability 18 (1990)",
    cannot_show="That the tables agree outside the real table's main directions, or in how the components go together.",
)
def component_distance(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    count: int = 5,
    rows: int = _ROWS,
) -> list[Score]:
    """Kolmogorov-Smirnov distance of both tables along the real one's first principal components; 0 is best.

    As in NIST's report the columns are standardised and the components found in the real table, and the release is
    projected on them; unlike there, a category is an indicator and not a number. The figure is the mean over the first
    *count* components, each weighted by the real variance that it explains; each component's own distance stands beside
    it. Directions in which the real table does not vary are not seen. The interval is Massart's for all components at
    once, with the directions taken as given. At most *rows* of each table are used. Raises `PetsEvalError` for a
    *count* below 1.

    >>> real, far = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5]}), pd.DataFrame({"a": [2.5, 3.5, 4.5, 5.5]})
    >>> [(s.group, s.estimate.value) for s in component_distance(real, far)]
    [('', 0.5), ('component 1', 0.5)]
    """
    if count < 1:
        raise PetsEvalError(f"count must be at least 1, not {count}")
    data = pooled(align(real, synthetic, schema=schema), rows, rng or np.random.default_rng(0))
    scores, variances = projected(data, count)
    if not variances.size:
        return [Score(Estimate.missing("the real table does not vary"))]
    distances = [_distance(x[~data.released], x[data.released]) for x in scores.T]
    sizes = [int((~data.released).sum()), int(data.released.sum())]
    # each of the 2 x components distribution functions is within this of its own, all at once
    alpha = (1 - _LEVEL) / (2 * len(variances))
    half = sum(math.sqrt(math.log(2 / alpha) / (2 * n)) for n in sizes)

    def estimate(value: float) -> Estimate:
        return Estimate(value, max(value - half, 0.0), min(value + half, 1.0), _LEVEL, "massart", sum(sizes))

    mean = float(np.average(distances, weights=variances))
    parts = [Score(estimate(d), group=f"component {i}") for i, d in enumerate(distances, 1)]
    return [Score(estimate(mean)), *parts]


def projected(data: Pooled, count: int) -> tuple[Floats, Floats]:
    """Scores of all rows on the real rows' first components, shape (rows, found), and the variance each explains.

    Columns are standardised by the real rows. At most *count* components, those without variance left out.
    """
    design = data.design()
    real = design[~data.released]
    scale = real.std(axis=0)
    design = (design - real.mean(axis=0)) / np.where(scale > 1e-12, scale, 1.0)
    real = design[~data.released]
    variances, vectors = np.linalg.eigh(real.T @ real / len(real))
    variances, vectors = variances[::-1][:count], vectors[:, ::-1][:, :count]
    kept = variances > 1e-9
    # rounded, so that rows that are equal stay so
    return np.round(design @ vectors[:, kept], 9), variances[kept]


def _distance(a: Floats, b: Floats) -> float:
    """Kolmogorov and Smirnov's distance of two samples."""
    points = np.unique(np.concatenate([a, b]))
    shares = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())
