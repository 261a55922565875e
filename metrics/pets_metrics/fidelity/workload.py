"""How far answers to random counting questions are off when the release is asked instead of the real rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Column, Estimate, PetsEvalError, Schema
from pets_eval.registry import metric
from pets_metrics.fidelity.marginals import Codes, compact
from pets_metrics.intervals import t_interval
from pets_metrics.tables import align

Query = dict[int, NDArray[np.bool_]]  # for each column asked about: which of its cells count

_LEVEL = 0.95
_TAIL = 0.95
_CHUNK = 1 << 20  # rows looked at together


@metric(
    axis="fidelity",
    goal="min",
    unit="share of the rows",
    range=(0, 1),
    source="random range queries: Hardt, Ligett and McSherry, NeurIPS 2012",
    headline=("mean",),
    cannot_show="That other questions are answered as well, such as ones about means or about few people.",
)
def range_query_error(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    queries: int = 1000,
    columns: int = 3,
) -> dict[str, Estimate]:
    """Difference between the shares of both tables that meet a random question, "mean" and "p95"; 0 is best.

    A question asks for the rows that meet a condition in each of 1 to *columns* columns, drawn by *rng*: a number
    between two of its public cells' edges, drawn evenly among them, or a category in a random set of 1 to all but one.
    A missing number meets no condition, a missing category is one more category. "p95" is the 95th percentile over the
    *queries*. The interval is for the whole workload that they are drawn from: Student's for the mean, by order
    statistics for the percentile; the two tables are taken as they are.
    Raises `PetsEvalError` for fewer than 2 *queries*, or *columns* below 1.

    >>> real = pd.DataFrame({"a": ["x", "y", "y", "y"]})
    >>> round(range_query_error(real, pd.DataFrame({"a": ["x", "x", "x", "y"]}))["mean"].value, 12)
    0.5
    """
    if queries < 2 or columns < 1:
        raise PetsEvalError("queries must be at least 2, and columns at least 1")
    rng = rng or np.random.default_rng(0)
    t = align(real, synthetic, schema=schema)
    names = sorted(t.names)
    (true, sizes), (made, _) = (compact(frame, t.schema, names) for frame in (t.real, t.synthetic))
    orders = [_by_count(a, b, size) for a, b, size in zip(true, made, sizes, strict=True)]
    kinds = [t.schema.columns[name] for name in names]
    asked = [_query(kinds, sizes, orders, columns, rng) for _ in range(queries)]
    errors = np.abs(_shares(true, asked) - _shares(made, asked))
    low, high = t_interval(errors, _LEVEL)
    mean = float(errors.mean())
    tail = float(np.quantile(errors, _TAIL))
    ranked = np.sort(errors)
    ends = [int(scipy.stats.binom.ppf(at, queries, _TAIL)) for at in ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)]
    below, above = ranked[max(0, ends[0] - 1)], ranked[min(queries - 1, ends[1])]
    return {
        "mean": Estimate(mean, max(0.0, low), min(1.0, high), _LEVEL, "t", queries),
        "p95": Estimate(tail, min(tail, float(below)), max(tail, float(above)), _LEVEL, "order-statistics", queries),
    }


def _by_count(real: NDArray[np.integer], synthetic: NDArray[np.integer], size: int) -> NDArray[np.intp]:
    """Cells by falling count, so that a draw of categories does not hang on what they are called."""
    return np.lexsort([-np.bincount(x, minlength=size) for x in (synthetic, real)])


def _query(
    kinds: list[Column], sizes: list[int], orders: list[NDArray[np.intp]], most: int, rng: np.random.Generator
) -> Query:
    width = int(rng.integers(1, min(most, len(kinds)) + 1))
    query: Query = {}
    for i in rng.choice(len(kinds), width, replace=False).tolist():
        cells = np.zeros(sizes[i], dtype=bool)
        if kinds[i].numeric:
            low, high = np.sort(rng.integers(0, sizes[i] - kinds[i].nullable, 2))
            cells[low : high + 1] = True
        else:
            wanted = int(rng.integers(1, max(2, sizes[i])))
            cells[orders[i][rng.permutation(sizes[i])[:wanted]]] = True
        query[i] = cells
    return query


def _shares(codes: Codes, asked: list[Query]) -> NDArray[np.float64]:
    """Share of the rows that meet each question, chunk by chunk."""
    met = np.zeros(len(asked))
    for start in range(0, len(codes[0]), _CHUNK):
        chunk = [column[start : start + _CHUNK] for column in codes]
        for j, query in enumerate(asked):
            met[j] += np.count_nonzero(np.logical_and.reduce([cells[chunk[i]] for i, cells in query.items()]))
    return met / len(codes[0])
