"""Whether a release counts its small groups too low or too high."""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate
from pets_eval.registry import metric
from pets_metrics.cells import counts

_LEVEL = 0.95

Floats = NDArray[np.float64]
Ratio = tuple[float, float, float]  # a ratio, its variance, and the degrees of freedom of that


@metric(
    axis="equity",
    goal="min",
    unit="ratio",
    range=(0, np.inf),
    source="NIST SP 800-226 (2025), section on bias; interval: Cochran, Sampling techniques (1977), section 6.3",
    headline=("gap",),
    cannot_show="That no single small group is miscounted: errors of opposite signs cancel within the third.",
)
def small_group_bias(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """How far the smallest third of the groups is counted too low or too high, relative to its people; 0 is best.

    Groups are the cells of all tables with at least one person in truth, in order of their true count; equal ones stay
    together, so that a third may be larger. The relative bias is sum(released - true) / sum(true). "smallest third" is
    its size, and the note says which way; "rest" is that of the other cells, "gap" the size of the difference of the
    two. Rounding up of noise below zero favours small groups, suppression and smoothing hide them. A cell that is not
    answered counts as 0. The interval (Student's, with the variance of a ratio; Satterthwaite's degrees of freedom for
    the gap) takes cells as independent, which cells of overlapping tables are not quite; NaN ends where a part has one
    cell. Raises `Unsupported` if the task asks for no counts.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("race", c, "count") for c in "abcd"])
    >>> found = small_group_bias(Answer.of(cells, [8, 18, 100, 200]), Answer.of(cells, [10, 20, 100, 200]))
    >>> [round(found[s].value, 3) for s in found], found["smallest third"].note
    ([0.133, 0.0, 0.133], 'released too low, in 2 of 4 cells')
    """
    released, true = counts(answer, truth)
    people = true > 0
    true = true[people]
    error = np.where(np.isfinite(released[people]), released[people], 0.0) - true
    if not true.size:
        return {"smallest third": Estimate.missing("every group is empty in truth")}
    small = true <= np.sort(true)[(true.size + 2) // 3 - 1]
    if small.all():
        return {"smallest third": Estimate.missing("all groups are of about one size")}
    one, rest = _ratio(error[small], true[small]), _ratio(error[~small], true[~small])
    n = int(small.sum())
    return {
        "smallest third": _size(one, n, f"{_way(one[0])}, in {n} of {true.size} cells"),
        "rest": _size(rest, true.size - n, _way(rest[0])),
        "gap": _size(_minus(one, rest), true.size, ""),
    }


def _ratio(error: Floats, true: Floats) -> Ratio:
    """sum(error) / sum(true) as the ratio estimate of a sample of cells."""
    n, ratio = error.size, float(error.sum() / true.sum())
    if n < 2:
        return ratio, math.nan, math.nan
    left = error - ratio * true
    return ratio, float((left**2).sum() * n / (n - 1) / true.sum() ** 2), n - 1


def _minus(one: Ratio, other: Ratio) -> Ratio:
    (a, va, fa), (b, vb, fb) = one, other
    spread = va**2 / fa + vb**2 / fb
    return a - b, va + vb, (va + vb) ** 2 / spread if spread else math.inf


def _size(ratio: Ratio, n: int, note: str) -> Estimate:
    """How far the ratio is from 0, whichever way."""
    value, variance, freedom = ratio
    if math.isnan(variance):
        return Estimate(abs(value), method="none", n=n, note=f"{note}; one cell has no interval".lstrip("; "))
    half = float(scipy.stats.t.ppf((1 + _LEVEL) / 2, freedom)) * math.sqrt(variance)
    low, high = max(0.0, abs(value) - half), abs(value) + half
    return Estimate(abs(value), low, high, _LEVEL, "t of a ratio", n, note)


def _way(ratio: float) -> str:
    return "released as it is" if ratio == 0 else "released too low" if ratio < 0 else "released too high"
