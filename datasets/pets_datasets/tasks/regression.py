"""Linear regression: coefficients with their standard errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.columns import measures, narrow, usable
from pets_eval.model import Answer, Dataset, PetsEvalError, Release, Schema, Table, Task, param
from pets_eval.registry import task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_WIDEST = 1_000  # columns of the design
_DEPENDENT = 1e-9  # a column whose part outside the span of those before it is relatively smaller is a copy of them


@task("linear-regression")
class LinearRegression(Task):
    """Ordinary least squares of a numeric target on public predictors.

    Numeric predictors enter as they are (dates in days), categorical ones as indicators over the public domain
    without its first category; rows with a missing value are left out. Answers have one block (the target) and the
    statistic "coefficient", with standard error and 95 % interval of the t-distribution (statsmodels' OLS). A
    coefficient that the data cannot tell apart from earlier ones (an empty category) is not a number.
    """

    target: str = param("", help="numeric column to explain; default: the target column, else the first of amounts")
    predictors: tuple[str, ...] = param((), help="columns that explain it; default: the quasi-identifiers")

    uses = ("statsmodels.regression.linear_model",)

    def explained(self, schema: Schema) -> str:
        """The column on the left-hand side."""
        known = set(schema.tabular())
        targets = [n for n in schema.with_role("target") if n in known and schema.columns[n].numeric]
        return self.target or next(iter([*targets, *measures(schema)]), "")

    def explaining(self, schema: Schema) -> tuple[str, ...]:
        """The columns on the right-hand side."""
        quasi = [n for n in schema.with_role("quasi-identifier") if n in schema.tabular()]
        return self.predictors or tuple(n for n in quasi or narrow(schema) if n != self.explained(schema))

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` for a target that is not numeric, predictors that cannot be used, or too many."""
        target, predictors = self.explained(schema), self.explaining(schema)
        if not target or not predictors:
            what = "'target', a numeric column" if not target else "'predictors'"
            raise PetsEvalError(f"task {self.name}: the schema has no column to use by default; name {what}")
        usable(schema, [target], task=self.name, numeric=True)
        usable(schema, predictors, task=self.name)
        if target in predictors:
            raise PetsEvalError(f"task {self.name}: the target {target!r} is also a predictor; remove it from one")
        if len(self._terms(schema)) > _WIDEST:
            raise PetsEvalError(
                f"task {self.name}: the predictors make more than {_WIDEST:,} terms; name fewer of them"
            )

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns a technique must see to answer."""
        return [self.explained(schema), *self.explaining(schema)]

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """One cell per term: "intercept", "age", "sex=Male"."""
        return tabulate.index([(self.explained(schema), self._terms(schema))], ["coefficient"])

    def compute(self, dataset: Dataset) -> Answer:
        """The true coefficients."""
        return self._fitted(dataset.train, dataset.schema)

    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """As released, or fitted to released microdata as if it were the data."""
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        if isinstance(release.value, Table):
            return self._fitted(release.value, schema)
        raise PetsEvalError(f"task {self.name}: a released {release.kind} does not answer it")

    def design(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
        """Terms in the order of `cells`, then the target, of the complete rows of *frame*; shape (rows, terms + 1)."""
        import numpy as np

        columns = [np.ones((len(frame), 1))]
        for name in self.explaining(schema):
            column = schema.column(name)
            if column.numeric:
                columns.append(column.numbers(frame[name])[:, None])
            else:
                codes = frame[name].cat.codes.to_numpy()
                levels = (codes[:, None] == np.arange(1, len(column.domain))).astype(float)
                columns.append(np.where(codes[:, None] < 0, np.nan, levels))
        columns.append(schema.column(self.explained(schema)).numbers(frame[self.explained(schema)])[:, None])
        design = np.hstack(columns)
        return design[~np.isnan(design).any(axis=1)]

    def _terms(self, schema: Schema) -> list[str]:
        terms = ["intercept"]
        for name in self.explaining(schema):
            column = schema.column(name)
            terms += [name] if column.numeric else [f"{name}={level}" for level in column.domain[1:]]
        return terms

    def _fitted(self, table: Table, schema: Schema) -> Answer:
        frames = tabulate.read(table, self.columns_used(schema), schema)
        figures = fit(self.design(frame, schema) for frame in frames)
        cells = self.cells(schema)
        if figures is None:
            return Answer.of(cells, [float("nan")] * len(cells))
        coefficient, se, low, high = figures
        return Answer.of(cells, coefficient, se=se, low=low, high=high)


def fit(designs: Iterable[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Least squares over *designs* (terms, then the target), piece by piece: coefficient, se, low, high by term.

    Each piece is folded into the triangular factor R of all rows so far (Golub and Van Loan 2013, 5.3.8), which has
    the same least-squares solution and residual as the rows themselves; statsmodels then fits R. None if there are
    not more rows than terms; NaN for a term that depends linearly on earlier ones, as R's `lm` has it.
    """
    import numpy as np
    from statsmodels.regression.linear_model import OLS

    rows = 0
    r: NDArray[np.float64] | None = None
    for design in designs:
        rows += len(design)
        r = np.asarray(np.linalg.qr(design if r is None else np.vstack([r, design]), mode="r"))
    if r is None or rows <= r.shape[1] - 1:
        return None
    terms = r.shape[1] - 1
    diagonal = np.abs(np.diag(r)[:terms])
    kept = diagonal > _DEPENDENT * np.maximum(np.linalg.norm(r[:, :terms], axis=0), np.finfo(float).tiny)
    model = OLS(r[:, -1], r[:, :terms][:, kept])
    model.df_resid = rows - int(kept.sum())
    result = model.fit()
    figures = np.full((4, terms), np.nan)
    figures[:, kept] = [result.params, result.bse, *result.conf_int(alpha=0.05).T]
    return figures
