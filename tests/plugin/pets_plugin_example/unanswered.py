"""How much of the question a release leaves open."""

from pets_eval.model import Estimate
from pets_eval.registry import metric


@metric(axis="utility", goal="min", unit="share of cells", range=(0, 1), cannot_show="Why.")
def unanswered_share(answer, truth):
    """Share of the cells that the release does not answer; 0 is best."""
    return Estimate.exact(answer.on(truth.table.index).table["value"].isna().mean())
