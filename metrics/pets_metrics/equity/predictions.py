"""Whether a predictor treats groups of people alike.

Groups are the public cells of each quasi-identifier that the people to be scored have. A gap is the largest difference
between two groups, and a largest difference is above 0 by chance alone; hence the intervals hold for all pairs of
groups and all quasi-identifiers at once (Bonferroni). That of a pair joins the limits of its two rates as Newcombe does
(Zou and Donner, Statistics in Medicine 27, 2008), but exact limits: at such levels Wilson's are too narrow for rare
outcomes in small groups. That of the gap goes from the largest lower to the largest upper end over the pairs. People
are taken as independent.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.equity.groups import told
from pets_metrics.intervals import clopper_pearson
from pets_metrics.tables import align
from pets_metrics.utility.prediction import area_under_curve

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Limits = Callable[[float], tuple[float, float]]

_LEVEL = 0.95
_FEWEST = 10  # people that a rate must rest on at the least


@dataclass(frozen=True, eq=False)
class _Rates:
    """One rate of several groups: their cells and its values, shapes (groups,), and its limits at a given level."""

    cells: list[int]
    values: Floats
    limits: list[Limits]

    @property
    def pairs(self) -> int:
        return math.comb(len(self.cells), 2)

    def gap(self, level: float) -> tuple[float, float, float]:
        """The largest difference with its ends, where the interval of each pair holds at *level*."""
        low, high = np.array([limits(level) for limits in self.limits]).T
        p, below, above = self.values, self.values - low, high - self.values
        apart = p[:, None] - p
        lowest = float((apart - np.hypot(below[:, None], above)).max())
        highest = float((apart + np.hypot(above[:, None], below)).max())
        return float(np.ptp(p)), max(0.0, lowest), min(1.0, highest)


@dataclass(frozen=True, eq=False)
class _People:
    """Scores and outcomes (NaN: not known) of people, the cell of each in one attribute, and the number of cells."""

    scores: Floats
    outcomes: Floats
    cell: Indices
    cells: int

    def of_enough(self, least: int) -> Indices:
        """The cells that have at least *least* people."""
        return np.flatnonzero(np.bincount(self.cell, minlength=self.cells) >= least)

    def known(self) -> _People:
        """Those whose outcome is known."""
        there = ~np.isnan(self.outcomes)
        return _People(self.scores[there], self.outcomes[there], self.cell[there], self.cells)


@metric(
    axis="equity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Agarwal et al., A reductions approach to fair classification, ICML (2018); as in fairlearn.metrics",
    cannot_show="That the predictions are any good, or that the outcomes they were learned from were fair.",
)
def demographic_parity_difference(
    answer: Answer,
    truth: Answer,
    query: pd.DataFrame,
    schema: Schema,
    threshold: float = 0.5,
    least: int = 30,
) -> list[Score]:
    """Largest difference between two groups in the share of people who are predicted positive; 0 is even, 1 is worst.

    *query* has the people who are predicted, in the order of the answer's cells; positive is a probability of at least
    *threshold*. Groups of fewer than *least* people are left out. One score per quasi-identifier (as group) and the
    largest ("max"). Interval: from Clopper and Pearson's limits of the rates, for all pairs of groups and attributes at
    once (see the module). Raises `Unsupported` unless the task predicts outcomes and *query* has a quasi-identifier,
    and `PetsEvalError` where it has another number of rows than the answer.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",))})
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> answer, truth = Answer.of(people, [0.9, 0.8, 0.7, 0.2]), Answer.of(people, [1, 0, 1, 0])
    >>> query = pd.DataFrame({"sex": ["F", "F", "M", "M"]})
    >>> scores = demographic_parity_difference(answer, truth, query, schema, least=2)
    >>> scores[0].group, scores[0].estimate.value, scores[0].estimate.note
    ('sex', 0.5, 'lowest for sex = M, highest for sex = F')
    """

    def rates(people: _People) -> list[_Rates]:
        chosen = people.of_enough(least)
        return [_shares(people.cell, people.scores >= threshold, people.cells, chosen)]

    return _gaps(answer, truth, query, schema, rates, f"fewer than two groups of {least} people", "clopper-pearson")


@metric(
    axis="equity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Hardt, Price and Srebro, Equality of opportunity, NeurIPS (2016); worst case as in fairlearn.metrics",
    cannot_show="That the predictions are any good: guessing treats everybody alike.",
)
def equalised_odds_difference(
    answer: Answer,
    truth: Answer,
    query: pd.DataFrame,
    schema: Schema,
    threshold: float = 0.5,
    least: int = 30,
) -> list[Score]:
    """Largest difference between two groups in the true or in the false positive rate, whichever is larger; 0 is even.

    In [0, 1]; positive is a probability of at least *threshold*. People without a known outcome are left out, then
    groups of fewer than *least*, and from a rate those with fewer than ten people of its outcome. The rest is as in
    `demographic_parity_difference`.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",))})
    >>> people = cell_index([("sick", str(i), "probability") for i in range(40)])
    >>> truth = Answer.of(people, [1, 0] * 20)
    >>> answer = Answer.of(people, [1, 0] * 10 + [0.4, 0.1] * 10)
    >>> query = pd.DataFrame({"sex": ["F"] * 20 + ["M"] * 20})
    >>> equalised_odds_difference(answer, truth, query, schema, least=20)[0].estimate.value
    1.0
    """

    def rates(people: _People) -> list[_Rates]:
        enough = people.known().of_enough(least)
        found = []
        for outcome in (1, 0):
            those = people.outcomes == outcome
            size = np.bincount(people.cell[those], minlength=people.cells)
            chosen = enough[size[enough] >= _FEWEST]
            found.append(_shares(people.cell[those], people.scores[those] >= threshold, people.cells, chosen))
        return found

    why = f"fewer than two groups of {least} people with {_FEWEST} of one outcome"
    return _gaps(answer, truth, query, schema, rates, why, "clopper-pearson")


@metric(
    axis="equity",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="subgroup AUC of Borkan et al., Nuanced metrics for measuring unintended bias, WWW companion (2019)",
    cannot_show="That the same threshold treats the groups alike: scores may be shifted for a whole group.",
)
def group_auroc_gap(
    answer: Answer,
    truth: Answer,
    query: pd.DataFrame,
    schema: Schema,
    least: int = 30,
) -> list[Score]:
    """Largest difference between two groups in the area under the ROC curve within the group; 0 is even, 1 is worst.

    People without a known outcome are left out, then groups of fewer than *least* people or of fewer than ten in one
    class. Interval: that of a pair is made of the limits of the two areas, which are those of `auroc`; it holds for all
    pairs of groups and attributes at once. The rest is as in `demographic_parity_difference`.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",))})
    >>> people = cell_index([("sick", str(i), "probability") for i in range(40)])
    >>> truth = Answer.of(people, [1, 0] * 20)
    >>> answer = Answer.of(people, [0.9, 0.1] * 10 + [0.5, 0.5] * 10)
    >>> query = pd.DataFrame({"sex": ["F"] * 20 + ["M"] * 20})
    >>> group_auroc_gap(answer, truth, query, schema, least=20)[0].estimate.value
    0.5
    """

    def rates(people: _People) -> list[_Rates]:
        known = people.known()
        cells, values = [], []
        limits: list[Limits] = []
        for cell in known.of_enough(least).tolist():
            mine = known.cell == cell
            scores, positive = known.scores[mine], known.outcomes[mine] == 1
            classes = scores[positive], scores[~positive]
            if min(len(c) for c in classes) < _FEWEST:
                continue
            cells.append(cell)
            values.append(area_under_curve(*classes).value)
            limits.append(functools.partial(_area_limits, *classes))
        return [_Rates(cells, np.array(values), limits)]

    why = f"fewer than two groups of {least} people with {_FEWEST} of each class"
    return _gaps(answer, truth, query, schema, rates, why, "newcombe-delong")


def _area_limits(positives: Floats, negatives: Floats, level: float) -> tuple[float, float]:
    """The limits of an area under the ROC curve as in `auroc`."""
    found = area_under_curve(positives, negatives, level)
    return found.low, found.high


def _shares(cell: Indices, positive: NDArray[np.bool_], cells: int, chosen: Indices) -> _Rates:
    """The share of *positive* people in each of the *chosen* cells."""
    n = np.bincount(cell, minlength=cells)[chosen]
    k = np.bincount(cell[positive], minlength=cells)[chosen]
    limits: list[Limits] = [
        functools.partial(clopper_pearson, *both) for both in zip(k.tolist(), n.tolist(), strict=True)
    ]
    return _Rates(chosen.tolist(), k / n, limits)


def _gaps(
    answer: Answer,
    truth: Answer,
    query: pd.DataFrame,
    schema: Schema,
    rates: Callable[[_People], list[_Rates]],
    too_few: str,
    method: str,
) -> list[Score]:
    """A score per quasi-identifier and their maximum, each with its simultaneous interval."""
    if not (truth.table.index.get_level_values("statistic") == "probability").all():
        raise Unsupported("the task predicts no outcomes")
    scores, outcomes = answer.on(truth.table.index).values, truth.values
    described, groups = _groups(query, schema, len(scores))
    if np.isnan(scores).any():
        missing = Estimate.missing(f"{int(np.isnan(scores).sum())} of {len(scores)} people are not scored")
        return [Score(missing, statistic="max")]
    compared = {
        name: [r for r in rates(_People(scores, outcomes, *found)) if len(r.cells) > 1]
        for name, found in groups.items()
    }
    level = 1 - (1 - _LEVEL) / max(1, sum(r.pairs for families in compared.values() for r in families))
    done: list[Score] = []
    for name, families in compared.items():
        if not families:
            done.append(Score(Estimate.missing(too_few), group=name))
            continue
        gap, low, high = (max(ends) for ends in zip(*(r.gap(level) for r in families), strict=True))
        widest = max(families, key=lambda r: float(np.ptp(r.values)))
        ends = (told(described, name, widest.cells[int(i)]) for i in (widest.values.argmin(), widest.values.argmax()))
        note = "lowest for {}, highest for {}".format(*ends) if gap > 0 else "all groups alike"
        done.append(Score(Estimate(gap, low, high, _LEVEL, f"simultaneous {method}", len(scores), note), group=name))
    return [*done, Score(_largest(done), statistic="max")]


def _largest(found: list[Score]) -> Estimate:
    """The largest gap. As all intervals hold at once, so does that from the largest lower to the largest upper end."""
    there = [s.estimate for s in found if not math.isnan(s.estimate.value)]
    if not there:
        return found[0].estimate
    worst = max(there, key=lambda e: e.value)
    low, high = max(e.low for e in there), max(e.high for e in there)
    return Estimate(worst.value, low, high, _LEVEL, worst.method, worst.n, worst.note)


def _groups(query: pd.DataFrame, schema: Schema, rows: int) -> tuple[Schema, dict[str, tuple[Indices, int]]]:
    """The schema of the quasi-identifiers in *query*, and for each every person's cell and the number of cells."""
    if len(query) != rows:
        raise PetsEvalError(f"query has {len(query)} rows and the answer {rows} people; they must be the same people")
    usable = set(schema.tabular())
    names = [n for n in schema.with_role("quasi-identifier") if n in usable and n in query]
    if not names:
        raise Unsupported("the people to be scored have no quasi-identifier")
    some = query[names]
    t = align(some, some, schema=schema.select(names), columns=names)
    return t.schema, {n: (c.codes(t.real[n]).astype(np.intp), len(c.cells())) for n, c in t.schema.columns.items()}
