"""Count, sum and mean of numeric columns in groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.columns import grouping, measures, usable
from pets_eval.model import Answer, Dataset, PetsEvalError, Release, Schema, Table, Task, param
from pets_eval.registry import task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_STATISTICS = ("count", "sum", "mean")


@task("group-means")
class GroupMeans(Task):
    """How many, how much in total and how much on average, in every group, for each numeric column.

    Answers have one block per measured column ("income by sex x region") and the statistics "count" (people with
    a value), "sum" and "mean" (in the column's unit; dates in days since 1970-01-01). The true mean of an empty group
    is not a number.
    """

    by: tuple[str, ...] = param((), help="columns that form the groups; default: the first categorical one")
    of: tuple[str, ...] = param((), help="numeric columns to average; default: all that hold amounts")

    def groups(self, schema: Schema) -> tuple[str, ...]:
        """The columns that form the groups."""
        return self.by or tuple(grouping(schema))

    def measured(self, schema: Schema) -> tuple[str, ...]:
        """The columns that are averaged, in the order of the answer's blocks."""
        return self.of or tuple(n for n in measures(schema) if n not in self.groups(schema))

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` for columns that cannot form groups or be averaged, or too many groups."""
        by, of = self.groups(schema), self.measured(schema)
        if not by or not of:
            what = "'by', a column that forms groups" if not by else "'of', a numeric column"
            raise PetsEvalError(f"task {self.name}: the schema has no column to use by default; name {what}")
        usable(schema, by, task=self.name)
        usable(schema, of, task=self.name, numeric=True)
        tabulate.refuse_if_absurd([by] * len(of) * len(_STATISTICS), schema, task=self.name)

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns a technique must see to answer."""
        return list(dict.fromkeys([*self.groups(schema), *self.measured(schema)]))

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """Three statistics for every group of every measured column."""
        by = self.groups(schema)
        cells = tabulate.names(by, schema)
        blocks = [(f"{name} by {tabulate.block_name(by)}", cells) for name in self.measured(schema)]
        return tabulate.index(blocks, _STATISTICS)

    def group_codes(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.int64]:
        """Number of each row's group; shape (rows,), values below `group_count`."""
        return tabulate.joint_codes(frame, self.groups(schema), schema)

    def group_count(self, schema: Schema) -> int:
        """How many groups there are, empty ones too."""
        return len(tabulate.names(self.groups(schema), schema))

    def totals(self, frames: Iterable[pd.DataFrame], schema: Schema) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts of values that are there, and their sums, by column and group; both of shape (columns, groups)."""
        import numpy as np

        of, groups = self.measured(schema), self.group_count(schema)
        counts = np.zeros((len(of), groups), dtype=np.int64)
        sums = np.zeros((len(of), groups))
        for frame in frames:
            codes = self.group_codes(frame, schema)
            for i, name in enumerate(of):
                x = schema.column(name).numbers(frame[name])
                there = ~np.isnan(x)
                counts[i] += np.bincount(codes[there], minlength=groups)
                sums[i] += np.bincount(codes[there], weights=x[there], minlength=groups)
        return counts, sums

    def arrange(
        self, count: NDArray[np.float64], total: NDArray[np.float64], mean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Bring three arrays of shape (columns, groups) into the order of `cells`."""
        import numpy as np

        return np.stack([count, total, mean], axis=-1).ravel()

    def compute(self, dataset: Dataset) -> Answer:
        """The true counts, sums and means."""
        return self._measured(dataset.train, dataset.schema, 1.0)

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """As released, or from released microdata; counts and sums times the people each row stands for."""
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        if isinstance(release.value, Table):
            return self._measured(release.value, schema, release.weight)
        raise PetsEvalError(f"task {self.name}: a released {release.kind} does not answer it")

    def _measured(self, table: Table, schema: Schema, weight: float) -> Answer:
        import numpy as np

        counts, sums = self.totals(tabulate.read(table, self.columns_used(schema), schema), schema)
        means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        return Answer.of(self.cells(schema), self.arrange((counts * weight).astype(float), sums * weight, means))
