"""Linear regression from noisy sufficient statistics: sums of products of scaled columns, with intervals that hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pets_eval.model import Answer, Claims, Context, Guarantee, Inputs, Party, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.noise import MODULES, Noise, gaussian

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_GRID = 32_768  # steps from the middle of a column's bounds to either end: products of two add up exactly as floats
_ROWS = 100_000  # whose design is in memory at once


@runtime_checkable
class Regressing(Protocol):
    """A task whose answer is the coefficients of a numeric column on others."""

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed."""
        ...

    def explained(self, schema: Schema) -> str:
        """The column on the left-hand side."""
        ...

    def explaining(self, schema: Schema) -> tuple[str, ...]:
        """The columns on the right-hand side."""
        ...

    def design(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
        """Intercept, a term per numeric column or category but the first, then the target; complete rows only."""
        ...

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells: one per term."""
        ...


@dataclass(frozen=True, eq=False)
class Scale:
    """How the design's columns are scaled to [-1, 1] by public facts alone, and which products are needed.

    `middle` and `half` are by column (intercept and indicators: 0 and 1), the target last. `first` and `second` are
    the columns of each released product: the upper triangle without the products of two indicators of one column,
    which are 0 where they differ and the indicator itself where they do not.
    """

    middle: NDArray[np.float64]
    half: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    most_products: int

    def steps(self, design: NDArray[np.float64]) -> NDArray[np.float64]:
        """*design* in whole steps of the grid, clamped to the public bounds."""
        import numpy as np

        with np.errstate(over="ignore"):  # what overflows is clamped like anything else out of bounds
            return np.asarray(np.rint(np.clip((design - self.middle) / self.half, -1, 1) * _GRID))

    def released(self) -> NDArray[np.bool_]:
        """Which products of two terms are released; shape (terms, terms)."""
        import numpy as np

        found = np.zeros((len(self.middle), len(self.middle)), dtype=bool)
        found[self.first, self.second] = found[self.second, self.first] = True
        return found[:-1, :-1]

    def square(self, products: NDArray[np.float64]) -> NDArray[np.float64]:
        """The full symmetric matrix of *products*, in which an indicator's square is its product with the intercept."""
        import numpy as np

        full = np.zeros((len(self.middle), len(self.middle)))
        full[self.first, self.second] = full[self.second, self.first] = products
        indicators = np.flatnonzero(~np.diag(self.released()))
        full[indicators, indicators] = full[0, indicators]
        return full


def scale(task: Regressing, schema: Schema) -> Scale:
    """The scale for *task*, and in `most_products` how many products one row can make other than 0."""
    import numpy as np

    middle, half, owner, indicator = [0.0], [1.0], [0], [False]
    explaining = task.explaining(schema)
    for number, name in enumerate([*explaining, task.explained(schema)], start=1):
        column = schema.column(name)
        if column.bounds is not None:
            low, high = (b / 2 for b in column.bounds)
            middle.append(low + high)
            half.append(max(high - low, np.finfo(float).tiny))  # neither overflows nor is ever 0
        levels = 1 if column.numeric else len(column.domain) - 1
        if not column.numeric:
            middle += [0.0] * levels
            half += [1.0] * levels
        owner += [number] * levels
        indicator += [not column.numeric] * levels
    owners, flags = np.array(owner), np.array(indicator)
    first, second = np.triu_indices(len(owners))
    needed = (owners[first] != owners[second]) | ~flags[first]
    # At most one indicator of a column is not 0, so that a row has at most one such entry per column; of the products
    # of those entries, the squares of indicators are not released.
    entries, categorical = len(set(owner)), len({o for o, flag in zip(owner, indicator) if flag})
    most = entries * (entries + 1) // 2 - categorical
    return Scale(np.array(middle), np.array(half), first[needed], second[needed], most)


@dataclass(frozen=True, eq=False)
class NoisyRegression:
    """A regression resolved for a task and a schema: adds up once, then adds fresh noise for each release."""

    task: Regressing
    schema: Schema
    ctx: Context
    scale: Scale
    noise: Noise
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*, gathered at the curator once."""
        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("add up", holder.name):
            exact = self._products(bounded(table, columns, self.schema))
        index = self.task.cells(self.schema)
        with self.ctx.phase("noise", holder.name):
            noisy = [self.noise.add(exact) for _ in range(n)]
        with self.ctx.phase("fit", holder.name):
            return [Release("answer", self._answer(z / _GRID**2, index), self.guarantee) for z in noisy]

    def _products(self, frames: Iterable[pd.DataFrame]) -> NDArray[np.int64]:
        """The exact sums of products, in steps of the grid squared; shape (products,)."""
        import numpy as np

        exact = np.zeros(len(self.scale.first), dtype=np.int64)
        for frame in frames:
            for start in range(0, len(frame), _ROWS):
                steps = self.scale.steps(self.task.design(frame.iloc[start : start + _ROWS], self.schema))
                # Whole numbers below 2^53 add up exactly as floats: at most _ROWS times the grid squared.
                exact += (steps.T @ steps)[self.scale.first, self.scale.second].astype(np.int64)
        return exact

    def _answer(self, products: NDArray[np.float64], index: pd.MultiIndex) -> Answer:
        """Post-processing: coefficients of the scaled columns, their covariance, and both in the columns' own units."""
        import numpy as np
        from scipy.stats import t

        full = self.scale.square(products)
        coefficient, covariance, freedom = fitted(full, self.scale.released(), self.noise.deviation / _GRID**2)
        with np.errstate(over="ignore", invalid="ignore"):
            back = self._back()
            value = back @ coefficient
            value[0] += self.scale.middle[-1]
            se = np.sqrt(np.einsum("ij,jk,ik->i", back, covariance, back))
            width = t.ppf(0.975, freedom) * se
        return Answer.of(index, value, se=se, low=value - width, high=value + width)

    def _back(self) -> NDArray[np.float64]:
        """The matrix that takes coefficients of scaled columns to those of the columns."""
        import numpy as np

        slope = self.scale.half[-1] / self.scale.half[:-1]
        back = np.diag(slope)
        back[0] = -slope * self.scale.middle[:-1]
        back[0, 0] = slope[0]
        return back


def fitted(
    full: NDArray[np.float64], released: NDArray[np.bool_], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Coefficients, their covariance and the degrees of freedom, from the noisy *full* matrix of [X, y]'[X, y].

    *sigma* is the standard deviation of the noise on each product, *released* says which products of terms have noise
    of their own (see `Scale`). Eigenvalues of X'X below twice sigma times the root
    of the number of terms, which is what noise alone would make of 0 (the edge of the semicircle law), are raised to
    that: a ridge as wide as the noise is, in the directions that it swamps, and none elsewhere.

    The covariance is that of b - b_true = A^-1 (X'u + e - E b), in which X'u is the sampling error and E and e are the
    noise on X'X and X'y: A^-1 (s^2 A + N) A^-1. Where eigenvalues were raised, the shrinkage may be as large as the
    largest coefficient that the spread of y allows, which is added.
    """
    import numpy as np

    terms = len(full) - 1
    rows, xx, xy, yy = max(full[0, 0], 1.0), full[:-1, :-1], full[:-1, -1], full[-1, -1]
    found, axes = np.linalg.eigh(xx)
    floor = 2 * sigma * math.sqrt(terms)
    kept = np.maximum(found, max(floor, np.finfo(float).eps * rows))
    inverse = (axes / kept) @ axes.T
    coefficient = inverse @ xy
    freedom = max(rows - terms, 1.0)
    ridged = (axes * kept) @ axes.T
    residual = yy - 2 * coefficient @ xy + coefficient @ ridged @ coefficient
    spread = max(residual, 0.0) / freedom
    meat = spread * ridged + sigma**2 * _noise(coefficient, released)
    shrunk = np.clip(1 - found / kept, 0, 1)
    unknown = (axes * shrunk**2 * np.clip(yy, floor, rows) / kept) @ axes.T
    return coefficient, inverse @ meat @ inverse + unknown, freedom


def _noise(b: NDArray[np.float64], released: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The covariance of e - E b in units of the noise's variance, for coefficients *b*; shape (terms, terms).

    E is symmetric, with independent noise z on each released product: that of terms i and j adds -z b_j to the i-th
    number and -z b_i to the j-th. The noise on an indicator's square is that of its product with the intercept.
    """
    import numpy as np

    indicator = ~np.diag(released)
    beside = released & ~np.eye(len(b), dtype=bool)
    found = np.where(beside, np.outer(b, b), 0.0)
    found[0, indicator] = found[indicator, 0] = (b * (b[0] + b))[indicator]
    own = np.where(indicator, (b[0] + b) ** 2 - b[0] ** 2, b**2)
    np.fill_diagonal(found, 1 + beside @ b**2 + own)
    return found


@technique("dp-linear-regression", extra="dp", requires=(*MODULES, "scipy.stats"))
class LinearRegression(Technique):
    """Least squares from sums of products with discrete Gaussian noise (OpenDP), with intervals that allow for it."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all sums together")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only linear regressions."""
        if isinstance(task, Regressing):
            return None
        return f"{self.name} releases the coefficients of a linear regression, which do not answer the task {task.name}"

    def claims(self) -> Claims:
        """Approximate differential privacy against any reader, with a trusted curator."""
        return central(
            "Values are clamped to their public bounds, and coefficients that the noise swamps are drawn towards 0.",
            delta=self.delta,
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyRegression:
        """Find the noise scale from the schema alone.

        Every product of two scaled columns is at most 1 in size, in steps of the grid _GRID squared, and one row has at
        most `most_products` that are not 0: the square of the L2 sensitivity is that many times rows^2 * _GRID^4.
        """
        regression = cast(Regressing, task)
        rows, scaled = most_rows(schema), scale(regression, schema)
        noise = gaussian(rows**2 * _GRID**4 * scaled.most_products, self.epsilon, self.delta, signed=True)
        guarantee = Guarantee(
            notion="approx-dp",
            unit=schema.unit,
            adjacency="add-remove",
            parameters=noise.parameters,
            events=({**noise.event(len(scaled.first)), "steps": {"product": 1 / _GRID**2}},),
            assumes=(
                f"L2 sensitivity {noise.sensitivity / _GRID**2:.6g} in units of a product: a unit adds at most {rows} "
                f"rows, each with at most {scaled.most_products} products of scaled columns that are not 0, of size 1",
                *assumptions(schema, noise),
            ),
            hazards=hazards(regression.columns_used(schema), schema),
        )
        return NoisyRegression(regression, schema, ctx, scaled, noise, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, add up, add noise, fit, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]
