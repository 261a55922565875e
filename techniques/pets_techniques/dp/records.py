"""Records as cell numbers of a public schema and back: counted in tables, and with values for the cells drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pets_eval.model import Column, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pets_techniques.dp.graph import Columns


def sizes(schema: Schema) -> tuple[int, ...]:
    """How many public cells each column has."""
    return tuple(len(column.cells()) for column in schema.columns.values())


def tabulated(
    frames: Iterable[pd.DataFrame], tables: Sequence[Columns], schema: Schema
) -> Mapping[Columns, NDArray[np.int64]]:
    """Rows in every cell of each of *tables* (columns by number), in one pass; one axis per column."""
    import numpy as np

    shape = sizes(schema)
    counts = {t: np.zeros(math.prod(shape[c] for c in t), dtype=np.int64) for t in tables}
    for frame in frames:
        codes = [column.codes(frame[name]) for name, column in schema.columns.items()]
        for table, count in counts.items():
            joint = np.zeros(len(frame), dtype=np.int64)
            for c in table:
                joint = joint * shape[c] + codes[c]
            count += np.bincount(joint, minlength=len(count))
    return {t: count.reshape([shape[c] for c in t]) for t, count in counts.items()}


def frame_of(codes: NDArray[np.int32], schema: Schema, rng: np.random.Generator) -> pd.DataFrame:
    """Conforming records for *codes* of shape (rows, columns): within its bin every number is as likely as another."""
    import pandas as pd

    drawn = {name: values(column, codes[:, i], rng) for i, (name, column) in enumerate(schema.columns.items())}
    return pd.DataFrame(drawn)


def values(column: Column, codes: NDArray[np.int32], rng: np.random.Generator) -> pd.Series:
    """A value of *column* in the cell of each code: the category, or a number of the bin drawn evenly."""
    import numpy as np
    import pandas as pd

    if column.kind == "categorical":
        there = codes < len(column.domain)  # the last cell is that of missing values
        known: NDArray[np.int64] = np.where(there, codes, -1).astype(np.int64)
        return pd.Series(pd.Categorical.from_codes(known, categories=pd.Index(column.domain)))
    edges = np.asarray(column.edges(), dtype=np.float64)
    there = codes < len(edges) - 1
    at = np.where(there, codes, 0)
    low, high = edges[at], edges[at + 1]
    if column.kind == "real":
        x = np.minimum(low + rng.random(len(at)) * (high - low), np.nextafter(high, low))
    else:
        first, past = np.ceil(low), np.ceil(high) + ((at == len(edges) - 2) & (high == np.rint(high)))
        x = first + np.floor(rng.random(len(at)) * np.maximum(past - first, 1))
    if column.kind == "date":
        days = x.astype(np.int64).astype("datetime64[D]").astype("datetime64[ns]")
        return pd.Series(np.where(there, days, np.datetime64("NaT", "ns")))
    return pd.Series(np.where(there, x, np.nan))
