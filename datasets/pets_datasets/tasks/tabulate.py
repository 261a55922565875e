"""Counting over the public cells: codes by mixed radix, one pass over the rows in bounded pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pets_eval.model import PetsEvalError, Schema, Table
from pets_eval.model.answer import LEVELS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MOST_CELLS = 5_000_000
_BATCH = 500_000
_COLUMNS, _CELLS = " x ", " | "


def read(table: Table, columns: Sequence[str], schema: Schema) -> Iterator[pd.DataFrame]:
    """*columns* of *table* in pieces, in the form *schema* promises, whatever schema the table came with.

    A release may describe its columns in its own way (fewer categories, other bounds); codes are only comparable
    on the study's own domain. Raises `PetsEvalError` where a column is missing or a value lies outside that domain.
    """
    wanted = Schema(columns={n: schema.column(n) for n in columns})
    theirs = {n: table.schema.column(n) for n in columns}
    for frame in table.batches(list(columns), _BATCH):
        yield frame if theirs == wanted.columns else wanted.conform(frame, where="the released microdata")


def sizes(columns: Sequence[str], schema: Schema) -> tuple[int, ...]:
    """How many public cells each of *columns* has."""
    return tuple(len(schema.column(name).cells()) for name in columns)


def refuse_if_absurd(tables: Iterable[Sequence[str]], schema: Schema, *, task: str) -> None:
    """Raise `PetsEvalError` if the cells of *tables* together would not fit in memory."""
    total = sum(math.prod(sizes(table, schema)) for table in tables)
    if total > MOST_CELLS:
        raise PetsEvalError(
            f"task {task}: {total:,} public cells are more than {MOST_CELLS:,}; "
            "name fewer columns, coarser bins or a smaller k"
        )


def names(columns: Sequence[str], schema: Schema) -> list[str]:
    """Names of the joint cells of *columns*, last column fastest; one cell "all" where there are no columns."""
    if not columns:
        return ["all"]
    return [_CELLS.join(cell) for cell in itertools.product(*(schema.column(n).cells() for n in columns))]


def block_name(columns: Sequence[str]) -> str:
    """What a table over *columns* is called in an answer."""
    return _COLUMNS.join(columns)


def index(blocks: Sequence[tuple[str, Sequence[str]]], statistics: Sequence[str]) -> pd.MultiIndex:
    """The answer's index over *blocks* (name, cells) with every statistic for each cell, statistics fastest."""
    import numpy as np
    import pandas as pd

    block = np.repeat([name for name, _ in blocks], [len(cells) * len(statistics) for _, cells in blocks])
    cell = np.repeat(np.array([c for _, cells in blocks for c in cells], dtype=object), len(statistics))
    return pd.MultiIndex.from_arrays(
        [block, cell, np.tile(list(statistics), len(cell) // len(statistics))], names=LEVELS
    )


def joint_codes(frame: pd.DataFrame, columns: Sequence[str], schema: Schema) -> NDArray[np.int64]:
    """Number of the joint cell of each row, in the order of `names`; shape (rows,)."""
    return _combine({n: schema.column(n).codes(frame[n]) for n in columns}, columns, schema, len(frame))


def count(frames: Iterable[pd.DataFrame], tables: Sequence[Sequence[str]], schema: Schema) -> NDArray[np.int64]:
    """Rows in each public cell of each of *tables*, one table after another; shape (cells,).

    Each column's codes are made once per piece, however many tables it occurs in.
    """
    import numpy as np

    cells = [math.prod(sizes(table, schema)) for table in tables]
    counts = [np.zeros(n, dtype=np.int64) for n in cells]
    used = sorted({name for table in tables for name in table})
    for frame in frames:
        codes = {n: schema.column(n).codes(frame[n]) for n in used}
        for total, table, n in zip(counts, tables, cells):
            total += np.bincount(_combine(codes, table, schema, len(frame)), minlength=n)
    return np.concatenate(counts)


def _combine(
    codes: dict[str, NDArray[np.int64]], columns: Sequence[str], schema: Schema, rows: int
) -> NDArray[np.int64]:
    import numpy as np

    joint = np.zeros(rows, dtype=np.int64)
    for name, size in zip(columns, sizes(columns, schema)):
        joint *= size
        joint += codes[name]
    return joint
