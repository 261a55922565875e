"""MST and AIM: which tables to measure with noise, and the distribution that follows, within a budget of zCDP.

Every number and every choice comes out of a measurement of OpenDP, whose privacy map says what it loses. Losses in zCDP
add up, also where later parts depend on earlier outcomes (Whitehouse et al. 2023, Fully adaptive composition).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pets_techniques.dp.budget import SPARE, add_up
from pets_techniques.dp.choice import Choice, choice
from pets_techniques.dp.graph import Columns, Model, Noisy, Tree, fit
from pets_techniques.dp.noise import Noise, gaussian

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Exact = Mapping[Columns, NDArray[np.int64]]

_STEPS = 1_000  # of the last fit
_DELTA = 1e-6  # at which the noise of a part tells its epsilon, which nobody reads: the whole is converted at once
_REST = 1e-6  # AIM: share of rho that is not worth another round
_MEASURE = 0.9  # AIM: share of a round's budget for the noise on a table; the rest is for choosing it


def ones(columns: int) -> list[Columns]:
    """The table of each column."""
    return [(c,) for c in range(columns)]


def noise_for(tables: int, rows: int, rho: float) -> Noise:
    """Noise on as many tables, in each of which a unit adds *rows* counts at most, to one cell in the worst case."""
    return gaussian(rows**2 * tables, 1.0, _DELTA, rho=rho)


def measured(exact: Exact, tables: Sequence[Columns], noise: Noise) -> dict[Columns, Noisy]:
    """*tables* with noise, all in one call of the library."""
    import numpy as np

    noisy = noise.add(np.concatenate([exact[t].ravel() for t in tables])).astype(np.float64)
    ends = np.cumsum([exact[t].size for t in tables])[:-1]
    return {t: Noisy(x.reshape(exact[t].shape), noise.deviation**2) for t, x in zip(tables, np.split(noisy, ends))}


def total_of(noisy: Mapping[Columns, Noisy]) -> float:
    """How many records there are, by the sums of tables with equal noise, each as precise as it has few cells."""
    weight = [1 / n.counts.size for n in noisy.values()]
    sums = (float(n.counts.sum()) for n in noisy.values())
    return max(1.0, sum(w * s for w, s in zip(weight, sums)) / sum(weight))


def distance(counts: NDArray[np.int64], model: Model, table: Columns) -> int:
    """L1 distance of *counts* from what *model* expects, in whole rows: a row moves it by 1 at most, exactly."""
    import numpy as np

    return int(np.abs(counts - np.rint(model.table(table)).astype(np.int64)).sum())


@dataclass(frozen=True, eq=False)
class Mst:
    """Every column's table, and those of the pairs along a spanning tree of pairs that are most dependent.

    McKenna, Miklau and Sheldon (2021), Winning the NIST contest, algorithm 1: a third of rho each for the columns, for
    choosing the pairs and for the pairs.
    """

    sizes: tuple[int, ...]
    rows: int
    rho: float

    @property
    def candidates(self) -> list[Columns]:
        """The tables that may be measured."""
        columns = len(self.sizes)
        return [*ones(columns), *itertools.combinations(range(columns), 2)]

    def parts(self) -> tuple[Noise, Choice | None, Noise | None]:
        """The noise on columns, each choice of a pair, and the noise on pairs; of one column only the first."""
        links = len(self.sizes) - 1
        if not links:
            return noise_for(1, self.rows, self.rho), None, None
        third = self.rho / 3 * (1 - SPARE)
        return (
            noise_for(links + 1, self.rows, third),
            choice(self.rows, 2 * self.rows, third / links),
            noise_for(links, self.rows, third),
        )

    def model(self, exact: Exact) -> Model:
        """A fresh distribution for the *exact* tables."""
        first, choose, second = self.parts()
        noisy = measured(exact, ones(len(self.sizes)), first)
        model = fit(self.sizes, noisy, total_of(noisy), _STEPS)
        if choose is None or second is None:
            return model
        links = self._links(exact, model, choose)
        return fit(self.sizes, noisy | measured(exact, links, second), model.total, _STEPS)

    def _links(self, exact: Exact, model: Model, choose: Choice) -> list[Columns]:
        """Pairs that join all columns, one after the other the one of which independence says least."""
        import numpy as np

        pairs = list(itertools.combinations(range(len(self.sizes)), 2))
        score = np.array([distance(exact[p], model, p) for p in pairs], dtype=np.int64)
        part = list(range(len(self.sizes)))
        links: list[Columns] = []
        for _ in range(len(self.sizes) - 1):
            apart = [i for i, (a, b) in enumerate(pairs) if part[a] != part[b]]
            a, b = pairs[apart[choose.of(score[apart])]]
            links.append((a, b))
            part = [part[a] if p == part[b] else p for p in part]
        return links


@dataclass(eq=False)
class Spent:
    """What was spent of a budget of zCDP; what would exceed it is refused."""

    rho: float
    parts: list[float] = field(default_factory=list)

    @property
    def left(self) -> float:
        """What may still be spent."""
        return self.rho * (1 - SPARE) - math.fsum(self.parts)

    def charge(self, lost: float) -> None:
        """Pay *lost* for a part, before it is measured."""
        if add_up(*self.parts, lost) > self.rho:
            raise AssertionError("a part of the release would exceed the privacy budget")
        self.parts.append(lost)


@dataclass(frozen=True, eq=False)
class Aim:
    """Every column's table, then round by round the table of up to *degree* columns that the model knows least.

    McKenna, Mullins, Sheldon and Miklau (2022), AIM: an adaptive and iterative mechanism, algorithms 1 to 3; rho is cut
    into a slot per column and round, and a round that teaches little makes the following ones four times as dear.
    Models have at most *cells* cells.
    """

    sizes: tuple[int, ...]
    rows: int
    rho: float
    degree: int
    rounds: int
    cells: int
    steps: int = 100  # of the fit after each round but the last, which goes on from the one before

    @property
    def workload(self) -> list[Columns]:
        """The tables that matter: all of *degree* columns."""
        return list(itertools.combinations(range(len(self.sizes)), min(self.degree, len(self.sizes))))

    @property
    def candidates(self) -> list[Columns]:
        """The tables that may be measured: those of the workload and their margins."""
        return [t for k in range(1, self.degree + 1) for t in itertools.combinations(range(len(self.sizes)), k)]

    def model(self, exact: Exact) -> Model:
        """A fresh distribution for the *exact* tables."""
        import numpy as np

        columns, spent = len(self.sizes), Spent(self.rho)
        slot = self.rho * (1 - SPARE) / (columns + self.rounds)
        noise = noise_for(columns, self.rows, columns * slot)
        spent.charge(noise.parameters["rho"])
        noisy = measured(exact, ones(columns), noise)
        model = fit(self.sizes, noisy, total_of(noisy), _STEPS)
        while spent.left > _REST * self.rho:
            slot = spent.left if spent.left < 2 * slot else slot
            noise = noise_for(1, self.rows, _MEASURE * slot)
            room = self.cells * (1 - max(spent.left - slot, 0) / self.rho)
            table = self._choice(exact, model, noise, (1 - _MEASURE) * slot, room, spent)
            before = model.table(table)
            spent.charge(noise.parameters["rho"])
            found = measured(exact, [table], noise)[table]
            noisy[table] = _pooled(noisy[table], found) if table in noisy else found
            last = spent.left <= _REST * self.rho
            model = fit(self.sizes, noisy, model.total, _STEPS if last else self.steps, model)
            if np.abs(model.table(table) - before).sum() <= _expected(noise, before.size):
                slot *= 4
        return model

    def _choice(self, exact: Exact, model: Model, noise: Noise, rho: float, room: float, spent: Spent) -> Columns:
        """The table whose noisy answer would improve the model most, among those that leave the model small enough."""
        import numpy as np

        known = [t for t in model.potentials if len(t) > 1]
        tables = [t for t in self.candidates if len(t) == 1 or Tree.over(self.sizes, [*known, t]).cells <= room]
        weight = {t: sum(len(set(t) & set(w)) for w in self.workload) for t in tables}
        score = [weight[t] * (distance(exact[t], model, t) - round(_expected(noise, exact[t].size))) for t in tables]
        moved = self.rows * max(weight.values())
        chosen = choice(moved, 2 * moved, rho)
        spent.charge(chosen.lost)
        return tables[chosen.of(np.array(score, dtype=np.int64))]


def _expected(noise: Noise, cells: int) -> float:
    """L1 norm that Gaussian noise on so many cells has on average."""
    return math.sqrt(2 / math.pi) * noise.deviation * cells


def _pooled(one: Noisy, other: Noisy) -> Noisy:
    """Two noisy tables of the same cells as one, weighted by their precision."""
    share = other.variance / (one.variance + other.variance)
    return Noisy(share * one.counts + (1 - share) * other.counts, share * one.variance)
