"""A curve as SVG, written by hand: the error above, the attacker's advantage below, over one axis of what is claimed.

Lines are told apart by a number, and by colour besides; what a mark in the lower panel says, by its shape and dashes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from pets_eval.guideline.numbers import brief
from pets_eval.report.chart import STYLE, cut, told
from pets_eval.report.marks import polyline, ring, triangle, whisker
from pets_eval.report.model import Column, Curve, CurvePoint, Position
from pets_eval.report.places import axis_name
from pets_eval.report.scale import Scale
from pets_eval.report.words import GOAL, unit

_LEFT, _TOP, _PLOT_W, _UPPER, _GAP, _LOWER = 96.0, 22.0, 500.0, 220.0, 26.0, 260.0
_RIGHT, _MIDDLE = _LEFT + _PLOT_W, _TOP + _UPPER
_FLOOR_Y = _MIDDLE + _GAP + _LOWER  # where the lower panel ends
_LEGEND_X, _WIDTH, _HEIGHT, _LINE = _RIGHT + 24, 960.0, _FLOOR_Y + 62, 22.0
_COLOURS = 4  # more lines than this share colours, and keep their numbers
_STEP = 15.0  # pixels between marks of different lines that claim the same
_TAG = 13.0  # pixels that a number needs
Spots = Sequence[tuple[float, Position]]
CURVE_STYLE = """
.pe-curve{--l1:#0b5cad;--l2:#a8480a;--l3:#14653a;--l4:#7b2d8e}
@media (prefers-color-scheme:dark){.pe-curve{--l1:#7db8f5;--l2:#f0a36b;--l3:#86d3a4;--l4:#d3a3e0}}
@media print{.pe-curve{--l1:#0b5cad;--l2:#a8480a;--l3:#14653a;--l4:#7b2d8e}}
.pe-curve .l1{--line:var(--l1)}.pe-curve .l2{--line:var(--l2)}.pe-curve .l3{--line:var(--l3)}
.pe-curve .l4{--line:var(--l4)}.pe-curve .l0{--line:var(--ink)}
.pe-curve path,.pe-curve .end{fill:none;stroke:var(--line);stroke-width:2}
.pe-curve .limit{stroke-dasharray:1.5 4;stroke-width:2.5;stroke-linecap:round}
.pe-curve .floor{stroke-dasharray:6 4;stroke-width:1.5}.pe-curve .full{fill:var(--line);stroke:var(--line)}
.pe-curve .hollow{fill:var(--paper);stroke:var(--line);stroke-width:2}.pe-curve .level{stroke:var(--anchor);
stroke-dasharray:2 3;stroke-width:1.5}.pe-curve .in{font-size:10px;font-weight:700;fill:var(--line)}
.pe-curve .out{font-size:10px;font-weight:700;fill:var(--paper)}.pe-curve .end{stroke-width:1.5}
.pe-curve .tag{font-size:12px;font-weight:700;fill:var(--line);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
"""


def curve_svg(curve: Curve, key: str = "curve", *, styled: bool = True) -> str:
    """The curve as an SVG element with a title and a description; *key* makes its ids unique on a page.

    It carries its own styles unless the page around it has them (*styled* False).
    """
    x = Scale((_at(p.x) for p in curve.points), _LEFT, _RIGHT, log=True)
    errors = [p.figures[0] for p in curve.points] + [a.at for a in curve.anchors]
    upper = Scale((e for e in errors if e.value is not None), _MIDDLE, _TOP)
    lower = Scale([], _FLOOR_Y, _MIDDLE + _GAP, limits=(0.0, 1.0))
    parts = [
        f'<svg class="pe-chart pe-curve" role="img" aria-labelledby="{escape(key)}-title {escape(key)}-desc" '
        f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" '
        f'height="{_HEIGHT:g}">',
        f'<title id="{escape(key)}-title">{escape(_title(curve))}</title>',
        f'<desc id="{escape(key)}-desc">{escape(_description(curve))}</desc>',
        f"<style>{STYLE}{CURVE_STYLE}</style>" if styled else "",
        f'<rect class="paper" width="{_WIDTH:g}" height="{_HEIGHT:g}"/>',
        *_strips(upper),
        *_grid(x, upper, lower),
        *_axis_titles(curve),
        *_levels(curve, upper),
        *_errors(curve, x, upper),
        *_advantages(curve, x, lower),
        *_legend(curve),
        "</svg>",
    ]
    return "\n".join(p for p in parts if p)


def _title(curve: Curve) -> str:
    over = axis_name(curve.against.metric, curve.against.statistic).lower()
    return f"Error and advantage of an attacker over {over}, {curve.dataset} / {curve.task}"


def _description(curve: Curve) -> str:
    """What the chart shows, for those who do not see it."""
    across = axis_name(curve.against.metric, curve.against.statistic)
    said = [f"Across, on a logarithmic scale: {across}. Upper panel: {_named(curve.columns[0])}."]
    drawn = [c.name for c in curve.columns[1:] if c.mark != "none"]
    said.append(f"Lower panel, from 0 to 1: an attacker's advantage ({', '.join(drawn)}).")
    said += [f"Anchor {a.technique}: {told(a.at, curve.columns[0])}." for a in curve.anchors]
    for p in curve.points:
        figures = zip(curve.columns, p.figures, strict=True)
        each = [f"{c.name.lower()} {told(f, c)}" for c, f in figures if c.mark != "none"]
        said.append(f"{p.line}. {curve.lines[p.line - 1]} at {brief(p.x)}: {', '.join(each)}.")
    return " ".join(said)


def _named(column: Column) -> str:
    return f"{axis_name(column.metric, column.statistic)}, {GOAL[column.goal]}"


# -- the frame ------------------------------------------------------------------------------------


def _strips(upper: Scale) -> list[str]:
    """Shaded room for an error of zero, or an infinite one."""
    start, end = upper.inner
    rects = [(start, _MIDDLE)] if upper.before else []
    rects += [(_TOP, end)] if upper.after else []
    return [
        f'<rect class="strip" x="{_LEFT:g}" y="{a:.1f}" width="{_PLOT_W:g}" height="{b - a:.1f}"/>' for a, b in rects
    ]


def _grid(x: Scale, upper: Scale, lower: Scale) -> list[str]:
    out = []
    panels = ((_TOP, _MIDDLE), (_MIDDLE + _GAP, _FLOOR_Y))
    for t in x.ticks():
        for top, bottom in panels:
            out.append(f'<line class="rule" x1="{t.at:.1f}" x2="{t.at:.1f}" y1="{top:g}" y2="{bottom:g}"/>')
        out.append(
            f'<text class="soft small" x="{t.at:.1f}" y="{_FLOOR_Y + 17:g}" text-anchor="middle">{t.label}</text>'
        )
    for t in (*upper.ticks(), *lower.ticks()):
        if not t.strip:
            out.append(f'<line class="rule" x1="{_LEFT:g}" x2="{_RIGHT:g}" y1="{t.at:.1f}" y2="{t.at:.1f}"/>')
        out.append(f'<text class="soft small" x="{_LEFT - 8:g}" y="{t.at + 4:.1f}" text-anchor="end">{t.label}</text>')
    for top, bottom in panels:
        out.append(f'<rect class="frame" x="{_LEFT:g}" y="{top:g}" width="{_PLOT_W:g}" height="{bottom - top:g}"/>')
    return out


def _axis_titles(curve: Curve) -> list[str]:
    error = curve.columns[0]
    small = f"{unit(error.unit)}; {GOAL[error.goal]}"
    middle = _MIDDLE + _GAP + _LOWER / 2
    texts = [
        ("name", axis_name(curve.against.metric, curve.against.statistic), _LEFT + _PLOT_W / 2, _FLOOR_Y + 38, 0),
        (
            "soft small",
            f"{unit(curve.against.unit)}; {GOAL[curve.against.goal]}",
            _LEFT + _PLOT_W / 2,
            _FLOOR_Y + 54,
            0,
        ),
        ("name", cut(axis_name(error.metric, error.statistic), 32), 16.0, _TOP + _UPPER / 2, -90),
        ("soft small", small if len(small) <= 36 else GOAL[error.goal], 33.0, _TOP + _UPPER / 2, -90),
        ("name", "Advantage of an attacker", 16.0, middle, -90),
        ("soft small", "0: a coin toss; 1: certainty", 33.0, middle, -90),
    ]
    return [
        f'<text class="{kind}" x="{a:g}" y="{b:g}" text-anchor="middle"'
        + (f' transform="rotate({turn} {a:g} {b:g})"' if turn else "")
        + f">{escape(words)}</text>"
        for kind, words, a, b, turn in texts
    ]


# -- the upper panel ------------------------------------------------------------------------------


def _levels(curve: Curve, upper: Scale) -> list[str]:
    out = []
    for a in curve.anchors:
        y = upper.place(a.at)
        out.append(f'<line class="level" x1="{_LEFT:g}" x2="{_RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        name = escape(cut(a.technique, 30))
        out.append(f'<text class="soft small" x="{_RIGHT - 8:g}" y="{y - 5:.1f}" text-anchor="end">{name}</text>')
    return out


def _errors(curve: Curve, x: Scale, upper: Scale) -> list[str]:
    out, ends = [], []
    for number, points in _by_line(curve):
        spots = [(x.at(p.x), upper.place(p.figures[0]), p.figures[0]) for p in points if _known(p.figures[0])]
        if not spots:
            continue
        out.append(f'<g class="{_colour(number)}">')
        out += [whisker(at, p, upper) for at, _, p in spots]
        out.append(polyline([(a, b) for a, b, _ in spots], "path"))
        out += [f'<circle class="full" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b, _ in spots]
        out.append("</g>")
        ends.append((number, spots[-1][1]))
    return out + _tags(ends)


def _tags(ends: Sequence[tuple[int, float]]) -> list[str]:
    """The numbers of lines beside the frame, at the height of their ends but kept apart."""
    out, last = [], -math.inf
    for number, y in sorted(ends, key=lambda e: e[1]):
        last = max(y, last + _TAG)
        kind = f"tag {_colour(number)}"
        out.append(f'<text class="{kind}" x="{_RIGHT + 9:g}" y="{last + 4:.1f}" text-anchor="middle">{number}</text>')
    return out


# -- the lower panel ------------------------------------------------------------------------------


def _advantages(curve: Curve, x: Scale, lower: Scale) -> list[str]:
    """What the claim admits as lines; over them what is certified, and on top what attacks reached."""
    out, ends = [], []
    for mark, draw in (("ceiling", _ceiling), ("limit", _limit), ("floor", _floor), ("estimate", _estimate)):
        for number, spots in _traces(curve, mark, x):
            shift = _STEP * (number - (len(curve.lines) + 1) / 2)  # 0 in the middle
            out += [f'<g class="{_colour(number)}">', *draw(number, spots, shift, lower), "</g>"]
            if mark == "limit":
                ends.append((number, _height(spots[-1][1], lower)))
    return out + _tags(ends)


def _traces(curve: Curve, mark: str, x: Scale) -> Iterator[tuple[int, Spots]]:
    """What is drawn with this mark: the number of each line, and where its known figures stand."""
    for column in (i for i, c in enumerate(curve.columns) if c.mark == mark):
        for number, points in _by_line(curve):
            spots = [(x.at(p.x), p.figures[column]) for p in points if _known(p.figures[column])]
            if spots:
                yield number, spots


def _ceiling(number: int, spots: Spots, shift: float, lower: Scale) -> list[str]:
    """A line, with its number where it is half way up: there the lines of several techniques lie furthest apart."""
    ends = [(a, _height(p, lower)) for a, p in spots]
    half = (lower.at(0) + lower.at(1)) / 2
    a, b = min(ends, key=lambda e: abs(e[1] - half))
    tag = f'<text class="tag" x="{a + shift - 9:.1f}" y="{b - 6:.1f}" text-anchor="middle">{number}</text>'
    return [polyline(ends, "path"), tag]


def _limit(number: int, spots: Spots, shift: float, lower: Scale) -> list[str]:
    """A dotted line; its number stands at its end, beside the frame."""
    return [polyline([(a, _height(p, lower)) for a, p in spots], "limit")]


def _floor(number: int, spots: Spots, shift: float, lower: Scale) -> list[str]:
    ends = [(a + shift / 3, _height(p, lower)) for a, p in spots]  # hardly beside it, as the ceiling rises
    return [polyline(ends, "floor"), *(triangle(a, b, number) for a, b in ends)]


def _estimate(number: int, spots: Spots, shift: float, lower: Scale) -> list[str]:
    beside = [(a + (shift or _STEP * 0.6), p) for a, p in spots]
    return [whisker(a, p, lower) for a, p in beside] + [ring(a, _height(p, lower), number) for a, p in beside]


def _height(p: Position, lower: Scale) -> float:
    """Where a figure that is known stands, at the end of the scale if it is beyond."""
    return lower.at(p.value or 0.0)


# -- the legend ----------------------------------------------------------------------------------


def _legend(curve: Curve) -> list[str]:
    """The lines by number and colour, then what each mark says, then the anchors."""
    out, y = [], _TOP + 8
    for number, name in enumerate(curve.lines, start=1):
        sample = f'<path d="M{_LEGEND_X:g} {y:g}h20"/><circle class="full" cx="{_LEGEND_X + 10:g}" cy="{y:g}" r="3.5"/>'
        out.append(f'<g class="{_colour(number)}">{sample}</g>')
        out.append(_words(y, f'<tspan class="name">{number}</tspan> {escape(cut(name, 42))}'))
        y += _LINE
    if curve.anchors:
        out.append(f'<line class="level" x1="{_LEGEND_X:g}" x2="{_LEGEND_X + 20:g}" y1="{y:g}" y2="{y:g}"/>')
        out.append(_words(y, "anchors, whatever is claimed", "soft small"))
    y = _MIDDLE + _GAP + 8
    at = _LEGEND_X + 10
    for c in curve.columns:
        if c.mark in ("error", "none"):
            continue
        line = f'<path class="{c.mark}" d="M{_LEGEND_X:g} {y:g}h20"/>'
        mark = {"ceiling": line, "limit": line, "floor": line + triangle(at, y, ""), "estimate": ring(at, y, "")}[
            c.mark
        ]
        out.append(f'<g class="l0">{mark}</g>')
        for words in _wrapped(c.name, 40):
            out.append(_words(y, escape(words), "soft small"))
            y += 15
        y += _LINE - 12
    return out


def _words(y: float, words: str, kind: str = "entry") -> str:
    return f'<text class="{kind}" x="{_LEGEND_X + 28:g}" y="{y + 4.5:g}">{words}</text>'


def _wrapped(text: str, length: int) -> list[str]:
    """*text* in lines of at most *length* characters, cut between words."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > length:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


# -- pieces ---------------------------------------------------------------------------------------


def _by_line(curve: Curve) -> list[tuple[int, list[CurvePoint]]]:
    return [(n, [p for p in curve.points if p.line == n]) for n in range(1, len(curve.lines) + 1)]


def _colour(number: int) -> str:
    return f"l{(number - 1) % _COLOURS + 1}"


def _known(p: Position) -> bool:
    return p.value is not None and not math.isnan(p.value)


def _at(value: float) -> Position:
    return Position(value=value, low=None, high=None)
