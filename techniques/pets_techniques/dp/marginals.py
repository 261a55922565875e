"""Noisy counts: all marginals of a study as one vector-valued measurement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pets_eval.model import Answer, Claims, Context, Guarantee, Inputs, Party, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.keys import HELP, KEYS, Threshold, gaussian_keys, laplace_keys
from pets_techniques.dp.noise import MODULES, Noise, gaussian, laplace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_LEAVES = "Nor are facts about those who contribute more rows than are counted."


@runtime_checkable
class Counting(Protocol):
    """A task whose answer is a vector of counts, in `touched` of which each record is counted once."""

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed to count."""
        ...

    def touched(self, schema: Schema) -> int:
        """In how many cells one record is counted."""
        ...

    def count(self, frames: Iterable[pd.DataFrame], schema: Schema) -> NDArray[np.int64]:
        """The counts, in the order of `cells`."""
        ...

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells."""
        ...


@dataclass(frozen=True, eq=False)
class NoisyCounts:
    """Marginals resolved for a task and a schema: counts once, then adds fresh noise for each release."""

    task: Counting
    schema: Schema
    ctx: Context
    noise: Noise | Threshold
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases of the counts of *inputs*, gathered at the curator once."""
        counts, index = self.exact(inputs), self.task.cells(self.schema)
        releases = []
        with self.ctx.phase("noise", curator(inputs).name):
            for _ in range(n):
                found = self.noise.released(counts)
                answer = Answer.of(index, found.value, se=found.se, low=found.low, high=found.high)
                notes = (found.note,) if found.note else ()
                releases.append(Release("answer", answer, self.guarantee, notes=notes))
        return releases

    def exact(self, inputs: Inputs) -> NDArray[np.int64]:
        """The counts of *inputs* before any noise, gathered at the curator: what an audit may replay."""
        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            return self.task.count(bounded(table, columns, self.schema), self.schema)


class _Marginals(Technique):
    """What both mechanisms share: they differ in the noise and its norm only."""

    @abstractmethod
    def _noise(self, rows: int, tables: int) -> Noise | Threshold:
        """Resolve the noise where a unit adds at most *rows* rows to each of *tables* tables."""

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that are vectors of counts."""
        if isinstance(task, Counting):
            return None
        return f"{self.name} releases noisy counts, which do not answer the task {task.name}"

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyCounts:
        """Find the noise scale from the schema alone.

        With unit-level adjacency a unit adds at most r rows, each to one cell in each of t tables, and its rows may
        pile up in one cell: the L1 sensitivity is r * t, the L2 sensitivity r * sqrt(t).
        """
        counting = cast(Counting, task)
        rows, tables = most_rows(schema), counting.touched(schema)
        noise = self._noise(rows, tables)
        guarantee = Guarantee(
            notion=noise.notion,
            unit=schema.unit,
            adjacency="add-remove",
            parameters=noise.parameters,
            events=noise.events(len(counting.cells(schema))),
            assumes=(
                f"{noise.norm.upper()} sensitivity {noise.sensitivity:g}: a unit adds at most {rows} rows, "
                f"each counted once in each of {tables} tables",
                *assumptions(schema, noise),
            ),
            hazards=hazards(counting.columns_used(schema), schema),
        )
        return NoisyCounts(counting, schema, ctx, noise, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, count, add noise, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]


@technique("dp-laplace-marginals", extra="dp", requires=MODULES)
class LaplaceMarginals(_Marginals):
    """Counts with discrete Laplace noise (OpenDP): pure epsilon-differential privacy in the central model."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all tables together")
    keys: str = param("known", choices=KEYS, help=HELP)
    delta: float = param(
        1e-6, ge=1e-15, le=1e-2, help="private keys: probability that one unit alone makes a cell show"
    )

    def claims(self) -> Claims:
        """Pure differential privacy against any reader (approximate with private keys), with a trusted curator."""
        private = f" With probability delta = {self.delta:g} a cell shows that one unit alone makes occur."
        return central(_LEAVES + (private if self.keys == "private" else ""))

    def _noise(self, rows: int, tables: int) -> Noise | Threshold:
        if self.keys == "private":
            return laplace_keys(rows, tables, self.epsilon, self.delta)
        return laplace(rows * tables, self.epsilon)


@technique("dp-gaussian-marginals", extra="dp", requires=MODULES)
class GaussianMarginals(_Marginals):
    """Counts with discrete Gaussian noise (OpenDP): (epsilon, delta)-differential privacy in the central model.

    With *rho* the budget is one of zero-concentrated differential privacy, which adds up over releases without loss.
    """

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all tables together")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    rho: float | None = param(None, gt=0, le=100, help="zCDP budget to spend instead; epsilon is then told at delta")
    keys: str = param("known", choices=KEYS, help=HELP)

    def claims(self) -> Claims:
        """Approximate or zero-concentrated differential privacy against any reader, with a trusted curator."""
        return central(_LEAVES, delta=self.delta)

    def _noise(self, rows: int, tables: int) -> Noise | Threshold:
        if self.keys == "private":
            return gaussian_keys(rows, tables, self.epsilon, self.delta, rho=self.rho)
        return gaussian(rows**2 * tables, self.epsilon, self.delta, rho=self.rho)
