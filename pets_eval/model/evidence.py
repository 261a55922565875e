"""Figures: an estimate with its uncertainty, a score in its seat, and what a metric says of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Axis = Literal["privacy", "utility", "fidelity", "equity", "cost", "assurance"]
Goal = Literal["min", "max", "none"]
Effort = Literal["stored", "rerun", "train"]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval at *level* by *method* from *n* observations. NaN with a note = not measured."""

    value: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    method: str = "exact"
    n: int = 1
    note: str = ""

    @staticmethod
    def exact(value: float, *, n: int = 1, note: str = "") -> Estimate:
        """A figure without sampling error of its own: low = value = high."""
        return Estimate(float(value), float(value), float(value), n=n, note=note)

    @staticmethod
    def missing(note: str) -> Estimate:
        """Not measured, and why."""
        return Estimate(math.nan, method="none", n=0, note=note)


@dataclass(frozen=True)
class Score:
    """One figure of one metric. `group` is a subgroup or block, `statistic` which figure of the metric ("mean")."""

    estimate: Estimate
    metric: str = ""
    seat: str = ""
    group: str = ""
    statistic: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """What the engine and the reader know of a metric without calling it.

    `needs`: its parameter names, filled by the injector; `goal`: which direction is better; `anchored`: whether the
    anchors `raw` and `null` must come out as the metric's best and worst (or, for privacy, worst and best) end;
    `headline`: the statistics that stand in the tables of a page, the others being details (none named: all stand
    there); `cannot_show`: what a reader must not conclude from a good figure; `effort`: "stored" works on kept
    releases, "rerun" and "train" run the technique again as probe cells; `uses`: heavy modules that it imports when
    called, for the runner to import beforehand.
    """

    name: str
    fn: Callable[..., Any]
    axis: Axis
    goal: Goal
    unit: str
    range: tuple[float, float]
    needs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    anchored: bool = False
    source: str = ""
    headline: tuple[str, ...] = ()
    cannot_show: str = ""
    effort: Effort = "stored"
    extra: str = ""
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a cell cost, measured by the runner over the cell's whole process group, above the idle baseline.

    `rounds` counts the distinct rounds named in the transcript; `phases` holds seconds of (phase, party).
    """

    wall_s: float
    cpu_s: float
    peak_bytes: float
    sent_bytes: float
    rounds: float
    phases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
