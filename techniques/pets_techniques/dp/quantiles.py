"""Quantiles by private selection among public candidates, scored from counts that are made in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pets_eval.model import (
    Answer,
    Claims,
    Column,
    Context,
    Guarantee,
    Inputs,
    Party,
    Release,
    Schema,
    Task,
    Technique,
    param,
)
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather
from pets_techniques.dp.budget import SPARE, Loss, add_up, zcdp_loss, zcdp_within
from pets_techniques.dp.choice import Choice, choice
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.noise import MODULES

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_MOST_COUNTS = 20_000_000  # groups times candidates: what is kept in memory


@runtime_checkable
class Quantiling(Protocol):
    """A task whose answer is some quantiles of one numeric column, in groups."""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Which quantiles, between 0 and 1."""
        ...

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed."""
        ...

    def measured(self, schema: Schema) -> str:
        """The numeric column."""
        ...

    def group_count(self, schema: Schema) -> int:
        """How many groups there are."""
        ...

    def group_codes(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.int64]:
        """The group of each row."""
        ...

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells: quantiles of a group stand together."""
        ...


@dataclass(frozen=True)
class Selection:
    """One quantile's noisy choice among the candidates: the lowest noisy score wins.

    The score of a candidate is OpenDP's (Smith 2011): how far (1 - p) times the number of values below it is from p
    times that of values above, with whole numbers *below* : *above* for the two shares.
    """

    choice: Choice
    below: int
    above: int

    def of(self, less: NDArray[np.int64], more: NDArray[np.int64]) -> int:
        """Which candidate, given how many values lie below and above each; both of shape (candidates,)."""
        import numpy as np

        return self.choice.of(np.abs(self.below * less - self.above * more))


def selection(probability: float, rows: int, budget: float, pure: bool) -> Selection:
    """The choice that loses *budget* (epsilon if *pure*, else rho) when a unit adds at most *rows* rows.

    Shares and sensitivity are those of OpenDP's own transformation, which scores a vector that fits in memory.
    """
    from opendp.domains import atom_domain, vector_domain
    from opendp.metrics import symmetric_distance
    from opendp.mod import enable_features
    from opendp.transformations import make_quantile_score_candidates

    enable_features("contrib")
    scores = make_quantile_score_candidates(
        vector_domain(atom_domain(T="i64")), symmetric_distance(), candidates=[0, 2], alpha=probability
    )
    above, below = scores([1])  # one value above the first candidate and below the second
    made = choice(scores.map(rows), scores.map(2 * rows), budget, pure=pure, least=True)
    return Selection(made, below, above)


@dataclass(frozen=True, eq=False)
class NoisyQuantiles:
    """Quantiles resolved for a task and a schema: counts once, then draws fresh noise for each release."""

    task: Quantiling
    schema: Schema
    ctx: Context
    candidates: NDArray[np.float64]
    selections: tuple[Selection, ...]
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*, gathered at the curator once."""
        import numpy as np

        less, more = self.exact(inputs)
        index = self.task.cells(self.schema)
        releases = []
        with self.ctx.phase("noise", curator(inputs).name):
            for _ in range(n):
                chosen = [[s.of(*group) for s in self.selections] for group in zip(less, more)]
                values = self.candidates[np.array(chosen).ravel()]
                releases.append(Release("answer", Answer.of(index, values), self.guarantee))
        return releases

    def exact(self, inputs: Inputs) -> NDArray[np.int64]:
        """How many values of each group lie below and above each candidate; shape (2, groups, candidates).

        That is before any noise, gathered at the curator: what an audit may replay.
        """
        holder = curator(inputs)
        columns = self.task.columns_used(self.schema)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            return self._count(bounded(table, columns, self.schema))

    def _count(self, frames: Iterable[pd.DataFrame]) -> NDArray[np.int64]:
        import numpy as np

        name, groups, k = self.task.measured(self.schema), self.task.group_count(self.schema), len(self.candidates)
        # Values fall between two candidates (even places) or on one (odd places).
        places = np.zeros(groups * (2 * k + 1), dtype=np.int64)
        for frame in frames:
            x = self.schema.column(name).numbers(frame[name])
            there = ~np.isnan(x)
            x, group = x[there], self.task.group_codes(frame, self.schema)[there]
            place = np.searchsorted(self.candidates, x, side="left") + np.searchsorted(self.candidates, x, side="right")
            places += np.bincount(group * (2 * k + 1) + place, minlength=len(places))
        upto = places.reshape(groups, 2 * k + 1).cumsum(axis=1)
        return np.stack([upto[:, 0:-1:2], upto[:, -1:] - upto[:, 1::2]])


@technique("dp-quantiles", extra="dp", requires=(*MODULES, "opendp.transformations"))
class Quantiles(Technique):
    """Quantiles by OpenDP's noisy selection among public candidates: no value of the data is ever released."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of all quantiles and groups together")
    accounting: str = param(
        "pure", choices=("pure", "zcdp"), help="zcdp: approximate DP, better from about 10 quantiles"
    )
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="accounting zcdp: probability of a larger loss")
    candidates: int = param(500, ge=2, le=100_000, help="at least so many candidates, evenly within each public bin")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that ask for quantiles, of not too many groups."""
        if not isinstance(task, Quantiling):
            return f"{self.name} releases quantiles, which do not answer the task {task.name}"
        groups = task.group_count(schema)
        if groups * self.candidates > _MOST_COUNTS:
            return f"{groups:,} groups with {self.candidates:,} candidates are too many counts; name fewer of either"
        return None

    def claims(self) -> Claims:
        """Differential privacy against any reader, with a trusted curator."""
        return central(
            "Values beyond public bounds are taken for the nearest bound.",
            delta=self.delta if self.accounting == "zcdp" else None,
            notes="The budget is split evenly over the quantiles. Small groups get candidates that are almost random.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyQuantiles:
        """Find the candidates and the noise scales from the schema alone.

        A row is in one group and takes part in the choice of each of its quantiles. Where a unit's rows are spread over
        groups, what it can lose in each adds up to no more than if all were in one: the loss of one choice grows with
        the rows, and its rho with their square.
        """
        quantiling = cast(Quantiling, task)
        rows, column = most_rows(schema), schema.column(quantiling.measured(schema))
        grid = grid_of(column, self.candidates)
        p = quantiling.probabilities
        pure = self.accounting == "pure"
        whole = self.epsilon if pure else zcdp_within(self.epsilon, self.delta)
        selections = tuple(selection(q, rows, whole * (1 - SPARE) / len(p), pure) for q in p)
        events = tuple(s.choice.event() for s in selections)
        lost, replaced = (add_up(*x) for x in zip(*((s.choice.lost, s.choice.replaced) for s in selections)))
        if pure:
            loss = Loss("pure-dp", {"epsilon": lost}, {"epsilon": replaced})
        else:
            loss = zcdp_loss(lost, replaced, self.delta)
        guarantee = Guarantee(
            notion=loss.notion,
            unit=schema.unit,
            adjacency="add-remove",
            parameters=loss.parameters,
            events=events,
            assumes=(
                f"a unit adds at most {rows} rows, each to one group, and moves the scores of {len(p)} quantiles "
                "by what OpenDP's stability map says of so many rows",
                *assumptions(schema, loss),
            ),
            hazards=hazards(quantiling.columns_used(schema), schema),
        )
        return NoisyQuantiles(quantiling, schema, ctx, grid, selections, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, count, choose, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]


def grid_of(column: Column, candidates: int) -> NDArray[np.float64]:
    """At least *candidates* public values within the bounds, evenly within each bin; whole numbers where values are."""
    import numpy as np

    assert column.bounds is not None
    low, high = column.bounds
    edges = np.unique(np.clip([low, *column.edges(), high], low, high))
    bins = len(edges) - 1
    steps = math.ceil((candidates - 1) / bins)
    if column.kind == "integer" and high - low < candidates:
        return np.arange(math.ceil(low), math.floor(high) + 1, dtype=np.float64)
    inner = [edges[i] + (edges[i + 1] - edges[i]) * np.arange(steps) / steps for i in range(bins)]
    grid = np.append(np.concatenate(inner), high)
    return np.unique(np.rint(grid) if column.kind in ("integer", "date") else grid)
