"""Four queries of which OpenDP 0.16.0 certifies too little, through the library itself, beside mended ones.

What is claimed is what the library's own privacy map says of each query. The bugs are reported at
https://github.com/opendp/opendp/issues under the numbers below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.outcomes import Event, Outcomes
from pets_metrics.privacy.audit.pair import pair_test
from pets_metrics.privacy.audit.repeats import repeat_test

Query = tuple[Any, Claim]  # an OpenDP measurement on a LazyFrame, and what its map says of the neighbours
GROUPS = 100


@dataclass(frozen=True)
class Bug:
    """`query(True)` has the bug and `query(False)` is written so that it does not matter; `frames` are neighbours.

    `judge` gets what `runs` runs gave on each of the two.
    """

    issue: int
    name: str
    query: Callable[[bool], Query]
    frames: Callable[[], tuple[Any, Any]]
    judge: Callable[[Outcomes, Outcomes, Claim, float], Finding]
    runs: int

    def find(self, *, flawed: bool, level: float = 0.95, runs: int | None = None) -> tuple[Finding, Claim]:
        """What the audit finds of one of the queries, and the library's claim."""
        measurement, claim = self.query(flawed)
        seen = (released(measurement, frame, runs or self.runs) for frame in self.frames())
        return self.judge(*seen, claim, level), claim


def released(measurement: Any, frame: Any, runs: int) -> Outcomes:
    """The one number of each of so many releases."""
    return Outcomes.of(np.array([measurement(frame).collect().to_numpy()[0, -1] for _ in range(runs)], dtype=float))


def at_least(cut: float, more_likely: str) -> Callable[[Outcomes, Outcomes, Claim, float], Finding]:
    """The pair test on one cut."""

    def judge(first: Outcomes, second: Outcomes, claim: Claim, level: float) -> Finding:
        return pair_test(first, second, claim, event=Event.at_least(cut), more_likely=more_likely, level=level)

    return judge


def opendp() -> tuple[Any, Any]:
    """The library, and polars."""
    import opendp.prelude as dp
    import polars as pl

    dp.enable_features("contrib")
    return dp, pl


# -- 2944 --------------------------------------------------------------------------------------------------------------


def binned_sum(flawed: bool) -> Query:
    """How many values lie above 1: as the sum of the codes of their bins, or of truth values."""
    dp, pl = opendp()
    x = pl.col("x")
    above = x.cut([1.0]).to_physical() if flawed else (x > 1.0).cast(pl.Int32)
    measurement = dp.m.make_private_lazyframe(
        dp.with_margin(
            dp.lazyframe_domain([dp.series_domain("x", dp.atom_domain(T=float, nan=False))]),
            dp.polars.Margin(max_length=GROUPS + 1),
        ),
        dp.frame_distance(dp.symmetric_distance()),
        dp.max_divergence(),
        pl.LazyFrame(schema={"x": pl.Float64}).select(above.dp.sum((0, 1), scale=1.0)),
    )
    return measurement, Claim(measurement.map([dp.polars.Bound(per_group=1)]))


def a_high_value_first() -> tuple[Any, Any]:
    _, pl = opendp()
    low = [0.5] * GROUPS
    return pl.LazyFrame({"x": low}), pl.LazyFrame({"x": [2.0, *low]})


# -- 2945 --------------------------------------------------------------------------------------------------------------

BOUND, ROWS = 10, 3


def group_sum(flawed: bool) -> Query:
    """The sum of a group of at most three rows, all of which are replaced: six rows out or in.

    The map takes no group to change by more than its length; stated twice as long, the group has its due.
    """
    dp, pl = opendp()
    length = ROWS if flawed else 2 * ROWS
    schema = {"group": pl.String, "value": pl.Int32}
    value = pl.col("value").dp.sum((-BOUND, BOUND), scale=float(BOUND * length))
    measurement = dp.m.make_private_lazyframe(
        dp.with_margin(
            dp.lazyframe_domain(
                [dp.series_domain("group", dp.atom_domain(T=str)), dp.series_domain("value", dp.atom_domain(T=int))]
            ),
            dp.polars.Margin(by=["group"], max_length=length, max_groups=1, invariant="keys"),
        ),
        dp.symmetric_distance(),
        dp.max_divergence(),
        pl.LazyFrame(schema=schema).group_by("group").agg(value),
    )
    return measurement, Claim(measurement.map(2 * ROWS), unit="six rows")


def all_rows_replaced() -> tuple[Any, Any]:
    _, pl = opendp()
    schema = {"group": pl.String, "value": pl.Int32}
    low, high = (pl.LazyFrame({"group": ["a"] * ROWS, "value": [v] * ROWS}, schema=schema) for v in (-BOUND, BOUND))
    return low, high


# -- 2949 --------------------------------------------------------------------------------------------------------------

DELTA = 0.1  # at which the library converts its rho; so few runs suffice at a large one


def truncated_count(flawed: bool) -> Query:
    """Rows of people truncated to one in each of 100 groups, that are merged afterwards or before."""
    dp, pl = opendp()
    merge = pl.lit(0, dtype=pl.Int64).alias("group")
    rows = pl.LazyFrame(schema={"person": pl.Int64, "group": pl.Int64})
    rows = rows if flawed else rows.with_columns(merge)
    rows = rows.filter(pl.int_range(pl.len()).over("person", "group") < 1)
    rows = rows.filter(pl.struct("group").rank("dense").over("person") < GROUPS + 1)
    rows = rows.with_columns(merge) if flawed else rows
    counts = rows.group_by("group").agg(dp.len(scale=1.0, signed=True))
    measurement = dp.m.make_private_lazyframe(
        dp.lazyframe_domain([dp.series_domain(name, dp.atom_domain(T="i64")) for name in ("person", "group")]),
        dp.symmetric_id_distance(identifier=pl.col("person")),
        dp.zero_concentrated_divergence(),
        pl.LazyFrame({"group": [0]}).join(counts, on="group", how="left"),
    )
    epsilon, delta = dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(measurement), DELTA).map(1)
    return measurement, Claim(epsilon, delta, unit="person")


def a_person_everywhere() -> tuple[Any, Any]:
    _, pl = opendp()
    groups = list(range(GROUPS))
    one = pl.LazyFrame({"person": [1] * GROUPS, "group": groups})
    return one, pl.LazyFrame({"person": [0] * GROUPS + [1] * GROUPS, "group": groups * 2})


# -- 2939 --------------------------------------------------------------------------------------------------------------


def count_of_bins(flawed: bool) -> Query:
    """How many values have a bin, which is every row where none is null; cut makes nulls of NaN."""
    dp, pl = opendp()
    x = pl.col("x").fill_null(0.0)
    x = x if flawed else x.fill_nan(0.0)
    measurement = dp.m.make_private_lazyframe(
        dp.with_margin(
            dp.lazyframe_domain([dp.series_domain("x", dp.option_domain(dp.atom_domain(T=float)))]),
            dp.polars.Margin(max_length=16, invariant="lengths"),
        ),
        dp.frame_distance(dp.symmetric_distance()),
        dp.max_divergence(),
        pl.LazyFrame(schema={"x": pl.Float64}).select(x.cut([1.5]).count().dp.noise()),
        global_scale=1.0,
    )
    return measurement, Claim(measurement.map([dp.polars.Bound(per_group=2)]), neighbours="replace")


def one_value_missing() -> tuple[Any, Any]:
    _, pl = opendp()
    return pl.LazyFrame({"x": [float("nan")] + [1.0] * 15}), pl.LazyFrame({"x": [1.0] * 16})


def constant(first: Outcomes, second: Outcomes, claim: Claim, level: float) -> Finding:
    """The library charges nothing and draws no noise, so that equal outputs are no coincidence."""
    return repeat_test(first, second, level=level)


BUGS = (
    Bug(2944, "cut().to_physical()", binned_sum, a_high_value_first, at_least(GROUPS / 2, "second"), 50),
    Bug(2945, "max_length off by 2", group_sum, all_rows_replaced, at_least(18.6, "second"), 1_000),
    Bug(2949, "redefined column", truncated_count, a_person_everywhere, at_least(1.5 * GROUPS, "second"), 120),
    Bug(2939, "NaN to null", count_of_bins, one_value_missing, constant, 2),
)
