"""What asking again and again wins: noise that is drawn afresh for each release averages out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, PetsEvalError, Release, Schema, Score, Task, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import by_statistic
from pets_metrics.intervals import bootstrap_paired, proportion

Floats = NDArray[np.float64]

_LEVEL = 0.95
_RESAMPLES = 1_000


@metric(
    axis="privacy",
    goal="min",
    unit="share",
    range=(0, 1),
    source="Dinur and Nissim, Revealing information while preserving privacy (2003), section 1: repeated answers",
    cannot_show="That differently worded questions, whose answers combine to the same one, are protected as well.",
    effort="rerun",
)
def averaging_gain(
    rerun: Callable[..., Sequence[Release]],
    truth: Answer,
    task: Task,
    schema: Schema,
    query: pd.DataFrame | None = None,
    rng: np.random.Generator | None = None,
    releases: int = 10,
    threshold: int = 10,
) -> list[Score]:
    """Share of the error that the mean of several *releases* is rid of, compared with a single one; 0 is best.

    The technique answers the same question again *releases* times on the same data. For each quantity of one unit (as
    group): "error removed" is 1 - RMSE(mean) / RMSE(single), over all cells that have a true value and are answered
    each time. It is 0 where asking again brings nothing new (the same noise each time, or error of another kind), and
    1 - 1 / sqrt(releases), 0.68 for ten, for fresh independent noise; its interval is a bootstrap over cells. For
    counts also "small cells exact", the share of cells with 1 to *threshold* people whose mean count, rounded, is true,
    and "small cells exact at once", the same for the first release alone (Wilson). The row for everybody is the largest
    error removed. Not measured where a single release is exact already.
    That noise averages out breaks no guarantee as long as each release is charged to the privacy budget: a bad figure
    says that the number of releases must be limited. Raises `PetsEvalError` for fewer than two releases, and
    `Unsupported` for predictions of single people.
    """
    if releases < 2:
        raise PetsEvalError("an averaging attack needs at least two releases")
    answers = [task.answer(r, schema, query).on(truth.table.index) for r in rerun(n=releases)]
    drawn = [list(by_statistic(answer, truth)) for answer in answers]
    rng = rng or np.random.default_rng(0)
    scores: list[Score] = []
    for i, (name, _, true) in enumerate(drawn[0]):
        released = np.array([quantities[i][1] for quantities in drawn])
        scores.append(Score(error_removed(released, true, rng), group=name, statistic="error removed"))
        small = (true >= 1) & (true <= threshold)
        if name == "count" and small.any():
            counted, people = released[:, small], true[small]
            for statistic, tried in (("", counted.mean(axis=0)), (" at once", counted[0])):
                hits = int((np.rint(tried) == people).sum())
                exact = proportion(hits, len(people), _LEVEL)
                scores.append(Score(exact, group=name, statistic=f"small cells exact{statistic}"))
    removed = [s for s in scores if s.statistic == "error removed"]
    if not removed:
        raise Unsupported("no cell has a true value")
    worst = max(removed, key=lambda s: -1.0 if np.isnan(s.estimate.value) else s.estimate.value)
    note = "; ".join(n for n in (f"largest for: {worst.group}", worst.estimate.note) if n)
    return [*scores, Score(replace(worst.estimate, note=note), statistic="error removed")]


def error_removed(
    released: NDArray[np.float64], true: NDArray[np.float64], rng: np.random.Generator | None = None
) -> Estimate:
    """1 - RMSE(mean of the releases) / RMSE(single release), in [0, 1], from values of shape (releases, cells).

    *true* has shape (cells,). A single release's error is the quadratic mean over all of them. Percentile bootstrap
    over the cells, for which their errors are taken as independent.

    >>> error_removed(np.array([[11.0, 20.0], [9.0, 20.0]]), np.array([10.0, 20.0])).value
    1.0
    """
    there = np.isfinite(released).all(axis=0) & np.isfinite(true)
    if not there.any():
        return Estimate.missing("no cell is answered each time")
    errors = released[:, there] - true[there]
    of_mean, of_single = errors.mean(axis=0) ** 2, (errors**2).mean(axis=0)
    if not of_single.any():
        return Estimate.missing("a single release is exact already: there is nothing to average")
    value = float(_removed(of_mean, of_single))
    low, high = bootstrap_paired([of_mean, of_single], _removed, rng or np.random.default_rng(0), _LEVEL, _RESAMPLES)
    low, high = (value, value) if np.isnan(low) else (min(low, value), max(high, value))
    left_out = len(true) - int(there.sum())
    note = f"{left_out} of {len(true)} cells are not answered each time" if left_out else ""
    return Estimate(value, low, high, _LEVEL, "bootstrap", int(there.sum()), note)


def _removed(of_mean: Floats, of_single: Floats, axis: int = -1) -> Floats:
    """1 - the ratio of the errors, from the squared ones; NaN where a resample has no error at all."""
    single = of_single.sum(axis=axis)
    ratio = np.sqrt(np.divide(of_mean.sum(axis=axis), single, out=np.full_like(single, np.nan), where=single > 0))
    removed: Floats = np.clip(1 - ratio, 0, 1)
    return removed
