"""Whether released records are as true to small groups as to large ones.

A group is a public cell of a quasi-identifier (without roles in the schema: of each column with at most 20 cells).
Within a group, the distance of the release from the real records is the total variation of each other column's
distribution, averaged over those columns. Small groups are at a larger distance by chance alone. How much larger is
known exactly: the expected distance if the group's real and released records were shuffled, which keeps the sizes of
both (mean absolute deviation of the hypergeometric distribution: Diaconis and Zabell, Statistical Science 6, 1991). The
*excess* is the distance less that, so that a fresh sample of the same people has an excess around 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema, Score, Unsupported
from pets_eval.model.multiplicity import holm
from pets_eval.registry import metric
from pets_metrics.equity.groups import ALPHA, beyond, told
from pets_metrics.intervals import clopper_pearson, proportion
from pets_metrics.tables import Aligned, align, cell_codes

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_LEVEL = 0.95
_FEW_CELLS = 20
_EXPECTED = 10  # released records that a group must be expected to have: that none comes by chance is then below 1e-4


@metric(
    axis="equity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="total variation per group; excess over a permutation of the records: see the module, and Diaconis and "
    "Zabell, Statistical Science 6 (1991), for its expectation",
    headline=("gap",),
    cannot_show="That relations between the other columns hold within the groups, or that groups which no single "
    "column forms are served as well.",
)
def group_fidelity_gap(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None, least: int = 30
) -> list[Score]:
    """How much farther the worst-served group's released records are from real ones than on average; 0 is even.

    In total variation of the other columns within the group, beyond what sampling noise explains (see the module); 0 is
    even, 1 is worst. Per quasi-identifier (as group), and the largest of them: statistic "gap" is the worst group's
    excess less the mean over the groups, weighted by people; "worst" is that excess itself; neither is below 0. Groups
    of fewer than *least* real records are left out; one that vanishes, where at least ten released records would be
    expected, is at distance 1. Intervals: normal, from the variance of the records' influence on the distance, which
    is conservative near 0; they hold for all groups of all quasi-identifiers at once (Bonferroni), from the least to
    the most that some group must have. The note names the group with the largest excess, and says for how many it is
    above 0 beyond chance (Holm-corrected over all groups). Where a distance is large, the excess is a little too low,
    never too high. Raises `Unsupported` where there is no group.

    >>> real = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a", "b"] * 50})
    >>> synthetic = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a", "a"] * 50})
    >>> scores = group_fidelity_gap(real, synthetic)
    >>> [(s.group, s.statistic, round(s.estimate.value, 2)) for s in scores[:2]]
    [('sex', 'gap', 0.46), ('sex', 'worst', 0.92)]
    """
    tables, found = _all_groups(align(real, synthetic, None, schema), least)
    p = holm([v for g in found.values() for v in g.p])
    z = _quantile(found)
    scores, start = [], 0
    for name, g in found.items():
        own, start = p[start : start + len(g.cells)], start + len(g.cells)
        if not len(g.cells):
            missing = Estimate.missing(f"no group of at least {least} records")
            scores += [Score(missing, group=name, statistic=s) for s in ("gap", "worst")]
            continue
        worst = int(g.excess.argmax())
        note = f"worst served: {told(tables.schema, name, int(g.cells[worst]))}, {beyond(own[worst])} "
        note += f"(Holm-corrected p = {own[worst]:.2g} over {len(p)} groups)"
        farther = sum(v < ALPHA for v in own)
        note += f"; {farther} of {len(own)} groups are farther than chance allows" if farther else ""
        share = g.people / g.people.sum()
        beyond_noise = np.maximum(g.excess, 0)
        gap = beyond_noise - (share * beyond_noise).sum()
        error = np.sqrt((1 - 2 * share) * g.variance + (share**2 * g.variance).sum())
        for statistic, value, spread in (("gap", gap, error), ("worst", g.excess, np.sqrt(g.variance))):
            scores.append(Score(_largest(value, z * spread, (0, 1), note), group=name, statistic=statistic))
    return [*scores, *(_overall(scores, s) for s in ("gap", "worst"))]


@metric(
    axis="equity",
    goal="min",
    unit="ratio",
    range=(1, np.inf),
    source="total variation per group: see group-fidelity-gap; ratio as in NIST SP 800-226 (2025), bias",
    cannot_show="That the release is true to anybody, nor unfairness by itself: a small group is at a larger distance "
    "by sampling noise alone (group-fidelity-gap takes that off).",
)
def group_fidelity_ratio(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None, least: int = 30
) -> list[Score]:
    """How many times farther the worst-served group's released records are from real ones than on average; 1 is even.

    The largest over the groups of the distance of `group_fidelity_gap`, without anything taken off, divided by its
    mean over the groups, weighted by people; 1 is even. Per quasi-identifier (as group) and the largest ("max"); NaN
    where no group differs at all. Intervals and what is left out are as there; those of the ratio are on the log scale.

    >>> real = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a", "b"] * 50})
    >>> synthetic = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a", "a"] * 50})
    >>> group_fidelity_ratio(real, synthetic)[0].estimate.value
    2.0
    """
    tables, found = _all_groups(align(real, synthetic, None, schema), least)
    z = _quantile(found)
    scores = []
    for name, g in found.items():
        if not g.distance.any():
            why = "no group differs at all" if len(g.cells) else f"no group of at least {least} records"
            scores.append(Score(Estimate.missing(why), group=name))
            continue
        share = g.people / g.people.sum()
        mean = float((share * g.distance).sum())
        there = g.distance > 0
        d, v = g.distance[there], g.variance[there]
        relative = v / d**2 + float((share**2 * g.variance).sum()) / mean**2 - 2 * share[there] * v / (d * mean)
        half = z * np.sqrt(np.maximum(relative, 0))
        worst = int(g.distance.argmax())
        low, high = max(1.0, float((d / mean * np.exp(-half)).max())), float((d / mean * np.exp(half)).max())
        note = f"worst served: {told(tables.schema, name, int(g.cells[worst]))}"
        value = max(1.0, float(g.distance[worst]) / mean)
        made = Estimate(value, low, max(high, value), _LEVEL, "simultaneous delta", len(g.cells), note)
        scores.append(Score(made, group=name))
    return [*scores, _overall(scores, "", "max")]


@metric(
    axis="equity",
    goal="min",
    unit="share of people",
    range=(0, 1),
    source="difference of two shares; interval: Zou and Donner, Statistics in Medicine 27 (2008), from exact limits",
    headline=("difference",),
    cannot_show="That the records of a group are true: a group may have its share and none of its properties.",
)
def group_share_difference(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Largest change of a group's share of the records, and the share of people whose group vanishes; 0 is best.

    Per quasi-identifier (as group), and the largest of them. Statistic "difference" is the largest over the groups of
    |share in the release - share in the real table|. Intervals join Clopper and Pearson's of the two shares as Newcombe
    joins Wilson's, which are too narrow for small groups at the level needed: they hold for all groups of all
    quasi-identifiers at once (Bonferroni), and go from the least to the most that they allow some group. Statistic
    "vanished" is the share of real records in groups that have none in the release where at least ten were to be
    expected, with Wilson's interval. In [0, 1]. Raises `Unsupported` where there is no group.

    >>> real = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a"] * 80 + ["b"] * 20})
    >>> synthetic = pd.DataFrame({"sex": ["F", "M"] * 50, "job": ["a"] * 100})
    >>> [(s.group, s.statistic, s.estimate.value) for s in group_share_difference(real, synthetic)[2:4]]
    [('job', 'difference', 0.2), ('job', 'vanished', 0.2)]
    """
    t = align(real, synthetic, None, schema)
    names = _dividing(t.schema)
    sizes = {}
    for name in names:
        column = t.schema.column(name)
        sizes[name] = [np.bincount(column.codes(f[name]), minlength=len(column.cells())) for f in (t.real, t.synthetic)]
    m, n = len(t.real), len(t.synthetic)
    level = 1 - (1 - _LEVEL) / sum(int(((a + b) > 0).sum()) for a, b in sizes.values())
    scores = []
    for name, (a, b) in sizes.items():
        there = np.flatnonzero(a + b)
        (before_low, before_high), (low, high) = (_limits(x[there], total, level) for x, total in ((a, m), (b, n)))
        p, q = a[there] / m, b[there] / n
        change = q - p
        ends = change - np.hypot(q - low, before_high - p), change + np.hypot(high - q, p - before_low)
        worst = int(np.abs(change).argmax())
        least = np.maximum(np.maximum(ends[0], -ends[1]), 0).max()
        way = "more" if change[worst] > 0 else "fewer" if change[worst] < 0 else "as many"
        note = f"largest for {told(t.schema, name, int(there[worst]))}: {way} than in truth" if change[worst] else ""
        value, high = float(np.abs(change[worst])), min(1.0, float(np.abs(ends).max()))
        largest = Estimate(value, float(least), high, _LEVEL, "simultaneous clopper-pearson", len(there), note)
        gone = (b == 0) & (a / m * n >= _EXPECTED)
        lost = proportion(int(a[gone].sum()), m, _LEVEL, f"{int(gone.sum())} groups vanish" if gone.any() else "")
        scores += [Score(largest, group=name, statistic="difference"), Score(lost, group=name, statistic="vanished")]
    return [*scores, *(_overall(scores, s) for s in ("difference", "vanished"))]


@dataclass(frozen=True, eq=False)
class _Groups:
    """The groups of one column that are compared: their cells, real records, distances, expected ones, variances."""

    cells: Codes
    people: Floats
    distance: Floats
    expected: Floats
    variance: Floats

    @property
    def excess(self) -> Floats:
        return self.distance - self.expected

    @property
    def p(self) -> Floats:
        """Of "no farther than shuffled records", one-sided and normal."""
        z = self.excess / np.sqrt(np.where(self.variance > 0, self.variance, 1e-300))
        p: Floats = scipy.special.ndtr(-z)
        return p


def _dividing(schema: Schema) -> list[str]:
    """The columns whose cells are the groups."""
    named = schema.with_role("quasi-identifier")
    names = named or [n for n, c in schema.columns.items() if len(c.cells()) <= _FEW_CELLS]
    if not names:
        raise Unsupported("no column is a quasi-identifier, and none has few enough cells to form groups")
    return names


def _all_groups(t: Aligned, least: int) -> tuple[Aligned, dict[str, _Groups]]:
    names = _dividing(t.schema)
    if len(t.names) < 2:
        raise Unsupported("there is no column beside the one that forms the groups")
    (real, size), (released, _) = (cell_codes(f, t.schema) for f in (t.real, t.synthetic))
    found = {name: _groups(real, released, size, t.names.index(name), least) for name in names}
    if not any(len(g.cells) for g in found.values()):
        raise Unsupported(f"no group has {least} records")
    return t, found


def _groups(real: NDArray[np.int32], released: NDArray[np.int32], size: Codes, by: int, least: int) -> _Groups:
    """Distances within the groups that column number *by* forms, from cell numbers, shapes (rows, columns)."""
    mine, theirs = real[:, by].astype(np.int64), released[:, by].astype(np.int64)
    n_real, n_released = (np.bincount(x, minlength=size[by]) for x in (mine, theirs))
    expected_rows = n_real / len(real) * len(released)
    cells = np.flatnonzero((n_real >= least) & ((n_released > 0) | (expected_rows >= _EXPECTED)))
    others = [c for c in range(len(size)) if c != by]
    distance, expected = np.zeros(size[by]), np.zeros(size[by])
    influence = [np.zeros(len(real)), np.zeros(len(released))]
    a, b = np.maximum(n_real, 1), np.maximum(n_released, 1)
    for c in others:
        places = [group * size[c] + codes[:, c] for group, codes in ((mine, real), (theirs, released))]
        x, y = (np.bincount(p, minlength=int(size[by] * size[c])) for p in places)
        at = np.flatnonzero(x + y)
        g = at // size[c]
        apart = x[at] / a[g] - y[at] / b[g]
        distance += np.bincount(g, weights=np.abs(apart), minlength=size[by]) / 2
        noise = _shuffled(x[at] + y[at], n_real[g], n_released[g]) * (1 / a[g] + 1 / b[g])
        expected += np.bincount(g, weights=noise, minlength=size[by]) / 2
        sign = np.zeros(len(x))
        sign[at] = np.sign(apart) / 2
        for sums, place in zip(influence, places, strict=True):
            sums += sign[place]
    count = len(others)
    variance = np.zeros(size[by])
    for sums, group, n in zip(influence, (mine, theirs), (a, b), strict=True):
        first, second = (np.bincount(group, weights=(sums / count) ** k, minlength=size[by]) for k in (1, 2))
        variance += np.maximum(second / n - (first / n) ** 2, 0) / np.maximum(n - 1, 1)
    gone = n_released == 0
    distance, expected = np.where(gone, 1.0, distance / count), np.where(gone, 0.0, expected / count)
    variance = np.where(gone, 0.0, variance)
    return _Groups(cells, n_real[cells].astype(float), distance[cells], expected[cells], variance[cells])


def _shuffled(hits: Codes, m: Codes, n: Codes) -> Floats:
    """Expected |X - mean| where X of *hits* marked records among m + n fall among the n, elementwise.

    2 k (m - hits + k) / (m + n) P(X = k) with k = floor(mean) + 1 (Diaconis and Zabell 1991); 0 where nothing is left
    to chance.
    """
    total = m + n
    k = hits * n // total + 1
    inside = (k <= hits) & (k <= n) & (m - hits + k >= 0)
    k = np.where(inside, k, 0)
    rest, others = np.where(inside, m - hits + k, 0), np.where(inside, n - k, 0)  # unmarked among the m, and the n
    of = scipy.special.gammaln  # of(x + 1) is the logarithm of x!
    chance = of(hits + 1) - of(k + 1) - of(hits - k + 1) + of(total - hits + 1) - of(others + 1) - of(rest + 1)
    chance = np.exp(np.where(inside, chance - of(total + 1) + of(n + 1) + of(m + 1), -np.inf))
    found: Floats = np.where(inside, 2 * k * rest / total * chance, 0.0)
    return found


def _limits(successes: Codes, trials: int, level: float) -> Floats:
    """Clopper and Pearson's limits of each share, shape (2, shares)."""
    return np.array([clopper_pearson(k, trials, level) for k in successes.tolist()]).T


def _quantile(found: dict[str, _Groups]) -> float:
    return float(scipy.special.ndtri(1 - (1 - _LEVEL) / 2 / sum(len(g.cells) for g in found.values())))


def _largest(values: Floats, half: Floats, within: tuple[float, float], note: str) -> Estimate:
    """The largest of the values, with the largest of their lower and of their upper ends, cut to the range."""
    ends = (values.max(), (values - half).max(), (values + half).max())
    value, low, high = (float(np.clip(v, *within)) for v in ends)
    return Estimate(value, low, high, _LEVEL, "simultaneous normal", len(values), note)


def _overall(scores: list[Score], statistic: str, name: str = "") -> Score:
    """The largest over the quasi-identifiers; their intervals hold at once, so the largest ends are its interval."""
    there = [s.estimate for s in scores if s.statistic == statistic and not math.isnan(s.estimate.value)]
    if not there:
        return Score(next(s.estimate for s in scores if s.statistic == statistic), statistic=name or statistic)
    worst = max(there, key=lambda e: e.value)
    low, high = max(e.low for e in there), max(e.high for e in there)
    return Score(replace(worst, low=low, high=high), statistic=name or statistic)
