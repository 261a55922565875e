"""Distance between released and true distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pets_eval.model import Answer, Estimate
from pets_eval.registry import metric
from pets_metrics.cells import counts


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0, 1),
    anchored=True,
    source="Levin and Peres, Markov chains and mixing times (2017), section 4.1",
    cannot_show="How columns that no table of the task holds together are related.",
)
def total_variation(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Total variation distance of each table's distribution, as "mean" over the tables and "max"; 0 is best.

    Half the sum over a table's cells of |released share - true share|. Shares are counts over their table's total,
    after negative released counts (an effect of noise) became 0. A table released without any positive count is at
    distance 1; a cell that is not answered, or not by a finite number, counts as 0. Tables that are empty in truth are
    left out. Raises `Unsupported` if the task asks for no counts.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> total_variation(Answer.of(cells, [30, 10]), Answer.of(cells, [50, 50]))["mean"].value
    0.25
    """
    released, true = counts(answer, truth)
    index = truth.table.index
    blocks = index.get_level_values("block")[index.get_level_values("statistic") == "count"]
    code, names = pd.factorize(blocks)
    distances = block_distances(np.where(np.isfinite(released), released, 0.0), true, code, len(names))
    there = distances[~np.isnan(distances)]
    if not there.size:
        return {"mean": Estimate.missing("every table of the truth is empty")}
    return {s: Estimate.exact(float(f(there)), n=int(there.size)) for s, f in (("mean", np.mean), ("max", np.max))}


def block_distances(
    released: np.typing.NDArray[np.float64],
    true: np.typing.NDArray[np.float64],
    block: np.typing.NDArray[np.intp],
    blocks: int,
) -> np.typing.NDArray[np.float64]:
    """Total variation distance of each block, shape (blocks,), from counts and block numbers, shapes (cells,).

    NaN for a block that is empty in truth.
    """
    clipped = np.maximum(released, 0)
    totals, true_totals = (np.bincount(block, weights=x, minlength=blocks) for x in (clipped, true))
    shares = clipped / np.where(totals > 0, totals, 1)[block]
    true_shares = true / np.where(true_totals > 0, true_totals, 1)[block]
    distances = np.bincount(block, weights=np.abs(shares - true_shares), minlength=blocks) / 2
    return np.where(true_totals > 0, np.where(totals > 0, distances, 1.0), np.nan)
