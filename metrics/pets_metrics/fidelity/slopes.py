"""Does a regression line have the same slope in the release, in each group of people?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.rows import distinct_rows
from pets_metrics.tables import Aligned, align

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
Groups = Sequence[str] | Mapping[str, Mapping[str, Sequence[str]]]

_LEVEL = 0.95


@metric(
    axis="fidelity",
    goal="min",
    unit="standard deviations",
    range=(0, math.inf),
    source="After NIST, SDNist 2.4, metrics/regression.py, which only draws it; errors: White, Econometrica 48 (1980)",
    headline=("mean",),
    cannot_show="That other relations are kept: one predictor, one outcome, straight lines.",
)
def slope_difference(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    predictor: str | None = None,
    outcome: str | None = None,
    by: Groups | None = None,
    least: int = 30,
) -> list[Score]:
    """How far the standardised slope of *outcome* on *predictor* is off, in each group of people and in all; 0 is best.

    A slope is told as a change of the outcome, in its standard deviations, for one standard deviation of the predictor,
    both those of the real rows of the group; a correlation that is lost is thus a difference of its own size. One score
    per group ("difference"), one for all rows ("whole"), and "mean" and "max" over the groups and all rows. A group of
    fewer than *least* real rows is left out. Where the release has no slope for a group, it counts as 0.

    *by*: columns whose combinations are the groups, or groups by name, each as {column: categories}. By default, each
    category of each categorical quasi-identifier in turn. *outcome* and *predictor* by default: the two numeric columns
    with the strongest correlation in the real table, the outcome being sensitive or the target where a column is. A
    categorical column that is named may serve if its categories are numbers; rows of others ("N") are left out, as
    those with a missing value. NIST's setting is EDU and PINCP_DECILE by race and sex.

    Intervals are by heteroscedasticity-consistent standard errors, both tables taken as independent samples. That of
    the mean holds however the groups overlap; that of the maximum is Bonferroni's. Raises `Unsupported` without two
    numeric columns and where no group has a slope, `PetsEvalError` for unknown columns.

    >>> real = pd.DataFrame({"x": np.arange(40) + 0.5, "y": np.arange(40) * 3 + 0.5})
    >>> scores = slope_difference(real, real.assign(y=real.y / 4), predictor="x", outcome="y")
    >>> [(s.statistic, round(s.estimate.value, 9)) for s in scores]
    [('mean', 0.75), ('max', 0.75), ('whole', 0.75)]
    """
    by = [by] if isinstance(by, str) else by
    tables = align(real, synthetic, schema=schema)
    predictor, outcome = _pair(tables, predictor, outcome)
    frames = (tables.real, tables.synthetic)
    xy = [(_ordinal(f, tables.schema, predictor), _ordinal(f, tables.schema, outcome)) for f in frames]
    found: dict[str, Estimate] = {}
    everyone = (np.ones(len(tables.real), dtype=bool), np.ones(len(tables.synthetic), dtype=bool))
    for label, rows in {"": everyone, **_groups(tables, by, {predictor, outcome}, least)}.items():
        one, other = (_Line.of(x[chosen], y[chosen]) for (x, y), chosen in zip(xy, rows, strict=True))
        if one.n >= max(least, 3) and one.spread > 0 and one.height > 0:
            found[label] = _difference(one, other)
    if not found:
        raise Unsupported(f"no group has {least} rows in which both columns vary")
    values = list(found.values())
    parts = [Score(e, group=label, statistic="difference" if label else "whole") for label, e in found.items()]
    return [Score(_mean(values), statistic="mean"), Score(_max(values), statistic="max"), *parts]


@dataclass(frozen=True)
class _Line:
    """A fitted line: rows, slope, its standard error, and the standard deviations of predictor and outcome."""

    n: int
    slope: float = 0.0
    error: float = 0.0
    spread: float = 0.0
    height: float = 0.0

    @staticmethod
    def of(x: Floats, y: Floats) -> _Line:
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = x[known], y[known]
        n = len(x)
        if n < 3 or np.ptp(x) == 0:
            return _Line(n)
        x, y = x - x.mean(), y - y.mean()
        squares = float(x @ x)
        slope = float(x @ y) / squares
        error = math.sqrt(float((x**2) @ (y - slope * x) ** 2) * n / (n - 2)) / squares
        return _Line(n, slope, error, float(x.std()), float(y.std()) if np.ptp(y) > 0 else 0.0)


def _difference(real: _Line, released: _Line) -> Estimate:
    """The standardised difference; `n` are the rows of both."""
    unit = real.spread / real.height
    value = abs(released.slope - real.slope) * unit
    half = _z(1) * math.hypot(real.error, released.error) * unit
    note = "" if released.spread > 0 else "the release has no slope here"
    return Estimate(value, max(value - half, 0.0), value + half, _LEVEL, "hc1", real.n + released.n, note)


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """The mean's standard error is at most the mean standard error, whatever the parts have in common."""
    value = float(np.mean([e.value for e in parts]))
    half = float(np.mean([e.high - e.value for e in parts]))
    return Estimate(value, max(value - half, 0.0), value + half, _LEVEL, "hc1", len(parts))


def _max(parts: Sequence[Estimate]) -> Estimate:
    wider = _z(len(parts)) / _z(1)
    low, high = (max(e.value + side * wider * (e.high - e.value) for e in parts) for side in (-1, 1))
    return Estimate(max(e.value for e in parts), max(low, 0.0), high, _LEVEL, "hc1-bonferroni", len(parts))


def _z(tests: int) -> float:
    return float(scipy.stats.norm.ppf(1 - (1 - _LEVEL) / (2 * tests)))


# -- columns and groups --------------------------------------------------------------------------------------------


def _pair(tables: Aligned, predictor: str | None, outcome: str | None) -> tuple[str, str]:
    """The columns to be used: those that are named, else those that go together best in the real table."""
    for name in (predictor, outcome):
        if name is not None and name not in tables.schema.columns:
            raise PetsEvalError(f"there is no column {name!r} in both tables")
    if predictor is not None and predictor == outcome:
        raise PetsEvalError("the predictor and the outcome must be two columns")
    numeric = sorted(n for n, c in tables.schema.columns.items() if c.numeric)
    secret = {n for role in ("sensitive", "target") for n in tables.schema.with_role(role)}
    outcomes = [outcome] if outcome else [n for n in numeric if n in secret] or numeric
    best, chosen = -1.0, None
    for y in outcomes:
        for x in [predictor] if predictor else numeric:
            if x == y:
                continue
            line = _Line.of(*(_ordinal(tables.real, tables.schema, n) for n in (x, y)))
            r = abs(line.slope) * line.spread / line.height if line.height > 0 else 0.0
            if r > best + 1e-9:
                best, chosen = r, (x, y)
    if chosen is None:
        raise Unsupported("there are no two numeric columns; name a predictor and an outcome")
    return chosen


def _ordinal(frame: pd.DataFrame, schema: Schema, name: str) -> Floats:
    """A column as numbers, NaN where it has none; a category counts as the number that it reads."""
    column = schema.columns[name]
    if column.numeric:
        return column.numbers(frame[name])
    codes = frame[name].cat.codes.to_numpy()
    numbers = pd.to_numeric(pd.Series([*column.domain, None], dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(numbers).all():
        raise PetsEvalError(f"column {name!r} has no numbers, so it has no slope")
    read: Floats = numbers[codes]  # a missing value has code -1, the last
    return read


def _groups(tables: Aligned, by: Groups | None, used: set[str], least: int) -> dict[str, tuple[Rows, Rows]]:
    """Which real and which released rows are in each group that has at least *least* real ones."""
    schema, frames = tables.schema, (tables.real, tables.synthetic)
    if isinstance(by, Mapping):
        _check(schema, {n for wanted in by.values() for n in wanted})
        return {
            str(label): (_meets(frames[0], wanted), _meets(frames[1], wanted)) for label, wanted in by.items() if wanted
        }
    if by is None:
        sets = [[n] for n in schema.with_role("quasi-identifier") if n not in used and not schema.columns[n].numeric]
    else:
        sets = [list(by)] if by else []
        _check(schema, by)
    found: dict[str, tuple[Rows, Rows]] = {}
    for names in sets:
        codes = [np.column_stack([f[n].cat.codes.to_numpy() for n in names]) for f in frames]
        first, sizes, _ = distinct_rows(codes[0])
        kinds = codes[0][first]
        for kind in kinds[(sizes >= least) & (kinds >= 0).all(axis=1)]:
            label = ", ".join(_label(tables, n, int(c)) for n, c in zip(names, kind, strict=True))
            found[label] = ((codes[0] == kind).all(axis=1), (codes[1] == kind).all(axis=1))
    return found


def _meets(frame: pd.DataFrame, wanted: Mapping[str, Sequence[str]]) -> Rows:
    hits = [frame[name].astype(object).isin([str(v) for v in values]).to_numpy() for name, values in wanted.items()]
    met: Rows = np.all(hits, axis=0)
    return met


def _label(tables: Aligned, name: str, code: int) -> str:
    """A group's name; a category that was read from the rows is told by its place among the most frequent ones only."""
    column = tables.schema.columns[name]
    if not column.from_data:
        return f"{name} = {column.domain[code]}"
    sizes = np.bincount(tables.real[name].cat.codes.to_numpy() + 1, minlength=len(column.domain) + 1)[1:]
    return f"{name}: group {int(np.argsort(np.argsort(-sizes, kind='stable'))[code]) + 1}"


def _check(schema: Schema, names: Iterable[str]) -> None:
    for name in names:
        if name not in schema.columns:
            raise PetsEvalError(f"there is no column {name!r} in both tables")
        if schema.columns[name].numeric:
            raise PetsEvalError(f"column {name!r} has numbers; groups are made of categories")
