"""Whether released records lie closer to the people who were used than to people who were not.

A small distance to the closest record is no leak by itself, and a large one is no protection: releases that pass such
checks still give members away to membership attacks (Yao et al., "The DCR delusion", 2025; Annamalai, Ganev and De
Cristofaro, "What do you want from theory alone?", 2024). So nothing here is read without held-out people, and the
figures belong beside those of attacks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import wilson
from pets_metrics.nearest import Index, coordinates, nearest
from pets_metrics.rows import distinct_rows
from pets_metrics.tables import align, one_row_each

Floats = NDArray[np.float64]

_LEVEL = 0.95
_TIED = 8  # people from which on a released row has no nearest one
_FEW = 30  # with fewer nearest records in effect, labels are permuted instead of trusting an approximation
_RESAMPLES = 9_999
_MOST = 200_000_000  # labels that are drawn in all, where that leaves at least 999 permutations
_AT_ONCE = 2_000_000  # labels that are drawn in one step
_SOURCE = "Share closer to training: Platzer and Reutterer, Frontiers in Big Data 4 (2021), section 3.3"
_DELUSION = (
    "That the release is safe: releases that pass distance checks can still leak who is in the data (Yao et al. 2025; "
    "Annamalai et al. 2024)."
)


@metric(
    axis="privacy", goal="min", unit="share", range=(0, 1), source=_SOURCE, headline=("excess",), cannot_show=_DELUSION
)
def closest_record(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """Share of released rows whose nearest person is one who was used, and by how much that exceeds chance; 0 is best.

    The nearest record of each released row is found among *real* and *control* together, by Gower's distance over all
    columns but ids and weights (numbers over their range in both). People who are equally near share the row, and a row
    with eight or more of them counts as chance would have it. If the release knows nothing of who was used, the share
    that is "closer to training" is expected to be that of the real people among all.

    Statistics: "excess", (share - expected) / (1 - expected), the share of released rows that are drawn to training
    people beyond chance, whatever the sizes of the two tables, 0 where it would be negative; and "closer to training",
    the share itself. Released rows with the same nearest person are one observation in part: the intervals are
    Wilson's for Kish's effective number of people. Of each unit of privacy, one real or control row is drawn by *rng*.
    Raises `align`'s errors.

    >>> table = lambda values: pd.DataFrame({"a": values})
    >>> found = closest_record(table([0.5, 4.5, 8.5]), table([0.6, 4.6, 2.6]), table([2.5, 6.5, 10.5]))
    >>> {name: round(estimate.value, 3) for name, estimate in found.items()}
    {'excess': 0.333, 'closer to training': 0.667}
    """
    pull = _pull(real, synthetic, control, schema, np.random.default_rng(0) if rng is None else rng)
    n, expected = len(synthetic), pull.expected
    undecided = n - float(pull.weights.sum())
    share = min(1.0, (float(pull.weights[pull.members].sum()) + undecided * expected) / n)
    whole = max(1, round(pull.effective))
    low, high = wilson(round(share * whole), whole, _LEVEL)
    low, high = min(low, share), max(high, share)

    def excess(at: float) -> float:
        return max(0.0, (at - expected) / (1 - expected))

    note, method = f"{expected:.3f} is expected by chance; {whole} people in effect", "wilson-kish"
    return {
        "excess": Estimate(excess(share), excess(low), excess(high), _LEVEL, method, n, note),
        "closer to training": Estimate(share, low, high, _LEVEL, method, n, note),
    }


@metric(
    axis="privacy",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Two-sample permutation test; Pearson type III approximation: Mielke and Berry, Permutation methods (2007)",
    cannot_show=_DELUSION,
)
def closest_record_test(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """p-value of the hypothesis that release rows are no nearer to real than to held-out people; small is suspicious.

    Each released row votes for its nearest person (see `closest_record`) with 1 - d1 / d2, its
    distances to the nearest and to the second nearest one: much for a copy, even a noisy one, and nothing for a tie.
    The votes for a person do not depend on who was used, so that if the real people were drawn from all these people
    at random, the sum of their votes has the permutation distribution: the test is valid however the release was made
    and however its rows depend on each other. The first three moments of that are exact, and its shape is taken as
    Pearson's type III (normal, where that has the longer tail); where few people have most votes, labels are permuted
    with *rng* instead (method "permutation", no p-value below `low`). One-sided. People are drawn and labelled, not
    their rows: of each unit of privacy, one row is drawn by *rng*. NaN where all people are alike. Raises `align`'s
    errors.

    >>> table = lambda values: pd.DataFrame({"a": values})
    >>> real, control = np.arange(0.0, 200.0, 2.0), np.arange(1.0, 201.0, 2.0)
    >>> closest_record_test(table(real), table(real), table(control)).value < 1e-9
    True
    """
    rng = np.random.default_rng(0) if rng is None else rng
    pull = _pull(real, synthetic, control, schema, rng, votes=True)
    if not pull.weights.any():
        return Estimate.missing("no released row is nearer to one person than to others")
    weights, members = pull.weights, pull.members
    if pull.effective < _FEW or len(weights) - int(members.sum()) < _FEW or int(members.sum()) < _FEW:
        p, least = permuted(weights, members, rng)
        return Estimate(p, low=least, method="permutation", n=len(weights))
    p = approximate(weights, members)
    return Estimate(p, p, p, _LEVEL, "pearson-iii", len(weights))


@metric(
    axis="privacy",
    goal="max",
    unit="distance",
    range=(0, 1),
    source=_SOURCE,
    headline=("ratio to training", "ratio to holdout"),
    cannot_show=_DELUSION,
)
def closest_record_distance(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """Median distance of released rows to the closest record, and over that to the second; larger is no verdict.

    Distances are Gower's (see `closest_record`), from 0, a copy, to 1. Statistics: "to training" and "to holdout", and
    "ratio to training" and "ratio to holdout" (nearest-neighbour distance ratio: near 0 where one person stands out as
    the original; 1 where both distances are 0). A larger table has nearer records, so if the tables are of different
    size, the larger is thinned with *rng* to that of the smaller, and only the comparison of the two is of interest. Of
    each unit of privacy, one real or control row is drawn first.
    Intervals: distribution-free for a median, from order statistics, as if released rows were independent.
    Raises `Unsupported` where a table has one person, and `align`'s errors.

    >>> table = lambda values: pd.DataFrame({"a": values})
    >>> found = closest_record_distance(table([0.5, 4.5, 8.5]), table([0.5, 5.5, 8.5]), table([3.5, 6.5, 10.5]))
    >>> {name: round(estimate.value, 2) for name, estimate in found.items()}
    {'to training': 0.0, 'to holdout': 0.2, 'ratio to training': 0.0, 'ratio to holdout': 0.5}
    """
    rng = np.random.default_rng(0) if rng is None else rng
    real, control = (one_row_each(table, schema, rng) for table in (real, control))
    t = align(real, synthetic, control, schema)
    assert t.control is not None
    size = min(len(t.real), len(t.control))
    if size < 2:
        raise Unsupported("a table of one row has no second closest record")
    everyone = pd.concat([t.real, t.control], ignore_index=True)
    released, *references = coordinates(t.schema, t.synthetic, t.real, t.control, scale=everyone)
    medians, ratios = {}, {}
    for name, rows in zip(("training", "holdout"), references, strict=True):
        chosen = rows if len(rows) == size else rows[np.sort(rng.choice(len(rows), size, replace=False))]
        first, second = nearest(released, chosen, 2)[0].T
        medians[f"to {name}"] = median(first)
        medians[f"ratio to {name}"] = median(np.divide(first, second, out=np.ones_like(first), where=second > 0))
    ratios = {name: e for name, e in medians.items() if name.startswith("ratio")}
    return {name: e for name, e in medians.items() if name not in ratios} | ratios


def median(values: Floats) -> Estimate:
    """The median with its distribution-free interval from order statistics (David and Nagaraja, 2003, section 7.1).

    >>> found = median(np.arange(11.0))
    >>> found.value, found.low, found.high
    (5.0, 1.0, 9.0)
    """
    n = len(values)
    below = int(scipy.stats.binom.ppf((1 - _LEVEL) / 2, n, 0.5))
    ordered = np.sort(values)
    place = max(0, below - 1)
    return Estimate(float(np.median(ordered)), float(ordered[place]), float(ordered[n - 1 - place]), _LEVEL, "order", n)


# -- who is nearest --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Pull:
    """For each person, used or held out: how many released rows, or votes, are nearest, and whether they were used."""

    weights: Floats
    members: NDArray[np.bool_]

    @property
    def expected(self) -> float:
        return float(self.members.mean())

    @property
    def effective(self) -> float:
        """Kish's effective number of people that the weight is spread over."""
        squares = float((self.weights**2).sum())
        return float(self.weights.sum()) ** 2 / squares if squares else 0.0


def _pull(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None,
    rng: np.random.Generator,
    votes: bool = False,
) -> _Pull:
    real, control = (one_row_each(table, schema, rng) for table in (real, control))
    t = align(real, synthetic, control, schema)
    assert t.control is not None
    everyone = pd.concat([t.real, t.control], ignore_index=True)
    people, released = coordinates(t.schema, everyone, t.synthetic, scale=everyone)
    first, size, group = distinct_rows(people)
    members = np.arange(len(people)) < len(t.real)
    if votes and len(first) == 1:
        return _Pull(np.zeros(len(people)), members)
    distances, found = Index(people[first]).search(released, min(2 if votes else _TIED, len(first)))
    if votes:
        weights = np.bincount(found[:, 0], 1 - distances[:, 0] / distances[:, 1], minlength=len(first))
    else:
        tied = distances <= distances[:, :1] + 1e-9
        if tied.shape[1] < len(first):
            tied[tied.all(axis=1)] = False  # who else is as near is not known
        each = tied / np.maximum(tied.sum(axis=1, keepdims=True), 1)
        weights = np.bincount(found.ravel(), each.ravel(), minlength=len(first))
    return _Pull((weights / size)[group], members)


def approximate(weights: Floats, members: NDArray[np.bool_]) -> float:
    """P(sum of the members' weights >= what it is) under random labels, by the exact first three moments.

    >>> round(approximate(np.arange(100.0), np.arange(100) >= 50) * 1e9) < 1
    True
    """
    n, m = len(weights), int(members.sum())
    rest = n - m
    gap = weights - weights.mean()
    variance = m * rest / (n * (n - 1)) * float((gap**2).sum())
    if variance <= 0:
        return 1.0
    third = m * rest * (rest - m) / (n * (n - 1) * (n - 2)) * float((gap**3).sum())
    z = float(gap[members].sum()) / math.sqrt(variance)
    return float(scipy.stats.pearson3.sf(z, max(0.0, third / variance**1.5)))


def permuted(weights: Floats, members: NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float]:
    """P(sum of the members' weights >= what it is) under random labels, by permutations, and the least it can be.

    Only the people with any weight are labelled: how many of them are members is hypergeometric.

    >>> permuted(np.array([1.0, 1.0, 0.0, 0.0]), np.array([True, True, False, False]), np.random.default_rng(0))[1]
    0.0001
    """
    heavy = weights[weights > 0]
    observed = float(weights[members].sum())
    n, m = len(weights), int(members.sum())
    resamples = min(_RESAMPLES, max(999, _MOST // len(heavy)))
    reached = 0
    step = max(1, _AT_ONCE // len(heavy))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        many = rng.hypergeometric(m, n - m, len(heavy), size=size)
        shuffled = rng.permuted(np.broadcast_to(heavy, (size, len(heavy))), axis=1)
        sums = np.where(np.arange(len(heavy)) < many[:, None], shuffled, 0.0).sum(axis=1)
        reached += int((sums >= observed - 1e-9 * observed).sum())
    return (1 + reached) / (1 + resamples), 1 / (1 + resamples)


# -- as SDMetrics has it: rows, whatever the unit of privacy ---------------------------------------------------------


def closest_distances(rows: pd.DataFrame, references: pd.DataFrame, schema: Schema | None = None) -> Floats:
    """Distance of each of *rows* to its closest record in *references*, shape (rows,), in [0, 1], by numbers' ranges
    in *references*: SDMetrics 0.32's `calculate_dcr`.

    >>> closest_distances(pd.DataFrame({"a": [1.5, 5.5]}), pd.DataFrame({"a": [0.5, 4.5]}))
    array([0.25, 0.25])
    """
    t = align(references, rows, schema=schema)
    some, others = coordinates(t.schema, t.synthetic, t.real, scale=t.real)
    return nearest(some, others)[0][:, 0]


def overfitting_protection(
    real: pd.DataFrame, synthetic: pd.DataFrame, control: pd.DataFrame, schema: Schema | None = None
) -> float:
    """SDMetrics 0.32's `DCROverfittingProtection` on all rows: min(2 (1 - P[closer to training]), 1).

    It counts ties as closer to the holdout, so that copies of people who are like held-out ones pass; `closest_record`
    splits them. For comparison only.
    """
    closer = closest_distances(synthetic, real, schema) < closest_distances(synthetic, control, schema)
    return min(1.0, 2 * (1 - float(closer.mean())))


def baseline_protection(
    real: pd.DataFrame, synthetic: pd.DataFrame, random: pd.DataFrame, schema: Schema | None = None
) -> float:
    """SDMetrics 0.32's `DCRBaselineProtection` for a given *random* table: the median closest distance of the release
    over that of random rows, at most 1; NaN where the latter is 0. For comparison only.
    """
    base = float(np.median(closest_distances(random, real, schema)))
    return math.nan if base == 0 else min(1.0, float(np.median(closest_distances(synthetic, real, schema))) / base)
