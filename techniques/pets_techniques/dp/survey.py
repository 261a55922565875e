"""What people are asked in the local model, what they would truthfully answer, and what the reports add up to.

A question is one table of counts, asked about one of a person's rows. A person answers either all questions, with an
equal part of epsilon each, or a single one, drawn at random, with all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pets_eval.model import Schema, Table
from pets_techniques.dp.coins import Response, uniform
from pets_techniques.dp.contributions import most_rows
from pets_techniques.dp.noise import Figures

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_Z = 1.959963984540054  # 95 % of a normal distribution lies within as many standard deviations
_PEOPLE = 100_000  # whose answers are in memory at once


@runtime_checkable
class Tabulating(Protocol):
    """A task whose answer is the counts of tables, each over the joint cells of some columns, last column fastest."""

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed to count."""
        ...

    def blocks(self, schema: Schema) -> tuple[tuple[str, ...], ...]:
        """The columns of each table."""
        ...

    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells, one table after another."""
        ...


class Randomiser(Protocol):
    """How one answer is made a report, and reports a count: unbiased, whatever the true answers are."""

    @property
    def categories(self) -> int:
        """How many answers there are."""
        ...

    @property
    def reports(self) -> int:
        """How many reports there are."""
        ...

    @property
    def response(self) -> Response:
        """The only draw that depends on the true answer."""
        ...

    @property
    def second(self) -> tuple[float, float]:
        """Second moments of what one report contributes to the count of a cell.

        Where the true answer is that cell or one `beside` it, and where it is any other.
        """
        ...

    def report(self, true: NDArray[np.int64]) -> NDArray[np.int64]:
        """A fresh report (below `reports`) for each true answer (below `categories`)."""
        ...

    def counts(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """Unbiased counts of the true answers from how often each report came in; shape (categories,)."""
        ...

    def beside(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """Unbiased counts of the true answers beside each cell, without the cell itself; shape (categories,)."""
        ...

    def crowd(self) -> float:
        """Which share of people is in a cell or beside it, if all cells are equally full."""
        ...

    def event(self, times: int) -> dict[str, Any]:
        """The native description of *times* reports of one person."""
        ...


@dataclass(frozen=True, eq=False)
class Survey:
    """The questions (tables, then rows, tables fastest), and how many of them one person answers: all or one."""

    randomisers: tuple[Randomiser, ...]
    sizes: tuple[int, ...]
    rows: int
    everything: bool

    @property
    def questions(self) -> int:
        """How many there are."""
        return self.rows * len(self.randomisers)

    @property
    def asked(self) -> int:
        """How many of them one person answers."""
        return self.questions if self.everything else 1

    @property
    def weight(self) -> float:
        """How many questions each answered one stands for."""
        return self.questions / self.asked

    @property
    def epsilon(self) -> float:
        """The privacy loss of all that one person sends."""
        return self.asked * max(r.response.epsilon for r in self.randomisers)

    def variance(self) -> float:
        """Expected squared error of all counts together per person and row, if all cells were equally full."""
        total = 0.0
        for r, size in zip(self.randomisers, self.sizes):
            inside, outside = r.second
            share = r.crowd()
            total += size * (self.weight * (share * inside + (1 - share) * outside) - 1 / r.categories)
        return total

    def events(self) -> tuple[dict[str, Any], ...]:
        """The native descriptions; where one table of several is answered, the one that tells most of a person.

        At one and the same epsilon, that is the one with the fewest categories.
        """
        if self.everything:
            kinds = list(dict.fromkeys(r for r in self.randomisers if r.response.epsilon > 0)) or [self.randomisers[0]]
            return tuple(r.event(self.rows * self.randomisers.count(r)) for r in kinds)
        telling = [r for r in self.randomisers if r.response.epsilon > 0] or list(self.randomisers)
        return (min(telling, key=lambda r: r.response.categories).event(1),)

    def answer(self, truths: NDArray[np.int32]) -> NDArray[np.int32]:
        """What people send: for each question they answer, the table and the report; shape (people, asked, 2).

        *truths* has a true answer for each person and question.
        """
        import numpy as np

        people = len(truths)
        sent = np.empty((people, self.asked, 2), dtype=np.int32)
        if self.everything:
            question = np.broadcast_to(np.arange(self.questions), (people, self.questions))
        else:
            question = uniform(people, self.questions)[:, None]
        table = question % len(self.randomisers)
        true = np.take_along_axis(truths, question, axis=1).astype(np.int64)
        sent[..., 0] = table
        for number, randomiser in enumerate(self.randomisers):
            here = table == number
            sent[here, 1] = randomiser.report(true[here])
        return sent

    def estimate(self, sent: NDArray[np.int32]) -> Figures:
        """Unbiased counts of all cells from what arrived, with score intervals (Wilson 1927); shape (cells,).

        The variance of a count c is w * sum(E X^2) - c over all answers that could have been asked for, where X is what
        a report contributes and w the questions it stands for: noise and drawing of questions together. It is linear
        in c, base + slope * c, and the interval holds every c for which the estimate is not too far: an estimate of 0
        is not taken for certain.
        """
        import numpy as np

        possible = len(sent) * self.rows
        figures = []
        for number, (randomiser, size) in enumerate(zip(self.randomisers, self.sizes)):
            came = sent[sent[..., 0] == number, 1]
            came = came[(came >= 0) & (came < randomiser.reports)]  # whoever sends what cannot be is not counted
            tally = np.bincount(came, minlength=randomiser.reports)
            value = self.weight * randomiser.counts(tally)[:size]
            beside = np.clip(self.weight * randomiser.beside(tally)[:size], 0, possible)
            inside, outside = randomiser.second
            base = self.weight * (beside * (inside - outside) + possible * outside)
            slope = self.weight * (inside - outside) - 1
            se = np.sqrt(np.maximum(base + slope * np.clip(value, 0, possible), 0))
            middle = value + _Z**2 * slope / 2
            width = np.sqrt(_Z**2 * np.maximum(base + slope * value, 0) + (_Z**2 * slope / 2) ** 2)
            figures.append([value, se, middle - width, middle + width])
        return Figures(*np.concatenate(figures, axis=1))


def survey(task: Tabulating, schema: Schema, epsilon: float, randomiser: Callable[[int, float], Randomiser]) -> Survey:
    """The survey for *task* in which all that one person sends is *epsilon*-private, however many rows they have.

    Whoever has fewer rows than the schema allows answers "no row" for the others, so that the number of reports tells
    nothing. Of answering everything and answering one question, the one with the smaller expected error is taken.
    """
    rows = most_rows(schema)
    sizes = tuple(math.prod(len(schema.column(n).cells()) for n in table) for table in task.blocks(schema))
    absent = 0 if schema.unit == "record" else 1

    def made(everything: bool) -> Survey:
        # rounded down, so that the parts do not add up to more than the whole
        part = math.nextafter(epsilon / (rows * len(sizes)), 0) if everything else epsilon
        by_size = {size: randomiser(size + absent, part) for size in sorted(set(sizes))}
        return Survey(tuple(by_size[size] for size in sizes), sizes, rows, everything)

    return min(made(True), made(False), key=Survey.variance)


def truths(table: Table, task: Tabulating, schema: Schema) -> Iterator[NDArray[np.int32]]:
    """The true answer of each person to each question; shape (people, questions), some people at a time.

    Of a person's rows the first `most_rows` are asked about; "no row" is the code after a table's last cell.
    """
    import numpy as np
    import pandas as pd

    tables, columns = task.blocks(schema), task.columns_used(schema)
    if schema.unit == "record":
        for frame in table.batches(columns, _PEOPLE):
            yield _codes(frame, tables, schema)
        return
    frame = table.frame([*columns, schema.unit])
    person = pd.Series(pd.factorize(frame[schema.unit], use_na_sentinel=False)[0])
    rank = person.groupby(person, sort=False).cumcount().to_numpy()
    kept = rank < most_rows(schema)
    absent = [math.prod(len(schema.column(n).cells()) for n in t) for t in tables]
    codes = np.vstack([_codes(frame, tables, schema), np.array(absent, dtype=np.int32)])
    rows = np.full((int(person.max()) + 1 if len(person) else 0, most_rows(schema)), len(frame))
    rows[person.to_numpy()[kept], rank[kept]] = np.flatnonzero(kept)
    for start in range(0, len(rows), _PEOPLE):
        some = rows[start : start + _PEOPLE]
        yield codes[some].reshape(len(some), -1)


def _codes(frame: pd.DataFrame, tables: tuple[tuple[str, ...], ...], schema: Schema) -> NDArray[np.int32]:
    """The cell of each row in each table; shape (rows, tables)."""
    import numpy as np

    single = {n: schema.column(n).codes(frame[n]) for n in {name for table in tables for name in table}}
    codes = np.zeros((len(frame), len(tables)), dtype=np.int32)
    for i, table in enumerate(tables):
        for name in table:
            codes[:, i] = codes[:, i] * len(schema.column(name).cells()) + single[name]
    return codes
