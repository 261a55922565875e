"""Distance of released numbers from the true ones, for each statistic by itself, and for each column in its own unit.

Errors of one release are exact figures over all public cells, so each estimate has low = value = high; how much they
vary from release to release shows in a study's repeats.
"""

from __future__ import annotations

import numpy as np

from pets_eval.model import Answer, Estimate
from pets_eval.registry import metric
from pets_metrics.cells import by_statistic, summarised

_FLOOR_SHARE = 0.01


@metric(axis="utility", goal="min", unit="as the statistic", range=(0, np.inf), anchored=True)
def mean_absolute_error(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Mean over the cells of |released - true|, for each statistic; 0 is best, in the statistic's own unit.

    All counts are taken together; where several columns are summed or averaged, whose units differ, each has a figure
    of its own ("mean of income by sex"). Cells without a true value (the mean of an empty group) are left out; cells
    that the release does not answer are counted in the note. Raises `Unsupported` for predictions of single people.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> mean_absolute_error(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value
    2.0
    """
    return {name: summarised(np.abs(a - t), np.mean) for name, a, t in by_statistic(answer, truth)}


@metric(axis="utility", goal="min", unit="as the statistic", range=(0, np.inf), anchored=True)
def max_absolute_error(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Largest |released - true| over the cells, for each statistic; 0 is best, in the statistic's own unit.

    Statistics, and cells that are left out, as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> max_absolute_error(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value
    3.0
    """
    return {name: summarised(np.abs(a - t), np.max) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="min",
    unit="ratio",
    range=(0, np.inf),
    anchored=True,
    source="sanity bound of Xiao, Wang and Gehrke, Differential privacy via wavelet transforms (2011); our own floor",
)
def mean_relative_error(answer: Answer, truth: Answer, floor: float | None = None) -> dict[str, Estimate]:
    """Mean over the cells of |released - true| / max(|true|, *floor*), for each statistic; 0 is best.

    The floor keeps empty cells from being infinitely wrong: by default one person for counts, else one hundredth of
    the mean absolute true value of that statistic and column. Statistics, and cells that are left out, as in
    `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> mean_relative_error(Answer.of(cells, [11, 2]), Answer.of(cells, [10, 0]))["count"].value
    1.05
    """
    scores = {}
    for name, a, t in by_statistic(answer, truth):
        usual = 1.0 if name == "count" else _FLOOR_SHARE * float(np.abs(t).mean() if t.size else 1.0)
        least = usual if floor is None else floor
        if least <= 0 and not np.abs(t).all():
            scores[name] = Estimate.missing("all true values are zero, so no error is relative to them")
        else:
            scores[name] = summarised(np.abs(a - t) / np.maximum(np.abs(t), least), np.mean)
    return scores
