"""The anchor without any data: what can be said by somebody who never saw a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pets_eval.model import Claims, Column, Context, Inputs, Release, Table, Task, Technique
from pets_eval.registry import technique
from pets_techniques.curator import published

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ROWS = 1_000  # where the number of records is not public
_MOST_ROWS = 100_000  # beyond, each row stands for several people


@technique("null")
class Null(Technique):
    """Publish rows drawn uniformly from the public schema, never touching the data: no utility, no disclosure."""

    def claims(self) -> Claims:
        """Everything is protected, because nothing is used."""
        return Claims(
            protects=frozenset({"input-privacy", "output-privacy"}),
            trust_model="none",
            adversary="malicious",
            objectives=("disassociability", "confidentiality"),
            covers="Every person, from everybody: the release is made without looking at a single record.",
            leaves="What the public schema says already. Its answers are worthless by design.",
            seeded=True,
        )

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Draw each column by itself: a cell uniformly, and a number uniformly between its bounds."""
        import pandas as pd

        schema = published(inputs.schema)
        people = inputs.schema.rows or _ROWS
        rows = min(people, _MOST_ROWS)
        frame = pd.DataFrame({n: _draw(c, rows, ctx.rng) for n, c in schema.columns.items()})
        table = Table(schema, data=schema.conform(frame, where="null"))
        return Release("microdata", table, weight=people / rows, notes=("drawn without any data",))


def _draw(column: Column, rows: int, rng: np.random.Generator) -> pd.Series:
    import numpy as np
    import pandas as pd

    missing = rng.random(rows) < column.nullable / len(column.cells())
    if column.kind == "categorical":
        codes = np.where(missing, -1, rng.integers(0, len(column.domain), rows))
        return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(column.domain)))
    assert column.bounds is not None
    low, high = column.bounds
    if column.kind == "real":
        x = low + (high - low) * rng.random(rows)
    else:
        first, last = np.ceil(low), np.floor(high)  # whole numbers, of any size, within bounds that need not be
        x = np.minimum(np.floor(first + (last - first + 1) * rng.random(rows)), last)
    if column.kind == "date":
        days = np.where(missing, np.datetime64("NaT"), x.astype("int64").astype("datetime64[D]"))
        return pd.Series(days.astype("datetime64[ns]"))
    return pd.Series(x).astype("float64").mask(missing)
