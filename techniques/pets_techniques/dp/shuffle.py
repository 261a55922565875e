"""The shuffle model: randomised reports lose their senders on the way, so that each may say more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pets_eval.model import (
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
from pets_techniques.dp.amplification import BOUND, amplified, local_epsilon, widest
from pets_techniques.dp.coins import MODULES, response
from pets_techniques.dp.contributions import hazards
from pets_techniques.dp.local import Poll, Retold, assumptions
from pets_techniques.dp.survey import Survey, Tabulating, survey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ShuffledPoll(Poll):
    """A poll whose reports pass through a shuffler, which needs at least `least` of them."""

    least: int

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases; raises `PetsEvalError` where fewer take part than the guarantee counts on."""
        server, between, index = inputs.party("result"), shuffler(inputs), self.task.cells(self.schema)
        guarantee, sent = self.stated(inputs), self.ask(inputs, n)
        releases = []
        for i in range(n):
            arrived = [self.ctx.send(name, between.name, "reports", of_party[i]) for name, of_party in sent.items()]
            with self.ctx.phase("shuffle", between.name):
                mixed = self.shuffled(self.whole(arrived))
            mixed = self.ctx.send(between.name, server.name, "shuffled reports", mixed)
            releases.append(Release("answer", self.estimate(self.whole([mixed]), server, index), guarantee))
        return releases

    def stated(self, inputs: Inputs) -> Guarantee:
        """The guarantee with what weakens it for *inputs*: a shuffler that receives, too."""
        found = super().stated(inputs)
        if shuffler(inputs) != inputs.party("result"):
            return found
        both = "the shuffler also receives the result, so that it knows who sent what"
        return replace(found, hazards=(*found.hazards, both))

    def shuffled(self, reports: NDArray[np.int32]) -> bytes:
        """All people's reports in ascending order, which tells what a random order tells: how often each occurs."""
        import numpy as np

        if len(reports) < self.least:
            raise PetsEvalError(
                f"dp-shuffle-counts: fewer than {self.least:,} people take part, which is what its guarantee counts "
                "on; set 'people' to a number that is certain to be reached"
            )
        people = reports.reshape(len(reports), -1)
        return people[np.lexsort(people.T[::-1])].tobytes()


@technique("dp-shuffle-counts", extra="dp", requires=MODULES)
class ShuffleCounts(Technique):
    """Counts from randomised response (OpenDP) whose reports are shuffled: (epsilon, delta)-private for the receiver.

    The local epsilon is the largest with which the shuffled reports have the epsilon that is asked for, by the bound
    of Feldman, McMillan and Talwar (2021), as far as that is proven; where too few people take part for it, it is that
    epsilon itself.
    """

    epsilon: float = param(1.0, ge=1e-3, le=20, help="privacy loss towards the receiver, of all that one person sends")
    delta: float = param(1e-6, ge=1e-30, le=1e-2, help="probability of a larger loss; well below 1 / number of people")
    people: int = param(0, ge=0, help="how many people are certain to take part; 0: the schema's number of records")

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Only tables of counts, where it is public how many people take part."""
        if not isinstance(task, Tabulating):
            return f"{self.name} releases tables of counts, which do not answer the task {task.name}"
        if self._least(schema) < 1:
            return (
                f"{self.name} needs a public number of people who are certain to take part, and the schema gives none "
                "for this unit of privacy; set 'people'"
            )
        return None

    def claims(self) -> Claims:
        """Approximate differential privacy where the shuffler does not collude, and the local one where it does."""
        return Claims(
            protects=frozenset({"input-privacy", "output-privacy"}),
            trust_model="shuffle",
            adversary="honest-but-curious",
            objectives=("disassociability", "confidentiality"),
            covers="Every unit of privacy, from the receiver and whoever reads the release, to the degree that epsilon "
            "says, and from the shuffler to the weaker degree of the local epsilon (in the guarantee's events).",
            leaves="A receiver who learns from the shuffler, or from the network, who sent which report has the local "
            "epsilon only. Who takes part is not hidden. Others count as a crowd to hide in only if their devices "
            f"randomise as they should. With probability delta = {self.delta:g} the loss may exceed epsilon.",
            notes="A party that holds rows stands for the devices of its people: what it sends is all that leaves it.",
        )

    def prepare(self, task: Task, schema: Schema, ctx: Context) -> ShuffledPoll:
        """Find the local epsilon from the number of people alone, and resolve the poll with it.

        All of one person's reports stay together, so that they are one report of the theorem, of the local epsilon.
        """
        tables, people = cast(Tabulating, task), self._least(schema)
        if people < 1:
            raise PetsEvalError(str(self.supports(task, schema, ())))
        local = local_epsilon(self.epsilon, people, self.delta)
        plan = survey(tables, schema, local, lambda categories, epsilon: Retold(response(categories, epsilon)))
        guarantee = replace(
            self._guarantee(plan, schema.unit, people), hazards=hazards(tables.columns_used(schema), schema)
        )
        assumes = (*assumptions(plan, schema), *guarantee.assumes)
        return ShuffledPoll(tables, schema, ctx, plan, replace(guarantee, assumes=assumes), people)

    def _guarantee(self, plan: Survey, unit: str, people: int) -> Guarantee:
        """That of the shuffled reports, or the local one where shuffling is not known to add to it."""
        epsilon = amplified(plan.epsilon, people, self.delta)
        if epsilon == plan.epsilon:
            return Guarantee(
                notion="pure-dp",
                unit=unit,
                adjacency="replace",
                parameters={"epsilon": plan.epsilon},
                events=plan.events(),
                assumes=(f"{people:,} people are too few for the bound: shuffling is not counted on",),
            )
        proven = plan.epsilon > (1 - 1e-6) * widest(people, self.delta)
        most = ", the most for which the bound is proven with so many people" if proven else ""
        event = {
            "mechanism": "shuffled",
            "local_epsilon": plan.epsilon,
            "reports": people,
            "epsilon": epsilon,
            "delta": self.delta,
            "bound": BOUND,
        }
        return Guarantee(
            notion="approx-dp",
            unit=unit,
            adjacency="replace",
            parameters={"epsilon": epsilon, "delta": self.delta},
            events=(event,),
            assumes=(
                f"at least {people:,} people answer with the same randomiser, {plan.epsilon:.6g}-private by itself"
                + most,
                "the shuffler tells nobody who sent what, and the receiver sees the shuffled reports only",
            ),
        )

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Resolve, ask everybody, shuffle, estimate, release."""
        return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]

    def _least(self, schema: Schema) -> int:
        """How many people are certain to take part: as stated, else the records if each is one unit and public."""
        return self.people or ((schema.rows or 0) if schema.unit == "record" else 0)


def shuffler(inputs: Inputs) -> Party:
    """Who shuffles: a computing party that does not receive the result, rather one without rows of its own.

    Where there is none, whoever computes, else whoever receives: shuffling then protects readers of the release only.
    """
    computing = [p for p in inputs.parties if "computing" in p.roles]
    apart = [p for p in computing if "result" not in p.roles]
    without_rows = [p for p in apart if p.name not in inputs.holdings]
    return [*without_rows, *apart, *computing, inputs.party("result")][0]
