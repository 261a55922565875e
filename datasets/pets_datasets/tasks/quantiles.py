"""Quantiles of a numeric column, in groups if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.columns import measures, usable
from pets_eval.model import Answer, Dataset, PetsEvalError, Release, Schema, Table, Task, param
from pets_eval.registry import task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@task("quantiles")
class Quantiles(Task):
    """Quantiles of one numeric column, for everybody or in each group.

    Linear interpolation between order statistics (definition 7 of Hyndman and Fan 1996, numpy's default); missing
    values are left out. Statistics are named "p25", "p50"; values are in the column's unit (dates: days since
    1970-01-01). Quantiles of an empty group are not a number.
    """

    column: str = param("", help="the numeric column; default: the first that holds amounts")
    by: tuple[str, ...] = param((), help="columns that form groups; default: none")
    probabilities: tuple[float, ...] = param((0.25, 0.5, 0.75), ge=0, le=1, help="which quantiles, as probabilities")

    def measured(self, schema: Schema) -> str:
        """The column whose quantiles are asked for."""
        return self.column or next(iter(measures(schema)), "")

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` for a column that is not numeric, groups that cannot be formed, no probabilities."""
        if not self.measured(schema):
            raise PetsEvalError(f"task {self.name}: the schema has no column of amounts; name one under 'column'")
        usable(schema, [self.measured(schema)], task=self.name, numeric=True)
        usable(schema, self.by, task=self.name)
        if not self.probabilities or len(set(self.probabilities)) != len(self.probabilities):
            raise PetsEvalError(f"task {self.name}: 'probabilities' must list at least one number, each once")
        tabulate.refuse_if_absurd([self.by] * len(self.probabilities), schema, task=self.name)

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns a technique must see to answer."""
        return list(dict.fromkeys([self.measured(schema), *self.by]))

    def group_codes(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.int64]:
        """Number of each row's group; shape (rows,), values below `group_count`."""
        return tabulate.joint_codes(frame, self.by, schema)

    def group_count(self, schema: Schema) -> int:
        """How many groups there are, empty ones too; 1 where none are asked for."""
        return len(tabulate.names(self.by, schema))

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """Every asked quantile in every group."""
        name = self.measured(schema)
        block = f"{name} by {tabulate.block_name(self.by)}" if self.by else name
        return tabulate.index([(block, tabulate.names(self.by, schema))], [f"p{100 * p:g}" for p in self.probabilities])

    def compute(self, dataset: Dataset) -> Answer:
        """The true quantiles."""
        return self._measured(dataset.train, dataset.schema)

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """As released, or of the released microdata (a uniform weight changes no quantile)."""
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        if isinstance(release.value, Table):
            return self._measured(release.value, schema)
        raise PetsEvalError(f"task {self.name}: a released {release.kind} does not answer it")

    def _measured(self, table: Table, schema: Schema) -> Answer:
        import numpy as np

        name = self.measured(schema)
        pieces = [
            (self.group_codes(frame, schema), schema.column(name).numbers(frame[name]))
            for frame in tabulate.read(table, self.columns_used(schema), schema)
        ]
        group, x = (np.concatenate(part) for part in zip(*pieces)) if pieces else (np.zeros(0, int), np.zeros(0))
        there = ~np.isnan(x)
        group, x = group[there], x[there]
        order = np.lexsort((x, group))
        group, x = group[order], x[order]
        cells = self.group_count(schema)
        found = np.full((cells, len(self.probabilities)), np.nan)
        ends = np.searchsorted(group, np.arange(cells + 1))
        for g in np.flatnonzero(np.diff(ends)):
            found[g] = np.quantile(x[ends[g] : ends[g + 1]], self.probabilities)
        return Answer.of(self.cells(schema), found.ravel())
