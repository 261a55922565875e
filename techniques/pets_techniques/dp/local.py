"""The local model: each person randomises their own answer before it leaves them, and nobody is trusted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from pets_eval.model import (
    Answer,
    Claims,
    Context,
    Guarantee,
    Inputs,
    Party,
    PetsEvalError,
    Release,
    Schema,
    Task,
    Technique,
    param,
)
from pets_eval.registry import technique
from pets_techniques.curator import curator
from pets_techniques.dp.coins import MODULES, Response, response
from pets_techniques.dp.contributions import hazards
from pets_techniques.dp.survey import Randomiser, Survey, Tabulating, survey, truths

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Retold:
    """The answer itself as the report: the truth with probability p, else any other (Warner 1965)."""

    response: Response

    @property
    def categories(self) -> int:
        """As many as there are answers."""
        return self.response.categories

    @property
    def reports(self) -> int:
        """As many as there are answers."""
        return self.response.categories

    @property
    def second(self) -> tuple[float, float]:
        """Second moments of ([report = cell] - q) / (p - q) where the cell is the true one, and where it is not."""
        p, q = self.response.truth, self.response.other
        inside, outside = (x * (1 - q) ** 2 + (1 - x) * q**2 for x in (p, q))
        return inside / (p - q) ** 2, outside / (p - q) ** 2

    def report(self, true: NDArray[np.int64]) -> NDArray[np.int64]:
        """The true answers or others."""
        return self.response.draw(true)

    def counts(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """(tally - n q) / (p - q)."""
        p, q = self.response.truth, self.response.other
        return (tally.astype(float) - float(tally.sum()) * q) / (p - q)

    def beside(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """None: all false answers are equally likely."""
        return 0 * tally.astype(float)

    def crowd(self) -> float:
        """One cell's share."""
        return 1 / self.categories

    def event(self, times: int) -> dict[str, Any]:
        """Randomised response, *times* times."""
        return {
            "mechanism": "randomised-response",
            "categories": self.categories,
            "truth": self.response.truth,
            "count": times,
        }


@dataclass(frozen=True, eq=False)
class Poll:
    """A survey resolved for a task and a schema: fresh reports from everybody for each release.

    A party that holds rows stands for the devices of the people in them: one message carries the reports of all of
    its people, in their order, as pairs of little-endian 32-bit integers (number of the table, report).
    """

    task: Tabulating
    schema: Schema
    ctx: Context
    survey: Survey
    guarantee: Guarantee

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases for *inputs*: the people's true answers are looked up once."""
        server, index, guarantee = curator(inputs), self.task.cells(self.schema), self.stated(inputs)
        sent = self.ask(inputs, n)
        releases = []
        for i in range(n):
            arrived = [self.ctx.send(name, server.name, "reports", of_party[i]) for name, of_party in sent.items()]
            releases.append(Release("answer", self.estimate(self.whole(arrived), server, index), guarantee))
        return releases

    def stated(self, inputs: Inputs) -> Guarantee:
        """The guarantee with what weakens it for *inputs*: people who answer at several parties."""
        unit, tables = self.schema.unit, inputs.tables().values()
        if unit == "record" or len(tables) < 2:
            return self.guarantee
        people = [set(chain.from_iterable(frame[unit] for frame in table.batches([unit]))) for table in tables]
        if len(set().union(*people)) == sum(map(len, people)):
            return self.guarantee
        torn = f"rows of one {unit!r} are held by several parties, each of which answers: the epsilons add up"
        return replace(self.guarantee, hazards=(*self.guarantee.hazards, torn))

    def ask(self, inputs: Inputs, n: int) -> dict[str, list[bytes]]:
        """What the devices at each party send for each of *n* releases."""
        if inputs.layout == "vertical":
            raise PetsEvalError(
                "in the local model people answer about their own rows, which here are split between parties by "
                "column; hold them together (layout pooled or horizontal)"
            )
        sent = {}
        for name, table in inputs.tables().items():
            with self.ctx.phase("randomise", name):
                pieces: list[list[bytes]] = [[] for _ in range(n)]
                for answers in truths(table, self.task, self.schema):
                    for piece in pieces:
                        piece.append(self.survey.answer(answers).astype("<i4").tobytes())
                sent[name] = [b"".join(piece) for piece in pieces]
        return sent

    def whole(self, arrived: Sequence[bytes]) -> NDArray[np.int32]:
        """The reports of all parties; shape (people, asked, 2). Raises `PetsEvalError` where one is cut off."""
        import numpy as np

        if any(len(payload) % (8 * self.survey.asked) for payload in arrived):
            raise PetsEvalError("the reports that arrived are cut off; let every party send whole reports")
        return np.frombuffer(b"".join(arrived), dtype="<i4").reshape(-1, self.survey.asked, 2)

    def estimate(self, reports: NDArray[np.int32], server: Party, index: pd.MultiIndex) -> Answer:
        """Counts estimated by *server* from the reports that arrived, with 95 % intervals."""
        with self.ctx.phase("estimate", server.name):
            found = self.survey.estimate(reports)
            return Answer.of(index, found.value, se=found.se, low=found.low, high=found.high)


class Local(Technique):
    """What the techniques of the local model share: they differ in how one answer is made a report."""

    epsilon: float

    @abstractmethod
    def randomiser(self, categories: int, epsilon: float) -> Randomiser:
        """The randomiser of one answer."""

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tasks that are tables of counts."""
        if isinstance(task, Tabulating):
            return None
        return f"{self.name} releases tables of counts, which do not answer the task {task.name}"

    def claims(self) -> Claims:
        """Pure differential privacy against everybody, the server included."""
        return Claims(
            protects=frozenset({"input-privacy", "output-privacy"}),
            trust_model="local",
            adversary="malicious",
            objectives=("disassociability", "confidentiality"),
            covers="Every unit of privacy, from the server and whoever reads the release: what one person sends is "
            "nearly as likely whatever their rows say, to the degree that epsilon says.",
            leaves="Who takes part, and how many. What is true of a group is not hidden. The error grows with the "
            "square root of the number of people, far beyond that of a trusted curator. Whoever sends false reports "
            "can move the counts much.",
            notes="A party that holds rows stands for the devices of its people: what it sends is all that leaves it.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> Poll:
        """Resolve randomisers and questions from the schema alone."""
        tables = cast(Tabulating, task)
        plan = survey(tables, schema, self.epsilon, self.randomiser)
        guarantee = Guarantee(
            notion="pure-dp",
            unit=schema.unit,
            adjacency="replace",
            parameters={"epsilon": plan.epsilon},
            events=plan.events(),
            assumes=assumptions(plan, schema),
            hazards=hazards(tables.columns_used(schema), schema),
        )
        return Poll(tables, schema, ctx, plan, guarantee)

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, ask everybody, estimate, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]


@technique("dp-local-randomised-response", extra="dp", requires=MODULES)
class LocalRandomisedResponse(Local):
    """Counts from randomised response (OpenDP): each person reports their cell, or another one by chance."""

    epsilon: float = param(1.0, ge=1e-3, le=20, help="privacy loss of all that one person sends")

    def randomiser(self, categories: int, epsilon: float) -> Retold:
        """Randomised response among all cells."""
        return Retold(response(categories, epsilon))


def assumptions(plan: Survey, schema: Schema) -> tuple[str, ...]:
    """What the guarantee of one person's reports rests on, in words."""
    each = "tables" if plan.rows == 1 else f"tables, for each of {plan.rows} rows"
    many = f"{plan.questions} questions ({len(plan.randomisers)} {each})"
    if plan.questions == 1:
        asked = "each person answers the one question with all of epsilon"
    elif plan.everything:
        asked = f"each person answers {many} with an equal part of epsilon, which errs less than answering one"
    else:
        asked = f"each person answers one of {many}, drawn at random, which errs less than a part of epsilon for each"
    unit = "one record" if schema.unit == "record" else f"all rows with one value of {schema.unit!r}, held by one party"
    bound = "" if schema.unit == "record" else f", of which the first {plan.rows} are used, absent ones too"
    return (
        f"the unit of privacy is {unit}{bound}",
        "neighbouring tables differ in the rows of one unit; that it takes part is not hidden",
        asked,
        "categories, bins and bounds (also that on the rows of a unit) are public and were not read from the data",
        "each device draws its own coins: whether it tells the truth from OpenDP's sampler, the rest from the "
        "operating system's cryptographic generator",
    )
