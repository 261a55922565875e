"""Counts rounded to a public base, as many statistical offices publish them."""

from pets_eval.model import Answer, Claims, Release, Technique, param
from pets_eval.registry import technique


@technique("example-rounding")
class Rounding(Technique):
    """Publish every count rounded to the nearest multiple of a base."""

    base: int = param(5, ge=2, le=1000, help="counts become multiples of this")

    def supports(self, task, schema, parties):
        return None if hasattr(task, "count") else "only counts can be rounded"

    def claims(self):
        return Claims(
            protects=frozenset({"output-privacy"}), trust_model="central", adversary="honest-but-curious",
            objectives=("disassociability",), deterministic=True, seeded=True,
            covers="Exact small counts.", leaves="Totals and differences of tables, which may undo the rounding.",
        )  # fmt: skip

    def run(self, task, inputs, ctx):
        counts = task.count(inputs.pooled().batches(task.columns_used(inputs.schema)), inputs.schema)
        return Release("answer", Answer.of(task.cells(inputs.schema), (counts / self.base).round() * self.base))
