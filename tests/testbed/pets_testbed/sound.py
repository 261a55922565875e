"""Techniques that behave."""

from pets_eval.model import Answer, Claims, Guarantee, Release, Technique, param
from pets_eval.registry import technique


def claims(**more) -> Claims:
    facts = {
        "protects": frozenset(),
        "trust_model": "central",
        "adversary": "none",
        "objectives": ("security",),
        "covers": "nothing",
        "leaves": "everything",
    }
    return Claims(**{**facts, **more})


@technique("test-plain")
class Plain(Technique):
    """Publishes the counts."""

    def supports(self, task, schema, parties):
        return None if task.kind == "test-counts" else "counts only"

    def claims(self):
        return claims(deterministic=True, seeded=True)

    def run(self, task, inputs, ctx):
        return Release("answer", Answer.of(task.cells(inputs.schema), task.count(inputs.pooled())))


@technique("test-noisy")
class Noisy(Technique):
    """Publishes the counts with seeded Gaussian noise; resolves once, releases many."""

    scale: float = param(1.0, gt=0, le=1000, help="standard deviation")

    def supports(self, task, schema, parties):
        return None if task.kind == "test-counts" else "counts only"

    def claims(self):
        return claims(protects=frozenset({"output-privacy"}), seeded=True)

    def prepare(self, task, schema, ctx):
        return _Mechanism(self.scale, task, task.cells(schema), ctx.rng)

    def run(self, task, inputs, ctx):
        with ctx.phase("release", "curator"):
            return self.prepare(task, inputs.schema, ctx).run_many(inputs, 1)[0]


class _Mechanism:
    def __init__(self, scale, task, cells, rng) -> None:
        self.scale, self.task, self.cells, self.rng = scale, task, cells, rng

    def run_many(self, inputs, n):
        truth = self.task.count(inputs.pooled())
        guarantee = Guarantee(
            notion="none", unit="person", adjacency="add-remove", parameters={"sigma": self.scale}, status="none"
        )
        noise = self.rng.normal(0, self.scale, (n, len(truth)))
        return [Release("answer", Answer.of(self.cells, truth + row), guarantee) for row in noise]
