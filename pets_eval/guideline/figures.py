"""A figure: one number of one metric for one technique on one task, over all repeats, with its interval."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pets_eval.model.record import ExtendedReal
from pets_eval.model.study import Strict

P_VALUE = "p-value"


class Interval(NamedTuple):
    """The two ends; NaN where there is none, infinite where that end is unbounded."""

    low: float
    high: float


class Figure(Strict):
    """A figure as it stands on the scorecard.

    `value` is null where nothing was measured (`status` and `note` say why). `measured` counts the repeats with a
    value, `of` those that were planned. `n` counts the repeats, or the observations of a single one (`method` says
    which). A p-value has no interval; instead `adjusted` is the p-value after Holm's correction over all `tests` of its
    axis on the scorecard (null: it was not measured), and `floor` the smallest that its permutations can give (null:
    any). `detail`: whether other statistics of the metric matter first. `records`: whether the metric reads released
    records; `lacks`: the evidence for want of which it was never played.
    """

    technique: str
    dataset: str
    task: str
    metric: str
    axis: str
    goal: str
    unit: str
    seat: str = ""
    group: str = ""
    statistic: str = ""
    status: Literal["measured", "not-applicable", "failed"] = "measured"
    value: ExtendedReal | None = None
    low: ExtendedReal | None = None
    high: ExtendedReal | None = None
    level: float = 0.95
    method: str = "none"
    n: int = 0
    measured: int = 0
    of: int = 0
    adjusted: float | None = None
    tests: int = 0
    floor: float | None = None
    records: bool = False
    lacks: list[str] = []
    detail: bool = False
    note: str = ""

    @property
    def number(self) -> float:
        """The value; NaN where nothing was measured."""
        return math.nan if self.value is None else self.value

    @property
    def interval(self) -> Interval:
        """The interval. Where only one end is known, the other may be anywhere, so it counts as unbounded."""
        return interval(self.value, self.low, self.high)

    @property
    def coverage(self) -> str:
        """ "measured in 1 of 5 repeats", or "" where all that were planned gave a value."""
        return f"measured in {self.measured} of {self.of} repeats" if 0 < self.measured < self.of else ""


def interval(value: float | None, low: float | None, high: float | None) -> Interval:
    """The ends around *value*, where null means not known.

    >>> interval(1.0, 0.5, None), interval(1.0, None, None)
    (Interval(low=0.5, high=inf), Interval(low=nan, high=nan))
    """
    if value is None or (low is None and high is None):
        return Interval(math.nan, math.nan)
    return Interval(-math.inf if low is None else low, math.inf if high is None else high)
