"""The marks of a curve, as pieces of SVG; each is told by its shape and by the number of its line, not by colour."""

from __future__ import annotations

from collections.abc import Sequence

from pets_eval.report.model import Position
from pets_eval.report.scale import Scale


def triangle(a: float, b: float, number: int | str) -> str:
    """Its tip is the value: the truth is not below."""
    return (
        f'<path class="full" d="M{a:.1f} {b:.1f}l7 12h-14z"/>'
        f'<text class="out" x="{a:.1f}" y="{b + 11:.1f}" text-anchor="middle">{number}</text>'
    )


def ring(a: float, b: float, number: int | str) -> str:
    """A hollow circle around the number of its line; its middle is the value."""
    return (
        f'<circle class="hollow" cx="{a:.1f}" cy="{b:.1f}" r="6.5"/>'
        f'<text class="in" x="{a:.1f}" y="{b + 3.5:.1f}" text-anchor="middle">{number}</text>'
    )


def whisker(at: float, p: Position, scale: Scale) -> str:
    """The interval, as far as the scale reaches, with a bar at each end that is within it."""
    if p.low is None and p.high is None:
        return ""
    low, high = (scale.at(scale.lo if p.low is None else p.low), scale.at(scale.hi if p.high is None else p.high))
    if abs(high - low) < 1:
        return ""
    bars = [scale.at(v) for v in (p.low, p.high) if v is not None and scale.lo <= v <= scale.hi]
    return f'<line class="end" x1="{at:.1f}" x2="{at:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>' + "".join(
        f'<line class="end" x1="{at - 4:.1f}" x2="{at + 4:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>' for y in bars
    )


def polyline(spots: Sequence[tuple[float, float]], kind: str) -> str:
    """Straight lines from spot to spot, in the style of *kind*."""
    way = "L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
    return f'<path class="{kind}" d="M{way}"/>'
