"""Both tables as one matrix of numbers, for learners and for drawing the same rows from tables of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import Column
from pets_metrics.tables import Aligned

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_CATEGORIES = 100  # of a column at most; the rarer ones are taken for one


@dataclass(frozen=True, eq=False)
class Pooled:
    """Real rows, then released rows, as numbers, shape (rows, columns); NaN is missing.

    *numeric* tells which columns have numbers; the others have categories 0, 1, ... *places* are the row numbers in the
    real and in the released table.
    """

    codes: Floats
    numeric: NDArray[np.bool_]
    released: NDArray[np.bool_]
    places: tuple[Indices, Indices]

    @property
    def least(self) -> int:
        """Rows of the smaller table."""
        return int(min(self.released.sum(), (~self.released).sum()))

    def design(self) -> Floats:
        """Main effects without an intercept, shape (rows, effects): standardised numbers, indicators of categories."""
        parts = []
        for x, numeric in zip(self.codes.T, self.numeric, strict=True):
            missing = np.isnan(x)
            if numeric:
                known = x[~missing]
                middle, scale = (known.mean(), known.std()) if known.size else (0.0, 0.0)
                parts.append(np.where(missing, 0.0, (x - middle) / (scale or 1.0))[:, None])
            else:
                parts.append((x[:, None] == np.unique(x[~missing])).astype(float))
            if missing.any():
                parts.append(missing[:, None].astype(float))
        return np.hstack(parts)


def pooled(tables: Aligned, rows: int, rng: np.random.Generator) -> Pooled:
    """Both tables put together for a learner, at most *rows* of each, which *rng* draws.

    Columns are in the order of their names, rows in sorted order, and those that are drawn are drawn by their place in
    it: the same places where the tables are of one length. So no figure depends on the order of rows or columns, and
    the sample of a copy is a copy of the sample.
    """
    names = sorted(tables.names)
    numeric = np.array([tables.schema.columns[n].numeric for n in names])
    parts = [np.empty((len(t), len(names)), order="F") for t in (tables.real, tables.synthetic)]
    for i, name in enumerate(names):
        column, values = tables.schema.columns[name], [tables.real[name], tables.synthetic[name]]
        if column.numeric:
            coded = [column.numbers(v) for v in values]
        else:
            coded = _ranked([v.cat.codes.to_numpy() for v in values], column)
        for part, x in zip(parts, coded, strict=True):
            part[:, i] = x
    orders = [np.lexsort(part.T[::-1]) for part in parts]
    drawn: dict[int, Indices] = {}
    for order in orders:
        n = len(order)
        if n > rows and n not in drawn:
            drawn[n] = np.sort(rng.choice(n, rows, replace=False))
    first, second = (order[drawn.get(len(order), slice(None))] for order in orders)
    codes = np.vstack([parts[0][first], parts[1][second]])
    return Pooled(codes, numeric, np.repeat([False, True], [len(first), len(second)]), (first, second))


def _ranked(codes: list[NDArray[np.integer[Any]]], column: Column) -> list[Floats]:
    """Category numbers: in the order of a short public domain, else by how frequent each is in both tables."""
    size = len(column.domain)
    ranks = np.arange(size)
    if column.from_data or size > _CATEGORIES:
        seen = np.concatenate(codes)
        ranks[np.argsort(-np.bincount(seen[seen >= 0], minlength=size), kind="stable")] = np.arange(size)
    ranks = np.minimum(ranks, _CATEGORIES - 1)
    return [np.where(c < 0, np.nan, ranks[c]) for c in codes]
