"""How far the tables of counts over every few columns are from the true ones.

The counting works on one array of small integers per column, so that ten million rows fit and stream through the
processor's cache: two columns become one cell number, and the cells are counted a chunk of rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema
from pets_eval.registry import metric
from pets_metrics.tables import align

Codes = Sequence[NDArray[np.integer]]  # one array of cell numbers per column
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Subset = tuple[int, ...]  # the columns of one table, by their place

_LEVEL = 0.95
_CHUNK = 1 << 15  # rows of one step: cell numbers of 16 bits stay in the fast cache
_DENSE = 1 << 16  # a table of so many cells is always counted in full


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="total variation of k-way marginals: McKenna, Miklau and Sheldon, J. Privacy and Confidentiality 11 (2021); "
    "interval: McDiarmid, Surveys in Combinatorics (1989)",
    headline=("mean",),
    cannot_show="That relations of more than k columns are kept.",
)
def k_marginal_error(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None, k: int = 2, most: int = 1000
) -> dict[str, Estimate]:
    """Total variation distance of the tables of counts over every *k* columns: "mean" and "max"; 0 is best, 1 worst.

    A table's distance is half the sum over its cells of |share of the release - share of the real rows|. Cells are the
    public ones of the schema: categories, bins of numbers, and "missing". Where there are more than *most* sets of *k*
    columns, *most* of them are drawn, always the same ones for the same column names, and the note says so. A table
    with fewer than *k* columns is compared over all of its columns. The note of "max" names the worst set of columns.

    The distance between these two tables is exact. The interval is for their sources, if the rows of each are drawn
    independently: McDiarmid's inequality, which holds for any distribution and number of rows, and so is wide; the
    lower end also takes off what chance alone adds. For "max" it is Bonferroni's over the tables.
    Raises `PetsEvalError` unless *k* and *most* are at least 1.

    >>> real = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["u", "u", "v", "v"]})
    >>> crossed = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["u", "v", "u", "v"]})
    >>> k_marginal_error(real, crossed)["mean"].value, k_marginal_error(real, crossed, k=1)["mean"].value
    (0.5, 0.0)
    """
    if k < 1 or most < 1:
        raise PetsEvalError("k and most must be at least 1")
    t = align(real, synthetic, schema=schema)
    names = sorted(t.names)  # so that the order of the columns decides nothing
    (true, sizes), (made, _) = (compact(frame, t.schema, names) for frame in (t.real, t.synthetic))
    width = min(k, len(names))
    sets = subsets(len(names), width, most)
    values, noise = distances(true, made, sizes, sets)
    rows = len(t.real), len(t.synthetic)
    total = math.comb(len(names), width)
    said = [f"a fixed random sample of {len(sets):,} of {total:,} marginals"] if len(sets) < total else []
    if width < k:
        said.append(f"the tables share only {width} columns")
    worst = " x ".join(names[i] for i in sets[int(values.argmax())])
    notes = "; ".join(said), "; ".join([f"worst: {worst}" if values.any() else "no difference", *said])
    return {
        "mean": within(float(values.mean()), float((values - noise).mean()), rows, note=notes[0]),
        "max": within(float(values.max()), float((values - noise).max()), rows, tests=len(sets), note=notes[1]),
    }


def within(value: float, less: float, rows: tuple[int, int], *, tests: int = 1, note: str = "") -> Estimate:
    """A total variation distance of two tables of *rows*, or a mean of such, with its interval.

    *less* is the value less the most that chance may add to it (see `distances`). With several *tests*, the interval
    holds for the largest of them.
    """
    margin = math.sqrt(math.log(2 * tests / (1 - _LEVEL)) / 2 * sum(1 / n for n in rows))
    low, high = max(0.0, less - margin), min(1.0, value + margin)
    return Estimate(value, low, high, _LEVEL, "mcdiarmid", min(rows), note)


def compact(frame: pd.DataFrame, schema: Schema, names: Sequence[str]) -> tuple[list[NDArray[np.integer]], list[int]]:
    """Public cells of the columns *names* of a table of `Aligned`, each in the smallest integers, and their number.

    >>> from pets_eval.model import Column
    >>> schema = Schema({"a": Column("integer", bounds=(0, 1))})
    >>> compact(pd.DataFrame({"a": [1.0, 0.0]}), schema, ["a"])
    ([array([1, 0], dtype=uint8)], [2])
    """
    columns = [schema.columns[name] for name in names]
    sizes = [len(column.cells()) for column in columns]
    types = [np.min_scalar_type(size) for size in sizes]
    return [c.codes(frame[n]).astype(t) for n, c, t in zip(names, columns, types, strict=True)], sizes


def subsets(columns: int, k: int, most: int) -> list[Subset]:
    """All sets of *k* of so many columns, or *most* of them, drawn without replacement and always alike.

    >>> subsets(3, 2, 10), len(subsets(100, 3, 50))
    ([(0, 1), (0, 2), (1, 2)], 50)
    """
    if math.comb(columns, k) <= most:
        return list(combinations(range(columns), k))
    rng = np.random.default_rng(0)
    drawn: dict[Subset, None] = {}
    while len(drawn) < most:
        drawn[tuple(sorted(rng.choice(columns, k, replace=False).tolist()))] = None
    return list(drawn)


def distances(real: Codes, synthetic: Codes, sizes: Sequence[int], sets: Sequence[Subset]) -> tuple[Floats, Floats]:
    """Total variation distance of each table over the columns of *sets*, and the most that chance may add to it.

    *real* and *synthetic* are arrays of cell numbers, one per column, and *sizes* the number of cells of each column.
    The second array bounds how far the distance between samples lies above that of their sources, in expectation: half
    the sum of the standard errors of the cells' differences. Time is about 2 ns per row, table and set; memory, beside
    the input, is bounded by some numbers per row.

    >>> column = np.array([0, 0, 1, 1], dtype=np.uint8)
    >>> distances([column, column], [column, column[::-1]], [2, 2], [(0,), (0, 1)])[0].tolist()
    [0.0, 1.0]
    """
    values, noise = np.zeros(len(sets)), np.zeros(len(sets))
    for i, chosen in enumerate(sets):
        true, made = joint_counts([real[c] for c in chosen], [synthetic[c] for c in chosen], [sizes[c] for c in chosen])
        p, q = true / true.sum(), made / made.sum()
        values[i] = min(1.0, np.abs(p - q).sum() / 2)  # rounding may add a little
        noise[i] = np.sqrt(p * (1 - p) / true.sum() + q * (1 - q) / made.sum()).sum() / 2
    return values, noise


def joint_counts(real: Codes, synthetic: Codes, sizes: Sequence[int]) -> tuple[Counts, Counts]:
    """Counts of the joint cells of some columns in both tables; where there are too many cells, of the used ones."""
    cells = math.prod(sizes)
    rows = len(real[0]) + len(synthetic[0])
    if cells <= max(_DENSE, rows):
        return cell_counts(real, sizes), cell_counts(synthetic, sizes)
    keys = np.zeros(rows, dtype=np.int64)
    used = 1
    for true, made, size in zip(real, synthetic, sizes, strict=True):
        if used * size > np.iinfo(np.int64).max:
            found, keys = np.unique(keys, return_inverse=True)
            used = len(found)
        keys = keys * size + np.concatenate([true, made])
        used *= size
    found, keys = np.unique(keys, return_inverse=True)
    first = len(real[0])
    return tuple(np.bincount(part, minlength=len(found)) for part in (keys[:first], keys[first:]))  # type: ignore[return-value]


def cell_counts(codes: Codes, sizes: Sequence[int]) -> Counts:
    """Count of each joint cell of some columns, the last column varying fastest; chunk by chunk.

    >>> cell_counts([np.array([0, 1, 1]), np.array([2, 0, 0])], [2, 3]).tolist()
    [0, 0, 1, 2, 0, 0]
    """
    cells = math.prod(sizes)
    small: Any = np.uint16 if cells < 1 << 16 else np.int64
    step = max(_CHUNK, cells)
    counts = np.zeros(cells, dtype=np.int64)
    for start in range(0, len(codes[0]), step):
        keys: NDArray[Any] = codes[0][start : start + step].astype(small)
        for column, size in zip(codes[1:], sizes[1:], strict=True):
            keys *= small(size)
            keys += column[start : start + step].astype(small, copy=False)
        counts += np.bincount(keys, minlength=cells)
    return counts
