"""The figures of each dataset and task as tables: headlines, details by seat and group, the data of a chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pets_eval.guideline.figures import Figure
from pets_eval.guideline.numbers import NOT_MEASURED, brief
from pets_eval.report.headline import headline
from pets_eval.report.model import Curve, Point, Position, Scorecard, TechniqueCard, Tradeoff
from pets_eval.report.statements import mixed, privacy_statements
from pets_eval.report.table import Cell, Header, Line, Sheet
from pets_eval.report.tradeoff import RANKED
from pets_eval.report.words import AXIS, GOAL, title, unit, value_and_interval

Place = tuple[str, str]
_WIDE = 7  # columns; a table that would be wider is cut between two axes
_MANY = 2 * _WIDE  # figures; more than that are easier to read as rows


@dataclass
class PlaceView:
    """All that the page shows of one task on one dataset."""

    dataset: str
    task: str
    sheets: list[Sheet] = field(default_factory=list)
    details: list[Sheet] = field(default_factory=list)
    tradeoffs: list[Tradeoff] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    privacy: list[str] = field(default_factory=list)


def place_views(card: Scorecard) -> list[PlaceView]:
    """The figures of a scorecard by dataset and task, in the order of the study."""
    figures: dict[Place, list[Figure]] = defaultdict(list)
    for f in card.figures:
        figures[f.dataset, f.task].append(f)
    charts: dict[Place, list[Tradeoff]] = defaultdict(list)
    for t in card.tradeoffs:
        charts[t.dataset, t.task].append(t)
    order = [(d.name, t.label) for d in card.datasets for t in card.tasks]
    places = [p for p in order if p in figures] + [p for p in figures if p not in order]
    return [
        PlaceView(
            *p,
            _figure_sheets(p, figures[p], card),
            _detail_sheets(figures[p]),
            charts[p],
            [c for c in card.curves if (c.dataset, c.task) == p],
            privacy=privacy_statements(p, figures[p], card.techniques, drawn=bool(charts[p])),
        )
        for p in places
    ]


def _figure_sheets(place: Place, figures: list[Figure], card: Scorecard) -> list[Sheet]:
    """All axes side by side, techniques as rows; where that is too wide, the later axes in a table of their own.

    Where there are many figures of few techniques, the figures are the rows.
    """
    columns: list[tuple[Header, dict[str, Figure]]] = []
    for metric, rows in _by_metric(figures):
        for statistic, line in headline(rows).items():
            if all(f.status == "not-applicable" for f in line.values()):
                continue
            first = next((f for f in line.values() if f.status == "measured"), next(iter(line.values())))
            name = title(metric) + (f" ({statistic})" if statistic else "")
            told = f"{unit(first.unit)}; {GOAL.get(first.goal, first.goal)}{mixed(first, card)}"
            columns.append((Header(name, told, AXIS.get(first.axis, first.axis)), line))
    decisive = {name for c in card.guideline.criteria for name in c.names()}
    columns.sort(key=lambda c: (_rank(c[0].group), next(iter(c[1].values())).metric not in decisive))
    members = [t for t in card.techniques if any(t.label in line for _, line in columns)]
    if len(columns) > _MANY and len(members) <= _WIDE:
        return _turned(place, columns, members)
    parts: list[list[tuple[Header, dict[str, Figure]]]] = []
    for _, group in groupby(columns, key=lambda c: c[0].group):
        axis = list(group)
        if parts and len(parts[-1]) + len(axis) <= _WIDE:
            parts[-1] += axis
        else:
            parts += [axis[i : i + _WIDE] for i in range(0, len(axis), _WIDE)]
    there = {f.technique for f in figures}
    sheets: list[Sheet] = []
    for part in parts:
        about = ", ".join(dict.fromkeys(h.group for h, _ in part))
        if sheets and sheets[-1].caption == f"{about}: {' / '.join(place)}":
            about += " (continued)"
        sheets.append(
            Sheet(
                caption=f"{about}: {' / '.join(place)}",
                first="Technique",
                headers=[h for h, _ in part],
                lines=[
                    Line(t.label, [_figure_cell(line.get(t.label)) for _, line in part], t.anchor)
                    for t in card.techniques
                    if t.label in there
                ],
            )
        )
    return sheets


def _turned(
    place: Place, columns: list[tuple[Header, dict[str, Figure]]], members: Sequence[TechniqueCard]
) -> list[Sheet]:
    """A table per axis, with a row per figure and a column per technique."""
    headers = []
    for t in members:
        short, _, settings = t.label.partition(" (")
        headers.append(Header(short, "anchor" if t.anchor else settings.removesuffix(")")))
    sheets = []
    for axis, group in groupby(columns, key=lambda c: c[0].group):
        lines = [
            Line(
                f"{h.text.replace(' (', ': ').removesuffix(')')} ({h.small})",
                [_figure_cell(row.get(t.label)) for t in members],
            )
            for h, row in group
        ]
        sheets.append(Sheet(f"{axis}: {' / '.join(place)}", "Figure", headers, lines))
    return sheets


def _detail_sheets(figures: list[Figure]) -> list[Sheet]:
    """Every row of every metric that has more than its headline: seats, groups, statistics."""
    sheets = []
    for metric, rows in _by_metric(figures):
        if not any(f.group or f.detail for f in rows) and len({f.seat for f in rows}) < 2:
            continue
        measured = [f for f in rows if f.status == "measured"]
        headers = [
            Header("Seat"),
            Header("Group"),
            Header("Statistic"),
            Header("Figure"),
            Header("Observations", "of a single release, else repeats"),
            Header("Note"),
        ]
        lines = []
        for f in measured:
            value, interval = value_and_interval(f)
            lines.append(
                Line(
                    f.technique,
                    [
                        Cell(f.seat or "–"),
                        Cell(f.group or "all"),
                        Cell(f.statistic or "–"),
                        Cell(value, interval),
                        Cell(str(f.n)),
                        Cell(f.note),
                    ],
                )
            )
        sheets.append(
            Sheet(f"{title(metric)} by seat and group: {rows[0].dataset} / {rows[0].task}", "Technique", headers, lines)
        )
    return sheets


def tradeoff_sheet(chart: Tradeoff) -> Sheet:
    """The data of a chart as a table, with what may and may not be concluded from it."""
    number = {p.technique: p.number for p in chart.points}
    by_number = {p.number: p for p in chart.points}

    def named(labels: Sequence[str]) -> str:
        return ", ".join(f"No. {number[o]}" for o in labels) or "none"

    def standing(p: Point) -> str:
        if p.anchor:
            return "anchor"
        if p.better:
            return f"beaten by {named(p.better)}"
        if not placed(p):
            return "not placed: a figure is missing"
        return "in the Pareto set" if p.pareto else "not ranked: neither direction is better"

    def placed(p: Point) -> bool:
        return None not in (p.x.value, p.y.value)

    lines = []
    for n in sorted(by_number):
        p = by_number[n]
        cells = [Cell(str(n)), _position_cell(p.x, chart.x.unit), _position_cell(p.y, chart.y.unit), Cell(standing(p))]
        alike = named(p.alike) if placed(p) and chart.y.goal in RANKED else "–"
        if p.alike_privacy:
            alike += f"; in privacy: {named(p.alike_privacy)}"
        lines.append(Line(p.technique, [*cells, Cell(alike)], p.anchor))
    headers = [
        Header("No."),
        Header(axis_name(chart.x.metric, chart.x.statistic), f"{unit(chart.x.unit)}; {GOAL[chart.x.goal]}"),
        Header(axis_name(chart.y.metric, chart.y.statistic), f"{unit(chart.y.unit)}; {GOAL[chart.y.goal]}"),
        Header("Standing"),
        Header("Not distinguishable from", "in utility, as the intervals overlap"),
    ]
    about = f"{title(chart.x.metric)} against {title(chart.y.metric).lower()}, {chart.dataset} / {chart.task}"
    return Sheet(f"Data of the chart: {about}", "Technique", headers, lines)


def curve_sheet(curve: Curve) -> Sheet:
    """The data of a curve as a table: what is claimed, the error, and what attackers may, do and provably can reach."""
    over = axis_name(curve.against.metric, curve.against.statistic)
    headers = [Header(over, f"{unit(curve.against.unit)}; {GOAL[curve.against.goal]}")]
    for c in curve.columns:
        name, _, about = c.name.partition(": ")
        headers.append(Header(name, about or f"{unit(c.unit)}; {GOAL[c.goal]}"))
    lines = [
        Line(
            curve.lines[p.line - 1],
            [
                Cell(brief(p.x)),
                *(_position_cell(f, c.unit) for c, f in zip(curve.columns, p.figures, strict=True)),
            ],
        )
        for p in curve.points
    ]
    blank = [Cell("–") for _ in curve.columns[1:]]
    lines += [
        Line(a.technique, [Cell("–"), _position_cell(a.at, curve.columns[0].unit), *blank], anchor=True)
        for a in curve.anchors
    ]
    return Sheet(f"Data of the curve over {over.lower()}: {curve.dataset} / {curve.task}", "Technique", headers, lines)


def curve_remarks(curve: Curve) -> list[str]:
    """What must be said beside a curve: how to read it, and what the run has no figure of."""
    named = ", ".join(name.partition(": ")[0].lower() for name in curve.absent)
    absent = f"Not measured in this run: {named}." if named else ""
    return [r for r in (curve.note, absent) if r]


def axis_name(metric: str, statistic: str) -> str:
    """A metric as the name of an axis."""
    return title(metric) + (f" ({statistic})" if statistic else "")


def _by_metric(figures: list[Figure]) -> list[tuple[str, list[Figure]]]:
    found: dict[str, list[Figure]] = defaultdict(list)
    for f in figures:
        found[f.metric].append(f)
    return sorted(found.items(), key=lambda item: _rank(AXIS.get(item[1][0].axis, "")))


def _rank(axis: str) -> int:
    names = list(AXIS.values())
    return names.index(axis) if axis in names else len(names)


def _figure_cell(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell(NOT_MEASURED)
    value, interval = value_and_interval(figure)
    worst = "worst group" if figure.group and figure.value is not None else ""
    # The reason of a failure can be long, and stands where all of them are listed.
    note = "failed, see section 5" if figure.status == "failed" else figure.note
    return Cell(value, "; ".join(p for p in (interval, worst) if p), note)


def _position_cell(p: Position, unit_name: str) -> Cell:
    figure = Figure(
        technique="", dataset="", task="", metric="", axis="", goal="", unit=unit_name,
        value=p.value, low=p.low, high=p.high,
    )  # fmt: skip
    return Cell(*value_and_interval(figure))
