"""k-way counts over the public domain: the question every statistical office answers daily."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.columns import narrow, usable
from pets_eval.model import Answer, Dataset, PetsEvalError, Release, Schema, Table, Task, param
from pets_eval.registry import task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@task("marginals")
class Marginals(Task):
    """Counts of people in every cell of k-way tables over public categories and bins.

    Answers have one block per table ("sex x age"), the statistic "count", and the unit people (rows).
    Techniques count through `count`, and learn from `blocks` and `touched` what one record can change.
    """

    columns: tuple[str, ...] = param((), help="columns to tabulate; default: all with at most 20 public cells")
    k: int = param(2, ge=1, le=5, help="every table of k of those columns")
    tables: tuple[tuple[str, ...], ...] = param((), help="exactly these tables (lists of columns) instead")

    def blocks(self, schema: Schema) -> tuple[tuple[str, ...], ...]:
        """The tables asked for, each a tuple of column names, in the order of the answer's blocks."""
        if self.tables:
            return self.tables
        return tuple(itertools.combinations(self.columns or narrow(schema), self.k))

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` for columns that cannot be tabulated, too few columns, or too many cells."""
        if self.tables and self.columns:
            raise PetsEvalError(f"task {self.name}: give either 'columns' or 'tables', not both")
        usable(schema, self.columns, task=self.name)
        blocks = self.blocks(schema)
        if not blocks:
            raise PetsEvalError(
                f"task {self.name}: {self.k}-way tables need at least {self.k} columns; name them under 'columns'"
            )
        for i, table in enumerate(blocks):
            if not table:
                raise PetsEvalError(f"task {self.name}: tables[{i}] is empty; list the columns of the table")
            usable(schema, table, task=self.name)
            if blocks.index(table) != i:
                raise PetsEvalError(f"task {self.name}: the table {list(table)} is asked for twice; name it once")
        tabulate.refuse_if_absurd(blocks, schema, task=self.name)

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns a technique must see to answer."""
        return list(dict.fromkeys(name for table in self.blocks(schema) for name in table))

    def touched(self, schema: Schema) -> int:
        """In how many cells one record is counted: once in each table."""
        return len(self.blocks(schema))

    def count(self, frames: Iterable[pd.DataFrame], schema: Schema) -> NDArray[np.int64]:
        """Rows per cell in the order of `cells`, in one pass over conforming *frames*; shape (cells,)."""
        return tabulate.count(frames, self.blocks(schema), schema)

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """Every public cell of every table."""
        return tabulate.index(
            [(tabulate.block_name(t), tabulate.names(t, schema)) for t in self.blocks(schema)], ["count"]
        )

    def compute(self, dataset: Dataset) -> Answer:
        """The true counts."""
        return self._counted(dataset.train, dataset.schema, 1.0)

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """Counts as released, or counted in released microdata times the people each row stands for."""
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        if isinstance(release.value, Table):
            return self._counted(release.value, schema, release.weight)
        raise PetsEvalError(f"task {self.name}: a released {release.kind} does not answer it")

    def _counted(self, table: Table, schema: Schema, weight: float) -> Answer:
        frames = tabulate.read(table, self.columns_used(schema), schema)
        return Answer.of(self.cells(schema), (self.count(frames, schema) * weight).astype(float))
