"""Curves over what is claimed: the error, and what an attacker may, does and provably can reach, on one task.

A curve has the settings of one technique that differ in what they claim. Where they differ in something else, too,
there is a curve for each value of that. Three points make a curve. Which figures are shown, the guideline says.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pets_eval.guideline.figures import Figure
from pets_eval.guideline.model import CurvePlot, Plots, Trace
from pets_eval.report.headline import headline, worst
from pets_eval.report.model import Column, Curve, CurvePoint, Level, TechniqueCard
from pets_eval.report.tradeoff import dimension, position
from pets_eval.report.words import settings, title

_FEWEST = 3
Row = Mapping[str, Figure]  # technique -> its figure


def curves(figures: Iterable[Figure], techniques: Sequence[TechniqueCard], plots: Plots | None) -> list[Curve]:
    """The curve of each dataset and task on which one can be drawn, as *plots* asks; none without it."""
    if plots is None or plots.curve is None:
        return []
    by_place: dict[tuple[str, str], dict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    for f in figures:
        by_place[f.dataset, f.task][f.metric].append(f)
    found = (_curve(place, metrics, techniques, plots.curve) for place, metrics in by_place.items())
    return [c for c in found if c is not None]


def _curve(
    place: tuple[str, str], metrics: Mapping[str, list[Figure]], techniques: Sequence[TechniqueCard], plot: CurvePlot
) -> Curve | None:
    """The curve of one task; None where no technique has enough points with an error and an attacker's advantage."""
    claims = _first(metrics.get(plot.against, []))
    claimed = {t: f.number for t, f in claims.items() if 0 < f.number < math.inf}
    lines = _lines([t for t in techniques if t.label in claimed and not t.anchor], claimed)
    on_them = {t.label for members in lines.values() for t in members}
    errors = (_first(metrics.get(e.metric, []), e.statistic) for e in plot.error)
    error = next((row for row in errors if _there(row, on_them)), None)
    traces = [(t, _trace(metrics.get(t.metric, []), t)) for t in plot.advantage]
    shown = [(t, row) for t, row in traces if _there(row, on_them)]
    if error is None or all(t.mark == "none" for t, _ in shown):
        return None
    first = next(f for t, f in error.items() if t in on_them and not math.isnan(f.number))
    rows = [error, *(row for _, row in shown)]
    return Curve(
        dataset=place[0],
        task=place[1],
        against=dimension(next(iter(claims.values()))),
        columns=[
            Column(**dict(dimension(first)), name=title(first.metric), mark="error"),
            *(_column(trace, next(iter(row.values()))) for trace, row in shown),
        ],
        lines=list(lines),
        points=[
            CurvePoint(
                line=number,
                technique=t.label,
                x=claimed[t.label],
                figures=[position(row.get(t.label)) for row in rows],
            )
            for number, members in enumerate(lines.values(), start=1)
            for t in members
        ],
        anchors=[Level(technique=t.label, at=position(error[t.label])) for t in techniques if _anchors(t, error)],
        absent=[t.name for t, row in traces if not _there(row, on_them)],
        note=plot.note,
    )


def _lines(techniques: Sequence[TechniqueCard], claimed: Mapping[str, float]) -> dict[str, list[TechniqueCard]]:
    """The curves by name, their points in order of what is claimed."""
    by_name: dict[str, list[TechniqueCard]] = defaultdict(list)
    for t in techniques:
        by_name[t.technique].append(t)
    found: dict[str, list[TechniqueCard]] = {}
    for name, members in by_name.items():
        lines = _split(members, claimed)
        for fixed, line in lines.items():
            if len(line) >= _FEWEST:
                told = f"{name} ({fixed})" if fixed and len(lines) > 1 else name
                found[told] = sorted(line, key=lambda t: claimed[t.label])
    return found


def _split(members: Sequence[TechniqueCard], claimed: Mapping[str, float]) -> dict[str, list[TechniqueCard]]:
    """Settings of one technique by those parameters which stay the same along a curve.

    The parameter that varies along it is the one that leaves the fewest curves without two points above each other.
    """
    best: dict[str, list[TechniqueCard]] = {}
    for varying in dict.fromkeys(k for t in members for k in t.params):
        lines: dict[str, list[TechniqueCard]] = defaultdict(list)
        for t in members:
            lines[settings({k: v for k, v in t.params.items() if k != varying})].append(t)
        apart = all(len({claimed[t.label] for t in line}) == len(line) for line in lines.values())
        if apart and (not best or len(lines) < len(best)):
            best = dict(lines)
    return best


def _first(figures: Sequence[Figure], statistic: str | None = None) -> Row:
    """The figures by which techniques are compared: of this statistic, or of the first of the metric's headline."""
    found = headline(figures) if figures else {}
    return next(iter(found.values()), {}) if statistic is None else found.get(statistic, {})


def _trace(figures: Sequence[Figure], trace: Trace) -> Row:
    """The figures of a trace: the row for everybody where there is one, else the worst group; the worst seat."""
    asked = [f for f in figures if f.statistic == trace.statistic and f.status == "measured"]
    overall = [f for f in asked if f.group == ""] or asked
    rows: dict[str, list[Figure]] = defaultdict(list)
    for f in overall:
        rows[f.technique].append(f)
    return {technique: worst(found) for technique, found in rows.items()}


def _there(row: Row, techniques: Iterable[str]) -> bool:
    return any(t in row and not math.isnan(row[t].number) for t in techniques)


def _anchors(technique: TechniqueCard, error: Row) -> bool:
    return technique.anchor and technique.label in error and not math.isnan(error[technique.label].number)


def _column(trace: Trace, figure: Figure) -> Column:
    return Column(**dict(dimension(figure)), name=trace.name, mark=trace.mark)
