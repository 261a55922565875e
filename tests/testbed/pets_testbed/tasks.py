"""Two small tasks: counts of a column, and a model that its owner keeps to itself."""

from dataclasses import replace

import numpy as np

from pets_eval.model import Answer, Dataset, Inputs, PetsEvalError, Task, cell_index, param
from pets_eval.registry import task


@task("test-counts")
class Counts(Task):
    """People per cell of a column."""

    column: str = param("size", help="column to count")

    def needs(self, schema):
        schema.column(self.column)

    def cells(self, schema):
        return cell_index([(self.column, c, "count") for c in schema.column(self.column).cells()])

    def count(self, table, weight=1.0):
        column = table.schema.column(self.column)
        total = np.zeros(len(column.cells()))
        for batch in table.batches([self.column]):
            total += np.bincount(column.codes(batch[self.column]), minlength=len(total))
        return total * weight

    def compute(self, dataset: Dataset) -> Answer:
        return Answer.of(self.cells(dataset.schema), self.count(dataset.train))

    def answer(self, release, schema, query) -> Answer:
        if release.kind == "answer":
            return release.value
        if release.kind == "microdata":
            return Answer.of(self.cells(schema), self.count(release.value, release.weight))
        raise PetsEvalError("a model does not answer a count")


class Threshold:
    """Predicts 1 above a size."""

    def __init__(self, at: float) -> None:
        self.at = at

    def predict_proba(self, features):
        return (features["size"].to_numpy() > self.at).astype(float)

    def to_bytes(self) -> bytes:
        return str(self.at).encode()


@task("test-owned-model")
class OwnedModel(Task):
    """Scores of the query rows by a model that the party "owner" trained on its own rows."""

    wants_query = True

    def setup(self, dataset: Dataset, rng) -> Inputs:
        inputs = super().setup(dataset, rng)
        return replace(inputs, holdings={**inputs.holdings, "owner": self.train(dataset)})

    def train(self, dataset: Dataset) -> Threshold:
        return Threshold(float(dataset.train.frame(["size"])["size"].median()))

    def cells(self, schema):
        raise PetsEvalError("the cells of this task are the query rows")

    def compute(self, dataset: Dataset) -> Answer:
        return self.scores(self.train(dataset), dataset.query())

    def scores(self, model, query) -> Answer:
        index = cell_index([("query", str(i), "probability") for i in range(len(query))])
        return Answer.of(index, model.predict_proba(query))

    def answer(self, release, schema, query) -> Answer:
        if release.kind == "model":
            return self.scores(release.value, query)
        if release.kind == "answer":
            return release.value
        sizes = release.value.frame(["size"])["size"]
        return self.scores(Threshold(float(sizes.median())), query)
