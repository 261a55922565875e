"""How a released answer is laid beside the truth, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Unsupported

Floats = NDArray[np.float64]


def by_statistic(answer: Answer, truth: Answer) -> Iterator[tuple[str, Floats, Floats]]:
    """(name, released values, true values) for each quantity of one unit, over the cells that have a true value.

    Counts of all blocks are people and belong together ("count"). Any other statistic is in the unit of its block's
    column, so where there are several blocks each is a quantity of its own ("mean of income by sex"). A release that
    does not answer one of these cells has NaN there. Predictions of single people ("probability") have no true value
    of their own, only an outcome: for them raises `Unsupported`.
    """
    released, true = answer.on(truth.table.index).values, truth.values
    statistics = truth.table.index.get_level_values("statistic").to_numpy()
    if (statistics == "probability").any():
        raise Unsupported("the answer predicts outcomes of single people; see metrics of predictions such as auroc")
    code, blocks = pd.factorize(truth.table.index.get_level_values("block"))
    for statistic in dict.fromkeys(statistics):
        those = statistics == statistic
        if statistic == "count" or len(blocks) == 1:
            chosen = those & ~np.isnan(true)
            yield str(statistic), released[chosen], true[chosen]
            continue
        for i in dict.fromkeys(code[those].tolist()):
            chosen = those & (code == i) & ~np.isnan(true)
            yield f"{statistic} of {blocks[i]}", released[chosen], true[chosen]


def counts(answer: Answer, truth: Answer) -> tuple[Floats, Floats]:
    """Released and true counts, in order; raises `Unsupported` if the task asks for none."""
    chosen = truth.table.index.get_level_values("statistic").to_numpy() == "count"
    if not chosen.any():
        raise Unsupported("the task asks for no counts")
    return answer.on(truth.table.index).values[chosen], truth.values[chosen]


def summarised(errors: Floats, summary: Callable[[Floats], float]) -> Estimate:
    """*summary* of the errors of all answered cells; the note says how many cells the release leaves open."""
    there = errors[~np.isnan(errors)]
    if errors.size == 0:
        return Estimate.missing("no cell has a true value")
    if there.size == 0:
        return Estimate.missing(f"none of {errors.size} cells is answered")
    unanswered = errors.size - there.size
    note = f"{unanswered} of {errors.size} cells are not answered" if unanswered else ""
    return Estimate.exact(float(summary(there)), n=int(there.size), note=note)
