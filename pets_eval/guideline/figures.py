"""A figure: one number of one metric for one technique on one task, over all repeats, with its interval."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pets_eval.model.study import Strict

P_VALUE = "p-value"
INFINITE = "infinite"


class Interval(NamedTuple):
    """The two ends; NaN where there is none, infinite where that end is unbounded."""

    low: float
    high: float


class Figure(Strict):
    """A figure as it stands on the scorecard.

    `value` is null where nothing was measured (`status` and `note` say why), or where it is `infinite`. `n` counts the
    repeats, or the observations of a single one (`method` says which). `adjusted` is the p-value after Holm's
    correction over all tests of the scorecard.
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
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    method: str = "none"
    n: int = 0
    infinite: bool = False
    adjusted: float | None = None
    note: str = ""

    @property
    def number(self) -> float:
        """The value; NaN where nothing was measured."""
        if self.infinite:
            return math.inf
        return math.nan if self.value is None else self.value

    @property
    def interval(self) -> Interval:
        """The interval. Records keep an unbounded end as null, so a single missing end is an unbounded one."""
        if self.infinite:
            return Interval(math.inf, math.inf)
        if self.value is None or (self.low is None and self.high is None):
            return Interval(math.nan, math.nan)
        return Interval(-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)
