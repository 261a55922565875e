"""Whether released records tell who was in the data: membership inference without running the technique again.

The attacker has the release, a target's record, and people of the same population (half of the control rows, the
reference). The other half are the non-members on whom the attack must fail. Shadow-model attacks, which run the
technique again, are in `shadow`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.nearest import Index, coordinates
from pets_metrics.privacy.attack_scores import FIGURES, attack_figures, auc, smallest_test, widened
from pets_metrics.rows import row_classes
from pets_metrics.tables import Aligned, align, cell_codes, one_row_each

Floats = NDArray[np.float64]

_LEVEL = 0.95
_NEIGHBOURS = 10
_LEAST = 50  # members and non-members of a group that is looked at by itself
_CLOSE = 1e-6  # added to distances before their logarithm: an exact match is this close
_CANNOT = (
    "That the release is safe: an attacker who runs the technique again may do better, and people unlike the rest may "
    "be exposed where the many are not."
)


@metric(
    axis="privacy",
    goal="min",
    unit="advantage, rate or area; effective epsilon in nats",
    range=(-1, np.inf),
    source="van Breugel et al., DOMIAS (AISTATS 2023); distance: Chen et al., GAN-Leaks (CCS 2020)",
    headline=("auc", "tpr at 1% fpr"),
    cannot_show=_CANNOT,
)
def membership_advantage(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    targets: int = 5_000,
) -> list[Score]:
    """How well four attacks on released records tell people who were in the data from others; less is better.

    Each attack scores at most *targets* real rows, drawn by *rng*, and the non-members: a random half of the control
    rows, four times *targets* at most. The other half of the control rows is the attacker's reference.

    - "distance": minus Gower's distance to the nearest released record;
    - "relative distance": how much nearer that is than the nearest reference record (its logarithm);
    - "density ratio": log(released / reference density), the mean of its k-th-neighbour estimates in Gower's space for
      k = 1 to 10 (DOMIAS with a density estimator that serves mixed types and needs no fit);
    - "exact match": the same ratio by counts of records equal to the target, each with 1/2 added.

    One group of rows per attack, with the statistics of `attack_scores.attack_figures`: "auc" in [0, 1] (0.5 is
    guessing), "tpr at 1% fpr" and "tpr at 0.1% fpr" in [0, 1], "advantage" in [-1, 1] (0 is guessing), "effective
    epsilon" in [0, inf). Group "" has for each statistic the attack whose interval, widened by Bonferroni for the
    choice among the attacks, has the highest lower end: the one that finds most people need not be the one that is
    surest of a few. The note names it. For each quasi-identifier, the area of the attack that is strongest by area
    follows, in the smallest group with at least 50 members and 50 non-members ("race = X"; a category that was read
    from the data is not told), widened for their number.

    Of each unit of privacy, one real or control row is drawn by *rng*, so that people are compared and not their rows.
    Control rows must be of the population that the real rows are of: a shift between the two reads as leakage. Raises
    `Unsupported` for fewer than 4 control rows.

    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"x": rng.normal(size=400), "y": rng.normal(size=400)})
    >>> rows = membership_advantage(people[:200], people[:200], people[200:])
    >>> next(r.estimate.value for r in rows if r.group == "" and r.statistic == "auc")
    1.0
    """
    rng = rng or np.random.default_rng(0)
    real, control = (one_row_each(table, schema, rng) for table in (real, control))
    played = play(align(real, synthetic, control, schema), rng, targets)
    seed = int(rng.integers(2**63))  # each attack is measured on the same halves
    level = 1 - (1 - _LEVEL) / len(played.scores)
    wide = {n: attack_figures(*pair, np.random.default_rng(seed), level) for n, pair in played.scores.items()}
    strongest = {statistic: _strongest(wide, statistic) for statistic in FIGURES}
    rows = [
        Score(widened(wide[name][statistic], f"strongest of {len(wide)} attacks: {name}"), statistic=statistic)
        for statistic, name in strongest.items()
    ]
    for name, pair in played.scores.items():
        figures = attack_figures(*pair, np.random.default_rng(seed))
        rows += [Score(estimate, group=name, statistic=statistic) for statistic, estimate in figures.items()]
    return rows + _smallest_groups(played, strongest["auc"])


@metric(
    axis="privacy",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Mann and Whitney (1947); Fisher (1935); attacks as in membership-advantage",
    cannot_show=_CANNOT,
)
def membership_test(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    targets: int = 5_000,
) -> Estimate:
    """p-value of the hypothesis that no attack of `membership_advantage` tells members; small is suspicious.

    If the release does not depend on which people of the population were in the data, members and non-members are
    exchangeable given the release and the reference, and so both tests of each attack are valid: Mann and Whitney's
    over everybody, and the number of members among the 1 % of highest scores (hypergeometric). The smallest p-value
    times their number (Bonferroni) is given; small is suspicious. People are exchangeable, not their rows: one row of
    each unit of privacy is drawn. Parameters, limits and errors as there.

    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"x": rng.normal(size=400), "y": rng.normal(size=400)})
    >>> membership_test(people[:200], people[:200], people[200:]).value < 1e-9
    True
    """
    rng = rng or np.random.default_rng(0)
    real, control = (one_row_each(table, schema, rng) for table in (real, control))
    return smallest_test(play(align(real, synthetic, control, schema), rng, targets).scores)


@dataclass(frozen=True, eq=False)
class Played:
    """Scores of (members, non-members) by attack, and the cells of both, shape (people, columns)."""

    scores: dict[str, tuple[Floats, Floats]]
    cells: tuple[NDArray[np.int32], NDArray[np.int32]]
    schema: Schema


def play(tables: Aligned, rng: np.random.Generator, targets: int = 5_000) -> Played:
    """Play the attacks of `membership_advantage` on aligned tables, whose rows are taken for people."""
    if targets < 1:
        raise PetsEvalError("targets must be at least 1")
    if tables.control is None or len(tables.control) < 4:
        raise Unsupported("needs at least 4 held-out people (control): half of them are the attacker's reference")
    everybody = pd.concat([tables.real, tables.control], ignore_index=True)  # a scale that knows no labels
    real, release, control = coordinates(tables.schema, tables.real, tables.synthetic, tables.control, scale=everybody)
    chosen = rng.permutation(len(real))[:targets]
    order = rng.permutation(len(control))
    outside, reference = order[: len(order) // 2][: 4 * targets], control[order[len(order) // 2 :]]
    people = np.concatenate([real[chosen], control[outside]])
    k = min(_NEIGHBOURS, len(release), len(reference))
    to_release, to_reference = (np.log(Index(t).search(people, k)[0] + _CLOSE) for t in (release, reference))
    scores = {
        "distance": -to_release[:, 0],
        "relative distance": to_reference[:, 0] - to_release[:, 0],
        "density ratio": (to_reference - to_release).mean(axis=1),
        "exact match": _match_ratio(people, release, reference),
    }
    frames = (tables.real.iloc[chosen], tables.control.iloc[outside])
    cells = tuple(cell_codes(frame, tables.schema)[0] for frame in frames)
    m = len(chosen)
    return Played({n: (s[:m], s[m:]) for n, s in scores.items()}, (cells[0], cells[1]), tables.schema)


def _match_ratio(people: Floats, release: Floats, reference: Floats) -> Floats:
    """log of the share of released records that equal each person's over that of reference records."""
    code = row_classes([people, release, reference])
    number = int(max(c.max() for c in code)) + 1
    in_release, in_reference = ((np.bincount(c, minlength=number)[code[0]] + 0.5) / (len(c) + 1) for c in code[1:])
    ratio: Floats = np.log(in_release / in_reference)
    return ratio


def _strongest(figures: Mapping[str, Mapping[str, Estimate]], statistic: str) -> str:
    """The attack whose interval of a statistic has the highest lower end; of equals, the one with the highest value."""

    def reached(name: str) -> tuple[float, float]:
        found = figures[name][statistic]
        return (-math.inf, -math.inf) if math.isnan(found.value) else (found.low, found.value)

    return max(figures, key=reached)


def _smallest_groups(played: Played, attack: str) -> list[Score]:
    """The area under the curve in the smallest group of each quasi-identifier that has enough people on both sides."""
    chosen: dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
    names = list(played.schema.columns)
    for name in played.schema.with_role("quasi-identifier"):
        column = played.schema.columns[name]
        members, others = (cells[:, names.index(name)] for cells in played.cells)
        width = len(column.cells())
        inside, outside = (np.bincount(c, minlength=width) for c in (members, others))
        enough = np.flatnonzero((inside >= _LEAST) & (outside >= _LEAST))
        if len(enough) < 2:
            continue  # no group to set apart from the rest
        cell = int(enough[inside[enough].argmin()])
        shown = "its smallest group" if column.from_data else column.cells()[cell]
        chosen[f"{name} = {shown}"] = members == cell, others == cell
    level = 1 - (1 - _LEVEL) / max(1, len(chosen))
    note = f"attack: {attack}"
    scores = played.scores[attack]
    return [
        Score(widened(auc(scores[0][inside], scores[1][outside], level), note), group=group, statistic="auc")
        for group, (inside, outside) in chosen.items()
    ]
