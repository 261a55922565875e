"""What a reader of published counts learns for certain."""

from __future__ import annotations

import numpy as np

from pets_eval.model import Answer, Estimate, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import counts
from pets_metrics.intervals import wilson

_LEVEL = 0.95


@metric(
    axis="privacy",
    goal="min",
    unit="share of small cells",
    range=(0, 1),
    anchored=True,
    source="NIST SP 800-188 (2023), small cells; threshold 10 as in US federal health statistics",
    cannot_show="What several cells tell together (see differencing_disclosure), or what is learned of larger groups.",
)
def exact_cell_disclosure(answer: Answer, truth: Answer, threshold: int = 10) -> list[Score]:
    """Share of the small cells (1 to *threshold* people) whose released count, rounded, is exactly true; 0 is best.

    Played from the seat of the public. Noise hits the truth by chance now and then: compare with `null`. The interval
    is Wilson's over the small cells, which treats them as independent. Raises `Unsupported` where there is no small
    cell, and if the task asks for no counts.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", c, "count") for c in "FMX"])
    >>> exact_cell_disclosure(Answer.of(cells, [50, 3, 4]), Answer.of(cells, [50, 3, 2]))[0].estimate.value
    0.5
    """
    released, true = counts(answer, truth)
    small = (true >= 1) & (true <= threshold)
    n = int(small.sum())
    if n == 0:
        raise Unsupported(f"no cell has 1 to {threshold} people")
    hits = int((np.rint(released[small]) == true[small]).sum())
    low, high = wilson(hits, n, _LEVEL)
    return [Score(Estimate(hits / n, low, high, _LEVEL, "wilson", n), seat="public")]
