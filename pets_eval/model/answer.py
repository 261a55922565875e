"""The answer to a task: one number per public cell, whichever technique it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LEVELS = ("block", "cell", "statistic")


@dataclass(frozen=True, eq=False)
class Answer:
    """A table indexed by (block, cell, statistic) with the columns value, se, low and high (NaN where not given).

    *block* is what is tabulated ("sex x age"), *cell* which cell of it ("Male | [20, 30)"), *statistic* which number
    ("count", "sum", "mean", "coefficient", "probability"). Values keep the order of the task's `cells`.
    """

    table: pd.DataFrame

    @staticmethod
    def of(
        index: pd.MultiIndex,
        value: Sequence[float] | NDArray[np.float64],
        *,
        se: Sequence[float] | NDArray[np.float64] | None = None,
        low: Sequence[float] | NDArray[np.float64] | None = None,
        high: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> Answer:
        """Make an answer from values in the order of *index* (see `cell_index`)."""
        import numpy as np
        import pandas as pd

        columns = {"value": value, "se": se, "low": low, "high": high}
        return Answer(
            pd.DataFrame(
                {k: np.nan if v is None else np.asarray(v, dtype=np.float64) for k, v in columns.items()}, index=index
            )
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers, in the order of the cells."""
        return self.table["value"].to_numpy()

    def on(self, index: pd.Index[Any]) -> Answer:
        """This answer on the cells of *index*, NaN where it has none: how two answers are lined up."""
        return self if self.table.index.equals(index) else Answer(self.table.reindex(index))


def cell_index(rows: Sequence[tuple[str, str, str]]) -> pd.MultiIndex:
    """The index of an `Answer` from (block, cell, statistic) triples."""
    import pandas as pd

    return pd.MultiIndex.from_tuples(rows, names=LEVELS)
