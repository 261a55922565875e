"""Which rows are the same: numbers for rows, for their values, and for the people whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_metrics.tables import Aligned

Codes = NDArray[np.int64]

_ROOM = 2**62


def group_numbers(rows: NDArray[Any]) -> Codes:
    """0, 1, ... for each of *rows*, shape (rows, columns), in the order of the distinct rows; missing values are alike.

    >>> group_numbers(np.array([[1, 2], [0, 5], [1, 2]])).tolist()
    [1, 0, 1]
    """
    done, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        numbers, width = _numbered(column)
        if size * width > _ROOM:
            done, size = _dense(done)
        done = done * width + numbers
        size *= width
    return _dense(done)[0]


def _numbered(column: NDArray[Any]) -> tuple[Codes, int]:
    """Whole numbers from 0 in the order of the values, and how many there may be."""
    if column.size and column.dtype.kind in "iu":
        low, high = int(column.min()), int(column.max())
        if high - low < max(len(column), 1 << 16):
            return column.astype(np.int64) - low, high - low + 1
    numbers, values = pd.factorize(column, sort=True, use_na_sentinel=False)
    return numbers.astype(np.int64), max(1, len(values))


def _dense(numbers: Codes) -> tuple[Codes, int]:
    values, done = np.unique(numbers, return_inverse=True)
    return done, max(1, len(values))


def row_classes(tables: Sequence[NDArray[Any]]) -> list[Codes]:
    """`group_numbers` of the rows of all *tables*, shapes (rows, columns), together: one array per table.

    >>> [c.tolist() for c in row_classes([np.array([[1, 2], [1, 3]]), np.array([[1, 3]])])]
    [[0, 1], [1]]
    """
    return np.split(group_numbers(np.concatenate(tables)), np.cumsum([len(t) for t in tables])[:-1])


class Distinct(NamedTuple):
    """Distinct rows in their order: where each comes first, how often it is there, and which of them each row is."""

    first: Codes
    counts: Codes
    group: Codes


def distinct_rows(rows: NDArray[Any]) -> Distinct:
    """The distinct ones among *rows*, shape (rows, columns).

    >>> distinct_rows(np.array([[1.5], [0.5], [1.5]])).counts.tolist()
    [1, 2]
    """
    group = group_numbers(rows)
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    return Distinct(first, counts, group)


def value_codes(t: Aligned, names: Iterable[str] | None = None) -> list[Codes]:
    """Values as whole numbers that are the same where the values are; arrays (rows, columns), one per table.

    The order of the codes is that of the values; a missing value has a code of its own.

    >>> from pets_metrics.tables import align
    >>> value_codes(align(pd.DataFrame({"a": [2.5, 1.5]}), pd.DataFrame({"a": [None, 2.5]})))
    [array([[2], [1]]), array([[0], [2]])]
    """
    frames = [t.real, t.synthetic] if t.control is None else [t.real, t.synthetic, t.control]
    cuts = np.cumsum([len(f) for f in frames])[:-1]
    columns = []
    for name in t.names if names is None else names:
        column = t.schema.columns[name]
        if column.numeric:
            x = np.concatenate([column.numbers(f[name]) for f in frames])
            columns.append(pd.factorize(x, sort=True)[0].astype(np.int64) + 1)
        else:
            columns.append(np.concatenate([f[name].cat.codes.to_numpy() for f in frames]).astype(np.int64) + 1)
    return np.split(np.column_stack(columns), cuts)


def same_rows(t: Aligned, names: Iterable[str] | None = None) -> tuple[Codes, Codes, Codes | None]:
    """A number for each row of the real, released and held-out table: the same for rows with the same values.

    >>> from pets_metrics.tables import align
    >>> [x.tolist() for x in same_rows(align(pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": ["y"]})))[:2]]
    [[0, 1], [1]]
    """
    parts = row_classes(value_codes(t, names))
    return parts[0], parts[1], parts[2] if len(parts) > 2 else None


def occurrences(rows: Codes, among: Codes) -> Codes:
    """How often each of *rows* stands *among* others; both are numbers of `same_rows`."""
    counts = np.bincount(among, minlength=int(rows.max()) + 1)
    return counts[rows]


def owners(frame: pd.DataFrame, unit: str) -> Codes:
    """0, 1, ... for the unit of privacy of each row, as they come; each row is one where the *unit* is the record.

    >>> owners(pd.DataFrame({"person": ["b", "a", "b"]}), "person").tolist()
    [0, 1, 0]
    """
    return np.arange(len(frame)) if unit == "record" else pd.factorize(frame[unit], use_na_sentinel=False)[0]
