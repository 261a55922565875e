"""Whether the coefficients of a regression lead to the same conclusions as those of the true data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import Floats
from pets_metrics.intervals import proportion

_LEVEL = 0.95


@metric(
    axis="utility",
    goal="max",
    unit="share of the interval",
    range=(0, 1),
    source="Karr, Kohnen, Oganian, Reiter and Sanil, The American Statistician 60 (2006), section 3",
    headline=("mean",),
    cannot_show="That the coefficients are right: wide true intervals overlap with almost anything.",
)
def interval_overlap(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Overlap of released and true confidence intervals of the coefficients, their "mean" and "min"; 1 is best.

    For each coefficient the length of the common part, as a share of the true interval and as a share of the released
    one, averaged; disjoint intervals have 0 (some authors let them go below). A coefficient without a released
    interval counts as 0, and the note tells how many there are; one that the true data cannot tell (an empty category)
    is left out. Both are exact figures over the coefficients of one model, so low = value = high. Raises `Unsupported`
    unless the task fits coefficients, and where the release gives no intervals.

    >>> from pets_eval.model import cell_index
    >>> terms = cell_index([("income", "age", "coefficient")])
    >>> true, released = Answer.of(terms, [2], low=[0], high=[4]), Answer.of(terms, [3], low=[2], high=[4])
    >>> interval_overlap(released, true)["mean"].value
    0.75
    """
    c = _coefficients(answer, truth)
    c.need_intervals()
    if not c.true.size:
        return dict.fromkeys(("mean", "min"), Estimate.missing("no coefficient has a true interval"))
    common = np.minimum(c.high, c.true_high) - np.maximum(c.low, c.true_low)
    shares = [_share(common, c.high - c.low), _share(common, c.true_high - c.true_low)]
    overlap = np.where(c.interval, np.mean(shares, axis=0), 0.0)
    without = int((~c.interval).sum())
    note = f"{without} of {overlap.size} coefficients have no released interval and count as 0" if without else ""
    return {
        "mean": Estimate.exact(float(overlap.mean()), n=overlap.size, note=note),
        "min": Estimate.exact(float(overlap.min()), n=overlap.size, note=note),
    }


@metric(
    axis="utility",
    goal="max",
    unit="share of coefficients",
    range=(0, 1),
    source="sign match: Barrientos, Williams, Snoke and Bowen, A feasibility study of DP summary statistics (2021)",
    cannot_show="That effects have the right size; the sign of an effect near zero is a matter of chance.",
)
def sign_agreement(answer: Answer, truth: Answer) -> Estimate:
    """Share of the coefficients that are released with the same sign as the true one; 1 is best.

    A coefficient that is not released counts as wrong, and the note tells how many there are; one that the true data
    cannot tell is left out. The interval is Wilson's, which treats coefficients as independent. Raises `Unsupported`
    unless the task fits coefficients.

    >>> from pets_eval.model import cell_index
    >>> terms = cell_index([("income", t, "coefficient") for t in ("age", "height")])
    >>> sign_agreement(Answer.of(terms, [3.0, 0.1]), Answer.of(terms, [2.0, -0.1])).value
    0.5
    """
    c = _coefficients(answer, truth, intervals=False)
    if not c.true.size:
        return Estimate.missing("no coefficient has a true value")
    return _agreeing(np.sign(c.value) == np.sign(c.true), ~np.isnan(c.value))


@metric(
    axis="utility",
    goal="max",
    unit="share of coefficients",
    range=(0, 1),
    source="significance match: Barrientos, Williams, Snoke and Bowen, A feasibility study of DP statistics (2021)",
    cannot_show="That effects have the right size, or that an effect which both miss is not there.",
)
def significance_agreement(answer: Answer, truth: Answer) -> Estimate:
    """Share of the coefficients that lead to the same decision at level 0.05 as the true ones; 1 is best.

    A coefficient is significant where its 95 % interval excludes 0. Released and true decisions are the same where
    neither is significant, or where both are with the same sign. Coefficients without a released interval, and without
    a true one, as in `interval_overlap`. The interval is Wilson's, which treats coefficients as independent. Raises
    `Unsupported` unless the task fits coefficients, and where the release gives no intervals.

    >>> from pets_eval.model import cell_index
    >>> terms = cell_index([("income", t, "coefficient") for t in ("age", "height")])
    >>> true = Answer.of(terms, [2, 1], low=[1, -1], high=[3, 3])
    >>> significance_agreement(Answer.of(terms, [2, 2], low=[1, 1], high=[3, 3]), true).value
    0.5
    """
    c = _coefficients(answer, truth)
    c.need_intervals()
    if not c.true.size:
        return Estimate.missing("no coefficient has a true interval")
    return _agreeing(_decision(c.low, c.high) == _decision(c.true_low, c.true_high), c.interval)


@dataclass(frozen=True)
class _Coefficients:
    """Released and true coefficients with their intervals, of those that the true data tell; shapes (coefficients,)."""

    value: Floats
    low: Floats
    high: Floats
    true: Floats
    true_low: Floats
    true_high: Floats

    @property
    def interval(self) -> NDArray[np.bool_]:
        """Where the release gives an interval."""
        return self.low <= self.high

    def need_intervals(self) -> None:
        """Raise `Unsupported` where no coefficient is released with an interval."""
        if self.true.size and not self.interval.any():
            raise Unsupported("the release gives no intervals")


def _coefficients(answer: Answer, truth: Answer, *, intervals: bool = True) -> _Coefficients:
    """Those of the cells with the statistic "coefficient" that have a true value, and with *intervals* a true one."""
    index = truth.table.index
    chosen = index.get_level_values("statistic").to_numpy() == "coefficient"
    if not chosen.any():
        raise Unsupported("the task fits no coefficients")
    names = ["value", "low", "high"]
    true = truth.table.loc[chosen, names].to_numpy(dtype=np.float64)
    released = answer.on(index).table.loc[chosen, names].to_numpy(dtype=np.float64)
    known = ~np.isnan(true if intervals else true[:, :1]).any(axis=1)
    return _Coefficients(*released[known].T, *true[known].T)


def _share(common: Floats, length: Floats) -> Floats:
    """The common part's share of an interval; that of a point is all or nothing, and that of an endless one nothing."""
    endless = np.isinf(length)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(length > 0, np.maximum(common, 0) / length, (common >= 0).astype(float))
    return np.where(endless, np.isinf(common).astype(float), share)


def _decision(low: Floats, high: Floats) -> NDArray[np.int64]:
    return (low > 0).astype(np.int64) - (high < 0).astype(np.int64)


def _agreeing(agree: NDArray[np.bool_], there: NDArray[np.bool_]) -> Estimate:
    without = int((~there).sum())
    if without == there.size:
        return Estimate.missing(f"none of {there.size} coefficients is released")
    note = f"{without} of {there.size} coefficients are not released so and count as wrong" if without else ""
    return proportion(int((agree & there).sum()), there.size, _LEVEL, note)
