"""Whether columns go together in the release as they do in the real rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.fidelity.marginals import cell_counts, compact, joint_counts
from pets_metrics.tables import Aligned, align

Floats = NDArray[np.float64]
Codes = NDArray[np.integer]
Kind = Literal["numeric-numeric", "categorical-categorical", "categorical-numeric"]

_KINDS: tuple[Kind, ...] = ("numeric-numeric", "categorical-categorical", "categorical-numeric")
_BINS = 10  # of a number beside a category, in SDMetrics' pair trends


@metric(
    axis="fidelity",
    goal="min",
    unit="difference of coefficients",
    range=(0, 2),
    source="Pearson (1895); Spearman (1904); Cramer, Mathematical methods of statistics (1946), chapter 21; "
    "correlation ratio: Fisher (1925)",
    headline=("mean",),
    cannot_show="That relations of more columns are kept, or those that its coefficients do not see, such as a circle.",
)
def association_difference(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """How far apart the associations of every two columns are: "mean" and "max" of |difference|; 0 is best.

    Overall, and by kind of pair as group: "numeric-numeric" (Pearson's and Spearman's coefficient, of which the larger
    difference counts; also "mean of pearson" and "mean of spearman"; at most 2), "categorical-categorical" (Cramer's
    V, not corrected for bias; at most 1) and "categorical-numeric" (correlation ratio, the root of the share of the
    number's variance that lies between the categories; at most 1). Dates are numbers. A missing number leaves its row
    out of the pair; a missing category is one more category. A coefficient that is undefined in one table (a constant
    column) counts as 0, for no association can be seen there; a pair that is undefined in both is left out. The note of
    "max" names the worst pair. Exact, without interval: it is the difference of these two tables.
    Raises `Unsupported` for fewer than two columns.

    >>> real = pd.DataFrame({"a": [0.5, 1.5, 2.5], "b": [0.5, 1.5, 2.5]})
    >>> scores = association_difference(real, real.assign(b=[2.5, 1.5, 0.5]))
    >>> scores[0].statistic, round(scores[0].estimate.value, 12)
    ('mean', 2.0)
    """
    t = align(real, synthetic, schema=schema)
    if len(t.names) < 2:
        raise Unsupported("the tables share fewer than two columns")
    found = _differences(t)
    both = [max(pair, key=lambda d: d.value) for pair in zip(found["pearson"], found["spearman"], strict=True)]
    by_kind: dict[Kind, list[_Difference]] = {
        "numeric-numeric": both,
        "categorical-categorical": found["cramer"],
        "categorical-numeric": found["ratio"],
    }
    scores = _summary([d for kind in _KINDS for d in by_kind[kind]], "")
    for kind in _KINDS:
        if by_kind[kind]:
            scores += _summary(by_kind[kind], kind)
    for name in ("pearson", "spearman"):
        if found[name]:
            mean = _summary(found[name], "numeric-numeric")[0].estimate
            scores.append(Score(mean, group="numeric-numeric", statistic=f"mean of {name}"))
    return scores


@metric(
    axis="fidelity",
    goal="max",
    unit="share",
    range=(0, 1),
    source="SDMetrics 0.32, QualityReport, property Column Pair Trends (CorrelationSimilarity, ContingencySimilarity)",
    cannot_show="That a number beside a category is right: it is binned within each table, so that a shift or a change "
    "of scale goes unseen, and pairs below the thresholds are not looked at.",
)
def pair_trends(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    correlation: float = 0.5,
    association: float = 0.3,
) -> Estimate:
    """SDMetrics' Column Pair Trends: mean similarity over the pairs of columns that go together; 1 is best, 0 worst.

    Two numbers (or dates): 1 - |difference of Pearson's coefficient| / 2, where it exceeds *correlation* in the real
    rows. Any other pair: 1 - total variation of the two-way table, where Cramer's V of the real one exceeds
    *association*; a number is cut into ten equal bins of its own table's range, and a missing one is put with the
    largest (both theirs). Equal to SDMetrics' figure up to 50,000 rows, above which theirs draws a sample. Pairs whose
    similarity is undefined are left out; not measured where none is left. Without interval, as theirs.

    Mind the flaw of it: with bins of its own, a release of 1,000 times the real numbers plus 7 scores 1;
    `k_marginal_error` sees it. Raises `PetsEvalError` for thresholds outside [0, 1].

    >>> real = pd.DataFrame({"a": [0.5, 1.5, 2.5], "b": [0.5, 1.5, 2.5]})
    >>> round(pair_trends(real, real.assign(b=[2.5, 1.5, 0.5])).value, 12)
    0.0
    """
    if not (0 <= correlation <= 1 and 0 <= association <= 1):
        raise PetsEvalError("the thresholds of pair trends lie between 0 and 1")
    t = align(real, synthetic, schema=schema)
    if len(t.names) < 2:
        raise Unsupported("the tables share fewer than two columns")
    columns = [_Trend.of(t, name) for name in t.names]
    values = [_similarity(a, b, correlation, association) for a, b in combinations(columns, 2)]
    there = [v for v in values if not math.isnan(v)]
    if not there:
        return Estimate.missing("no two columns go together more than the thresholds ask for, or none can be compared")
    note = f"{len(there)} of {len(values)} pairs go together in the real rows and can be compared"
    return Estimate.exact(min(1.0, max(0.0, float(np.mean(there)))), n=len(there), note=note)


# -- the coefficients -------------------------------------------------------------------------------------------------


def pearson(x: Floats, y: Floats) -> float:
    """Pearson's coefficient over the rows where both are known; NaN where one is constant there.

    >>> round(pearson(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 4.0, 6.0, 0.0])), 12)
    1.0
    """
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.all():
        x, y = x[known], y[known]
    if x.size < 2 or x.min() == x.max() or y.min() == y.max():
        return math.nan
    x, y = _centred(x), _centred(y)
    lengths = math.sqrt(_product(x, x)) * math.sqrt(_product(y, y))
    return min(1.0, max(-1.0, _product(x, y) / lengths)) if lengths else math.nan


def cramers_v(counts: NDArray[np.int64]) -> float:
    """Cramer's V of a two-way table of counts, not corrected for bias; NaN with fewer than two used rows or columns.

    >>> cramers_v(np.array([[5, 0], [0, 5]]))
    1.0
    """
    used = counts[counts.any(axis=1)][:, counts.any(axis=0)].astype(np.float64)
    if min(used.shape) < 2:
        return math.nan
    expected = used.sum(axis=1, keepdims=True) * used.sum(axis=0) / used.sum()
    phi2 = float(((used - expected) ** 2 / expected).sum()) / float(used.sum())
    return min(1.0, math.sqrt(phi2 / (min(used.shape) - 1)))


def correlation_ratio(codes: Codes, values: Floats, categories: int) -> float:
    """Root of the share of the variance of *values* between the categories; NaN where one of the two is constant.

    >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 3.0, 3.0]), 2)
    1.0
    """
    known = ~np.isnan(values)
    if not known.all():
        codes, values = codes[known], values[known]
    if values.size < 2 or values.min() == values.max():
        return math.nan
    values = _centred(values)
    counts = np.bincount(codes, minlength=categories)
    used = counts > 0
    if used.sum() < 2:
        return math.nan
    sums = np.bincount(codes, weights=values, minlength=categories)[used]
    total = _product(values, values)
    return math.sqrt(min(1.0, float((sums**2 / counts[used]).sum()) / total)) if total else math.nan


def _centred(x: Floats) -> Floats:
    """Less the mean, over the largest absolute value, so that no square leaves the range of floats."""
    x = x - x.mean()
    largest = np.abs(x).max()
    return x / largest if largest > 0 else x


def _product(x: Floats, y: Floats) -> float:
    """Inner product without BLAS, whose threads cost more than they bring at this size."""
    return float(np.einsum("i,i->", x, y))


# -- differences over all pairs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Difference:
    value: float
    pair: str


def _differences(t: Aligned) -> dict[str, list[_Difference]]:
    """|difference| of each coefficient for the pairs where it is defined in at least one table."""
    tables = (t.real, t.synthetic)
    columns = t.schema.columns
    numeric = {n: [columns[n].numbers(f[n]) for f in tables] for n in sorted(t.names) if columns[n].numeric}
    names = [n for n in sorted(t.names) if n not in numeric]
    codes: dict[str, list[Codes]] = {}
    sizes: dict[str, int] = {}
    (true, found), (made, _) = (compact(f, t.schema, names) for f in tables)
    for name, a, b, size in zip(names, true, made, found, strict=True):
        codes[name], sizes[name] = [a, b], size
    places = {n: [_order(x) for x in values] for n, values in numeric.items()}
    done: dict[str, list[_Difference]] = {"pearson": [], "spearman": [], "cramer": [], "ratio": []}

    def add(one: str, other: str, **coefficients: list[float]) -> None:
        if not np.isnan(list(coefficients.values())).all():
            for to, pair in coefficients.items():
                real, synthetic = np.nan_to_num(pair)
                done[to].append(_Difference(float(abs(real - synthetic)), f"{one} x {other}"))

    for one, other in combinations(numeric, 2):
        pearsons = [pearson(numeric[one][i], numeric[other][i]) for i in (0, 1)]
        spearmans = [_spearman(places[one][i], places[other][i]) for i in (0, 1)]
        add(one, other, pearson=pearsons, spearman=spearmans)
    for one, other in combinations(names, 2):
        add(one, other, cramer=_two_way(codes[one], codes[other], [sizes[one], sizes[other]]))
    for one in names:
        for other in numeric:
            ratios = [correlation_ratio(codes[one][i], numeric[other][i], sizes[one]) for i in (0, 1)]
            add(one, other, ratio=ratios)
    return done


def _two_way(one: Sequence[Codes], other: Sequence[Codes], sizes: list[int]) -> list[float]:
    """Cramer's V of two columns in each table."""
    return [cramers_v(cell_counts([a, b], sizes).reshape(sizes)) for a, b in zip(one, other, strict=True)]


def _order(x: Floats) -> NDArray[np.int64]:
    """Place of each value among the distinct ones in rising order, -1 where missing."""
    known = ~np.isnan(x)
    places = np.full(len(x), -1)
    places[known] = np.unique(x[known], return_inverse=True)[1]
    return places


def _spearman(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Spearman's coefficient from the places of values, over the rows where both are known."""
    known = (x >= 0) & (y >= 0)
    return pearson(_ranks(x[known]), _ranks(y[known])) if known.any() else math.nan


def _ranks(places: NDArray[np.int64]) -> Floats:
    """Mid-ranks from places among distinct values, without sorting again."""
    counts = np.bincount(places)
    return (counts.cumsum() - (counts - 1) / 2)[places]


def _summary(found: list[_Difference], group: str) -> list[Score]:
    if not found:
        none = Estimate.missing("no association is defined in either table: the columns are constant or empty")
        return [Score(none, group=group, statistic=s) for s in ("mean", "max")]
    worst = max(found, key=lambda d: d.value)
    note = f"worst: {worst.pair}" if worst.value else "no difference"
    mean = Estimate.exact(float(np.mean([d.value for d in found])), n=len(found))
    top = Estimate.exact(worst.value, n=len(found), note=note)
    return [Score(mean, group=group, statistic="mean"), Score(top, group=group, statistic="max")]


# -- SDMetrics' pair trends -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Trend:
    """A column as SDMetrics' pair trends see it, in both tables: numbers (or None), and cells within each table."""

    numbers: tuple[Floats, Floats] | None
    codes: tuple[Codes, Codes]
    size: int

    @staticmethod
    def of(t: Aligned, name: str) -> _Trend:
        column = t.schema.columns[name]
        if column.numeric:
            x, y = (column.numbers(frame[name]) for frame in (t.real, t.synthetic))
            return _Trend((x, y), (_binned(x), _binned(y)), _BINS + 2)
        (true, sizes), (made, _) = (compact(frame, t.schema, [name]) for frame in (t.real, t.synthetic))
        return _Trend(None, (true[0], made[0]), sizes[0])


def _binned(x: Floats) -> Codes:
    edges = np.histogram_bin_edges(x[~np.isnan(x)], bins=_BINS)
    return np.digitize(x, edges).astype(np.uint8)


def _similarity(a: _Trend, b: _Trend, correlation: float, association: float) -> float:
    """The similarity of one pair in both tables; NaN where it is undefined or below its threshold."""
    if a.numbers and b.numbers:
        if any(_constant(x) for x in (*a.numbers, *b.numbers)):
            return math.nan
        true = pearson(a.numbers[0], b.numbers[0])
        if not abs(true) > correlation:
            return math.nan
        return 1 - abs(true - pearson(a.numbers[1], b.numbers[1])) / 2
    sizes = [a.size, b.size]
    if association > 0 and not cramers_v(cell_counts([a.codes[0], b.codes[0]], sizes).reshape(sizes)) > association:
        return math.nan
    real, synthetic = joint_counts([a.codes[0], b.codes[0]], [a.codes[1], b.codes[1]], sizes)
    return 1 - float(np.abs(real / real.sum() - synthetic / synthetic.sum()).sum()) / 2


def _constant(x: Floats) -> bool:
    known = x[~np.isnan(x)]
    return bool(known.size and known.min() == known.max())
