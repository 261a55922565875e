"""How the processor seconds of the main metrics grow with the rows: exponents, and a chart as SVG."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.peers.sides import Sides

SIZES = [1_000, 3_000, 10_000, 30_000, 100_000]
METRICS: dict[str, dict[str, Any]] = {  # with the options that choose columns, as a default would try all of them
    "singling-out-risk": {},
    "linkability-risk": {},
    "inference-risk": {},
    "attribute-inference": {},
    "membership-advantage": {},
    "closest-record": {},
    "record-risk": {},
    "k-disco": {},
    "k-marginal-error": {},
    "nist-k-marginal": {},
    "propensity-mse": {},
    "energy-distance": {},
}
_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b07d12", "#3c8d93")
_DASHES = ("", "7 3", "2 3")


def measured(sides: Sides, sizes: list[int], most: float = 90.0) -> dict[str, Any]:
    """Metric -> [{rows, seconds, cpu}], each in a process of its own."""
    found = {}
    for metric, options in METRICS.items():
        asked = {"metric": metric, "sizes": sizes, "most": most, "options": options}
        answer = sides.ask("scale", "growth", sides.data, **asked)
        found[metric] = {"times": answer["times"], "peak MB": answer["peak MB"]}
    return found


def exponent(times: list[dict[str, float]]) -> float:
    """The slope of log processor seconds over log rows, on the larger half of the sizes."""
    some = times[len(times) // 2 - (len(times) < 4) :]
    return float(np.polyfit(np.log([t["rows"] for t in some]), np.log([t["cpu"] for t in some]), 1)[0])


def chart(found: dict[str, Any]) -> str:
    """The SVG: rows against seconds, both logarithmic, with lines of linear and quadratic growth to compare."""
    points = [(t["rows"], t["cpu"]) for m in found.values() for t in m["times"]]
    rows, seconds = zip(*points, strict=True)
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    left, right, top, bottom = 70, 560, 40, 420
    first, last = math.log10(min(rows)), math.log10(max(rows))

    def x(n: float) -> float:
        return left + (math.log10(n) - first) / (last - first) * (right - left)

    def y(s: float) -> float:
        return bottom - (math.log10(s) - low) / (high - low) * (bottom - top)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 480" font-family="sans-serif" font-size="12">',
        "<title>Processor seconds of the main metrics by rows of each table</title>",
        '<rect width="800" height="480" fill="white"/>',
        f'<text x="{left}" y="22" font-size="14">Processor seconds by rows of each of the three tables</text>',
    ]
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for n in sorted(set(rows)):
        parts.append(f'<line x1="{x(n):.1f}" x2="{x(n):.1f}" y1="{top}" y2="{bottom}" stroke="#eee"/>')
        parts.append(f'<text x="{x(n):.1f}" y="{bottom + 18}" text-anchor="middle">{n:,}</text>')
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 40}" text-anchor="middle">rows of each table</text>')
    start = 10.0 ** (low + 0.3)
    for slope, name in ((1, "linear"), (2, "quadratic")):
        end = min(math.log10(max(rows)), first + (high - math.log10(start)) / slope)
        stop = start * 10 ** (slope * (end - first))
        parts.append(
            f'<line x1="{x(10**first):.1f}" y1="{y(start):.1f}" x2="{x(10**end):.1f}" y2="{y(stop):.1f}" '
            'stroke="#999" stroke-width="1" stroke-dasharray="1 4"/>'
        )
        parts.append(
            f'<text x="{x(10**end) - 4:.1f}" y="{y(stop) + 14:.1f}" text-anchor="end" fill="#777">{name}</text>'
        )
    ends = sorted((y(m["times"][-1]["cpu"]), name) for name, m in found.items())
    places, above = {}, 0.0
    for at, name in ends:  # labels keep 15 apart
        above = places[name] = max(at, above + 15)
    below = bottom + 35.0
    for _, name in reversed(ends):  # and stay on the page
        below = places[name] = min(places[name], below)
        below -= 15
    for i, (name, m) in enumerate(found.items()):
        colour, dash = _COLOURS[i % len(_COLOURS)], _DASHES[i // len(_COLOURS)]
        line = " ".join(f"{x(t['rows']):.1f},{y(t['cpu']):.1f}" for t in m["times"])
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        end = m["times"][-1]
        parts.append(
            f'<line x1="{x(end["rows"]):.1f}" y1="{y(end["cpu"]):.1f}" x2="{right + 16}" y2="{places[name]:.1f}" '
            f'stroke="{colour}" stroke-width="0.5"/>'
        )
        parts.append(f'<text x="{right + 20}" y="{places[name] + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
