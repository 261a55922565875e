"""Whether released intervals hold what they promise, and how long they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import Floats, by_statistic, summarised
from pets_metrics.intervals import proportion

_LEVEL = 0.95


@metric(
    axis="utility",
    goal="max",
    unit="share of cells",
    range=(0, 1),
    source="Karwa and Vadhan, Finite sample differentially private confidence intervals (2018), section 2",
    cannot_show="Whether the intervals are useful: endless ones contain every truth.",
)
def interval_coverage(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Share of the cells whose released interval [low, high] contains the true value, for each statistic; 1 is most.

    Sound intervals reach the level that the release promises for them (mostly 0.95); more is caution that
    `interval_length` pays for. The truth is the figure of the very people in the data, so the interval must allow for
    the noise of the release, not for the drawing of those people. Statistics as in `mean_absolute_error`; cells
    without a true value or a released interval are left out, and the note counts the latter. The interval of the share
    is Wilson's, which treats the cells as independent. Raises `Unsupported` where the release gives no intervals.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> released = Answer.of(cells, [11, 7], low=[9, 6], high=[13, 8])
    >>> interval_coverage(released, Answer.of(cells, [10, 10]))["count"].value
    0.5
    """
    scores = {}
    for name, low, high, true in _intervals(answer, truth):
        there = ~np.isnan(low) & ~np.isnan(high)
        inside = (low <= true) & (true <= high)
        found = proportion(int(inside[there].sum()), int(there.sum()), _LEVEL)
        note = _without(there) if there.any() else "no cell of it has an interval"
        scores[name] = Estimate(found.value, found.low, found.high, found.level, found.method, found.n, note)
    return scores


@metric(
    axis="utility",
    goal="min",
    unit="as the statistic",
    range=(0, np.inf),
    source="expected length: Karwa and Vadhan, Finite sample differentially private confidence intervals (2018)",
    cannot_show="Whether the intervals contain the truth: read it beside interval_coverage.",
)
def interval_length(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Mean length, high - low, of the released intervals, for each statistic; 0 is shortest, in its own unit.

    Cells as in `interval_coverage`. It is an exact figure over the public cells, so low = value = high. Raises
    `Unsupported` where the release gives no intervals.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> released = Answer.of(cells, [11, 7], low=[9, 6], high=[13, 8])
    >>> interval_length(released, Answer.of(cells, [10, 10]))["count"].value
    3.0
    """
    return {n: _summary(_length(low, high), np.mean) for n, low, high, _ in _intervals(answer, truth)}


@metric(
    axis="utility",
    goal="none",
    unit="ratio",
    range=(0, np.inf),
    source="ratio of lengths: Drechsler, Synthetic datasets for statistical disclosure control (2011)",
    cannot_show="Whether the intervals contain the truth; shorter ones than the truth's mostly claim too much.",
)
def interval_length_ratio(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Median ratio of the released interval's length to the true answer's, for each statistic; 1 is the same.

    1 is as long as in the data themselves; below it the release pretends to know more than they tell, above it shows
    what privacy cost. Cells without either interval, or whose true one has no length, are left out. It is an exact
    figure over the public cells, so low = value = high. Raises `Unsupported` where the release, or the truth (counts),
    has no intervals.

    >>> from pets_eval.model import cell_index
    >>> terms = cell_index([("income", "age", "coefficient")])
    >>> true = Answer.of(terms, [3.0], low=[2.0], high=[4.0])
    >>> interval_length_ratio(Answer.of(terms, [5.0], low=[2.0], high=[8.0]), true)["coefficient"].value
    3.0
    """
    if not _given(truth).any():
        raise Unsupported("the true answer has no intervals to compare with")
    scores = {}
    pairs = zip(_intervals(answer, truth), _intervals(truth, truth), strict=True)
    for (name, low, high, _), (_, true_low, true_high, _) in pairs:
        length, usual = _length(low, high), true_high - true_low
        compared = np.isfinite(usual) & (usual > 0)
        if compared.any():
            scores[name] = _summary(length[compared] / usual[compared], np.median)
        else:
            scores[name] = Estimate.missing("no true interval of it has a length")
    return scores


def _intervals(answer: Answer, truth: Answer) -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """(name, low, high, true values) for each statistic of `by_statistic`."""
    if not _given(answer.on(truth.table.index)).any():
        raise Unsupported("the release gives no intervals")
    lows, highs = (Answer(answer.table.assign(value=answer.table[end])) for end in ("low", "high"))
    for (name, low, true), (_, high, _) in zip(by_statistic(lows, truth), by_statistic(highs, truth), strict=True):
        yield name, low, high, true


def _given(answer: Answer) -> NDArray[np.bool_]:
    ends: NDArray[np.bool_] = answer.table[["low", "high"]].notna().all(axis=1).to_numpy()
    return ends


def _length(low: Floats, high: Floats) -> Floats:
    """high - low; an interval whose ends are exchanged is empty, and an endless one infinite on whichever side."""
    with np.errstate(invalid="ignore"):
        length = np.where(low == high, 0.0, high - low)
    return np.where(np.isnan(low) | np.isnan(high), np.nan, np.maximum(length, 0.0))


def _summary(lengths: Floats, summary: Callable[[Floats], float]) -> Estimate:
    found = summarised(lengths, summary)
    there = ~np.isnan(lengths)
    if not there.any():
        return Estimate.missing("no cell of it has an interval")
    return Estimate.exact(found.value, n=found.n, note=_without(there))


def _without(there: NDArray[np.bool_]) -> str:
    return "" if there.all() else f"{int((~there).sum())} of {there.size} cells have no interval"
