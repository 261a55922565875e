"""Cells of columns as NIST's SDNist report makes them: numbers are cut where the target's percentiles are.

Bins taken from the target are NIST's way and part of its score; nothing that is released is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import Column
from pets_metrics.fidelity.marginals import compact
from pets_metrics.tables import Aligned

Binning = Literal["percentile", "rank"]
Codes = NDArray[np.integer]
Floats = NDArray[np.float64]

_BINS = 20
_DENSITY = "DENSITY"  # population density of an area, which SDNist always cuts into the same bins


def nist_cells(t: Aligned, names: Sequence[str], binning: Binning) -> tuple[list[Codes], list[Codes], list[int]]:
    """Cell numbers of the columns *names* in the real and the released table, and each column's number of cells.

    Categories are cells as they are, and so is "missing". A whole number whose public range is at most 20 wide is a
    cell per value (SDNist does so with fractions, too, none of which would meet again). Others are cut into about 20
    cells: with "percentile" (SDNist 2.5) at percentiles of the real values, less a cell for "missing" where it may
    occur and one for released values beyond the real ones at either end; with "rank" (SDNist 2.4) by the real values'
    percentage ranks. DENSITY has logarithmic cells of its own.
    """
    real, synthetic, sizes = [], [], []
    for name in names:
        column = t.schema.columns[name]
        if not column.numeric:
            (true, size), (made, _) = (compact(frame, t.schema, [name]) for frame in (t.real, t.synthetic))
            codes, cells = (true[0], made[0]), size[0]
        else:
            x, y = (column.numbers(frame[name]) for frame in (t.real, t.synthetic))
            codes, cells = _number_cells(name, column, x, y, binning)
        real.append(codes[0])
        synthetic.append(codes[1])
        sizes.append(cells)
    return real, synthetic, sizes


def _number_cells(
    name: str, column: Column, real: Floats, synthetic: Floats, binning: Binning
) -> tuple[tuple[Codes, Codes], int]:
    """Cell numbers of both tables' values and the number of cells; the last cell is "missing"."""
    known, made = (x[~np.isnan(x)] for x in (real, synthetic))
    assert column.bounds is not None
    low, high = column.bounds
    if name == _DENSITY and column.kind == "real":
        edges = _density_edges(high)
        cells = [_between(edges, np.clip(x, 0, edges[-1])) for x in (known, made)]
    elif (column.kind == "integer" and high - low <= _BINS) or not known.size or not made.size:
        values = np.unique(np.concatenate([known, made]))
        cells = [np.searchsorted(values, x) for x in (known, made)]
    elif binning == "percentile":
        edges = percentile_edges(known, made, _BINS - column.nullable)
        cells = [_between(edges, x) for x in (known, made)]
    else:
        cells = list(_rank_cells(np.trunc(known), np.trunc(made)))
    count = 1 + max((int(c.max()) + 1 for c in cells if c.size), default=0)
    done = []
    for x, found in zip((real, synthetic), cells, strict=True):
        codes = np.full(len(x), count - 1, dtype=np.min_scalar_type(count))
        codes[~np.isnan(x)] = found
        done.append(codes)
    return (done[0], done[1]), count


def percentile_edges(real: Floats, synthetic: Floats, bins: int) -> Floats:
    """Edges of right-closed bins at percentiles of *real*; values of *synthetic* beyond them have a bin of their own.

    >>> percentile_edges(np.arange(10.0), np.array([3.0, 12.0]), 5).tolist()
    [0.0, 3.0, 5.0, 7.0, 9.0, 12.0]
    """
    beyond = [
        x
        for x, out in ((synthetic.min(), synthetic.min() < real.min()), (synthetic.max(), synthetic.max() > real.max()))
        if out
    ]
    inner = bins - len(beyond)
    percentiles = np.percentile(real, [i * (100 / inner) for i in range(inner)], method="higher")
    return np.unique([*percentiles, real.max(), *beyond])


def _between(edges: Floats, values: Floats) -> NDArray[np.int64]:
    """The bin of each value, closed on the right, the first one on both sides."""
    return np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)


def _density_edges(highest: float) -> Floats:
    logarithmic = np.logspace(1, math.log10(highest + 500), 21)
    return np.array([0, 150, *logarithmic[8:]])


def _rank_cells(real: Floats, synthetic: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells of SDNist 2.4: twentieths of the percentage rank; released values go where the real ones' largest say.

    Its loop leaves a released value as it is where no real bin takes it, which makes it a cell that the target lacks:
    here the last one.
    """
    _, places, counts = np.unique(real, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[places]  # mid-ranks
    ranked = np.minimum((_BINS * (ranks / len(real))).astype(np.int64), _BINS - 1)
    present, dense = np.unique(ranked, return_inverse=True)
    tops = np.full(len(present), -math.inf)
    np.maximum.at(tops, dense, real)
    if len(present) > 1 or present[0] != 0:
        tops[-1] = math.inf
    placed = np.searchsorted(tops, synthetic, side="left")
    if present[0] != 0:
        placed[synthetic <= 0] = len(present)
    return dense, placed
