"""Privacy against utility on one task: who is beaten by whom, and who cannot be told apart.

A technique beats another if it is distinguishably better on one axis (the intervals do not touch) and distinguishably
better or exactly equal on the other. Those that nobody beats form the Pareto set. Where intervals overlap, or one is
missing, nothing is ranked. The anchor that protects everybody, since it never looks at the data, is better in privacy
than any technique by construction: whoever answers clearly worse than it is beaten, whatever the privacy figures.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from pets_eval.guideline.figures import P_VALUE, Figure, interval
from pets_eval.guideline.model import Plots
from pets_eval.guideline.subject import data_free
from pets_eval.report.headline import headline
from pets_eval.report.model import Dimension, Point, Position, TechniqueCard, Tradeoff

Relation = Literal["better", "worse", "equal", "unclear"]
_CHARTS = 2  # per task
RANKED = {"min", "max"}  # goals under which one figure can be better than another


def tradeoffs(figures: Iterable[Figure], techniques: Sequence[TechniqueCard], plots: Plots | None) -> list[Tradeoff]:
    """The charts of a scorecard: per dataset and task, the first privacy figures of *plots* against the first utility
    figure that was measured there; without *plots*, those that most techniques have."""
    by_place: dict[tuple[str, str], dict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    for f in figures:
        by_place[f.dataset, f.task][f.metric].append(f)
    charts: list[Tradeoff] = []
    for place, metrics in by_place.items():
        chosen = {name: headline(found) for name, found in metrics.items()}
        # A metric of several statistics has one axis per statistic; the first stands for it.
        lines = {name: next(iter(rows.values())) for name, rows in chosen.items() if rows}
        xs = _axis(lines, "privacy", plots.privacy if plots else None)
        ys = _axis(lines, "utility", plots.utility if plots else None)
        charts += [_tradeoff(place, lines[x], lines[ys[0]], techniques) for x in (xs[:_CHARTS] if ys else ())]
    return charts


def _axis(lines: dict[str, dict[str, Figure]], axis: str, preferred: Sequence[str] | None) -> list[str]:
    """Metrics that place enough techniques on an axis, in order of preference: two on utility, and one on privacy.

    A single claim is worth a chart, as the rest stands beside it without one.
    """
    enough = 1 if axis == "privacy" else 2

    def placed(name: str) -> int:
        return sum(not math.isnan(f.number) for f in lines[name].values())

    if preferred is not None:
        return [n for n in preferred if n in lines and placed(n) >= enough]
    found = [
        n
        for n, row in lines.items()
        if placed(n) >= enough
        and (f := next(iter(row.values()))).axis == axis
        and f.goal != "none"
        and f.unit != P_VALUE
    ]
    return sorted(found, key=lambda n: (-placed(n), n))


def _tradeoff(
    place: tuple[str, str], xs: dict[str, Figure], ys: dict[str, Figure], techniques: Sequence[TechniqueCard]
) -> Tradeoff:
    x_axis, y_axis = (dimension(next(iter(row.values()))) for row in (xs, ys))
    there = [t for t in techniques if t.label in xs or t.label in ys]
    positions = {t.label: (position(xs.get(t.label)), position(ys.get(t.label))) for t in there}
    relations = {
        (a.label, b.label): (
            relation(positions[a.label][0], positions[b.label][0], x_axis.goal),
            relation(positions[a.label][1], positions[b.label][1], y_axis.goal),
        )
        for a in there
        for b in there
        if a is not b
    }
    ranked = {x_axis.goal, y_axis.goal} <= RANKED
    blind = {t.label for t in there if data_free(t.anchor, t.claims)}
    points = []
    for number, t in enumerate(there, start=1):
        x, y = positions[t.label]
        others = [o.label for o in there if o is not t]
        better = [
            o
            for o in others
            if beats(*relations[o, t.label]) or (o in blind and not t.anchor and relations[o, t.label][1] == "better")
        ]
        placed = None not in (x.value, y.value)
        seen = [o for o in others if placed and None not in (positions[o][0].value, positions[o][1].value)]
        points.append(
            Point(
                number=number,
                technique=t.label,
                anchor=t.anchor,
                x=x,
                y=y,
                pareto=placed and ranked and not t.anchor and not better,
                better=better,
                alike=[o for o in seen if y_axis.goal in RANKED and relations[t.label, o][1] in ("unclear", "equal")],
                alike_privacy=[o for o in seen if x_axis.goal in RANKED and relations[t.label, o][0] == "unclear"],
            )
        )
    return Tradeoff(dataset=place[0], task=place[1], x=x_axis, y=y_axis, points=points)


def relation(a: Position, b: Position, goal: str) -> Relation:
    """How *a* stands to *b*: "equal" for the same exact figure, "unclear" where intervals overlap or are missing.

    Where *goal* is neither "min" nor "max", no direction is better, and all is "unclear".

    >>> one, two = Position(value=1, low=0.9, high=1.1), Position(value=2, low=1.5, high=2.5)
    >>> relation(one, two, "min"), relation(one, two, "max"), relation(one, one, "min")
    ('better', 'worse', 'unclear')
    """
    (a_low, a_high), (b_low, b_high) = (interval(p.value, p.low, p.high) for p in (a, b))
    if goal not in RANKED or math.isnan(a_low) or math.isnan(b_low):
        return "unclear"
    if a_low == a_high == b_low == b_high:
        return "equal"
    if a_high < b_low:
        return "worse" if goal == "max" else "better"
    if b_high < a_low:
        return "better" if goal == "max" else "worse"
    return "unclear"


def beats(x: Relation, y: Relation) -> bool:
    """Whether the relations on both axes make one technique clearly the better choice."""
    return {x, y} <= {"better", "equal"} and "better" in (x, y)


def position(figure: Figure | None) -> Position:
    """Where a figure stands; nowhere without one."""
    if figure is None:
        return Position(value=None, low=None, high=None)
    return Position(value=figure.value, low=figure.low, high=figure.high)


def dimension(figure: Figure) -> Dimension:
    """What an axis shows on which this figure stands."""
    return Dimension(metric=figure.metric, statistic=figure.statistic, unit=figure.unit, goal=figure.goal)
