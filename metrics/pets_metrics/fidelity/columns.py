"""How far the distribution of each single column is from the true one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.fidelity.marginals import cell_counts, compact, distances, within
from pets_metrics.tables import Aligned, align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_BLIND = "That columns belong together: each is looked at alone."
_NONE_IN_ONE = "one of the tables has no value here"
_NO_VALUES = "neither table has a value here"


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Levin and Peres, Markov chains and mixing times (2017), section 4.1; interval: McDiarmid (1989)",
    headline=("mean",),
    cannot_show=_BLIND,
)
def marginal_total_variation(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Total variation distance of each column, as group, and "mean" and "max" over the columns; 0 is best, 1 worst.

    Half the sum of |share of the release - share of the real rows| over the column's public cells: categories, bins of
    numbers, and "missing". The figure for these two tables is exact; the interval is for their sources if the rows are
    independent (see `k_marginal_error`), and holds for all columns together for "max".

    >>> scores = marginal_total_variation(pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": ["x", "x"]}))
    >>> scores[0].group, scores[0].estimate.value
    ('a', 0.5)
    """
    t = align(real, synthetic, schema=schema)
    (true, sizes), (made, _) = (compact(frame, t.schema, t.names) for frame in (t.real, t.synthetic))
    values, noise = distances(true, made, sizes, [(i,) for i in range(len(sizes))])
    rows = len(t.real), len(t.synthetic)
    each = [within(float(v), float(v - e), rows) for v, e in zip(values, noise, strict=True)]
    worst = t.names[int(values.argmax())]
    note = f"worst: {worst}" if values.any() else "no difference"
    return [
        *(Score(estimate, group=name) for name, estimate in zip(t.names, each, strict=True)),
        Score(within(float(values.mean()), float((values - noise).mean()), rows), statistic="mean"),
        Score(
            within(float(values.max()), float((values - noise).max()), rows, tests=len(each), note=note),
            statistic="max",
        ),
    ]


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Smirnov (1948); interval: Massart, Annals of Probability 18 (1990)",
    headline=("mean",),
    cannot_show=_BLIND,
)
def kolmogorov_smirnov(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Largest gap of the cumulative distributions of each number or date, and their "mean" and "max"; 0 is best.

    0 is best, 1 worst. Missing values are left out (`marginal_total_variation` sees them); a column that has values in
    one table only is at distance 1. The figure for these two tables is exact; the interval is for their sources if the
    rows are independent: the Dvoretzky-Kiefer-Wolfowitz band around both distributions with Massart's constant, with
    Bonferroni's correction for "mean" and "max". Raises `Unsupported` without numeric columns.

    >>> kolmogorov_smirnov(pd.DataFrame({"a": [0.5, 1.5]}), pd.DataFrame({"a": [1.5, 2.5]}))[0].estimate.value
    0.5
    """
    values = _numbers(align(real, synthetic, schema=schema))
    gaps = {name: _gaps(a, b)[0] if a.size and b.size else 1.0 for name, (a, b) in values.items() if a.size or b.size}
    rows = {name: (values[name][0].size, values[name][1].size) for name in gaps}
    scores = [
        Score(
            _band(gaps[name], _margin(rows[name], 1), rows[name]) if name in gaps else Estimate.missing(_NO_VALUES),
            group=name,
        )
        for name in values
    ]
    if not gaps:
        return [*scores, *_overall({})]
    margins = [_margin(rows[name], len(gaps)) for name in gaps]
    fewest = (min(min(r) for r in rows.values()),) * 2
    found = np.array(list(gaps.values()))
    top = Estimate(
        float(found.max()),
        max(0.0, float((found - margins).max())),
        min(1.0, float((found + margins).max())),
        _LEVEL,
        "dkw",
        min(fewest),
        _worst(gaps),
    )
    return [
        *scores,
        Score(_band(float(found.mean()), float(np.mean(margins)), fewest), statistic="mean"),
        Score(top, statistic="max"),
    ]


@metric(
    axis="fidelity",
    goal="min",
    unit="standard deviations",
    range=(0, math.inf),
    source="Ramdas, Garcia Trillos and Cuturi, Entropy 19 (2017)",
    headline=("mean",),
    cannot_show=_BLIND,
)
def wasserstein(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """How far values must be moved on average to make one column the other, in real standard deviations; 0 is best.

    The 1-Wasserstein distance of each numeric or date column (as group) over the standard deviation of its real values,
    and "mean" and "max" over the columns; 0 is best. Missing values are left out. Not measured where one of the tables
    has no value, or where the real column is constant and the release differs. Exact, without interval: it is the
    distance of these two tables, and its sampling error has no bound that holds for any distribution. Raises
    `Unsupported` without numeric columns.

    >>> wasserstein(pd.DataFrame({"a": [0.5, 2.5]}), pd.DataFrame({"a": [1.5, 3.5]}))[0].estimate.value
    1.0
    """
    found: dict[str, float | str] = {}
    for name, (a, b) in _numbers(align(real, synthetic, schema=schema)).items():
        if not (a.size and b.size):
            found[name] = _NONE_IN_ONE if a.size or b.size else _NO_VALUES
            continue
        moved, spread = _gaps(a, b)[1], float(a.std()) if a[0] < a[-1] else 0.0
        found[name] = moved / spread if spread else (0.0 if moved == 0 else "the real column is constant")
    return _scores(found)


@metric(
    axis="fidelity",
    goal="min",
    unit="distance",
    range=(0, 1),
    source="Endres and Schindelin, IEEE Trans. Information Theory 49 (2003)",
    headline=("mean",),
    cannot_show=_BLIND,
)
def jensen_shannon(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Jensen-Shannon distance of each column, as group, and "mean" and "max" over the columns; 0 is best, 1 worst.

    The square root of the Jensen-Shannon divergence in bits (logarithm to base 2), over the column's public cells with
    "missing" as one of them. Exact, without interval: it is the distance of these two tables, and its sampling error
    has no bound that holds for any distribution.

    >>> jensen_shannon(pd.DataFrame({"a": ["x", "x"]}), pd.DataFrame({"a": ["y", "y"]}))[0].estimate.value
    1.0
    """
    return _scores({name: _jensen_shannon(p, q) for name, (p, q) in _shares(real, synthetic, schema).items()})


@metric(
    axis="fidelity",
    goal="min",
    unit="distance",
    range=(0, 1),
    source="Le Cam and Yang, Asymptotics in statistics (2000)",
    headline=("mean",),
    cannot_show=_BLIND,
)
def hellinger(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Hellinger distance of each column, as group, and "mean" and "max" over the columns; 0 is best, 1 worst.

    The square root of half the sum of squared differences of the square roots of the shares, over the column's public
    cells with "missing" as one of them. It weighs rare cells more than total variation does. Exact, without interval,
    for the same reason as `jensen_shannon`.

    >>> hellinger(pd.DataFrame({"a": ["x", "x"]}), pd.DataFrame({"a": ["y", "y"]}))[0].estimate.value
    1.0
    """
    shares = _shares(real, synthetic, schema)
    return _scores(
        {
            name: math.sqrt(min(1.0, float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum()) / 2))
            for name, (p, q) in shares.items()
        }
    )


@metric(
    axis="fidelity",
    goal="max",
    unit="share",
    range=(0, 1),
    source="SDMetrics 0.32, QualityReport, property Column Shapes (KSComplement, TVComplement)",
    cannot_show="That columns belong together: each is looked at alone, and missing values are not compared.",
)
def column_shapes(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """SDMetrics' Column Shapes: mean over the columns of 1 - distance, and each column as group; 1 is best, 0 worst.

    The distance is Kolmogorov-Smirnov's for numbers and dates, and total variation over the categories for the others.
    Equal to SDMetrics' figure, whose definition is deterministic: missing values are left out there, so they are here,
    and a column without any value in one of the tables is left out of the mean, which the note tells. It carries no
    interval, as theirs; `kolmogorov_smirnov` and `marginal_total_variation` do.

    >>> real = pd.DataFrame({"a": ["x", "y"], "b": [0.5, 1.5]})
    >>> column_shapes(real, pd.DataFrame({"a": ["x", "x"], "b": [0.5, 1.5]}))[-1].estimate.value
    0.75
    """
    t = align(real, synthetic, schema=schema)
    found: dict[str, float | str] = {}
    for name, column in t.schema.columns.items():
        if column.numeric:
            a, b = (_known(column.numbers(frame[name])) for frame in (t.real, t.synthetic))
            found[name] = 1 - _gaps(a, b)[0] if a.size and b.size else _NONE_IN_ONE
        else:
            p, q = (_counts(frame[name].cat.codes.to_numpy(), len(column.domain)) for frame in (t.real, t.synthetic))
            there = p.sum() and q.sum()
            found[name] = max(0.0, 1 - float(np.abs(p / p.sum() - q / q.sum()).sum()) / 2) if there else _NONE_IN_ONE
    each = [Score(_estimate(value), group=name) for name, value in found.items()]
    values = [v for v in found.values() if not isinstance(v, str)]
    if not values:
        return [*each, Score(Estimate.missing("no column has values in both tables"))]
    left = len(found) - len(values)
    note = f"{left} of {len(found)} columns have no value in one of the tables" if left else ""
    return [*each, Score(Estimate.exact(float(np.mean(values)), n=len(values), note=note))]


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    bits = sum(float((x[x > 0] * np.log2(x[x > 0] / middle[x > 0])).sum()) for x in (p, q)) / 2
    return math.sqrt(min(1.0, max(0.0, bits)))


def _shares(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None) -> dict[str, tuple[Floats, Floats]]:
    """Shares of each column's public cells in both tables."""
    t = align(real, synthetic, schema=schema)
    (true, sizes), (made, _) = (compact(frame, t.schema, t.names) for frame in (t.real, t.synthetic))
    return {
        name: (cell_counts([a], [size]) / len(a), cell_counts([b], [size]) / len(b))
        for name, a, b, size in zip(t.names, true, made, sizes, strict=True)
    }


def _counts(codes: NDArray[np.integer], categories: int) -> Floats:
    return np.bincount(codes[codes >= 0], minlength=categories).astype(np.float64)


def _numbers(t: Aligned) -> dict[str, tuple[Floats, Floats]]:
    """Known values of each numeric column in both tables, sorted."""
    columns = {name: column for name, column in t.schema.columns.items() if column.numeric}
    if not columns:
        raise Unsupported("the tables share no numeric column")
    return {n: (_known(c.numbers(t.real[n])), _known(c.numbers(t.synthetic[n]))) for n, c in columns.items()}


def _known(values: Floats) -> Floats:
    return np.sort(values[~np.isnan(values)])


def _gaps(a: Floats, b: Floats) -> tuple[float, float]:
    """Largest gap of two cumulative distributions, and the area between them, from sorted values."""
    points = np.concatenate([a, b])
    points.sort(kind="stable")  # merges the two sorted runs
    gap = np.abs(np.searchsorted(a, points, side="right") / a.size - np.searchsorted(b, points, side="right") / b.size)
    return float(gap.max()), float((gap[:-1] * np.diff(points)).sum())


def _margin(rows: tuple[int, int], tests: int) -> float:
    """Half the width of the interval of a Kolmogorov-Smirnov distance: both bands together, each at half the rest."""
    return sum(math.sqrt(math.log(4 * tests / (1 - _LEVEL)) / 2 / n) if n else 1.0 for n in rows)


def _band(value: float, margin: float, rows: tuple[int, int]) -> Estimate:
    return Estimate(value, max(0.0, value - margin), min(1.0, value + margin), _LEVEL, "dkw", min(rows))


def _scores(found: Mapping[str, float | str]) -> list[Score]:
    """A score per column from its value, or the reason why there is none; and the overall figures."""
    values = {name: v for name, v in found.items() if not isinstance(v, str)}
    return [*(Score(_estimate(v), group=name) for name, v in found.items()), *_overall(values, len(found))]


def _estimate(value: float | str) -> Estimate:
    return Estimate.missing(value) if isinstance(value, str) else Estimate.exact(value)


def _overall(values: Mapping[str, float], columns: int = 0) -> list[Score]:
    if not values:
        return [Score(Estimate.missing(_NONE_IN_ONE + ", for any column"), statistic=s) for s in ("mean", "max")]
    found = list(values.values())
    left = f"{columns - len(found)} of {columns} columns could not be measured" if columns > len(found) else ""
    top = "; ".join(part for part in (_worst(values), left) if part)
    return [
        Score(Estimate.exact(float(np.mean(found)), n=len(found), note=left), statistic="mean"),
        Score(Estimate.exact(max(found), n=len(found), note=top), statistic="max"),
    ]


def _worst(values: Mapping[str, float]) -> str:
    name = max(values, key=lambda n: values[n])
    return f"worst: {name}" if values[name] else "no difference"
