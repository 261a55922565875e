"""The k-marginal score of NIST's SDNist report, from 0 to 1000."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.fidelity.marginals import cell_counts, compact
from pets_metrics.fidelity.nist_binning import Binning, nist_cells
from pets_metrics.tables import align

Codes = NDArray[np.integer]
Floats = NDArray[np.float64]

_MANY = 30  # features from which pairs are drawn
_PAIRS = 200
_DENSE = 1 << 22  # cells above which only the used ones are counted


@metric(
    axis="fidelity",
    goal="max",
    unit="points of 1000",
    range=(0, 1000),
    source="NIST SDNist 2.5, metrics/kmarginal.py and report/dataset/binning.py",
    headline=("all",),
    cannot_show="That relations of more than two columns are kept, or that a small group is served as well.",
)
def nist_k_marginal(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    by: str | None = None,
    without: Sequence[str] = (),
    binning: Binning = "percentile",
) -> list[Score]:
    """NIST's k-marginal score: 1000 less 500 times the mean distance of two-column densities; 1000 is best, 0 worst.

    The distance of a pair is the sum over its cells of |share of the release - share of the real rows|, in [0, 2].
    With a group column *by* (by default the schema's silo, such as NIST's PUMA; "" for none) each pair becomes a
    triple with it, and each group has a score too: 1000 less 1000 times its mean distance, which is first capped by the
    group's share of the real rows and divided by it. Statistic "all" is the score; "worst group" the lowest one of a
    group; and where the groups' names are public, each group's score stands under its name. Groups without real
    rows have none. All pairs are taken with fewer than 30 columns, else NIST's 200 random ones.

    Cells are NIST's (see `nist_binning`): *binning* "percentile" as in SDNist 2.5, or "rank" as in 2.4, which also
    leaves PUMA and INDP out of the pairs: name such columns in *without*. Weights and ids are never compared. SDNist
    prints the score without its decimals. Exact, without interval: it describes these two tables.
    Raises `PetsEvalError` for a column that is not there, `Unsupported` if none is left to compare.

    >>> real = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["u", "u", "v", "v"]})
    >>> nist_k_marginal(real, real.assign(b=["u", "v", "u", "v"]))[0].estimate.value
    500.0
    """
    t = align(real, synthetic, schema=schema)
    if binning not in ("percentile", "rank"):
        raise PetsEvalError("binning must be percentile or rank")
    if by is None:
        by = next((n for n in t.schema.with_role("silo")), "")
    for name in (*without, *([by] if by else [])):
        if name not in t.names:
            raise PetsEvalError(f"column {name!r} is not in both tables as one that can be compared")
    features = sorted(n for n in t.names if n != by and n not in without)
    if not features:
        raise Unsupported("no column is left to compare")
    true, made, sizes = nist_cells(t, features, binning)
    pairs = len(feature_pairs(len(features)))
    if not by:
        return [Score(Estimate.exact(pair_score(true, made, sizes), n=pairs), statistic="all")]
    (one, groups), (other, _) = (compact(frame, t.schema, [by]) for frame in (t.real, t.synthetic))
    value, by_group = group_scores([one[0], *true], [other[0], *made], [groups[0], *sizes])
    there = np.flatnonzero(~np.isnan(by_group))
    each = by_group[there]
    scores = [Score(Estimate.exact(value, n=pairs), statistic="all")]
    public = not t.schema.columns[by].from_data
    names = [f"{by} = {t.schema.columns[by].cells()[i]}" for i in there]
    worst = int(each.argmin())
    note = f"worst: {names[worst]}" if public else "the groups' names were read from the rows and are not told"
    scores.append(Score(Estimate.exact(float(each[worst]), n=len(there), note=note), statistic="worst group"))
    if public:
        scores += [Score(Estimate.exact(float(v), n=pairs), group=n) for n, v in zip(names, each, strict=True)]
    return scores


def pair_score(real: Sequence[Codes], synthetic: Sequence[Codes], sizes: Sequence[int]) -> float:
    """The score without groups, from cell numbers: one array per column, and each column's number of cells.

    >>> column = np.array([0, 0, 1, 1])
    >>> pair_score([column, column], [column, column[::-1]], [2, 2])
    0.0
    """
    pairs = feature_pairs(len(sizes))
    total = [_distance(real, synthetic, sizes, pair)[0] for pair in pairs]
    return (2 - float(np.mean(total))) * 500


def group_scores(real: Sequence[Codes], synthetic: Sequence[Codes], sizes: Sequence[int]) -> tuple[float, Floats]:
    """The score, and that of each group, NaN without real rows; as `pair_score`, and the first column is the group."""
    shares = np.bincount(real[0], minlength=sizes[0]) / len(real[0])
    pairs = feature_pairs(len(sizes) - 1)
    total, parts = 0.0, np.zeros(sizes[0])
    for a, b in pairs:
        apart, by_group = _distance(real, synthetic, sizes, (0, a + 1, b + 1))
        total += apart
        parts += np.minimum(by_group, shares)
    with np.errstate(invalid="ignore"):
        each = np.clip(1 - parts / shares / len(pairs), 0, 1) * 1000
    return (2 - total / len(pairs)) * 500, each


def feature_pairs(features: int) -> list[tuple[int, int]]:
    """SDNist's pairs of so many features: all, or from 30 features 200 random ones, which may name a feature twice.

    >>> feature_pairs(3), feature_pairs(1), len(feature_pairs(30))
    ([(0, 1), (0, 2), (1, 2)], [(0, 0)], 200)
    """
    if features == 1:
        return [(0, 0)]
    if features < _MANY:
        return list(combinations(range(features), 2))
    rng = np.random.default_rng(0)
    drawn = [rng.choice(features, size=2) for _ in range(_PAIRS)]
    return [(int(a), int(b)) for a, b in drawn]


def _distance(
    real: Sequence[Codes], synthetic: Sequence[Codes], sizes: Sequence[int], chosen: Sequence[int]
) -> tuple[float, Floats]:
    """Sum over the joint cells of the *chosen* columns of the absolute differences of shares.

    In all, and for each cell of the first of these columns.
    """
    real, synthetic = [real[i] for i in chosen], [synthetic[i] for i in chosen]
    sizes = [sizes[i] for i in chosen]
    rows = len(real[0]), len(synthetic[0])
    if math.prod(sizes) <= _DENSE:
        gaps = np.abs(cell_counts(real, sizes) / rows[0] - cell_counts(synthetic, sizes) / rows[1])
        by_first = gaps.reshape(sizes[0], -1).sum(axis=1)
    else:
        keys = np.zeros(sum(rows), dtype=np.int64)
        for a, b, size in zip(real, synthetic, sizes, strict=True):
            keys = keys * size + np.concatenate([a, b])
        found, cells = np.unique(keys, return_inverse=True)
        counts = [np.bincount(part, minlength=len(found)) for part in (cells[: rows[0]], cells[rows[0] :])]
        gaps = np.abs(counts[0] / rows[0] - counts[1] / rows[1])
        by_first = np.bincount(found // math.prod(sizes[1:]), weights=gaps, minlength=sizes[0])
    return min(2.0, float(by_first.sum())), by_first  # rounding may add a little
