"""Release the records themselves; the question under which released records are compared with real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_eval.model import Answer, Dataset, PetsEvalError, Release, Schema, Table, Task
from pets_eval.registry import task

if TYPE_CHECKING:
    import pandas as pd


@task("microdata")
class Microdata(Task):
    """Release a table of records. Every metric that reads released records is played here, and here only.

    As an answer, it counts how many people are in each public category or bin of every column; a column that was not
    released is not answered.
    """

    wants_records = True

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` if no column can be released."""
        if not schema.tabular():
            raise PetsEvalError(f"task {self.name}: no column can be released, for all are ids, weights or units")

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """Every public cell of every column."""
        return tabulate.index([(n, tabulate.names((n,), schema)) for n in schema.tabular()], ["count"])

    def compute(self, dataset: Dataset) -> Answer:
        """The true counts."""
        return self._counted(dataset.train, dataset.schema, 1.0)

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """Counts in the released records times the people each of them stands for, or counts as released."""
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        if isinstance(release.value, Table):
            return self._counted(release.value, schema, release.weight)
        raise PetsEvalError(f"task {self.name}: a released {release.kind} does not answer it")

    def _counted(self, table: Table, schema: Schema, weight: float) -> Answer:
        there = [n for n in schema.tabular() if n in table.schema.columns]
        counts = tabulate.count(tabulate.read(table, there, schema), [(n,) for n in there], schema)
        index = tabulate.index([(n, tabulate.names((n,), schema)) for n in there], ["count"])
        return Answer.of(index, (counts * weight).astype(float)).on(self.cells(schema))
