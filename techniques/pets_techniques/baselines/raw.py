"""The anchor without any protection: everything in clear, to everybody."""

from __future__ import annotations

from pets_eval.model import Claims, Context, Inputs, Release, Task, Technique
from pets_eval.registry import technique
from pets_techniques.curator import gather


@technique("raw")
class Raw(Technique):
    """Send every party's table in clear and publish the joint table: exact answers, no privacy."""

    def claims(self) -> Claims:
        """Nothing is protected."""
        return Claims(
            protects=frozenset(),
            trust_model="none",
            adversary="none",
            objectives=(),
            covers="Nothing. It is the anchor that shows what exact answers cost in privacy.",
            leaves="Every record of every person, for everybody who reads the release or computes on it.",
            deterministic=True,
            seeded=True,
        )

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Gather the tables at the result party and release them as they are."""
        return Release("microdata", gather(inputs, ctx, inputs.party("result")))
