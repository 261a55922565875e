"""Noisy counts: all marginals of a study as one vector-valued measurement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pets_eval.model import Answer, Claims, Context, Guarantee, Inputs, Party, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.noise import MODULES, Noise, gaussian, laplace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_COVERS = (
    "Every unit of privacy, from whoever reads the release, whatever else they know: it looks nearly the same with or "
    "without any one of them, to the degree that epsilon says."
)
_LEAVES = (
    "The curator sees all data in clear. What is true of a group is not hidden, nor are facts about those who "
    "contribute more rows than are counted."
)


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
    noise: Noise
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases of the counts of *inputs*, gathered at the curator once."""
        import numpy as np

        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            counts = self.task.count(bounded(table, columns, self.schema), self.schema)
        index = self.task.cells(self.schema)
        se, width = np.full(len(counts), self.noise.deviation), self.noise.half_width
        releases = []
        with self.ctx.phase("noise", holder.name):
            for _ in range(n):
                noisy = self.noise.add(counts).astype(np.float64)
                answer = Answer.of(index, noisy, se=se, low=noisy - width, high=noisy + width)
                releases.append(Release("answer", answer, self.guarantee))
        return releases


class _Marginals(Technique):
    """What both mechanisms share: they differ in the noise and its norm only."""

    @abstractmethod
    def _noise(self, rows: int, tables: int) -> Noise:
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
            notion="pure-dp" if noise.mechanism == "laplace" else "approx-dp",
            unit=schema.unit,
            adjacency="add-remove",
            parameters=noise.parameters,
            events=(noise.event(len(counting.cells(schema))),),
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

    def claims(self) -> Claims:
        """Pure differential privacy against any reader, with a trusted curator."""
        return Claims(
            protects=frozenset({"output-privacy"}),
            trust_model="central",
            adversary="malicious",
            objectives=("disassociability",),
            covers=_COVERS,
            leaves=_LEAVES,
        )

    def _noise(self, rows: int, tables: int) -> Noise:
        return laplace(rows * tables, self.epsilon)


@technique("dp-gaussian-marginals", extra="dp", requires=MODULES)
class GaussianMarginals(_Marginals):
    """Counts with discrete Gaussian noise (OpenDP): (epsilon, delta)-differential privacy in the central model."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all tables together")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")

    def claims(self) -> Claims:
        """Approximate differential privacy against any reader, with a trusted curator."""
        return Claims(
            protects=frozenset({"output-privacy"}),
            trust_model="central",
            adversary="malicious",
            objectives=("disassociability",),
            covers=_COVERS,
            leaves=f"{_LEAVES} With probability delta = {self.delta:g} the loss may exceed epsilon.",
        )

    def _noise(self, rows: int, tables: int) -> Noise:
        return gaussian(rows**2 * tables, self.epsilon, self.delta)
