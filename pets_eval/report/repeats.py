"""The repeats of one figure become one value with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pets_eval.guideline.figures import interval
from pets_eval.model.record import ScoreRow

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Combined:
    """A value (null: none) with the ends of its interval (null: not known), how it was made, and what to say of it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = "none"
    n: int = 0
    note: str = ""


def combine(rows: Sequence[ScoreRow], possible: Range = (None, None)) -> Combined:
    """The mean of the repeats that have a value, with Student's t at 95 %, cut where it leaves the *possible* range.

    Where the cells carry wider intervals of their own (sampling error that all repeats share), those are kept. A single
    value keeps its own interval. Where repeats are infinite the mean is, and the interval holds all of them.
    """
    rows = [row for row in rows if row.value is not None]
    values = [row.value for row in rows if row.value is not None]
    n = len(values)
    if n == 0:
        return Combined()
    if n == 1:
        only = rows[0]
        return Combined(only.value, only.low, only.high, only.method, only.n)
    if math.inf in values and -math.inf in values:
        return Combined(note="infinite in both directions, so the repeats have no mean")
    if any(math.isinf(v) for v in values):
        ends = [_ends(row) for row in rows]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        method = f"{n} repeats, not all finite: the interval holds all of theirs"
        return Combined(math.fsum(values), low, high, method, n)
    low, high, method = _student(values, rows)
    least, most = possible
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    return Combined(_mean(values), low, high, method, n)


def _student(values: Sequence[float], rows: Sequence[ScoreRow]) -> tuple[float, float, str]:
    """Student's t over the repeats, widened to the mean of the cells' own ends where those reach further."""
    mean, n = _mean(values), len(values)
    spread = math.hypot(*(v - mean for v in values)) / math.sqrt(n - 1) if min(values) < max(values) else 0.0
    half = _quantile(n - 1) * spread / math.sqrt(n)
    low, high = mean - half, mean + half
    method = f"mean of {n} repeats, Student t"
    own = [_ends(row) for row in rows if row.method != "exact" and (row.low, row.high) != (None, None)]
    if own:
        low, high = min(low, _mean([a for a, _ in own])), max(high, _mean([b for _, b in own]))
        if (low, high) != (mean - half, mean + half):
            method += " widened to the repeats' own intervals"
    return low, high, method


def _ends(row: ScoreRow) -> tuple[float, float]:
    """The interval of a row with a value; without one, the value twice."""
    low, high = interval(row.value, row.low, row.high)
    value = math.nan if row.value is None else row.value
    return (value, value) if math.isnan(low) else (low, high)


def _mean(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return values[0]  # not a rounding error beside it: equal repeats have an interval of no width
    return math.fsum(values) / len(values)


@cache
def _quantile(df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.975))
