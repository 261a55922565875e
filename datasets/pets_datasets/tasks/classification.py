"""Classification: a predictor, judged on people who were held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.columns import usable
from pets_datasets.tasks.logistic import LogisticModel, train, width
from pets_eval.model import MISSING, Answer, Dataset, Model, PetsEvalError, Release, Schema, Table, Task, near, param
from pets_eval.registry import task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_MOST_ROWS = 200_000  # more rows hardly move a linear model of this width, and their design would not stay small
_WIDEST = 2_000


@task("classification")
class Classification(Task):
    """The probability that each held-out person has the positive class of the target.

    Answers have one block (the target), one cell per control row ("0", "1", ...) and the statistic "probability";
    the truth is 1 or 0, and not a number where the target is missing. From microdata the reader trains an
    L2-regularised logistic regression on public preprocessing (bounds to [0, 1], indicators for categories and for
    missing), on at most 200,000 evenly spaced rows; a released model is asked for its probabilities.
    """

    target: str = param("", help="column to predict; default: the schema's target column")
    positive: str = param("", help="cell of the target that counts as positive; default: its last")
    features: tuple[str, ...] = param((), help="columns to predict from; default: all but targets")
    strength: float = param(1.0, gt=0, le=1e6, help="inverse strength of the L2 penalty (scikit-learn's C)")

    wants_query = True
    uses = ("sklearn.linear_model",)

    def predicted(self, schema: Schema) -> str:
        """The column to predict."""
        known = set(schema.tabular())
        return self.target or next((n for n in schema.with_role("target") if n in known), "")

    def positive_cell(self, schema: Schema) -> str:
        """Name of the target's cell that counts as positive."""
        return self.positive or [c for c in schema.column(self.predicted(schema)).cells() if c != MISSING][-1]

    def predicting(self, schema: Schema) -> list[str]:
        """The columns to predict from; never a target, which the rows to be scored do not have."""
        hidden = {*schema.with_role("target"), self.predicted(schema)}
        return list(self.features) or [n for n in schema.tabular() if n not in hidden]

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` for an unknown target or class, features that are targets, or too many of them."""
        target = self.predicted(schema)
        if not target:
            raise PetsEvalError(f"task {self.name}: no column has the role target; name one under 'target'")
        usable(schema, [target], task=self.name)
        classes = [c for c in schema.columns[target].cells() if c != MISSING]
        if len(classes) < 2:
            raise PetsEvalError(f"task {self.name}: the target {target!r} has one class only; choose another")
        if self.positive_cell(schema) not in classes:
            raise PetsEvalError(
                f"task {self.name}: {self.positive!r} is not a cell of {target!r}{near(self.positive, classes)}"
            )
        features = self.predicting(schema)
        if not features:
            raise PetsEvalError(f"task {self.name}: there is no column to predict from; name some under 'features'")
        usable(schema, features, task=self.name)
        for name in features:
            if name == target or name in schema.with_role("target"):
                raise PetsEvalError(f"task {self.name}: {name!r} is a target and cannot be a feature; remove it")
        if width(features, schema) > _WIDEST:
            raise PetsEvalError(f"task {self.name}: the features make more than {_WIDEST:,} inputs; name fewer of them")

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns a technique must see to answer."""
        return [*self.predicting(schema), self.predicted(schema)]

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """No cell is public beforehand: there is one per person to be scored (see `scored`)."""
        return self.scored(0, schema)

    def scored(self, rows: int, schema: Schema) -> pd.MultiIndex:
        """The cells of an answer about *rows* people."""
        return tabulate.index([(self.predicted(schema), [str(i) for i in range(rows)])], ["probability"])

    def labels(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
        """1.0 for the positive class, 0.0 for the others, NaN where the target is missing; shape (rows,)."""
        import numpy as np

        column = schema.column(self.predicted(schema))
        codes, cells = column.codes(frame[self.predicted(schema)]), column.cells()
        labels: NDArray[np.float64] = (codes == cells.index(self.positive_cell(schema))).astype(float)
        if column.nullable:
            labels[codes == cells.index(MISSING)] = np.nan
        return labels

    def compute(self, dataset: Dataset) -> Answer:
        """The labels of the control rows; raises `PetsEvalError` where the study holds nobody out."""
        if dataset.control is None:
            raise PetsEvalError(
                f"task {self.name}: dataset {dataset.name!r} has no control rows; set 'control' above 0 in the study"
            )
        frame = dataset.control.frame([self.predicted(dataset.schema)])
        return Answer.of(self.scored(len(frame), dataset.schema), self.labels(frame, dataset.schema))

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """Probabilities for the rows of *query*: as released, from the released model, or from one trained here."""
        if query is None:
            raise PetsEvalError(f"task {self.name}: there are no rows to be scored; set 'control' above 0 in the study")
        index = self.scored(len(query), schema)
        if isinstance(release.value, Answer):
            return release.value.on(index)
        model: Model = self.fit(release.value, schema) if isinstance(release.value, Table) else release.value
        return Answer.of(index, model.predict_proba(query))

    def fit(self, table: Table, schema: Schema) -> LogisticModel:
        """The predictor that a reader trains from *table*."""
        return train(self._examples(table, schema), self.predicting(schema), schema, self.strength)

    def _examples(self, table: Table, schema: Schema) -> Iterator[tuple[pd.DataFrame, NDArray[np.bool_]]]:
        import numpy as np

        step = -(-len(table) // _MOST_ROWS)
        start = 0
        for frame in tabulate.read(table, self.columns_used(schema), schema):
            chosen = frame.iloc[(-start) % step :: step]
            start += len(frame)
            labels = self.labels(chosen, schema)
            there = ~np.isnan(labels)
            yield chosen[there], labels[there] == 1
