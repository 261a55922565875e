"""Synthetic records from noisy tables: MST and AIM with OpenDP's measurements, any task can be asked of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pets_eval.model import Claims, Context, Guarantee, Inputs, Party, Release, Schema, Table, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather, published
from pets_techniques.dp.budget import Loss, add_up, zcdp_loss, zcdp_within
from pets_techniques.dp.claims import central
from pets_techniques.dp.contributions import assumptions, bounded, hazards, most_rows
from pets_techniques.dp.graph import Columns, Model
from pets_techniques.dp.noise import MODULES
from pets_techniques.dp.records import frame_of, sizes, tabulated
from pets_techniques.dp.tables import Aim, Mst

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CELLS = 20_000_000  # of all tables that may be measured: what is counted and kept in memory
_MOST_RECORDS = 1_000_000  # that are released; each then stands for several people


class Algorithm(Protocol):
    """A way to choose tables and to fit a distribution to them."""

    @property
    def candidates(self) -> list[Columns]:
        """The tables that it may look at."""
        ...

    def model(self, exact: Mapping[Columns, NDArray[np.int64]]) -> Model:
        """A fresh distribution."""
        ...


@dataclass(frozen=True, eq=False)
class NoisyRecords:
    """An algorithm resolved for a schema: counts once, then measures, fits and draws anew for each release."""

    algorithm: Algorithm
    schema: Schema
    ctx: Context
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*, gathered at the curator once."""
        holder, public = curator(inputs), published(self.schema)
        columns = list(public.columns)
        table = gather(inputs, self.ctx, holder, columns)
        with self.ctx.phase("count", holder.name):
            exact = tabulated(bounded(table, columns, self.schema), self.algorithm.candidates, public)
        releases = []
        for done in range(n):
            with self.ctx.phase("measure and fit", holder.name):
                model = self.algorithm.model(exact)
            with self.ctx.phase("draw", holder.name):
                releases.append(self._drawn(model, public))
            self.ctx.progress((done + 1) / n)
        return releases

    def _drawn(self, model: Model, public: Schema) -> Release:
        rows = min(max(1, round(model.total)), _MOST_RECORDS)
        frame = frame_of(model.draw(rows, self.ctx.rng), public, self.ctx.rng)
        names = list(public.columns)
        told = sorted(t for t in model.potentials if len(t) > 1)
        note = "tables measured beside those of single columns: " + "; ".join(
            " x ".join(names[c] for c in table) for table in told
        )
        weight = model.total / rows if rows == _MOST_RECORDS else 1.0
        return Release("microdata", Table(public, data=frame), self.guarantee, weight=weight, notes=(note,))


class _Contingency(Technique):
    """What both have in common: the budget, and that records are drawn from what was measured with noise."""

    epsilon: float
    delta: float
    rho: float | None

    @abstractmethod
    def _algorithm(self, cells: tuple[int, ...], rows: int, rho: float) -> Algorithm:
        """The algorithm for columns of so many *cells* where a unit adds at most *rows* rows."""

    @abstractmethod
    def _loss(self, algorithm: Any, rho: float) -> tuple[Loss, tuple[dict[str, Any], ...]]:
        """What it loses, and the mechanisms that do."""

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Any task, if the tables of the schema's columns are not too large to count."""
        cells = sizes(published(schema))
        if not cells:
            return "the schema has no column that could be released"
        tables = self._algorithm(cells, 1, 1.0).candidates
        counted = sum(math.prod(cells[c] for c in table) for table in tables)
        if counted > _MOST_CELLS:
            return (
                f"{counted:,} public cells are more than {_MOST_CELLS:,}; give the schema coarser bins or fewer columns"
            )
        return None

    def claims(self) -> Claims:
        """Approximate or zero-concentrated differential privacy against any reader, with a trusted curator."""
        return central(
            "",
            delta=self.delta,
            reader="whoever reads the records",
            notes="Only the tables that were measured are faithful. Numbers are spread evenly within public bins, and "
            "edit constraints are not enforced.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> NoisyRecords:
        """Divide the budget from the schema alone.

        A unit adds at most r rows: it moves each table by at most r in L1 and L2 norm (its rows may pile up in one
        cell), and with it the distance of any table from any model by at most r.
        """
        public, rows = published(schema), most_rows(schema)
        rho = zcdp_within(self.epsilon, self.delta) if self.rho is None else self.rho
        algorithm = self._algorithm(sizes(public), rows, rho)
        loss, events = self._loss(algorithm, rho)
        guarantee = Guarantee(
            notion=loss.notion,
            unit=schema.unit,
            adjacency="add-remove",
            parameters=loss.parameters,
            events=events,
            assumes=(
                f"sensitivity {rows} of each table, and of each distance by which tables are chosen: a unit adds at "
                f"most {rows} rows, each counted once in each table",
                *assumptions(schema, loss),
            ),
            hazards=hazards(list(public.columns), schema),
        )
        return NoisyRecords(algorithm, schema, ctx, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Divide the budget, count, measure, fit, draw."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]


_NEEDS = (*MODULES, "networkx")


@technique("dp-contingency-mst", extra="dp", requires=_NEEDS)
class ContingencyMst(_Contingency):
    """Synthetic records that keep every column and a spanning tree of its most dependent pairs (MST, with OpenDP)."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of the whole release")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    rho: float | None = param(None, gt=0, le=100, help="zCDP budget to spend instead; epsilon is then told at delta")

    def _algorithm(self, cells: tuple[int, ...], rows: int, rho: float) -> Mst:
        return Mst(cells, rows, rho)

    def _loss(self, algorithm: Mst, rho: float) -> tuple[Loss, tuple[dict[str, Any], ...]]:
        first, choose, second = algorithm.parts()
        links = len(algorithm.sizes) - 1
        lost, replaced = [first.parameters["rho"]], [first.replaced["rho"]]
        events = [first.event(sum(algorithm.sizes))]
        if choose is not None and second is not None:
            lost += [choose.lost] * links + [second.parameters["rho"]]
            replaced += [choose.replaced] * links + [second.replaced["rho"]]
            events += [choose.event(links), second.event()]
        return zcdp_loss(add_up(*lost), add_up(*replaced), self.delta, native=self.rho is not None), tuple(events)


@technique("dp-contingency-aim", extra="dp", requires=_NEEDS)
class ContingencyAim(_Contingency):
    """Synthetic records from tables that are chosen one by one where the model is worst (AIM, with OpenDP)."""

    epsilon: float = param(1.0, ge=1e-3, le=100, help="privacy loss of the whole release")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    rho: float | None = param(None, gt=0, le=100, help="zCDP budget to spend instead; epsilon is then told at delta")
    degree: int = param(2, ge=1, le=3, help="most columns of a table that is measured")
    rounds: int = param(10, ge=1, le=200, help="most tables that are chosen; more rounds, more noise on each")
    cells: int = param(100_000, ge=1_000, le=10_000_000, help="most cells of the model: memory, and time")

    def _algorithm(self, cells: tuple[int, ...], rows: int, rho: float) -> Aim:
        return Aim(cells, rows, rho, self.degree, self.rounds, self.cells)

    def _loss(self, algorithm: Aim, rho: float) -> tuple[Loss, tuple[dict[str, Any], ...]]:
        # Which parts there are depends on what came out before, so that only their sum is known beforehand.
        # Replacing a unit moves distances, and so the choices, by twice as much as adding one, and tables by less.
        loss = zcdp_loss(rho, 4 * rho, self.delta, native=self.rho is not None)
        return loss, ({"mechanism": "zcdp", "rho": rho},)
