"""Counts, sums and means of groups: counts and clamped sums in one vector of integers, means from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pets_eval.model import Answer, Claims, Context, Guarantee, Inputs, Party, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.noise import MODULES, Noise, laplace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_GRID = 65_536  # steps from the middle of a column's bounds to either end


@runtime_checkable
class Grouping(Protocol):
    """A task whose answer is a count, a sum and a mean per group of each measured column."""

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed."""
        ...

    def measured(self, schema: Schema) -> tuple[str, ...]:
        """The columns that are averaged."""
        ...

    def group_count(self, schema: Schema) -> int:
        """How many groups there are."""
        ...

    def group_codes(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.int64]:
        """The group of each row."""
        ...

    def arrange(
        self, count: NDArray[np.float64], total: NDArray[np.float64], mean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Three arrays of shape (columns, groups) in the order of `cells`."""
        ...

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells."""
        ...


@dataclass(frozen=True, eq=False)
class NoisyGroups:
    """Group means resolved for a task and a schema: adds up once, then adds fresh noise for each release.

    The measured vector holds, per column and group, *count_step* times the number of values, then the sum of the
    values' distances from the middle of the bounds in steps of the grid.
    """

    task: Grouping
    schema: Schema
    ctx: Context
    noise: Noise
    guarantee: Guarantee
    count_step: int

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*, gathered at the curator once."""
        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            exact = self._measure(bounded(table, columns, self.schema))
        index = self.task.cells(self.schema)
        with self.ctx.phase("noise", holder.name):
            return [Release("answer", self._answer(self.noise.add(exact), index), self.guarantee) for _ in range(n)]

    def _measure(self, frames: Iterable[pd.DataFrame]) -> NDArray[np.int64]:
        """The exact integer vector; shape (2, columns, groups)."""
        import numpy as np

        of, groups = self.task.measured(self.schema), self.task.group_count(self.schema)
        exact = np.zeros((2, len(of), groups), dtype=np.int64)
        middles, halves = self._bounds()
        for frame in frames:
            codes = self.task.group_codes(frame, self.schema)
            for i, name in enumerate(of):
                x = self.schema.column(name).numbers(frame[name])
                there = ~np.isnan(x)
                # Rounded to the grid row by row, before adding up: a row moves the sum by at most _GRID exactly.
                with np.errstate(over="ignore"):  # what overflows is clamped like anything else out of bounds
                    steps = np.rint(np.clip((x[there] - middles[i]) / halves[i], -1, 1) * _GRID)
                exact[0, i] += self.count_step * np.bincount(codes[there], minlength=groups)
                # Whole numbers below 2^53 add up exactly as floats.
                exact[1, i] += np.bincount(codes[there], weights=steps, minlength=groups).astype(np.int64)
        return exact

    def _answer(self, noisy: NDArray[np.int64], index: pd.MultiIndex) -> Answer:
        """Post-processing: back to people and units, mean = middle + deviations / max(count, 1) within the bounds."""
        import numpy as np

        middles, halves = (b[:, None] for b in self._bounds())
        count = noisy[0] / self.count_step
        count_se = np.full_like(count, self.noise.deviation / self.count_step)
        with np.errstate(over="ignore"):
            deviations = noisy[1] * (halves / _GRID)
            total = deviations + middles * count
            total_se = np.hypot(self.noise.deviation * (halves / _GRID), count_se * middles)
        mean = np.clip(middles + deviations / np.maximum(count, 1), middles - halves, middles + halves)
        unknown = np.full_like(count, np.nan)
        width = self.noise.half_width / self.count_step
        return Answer.of(
            index,
            self.task.arrange(count, total, mean),
            se=self.task.arrange(count_se, total_se, unknown),
            low=self.task.arrange(count - width, unknown, unknown),
            high=self.task.arrange(count + width, unknown, unknown),
        )

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middle and half-width of each measured column's public bounds."""
        import numpy as np

        low, high = np.array([self.schema.column(n).bounds for n in self.task.measured(self.schema)]).T / 2
        return low + high, np.maximum(high - low, np.finfo(float).tiny)  # neither overflows nor is ever 0


@technique("dp-group-means", extra="dp", requires=MODULES)
class GroupMeans(Technique):
    """Counts and clamped sums of groups with discrete Laplace noise (OpenDP), means computed from them."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all columns, counts and sums together")
    count_share: float = param(0.5, ge=0.01, le=0.99, help="share of epsilon spent on counts; the rest on sums")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that ask for counts, sums and means of groups."""
        if isinstance(task, Grouping):
            return None
        return f"{self.name} releases counts, sums and means of groups, which do not answer the task {task.name}"

    def claims(self) -> Claims:
        """Pure differential privacy against any reader, with a trusted curator."""
        return Claims(
            protects=frozenset({"output-privacy"}),
            trust_model="central",
            adversary="malicious",
            objectives=("disassociability",),
            covers="Every unit of privacy, from whoever reads the release, whatever else they know: it looks nearly "
            "the same with or without any one of them, to the degree that epsilon says.",
            leaves="The curator sees all data in clear. What is true of a group is not hidden. Values are clamped to "
            "their public bounds, which biases the means of columns that exceed them.",
            notes=f"{self.count_share:.0%} of epsilon is spent on counts and {1 - self.count_share:.0%} on sums.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyGroups:
        """Find the noise scale from the schema alone.

        One row moves, per measured column, one count by `count_step` and one sum by at most the grid's half-range;
        the sum is taken around the middle of the bounds, which halves what one row can move.
        """
        grouping = cast(Grouping, task)
        rows, columns = most_rows(schema), len(grouping.measured(schema))
        step = max(1, round(_GRID * self.count_share / (1 - self.count_share)))
        noise = laplace(rows * columns * (step + _GRID), self.epsilon)
        cells = 2 * columns * grouping.group_count(schema)
        guarantee = Guarantee(
            notion="pure-dp",
            unit=schema.unit,
            adjacency="add-remove",
            parameters=noise.parameters,
            events=({**noise.event(cells), "steps": {"count": 1 / step}},),
            assumes=(
                f"L1 sensitivity {noise.sensitivity:g}: a unit adds at most {rows} rows, each to one count (by {step}) "
                f"and one sum (by at most {_GRID} steps of the grid) of each of {columns} columns",
                *assumptions(schema, noise),
            ),
            hazards=hazards(grouping.columns_used(schema), schema),
        )
        return NoisyGroups(grouping, schema, ctx, noise, guarantee, step)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, add up, add noise, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]
