"""The privacy-utility chart as SVG, written by hand: no script, no font, no request, readable in black and white."""

from __future__ import annotations

from html import escape

from pets_eval.guideline.figures import Figure
from pets_eval.report.model import Dimension, Point, Position, Tradeoff
from pets_eval.report.places import axis_name
from pets_eval.report.scale import Scale
from pets_eval.report.words import GOAL, unit, value_and_interval

_LEFT, _TOP, _PLOT_W, _PLOT_H = 96.0, 22.0, 470.0, 330.0
_LEGEND_X = _LEFT + _PLOT_W + 26
_WIDTH = 960.0
_LINE = 22.0
_NAME = 46  # characters of a legend entry
STYLE = """
.pe-chart{--ink:#1b2733;--soft:#4d5b6a;--rule:#d4dae1;--paper:#fff;--strip:#f2f4f7;--mark:#0b5cad;--anchor:#5b6470;
font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media (prefers-color-scheme:dark){.pe-chart{--ink:#e7edf3;--soft:#b4c0cc;--rule:#3a4653;--paper:#161c23;
--strip:#1f2731;--mark:#7db8f5;--anchor:#aab4c0}}
@media print{.pe-chart{--ink:#000;--soft:#333;--rule:#bbb;--paper:#fff;--strip:#f4f4f4;--mark:#0b5cad;--anchor:#555}}
.pe-chart text{fill:var(--ink)}.pe-chart .soft{fill:var(--soft)}.pe-chart .small{font-size:12px}
.pe-chart .name{font-weight:600}.pe-chart .rule{stroke:var(--rule)}.pe-chart .frame{fill:none;stroke:var(--soft)}
.pe-chart .paper{fill:var(--paper)}.pe-chart .strip{fill:var(--strip)}
.pe-chart .whisker{stroke:var(--mark);stroke-width:1.5;opacity:.75}
.pe-chart .pareto{fill:var(--mark);stroke:var(--mark);stroke-width:2}
.pe-chart .plain{fill:var(--paper);stroke:var(--mark);stroke-width:2}
.pe-chart .anchor{fill:var(--paper);stroke:var(--anchor);stroke-width:2}
.pe-chart .leader{stroke:var(--soft);stroke-width:1}
.pe-chart .no{font-size:12px;font-weight:600;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
"""


def chart_svg(chart: Tradeoff, key: str = "chart", *, styled: bool = True) -> str:
    """The chart as an SVG element with a title and a description; *key* makes its ids unique on a page.

    It carries its own styles unless the page around it has them (*styled* False).
    """
    height = max(_TOP + _PLOT_H + 80, _TOP + 78 + _LINE * len(chart.points))
    x = Scale((p.x for p in chart.points), _LEFT, _LEFT + _PLOT_W)
    y = Scale((p.y for p in chart.points), _TOP + _PLOT_H, _TOP)
    parts = [
        f'<svg class="pe-chart" role="img" aria-labelledby="{escape(key)}-title {escape(key)}-desc" '
        f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" '
        f'height="{height:g}">',
        f'<title id="{escape(key)}-title">{escape(_title(chart))}</title>',
        f'<desc id="{escape(key)}-desc">{escape(_description(chart))}</desc>',
        f"<style>{STYLE}</style>" if styled else "",
        f'<rect class="paper" width="{_WIDTH:g}" height="{height:g}"/>',
        *_strips(x, y),
        *_grid(x, y),
        *_axis_titles(chart),
        *(_whiskers(p, x, y) for p in chart.points),
        *_marks(chart, x, y),
        *_legend(chart),
        "</svg>",
    ]
    return "\n".join(p for p in parts if p)


def _title(chart: Tradeoff) -> str:
    return f"Privacy and utility on {chart.dataset} / {chart.task}"


def _description(chart: Tradeoff) -> str:
    """What the chart shows, for those who do not see it."""
    points = []
    for p in chart.points:
        standing = " (anchor)" if p.anchor else " (in the Pareto set)" if p.pareto else ""
        points.append(f"{p.number}. {p.technique}{standing}: {told(p.x, chart.x)} and {told(p.y, chart.y)}.")
    across, up = (axis_name(a.metric, a.statistic) for a in (chart.x, chart.y))
    return f"Across: {across}, {GOAL[chart.x.goal]}. Up: {up}, {GOAL[chart.y.goal]}. {' '.join(points)}"


def told(p: Position, axis: Dimension) -> str:
    """A position in words, with its interval."""
    figure = Figure(
        technique="", dataset="", task="", metric="", axis="", goal="", unit=axis.unit,
        value=p.value, low=p.low, high=p.high,
    )  # fmt: skip
    value, interval = value_and_interval(figure)
    return value + (f" ({interval})" if interval else "")


# -- the frame ------------------------------------------------------------------------------------


def _strips(x: Scale, y: Scale) -> list[str]:
    """Shaded room for zero, for infinities and for "no figure"."""
    right, bottom = _LEFT + _PLOT_W, _TOP + _PLOT_H
    (x_from, x_to), (y_from, y_to) = x.inner, y.inner
    rects = []
    if x.before:
        rects.append((_LEFT, _TOP, x_from - _LEFT, _PLOT_H))
    if x.after:
        rects.append((x_to, _TOP, right - x_to, _PLOT_H))
    if y.before:
        rects.append((_LEFT, y_from, _PLOT_W, bottom - y_from))
    if y.after:
        rects.append((_LEFT, _TOP, _PLOT_W, y_to - _TOP))
    return [f'<rect class="strip" x="{a:.1f}" y="{b:.1f}" width="{w:.1f}" height="{h:.1f}"/>' for a, b, w, h in rects]


def _grid(x: Scale, y: Scale) -> list[str]:
    right, bottom = _LEFT + _PLOT_W, _TOP + _PLOT_H
    out = []
    for t in x.ticks():
        if not t.strip:
            out.append(f'<line class="rule" x1="{t.at:.1f}" x2="{t.at:.1f}" y1="{_TOP:g}" y2="{bottom:g}"/>')
        first, _, rest = t.label.partition(" ") if t.strip else (t.label, "", "")
        out.append(f'<text class="soft small" x="{t.at:.1f}" y="{bottom + 17:g}" text-anchor="middle">{first}</text>')
        if rest:
            out.append(
                f'<text class="soft small" x="{t.at:.1f}" y="{bottom + 30:g}" text-anchor="middle">{rest}</text>'
            )
    for t in y.ticks():
        if not t.strip:
            out.append(f'<line class="rule" x1="{_LEFT:g}" x2="{right:g}" y1="{t.at:.1f}" y2="{t.at:.1f}"/>')
        out.append(f'<text class="soft small" x="{_LEFT - 8:g}" y="{t.at + 4:.1f}" text-anchor="end">{t.label}</text>')
    out.append(f'<rect class="frame" x="{_LEFT:g}" y="{_TOP:g}" width="{_PLOT_W:g}" height="{_PLOT_H:g}"/>')
    return out


def _axis_titles(chart: Tradeoff) -> list[str]:
    x_at, y_at = _LEFT + _PLOT_W / 2, _TOP + _PLOT_H / 2
    out = []
    for axis, x, y, turn in ((chart.x, x_at, _TOP + _PLOT_H + 52, 0), (chart.y, 16.0, y_at, -90)):
        name, small = escape(cut(axis_name(axis.metric, axis.statistic), 50)), f"{unit(axis.unit)}; {GOAL[axis.goal]}"
        below = x if not turn else x + 17, y + 17 if not turn else y
        for text, kind, (a, b) in ((name, "name", (x, y)), (escape(cut(small, 58)), "soft small", below)):
            turned = f' transform="rotate({turn} {a:g} {b:g})"' if turn else ""
            out.append(f'<text class="{kind}" x="{a:g}" y="{b:g}" text-anchor="middle"{turned}>{text}</text>')
    return out


# -- the points -----------------------------------------------------------------------------------


def _whiskers(p: Point, x: Scale, y: Scale) -> str:
    """The intervals, as far as the scale reaches."""
    cx, cy = x.place(p.x), y.place(p.y)
    out = []
    for scale, position, horizontal in ((x, p.x, True), (y, p.y, False)):
        if position.value is None or (position.low is None and position.high is None):
            continue
        low = scale.at(scale.lo if position.low is None else position.low)
        high = scale.at(scale.hi if position.high is None else position.high)
        if abs(high - low) < 1:
            continue
        ends = (low, high, cy, cy) if horizontal else (cx, cx, low, high)
        out.append('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'.format(*ends))
    return "".join(out)


def _marks(chart: Tradeoff, x: Scale, y: Scale) -> list[str]:
    """Each point with its number beside it, the numbers kept apart."""
    spots = [(x.place(p.x), y.place(p.y)) for p in chart.points]
    taken: list[tuple[float, float]] = []
    marks, labels = [], []
    for p, (cx, cy) in zip(chart.points, spots, strict=True):
        marks.append(_mark(p, cx, cy))
        lx, ly = _free(cx, cy, spots, taken)
        taken.append((lx, ly))
        if abs(lx - cx) + abs(ly - cy) > 24:
            labels.append(f'<line class="leader" x1="{cx:.1f}" y1="{cy:.1f}" x2="{lx:.1f}" y2="{ly:.1f}"/>')
        labels.append(f'<text class="no" x="{lx:.1f}" y="{ly + 4:.1f}" text-anchor="middle">{p.number}</text>')
    return marks + labels


def _free(
    cx: float, cy: float, spots: list[tuple[float, float]], taken: list[tuple[float, float]]
) -> tuple[float, float]:
    """The nearest place for a number that covers no mark, no other number and no edge."""
    for reach in (15, 26, 38, 52):
        for dx, dy in ((1, -0.6), (-1, -0.6), (1, 0.6), (-1, 0.6), (0, -1.1), (0, 1.1)):
            lx, ly = cx + dx * reach, cy + dy * reach
            inside = _LEFT + 8 < lx < _LEFT + _PLOT_W - 8 and _TOP + 8 < ly < _TOP + _PLOT_H - 8
            clear = all(abs(lx - a) > 13 or abs(ly - b) > 13 for a, b in taken)
            clear = clear and all(abs(lx - a) > 11 or abs(ly - b) > 11 for a, b in spots)
            if inside and clear:
                return lx, ly
    return cx + 15, cy - 9


def _mark(p: Point, cx: float, cy: float) -> str:
    """Square: anchor. Filled circle: in the Pareto set. Hollow circle: not."""
    if p.anchor:
        return f'<rect class="anchor" x="{cx - 5:.1f}" y="{cy - 5:.1f}" width="10" height="10"/>'
    return f'<circle class="{"pareto" if p.pareto else "plain"}" cx="{cx:.1f}" cy="{cy:.1f}" r="5.5"/>'


def _legend(chart: Tradeoff) -> list[str]:
    out = []
    top = _TOP + 8
    for p in chart.points:
        out.append(_mark(p, _LEGEND_X + 6, top))
        out.append(
            f'<text x="{_LEGEND_X + 20:g}" y="{top + 4.5:g}"><tspan class="name">{p.number}</tspan> '
            f"{escape(cut(p.technique, _NAME))}</text>"
        )
        top += _LINE
    top += 8
    marks = (
        (chart.points[0].model_copy(update={"anchor": True}), "anchor (no protection, or no data)"),
        (chart.points[0].model_copy(update={"anchor": False, "pareto": True}), "Pareto set: nothing clearly beats it"),
        (
            chart.points[0].model_copy(update={"anchor": False, "pareto": False}),
            "beaten, not ranked, or a figure is missing",
        ),
    )
    for p, words in marks:
        out.append(_mark(p, _LEGEND_X + 6, top))
        out.append(f'<text class="soft small" x="{_LEGEND_X + 20:g}" y="{top + 4.5:g}">{words}</text>')
        top += _LINE - 3
    return out


def cut(text: str, length: int) -> str:
    """*text* without its middle: names of variants differ at their ends."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
