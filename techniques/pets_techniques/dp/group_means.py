"""Counts, sums and means of groups: counts and clamped sums as integers with noise, means computed from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from pets_eval.model import Answer, Claims, Context, Guarantee, Inputs, Party, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.budget import SPARE, Loss, add_up, zcdp_loss, zcdp_within
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.keys import HELP, KEYS, Threshold, gaussian_keys, laplace_keys
from pets_techniques.dp.noise import MODULES, Figures, Noise, gaussian, laplace

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
class Parts:
    """With private keys: counts above a threshold, and noise on the sums of those groups that show.

    Noise of two kinds has no one sensitivity to hold a replayed vector against: `sensitivity` is for words only.
    """

    keys: Threshold
    sums: Noise
    loss: Loss

    @property
    def norm(self) -> str:
        """L1 or L2, by the noise."""
        return self.sums.norm

    @property
    def sensitivity(self) -> float:
        """That of counts and sums together, in the norm of the noise."""
        both = (self.keys.sensitivity, self.sums.sensitivity)
        return sum(both) if self.norm == "l1" else math.hypot(*both)


@dataclass(frozen=True, eq=False)
class NoisyGroups:
    """Group means resolved for a task and a schema: adds up once, then adds fresh noise for each release.

    The exact vector holds, per column and group, *count_step* times the number of values, then the sum of the values'
    distances from the middle of the bounds in steps of the grid. With public keys all of it gets noise at once.
    """

    task: Grouping
    schema: Schema
    ctx: Context
    noise: Noise | Parts
    guarantee: Guarantee
    count_step: int

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*, gathered at the curator once."""
        exact, index = self.exact(inputs), self.task.cells(self.schema)
        with self.ctx.phase("noise", curator(inputs).name):
            return [self._release(exact, index) for _ in range(n)]

    def exact(self, inputs: Inputs) -> NDArray[np.int64]:
        """The integer vector of *inputs* before any noise, gathered at the curator: what an audit may replay."""
        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            return self._measure(bounded(table, columns, self.schema))

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

    def _release(self, exact: NDArray[np.int64], index: pd.MultiIndex) -> Release:
        """Fresh noise on counts and sums, and what follows from them."""
        import numpy as np

        if isinstance(self.noise, Parts):
            counts, sums = self.noise.keys.released(exact[0]), self.noise.sums
            steps = np.where(np.isnan(counts.se), 0, sums.add(exact[1]))
            answer = self._answer(counts, steps, sums.deviation, index)
            return Release("answer", answer, self.guarantee, notes=(counts.note,))
        noisy = self.noise.add(exact)
        count, width = noisy[0] / self.count_step, self.noise.half_width / self.count_step
        se = np.full_like(count, self.noise.deviation / self.count_step)
        counts = Figures(count, se, count - width, count + width)
        return Release("answer", self._answer(counts, noisy[1], self.noise.deviation, index), self.guarantee)

    def _answer(self, counts: Figures, steps: NDArray[np.int64], deviation: float, index: pd.MultiIndex) -> Answer:
        """Post-processing: back to people and units, mean = middle + deviations / max(count, 1) within the bounds."""
        import numpy as np

        middles, halves = (b[:, None] for b in self._bounds())
        with np.errstate(over="ignore"):
            deviations = steps * (halves / _GRID)
            total = deviations + middles * counts.value
            total_se = np.hypot(deviation * (halves / _GRID), counts.se * middles)
        mean = np.clip(middles + deviations / np.maximum(counts.value, 1), middles - halves, middles + halves)
        unknown = np.full_like(mean, np.nan)
        return Answer.of(
            index,
            self.task.arrange(counts.value, total, mean),
            se=self.task.arrange(counts.se, total_se, unknown),
            low=self.task.arrange(counts.low, unknown, unknown),
            high=self.task.arrange(counts.high, unknown, unknown),
        )

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middle and half-width of each measured column's public bounds."""
        import numpy as np

        low, high = np.array([self.schema.column(n).bounds for n in self.task.measured(self.schema)]).T / 2
        return low + high, np.maximum(high - low, np.finfo(float).tiny)  # neither overflows nor is ever 0


@technique("dp-group-means", extra="dp", requires=MODULES)
class GroupMeans(Technique):
    """Counts and clamped sums of groups with discrete noise (OpenDP), means computed from them."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all columns, counts and sums together")
    count_share: float = param(0.5, ge=0.01, le=0.99, help="share of the budget spent on counts; the rest on sums")
    noise: str = param("laplace", choices=("laplace", "gaussian"), help="gaussian: approximate DP, less noise on many")
    keys: str = param("known", choices=KEYS, help=HELP)
    delta: float = param(1e-6, ge=1e-15, le=1e-2, help="gaussian noise or private keys: probability of a larger loss")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that ask for counts, sums and means of groups."""
        if isinstance(task, Grouping):
            return None
        return f"{self.name} releases counts, sums and means of groups, which do not answer the task {task.name}"

    def claims(self) -> Claims:
        """Differential privacy against any reader, with a trusted curator."""
        pure = self.noise == "laplace" and self.keys == "known"
        return central(
            "Values are clamped to their public bounds, which biases the means of columns that exceed them.",
            delta=None if pure else self.delta,
            notes=f"{self.count_share:.0%} of the budget is spent on counts and {1 - self.count_share:.0%} on sums.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyGroups:
        """Find the noise scale from the schema alone.

        One row moves, per measured column, one count by `count_step` and one sum by at most the grid's half-range;
        the sum is taken around the middle of the bounds, which halves what one row can move.
        """
        grouping = cast(Grouping, task)
        rows, columns = most_rows(schema), len(grouping.measured(schema))
        cells = columns * grouping.group_count(schema)
        if self.keys == "private":
            parts = self._in_parts(rows, columns)
            events = (*parts.keys.events(cells), parts.sums.event(cells))
            return NoisyGroups(grouping, schema, ctx, parts, self._guarantee(grouping, schema, parts, 1, events), 1)
        step, noise = self._at_once(rows, columns)
        event = {**noise.event(2 * cells), "steps": {"count": 1 / step}}
        return NoisyGroups(grouping, schema, ctx, noise, self._guarantee(grouping, schema, noise, step, (event,)), step)

    def _guarantee(
        self, task: Grouping, schema: Schema, noise: Noise | Parts, step: int, events: tuple[dict[str, Any], ...]
    ) -> Guarantee:
        loss = noise.loss if isinstance(noise, Parts) else noise
        return Guarantee(
            notion=loss.notion,
            unit=schema.unit,
            adjacency="add-remove",
            parameters=loss.parameters,
            events=events,
            assumes=(
                f"{noise.norm.upper()} sensitivity {noise.sensitivity:g}: a unit adds {most_rows(schema)} rows, "
                f"each to one count (by {step}) and one sum (by at most {_GRID} steps of the grid) of each of "
                f"{len(task.measured(schema))} columns",
                *assumptions(schema, loss),
            ),
            hazards=hazards(task.columns_used(schema), schema),
        )

    def _at_once(self, rows: int, columns: int) -> tuple[int, Noise]:
        """How much a count weighs, and the noise on counts and sums in one vector."""
        odds = self.count_share / (1 - self.count_share)
        if self.noise == "laplace":
            step = max(1, round(_GRID * odds))
            return step, laplace(rows * columns * (step + _GRID), self.epsilon)
        step = max(1, round(_GRID * math.sqrt(odds)))
        return step, gaussian(rows**2 * columns * (step**2 + _GRID**2), self.epsilon, self.delta, signed=True)

    def _in_parts(self, rows: int, columns: int) -> Parts:
        """Counts above a threshold, noise on the sums of the groups that show, and what both lose together.

        The Gaussian parts lose rho together, which is converted at half of delta; the threshold has the other half.
        """
        share = self.count_share
        if self.noise == "laplace":
            keys = laplace_keys(rows, columns, share * self.epsilon, self.delta)
            noise = laplace(rows * columns * _GRID, (1 - share) * self.epsilon * (1 - SPARE))
            one, other = (
                {"epsilon": add_up(k["epsilon"], n["epsilon"]), "delta": k["delta"]}
                for k, n in ((keys.parameters, noise.parameters), (keys.replaced, noise.replaced))
            )
            return Parts(keys, noise, Loss("approx-dp", one, other))
        rho, half = zcdp_within(self.epsilon, self.delta / 2), self.delta / 2
        keys = gaussian_keys(rows, columns, self.epsilon, self.delta, rho=share * rho)
        noise = gaussian(
            rows**2 * columns * _GRID**2, self.epsilon, half, rho=(1 - share) * rho * (1 - SPARE), signed=True
        )
        spent, replaced = (
            add_up(k["rho"], n["rho"])
            for k, n in ((keys.parameters, noise.parameters), (keys.replaced, noise.replaced))
        )
        shows = (keys.shows, keys.replaced["delta"] - half)
        return Parts(keys, noise, zcdp_loss(spent, replaced, half, shows=shows))

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, add up, add noise, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]
