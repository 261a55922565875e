"""Whether a figure can be told from what the anchor that never looks at the data gets by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pets_eval.guideline.figures import Figure
from pets_eval.guideline.numbers import brief, together


def chance(figure: Figure, anchors: Iterable[Figure], *, within: bool) -> str:
    """Why a figure that misses a limit by its interval may be chance alone; "" where it may not.

    *anchors* are the figures of data-free anchors; *within* says whether the favourable end of the interval keeps the
    limit. A data-free anchor's own figure is always chance.
    """
    for a in anchors:
        if _place(a) != _place(figure) or math.isnan(a.number):
            continue
        if a.technique == figure.technique:
            return "this is the data-free anchor, whose hits are chance"
        (low, high), (a_low, a_high) = figure.interval, a.interval
        if within and low <= a_high and a_low <= high:
            value, from_, to = together(a.number, a_low, a_high)
            told = f"{a.technique} {value}, {from_} to {to}" if a_low < a_high else f"{a.technique} {brief(a.number)}"
            return f"too few observations to tell it from the data-free anchor ({told})"
    return ""


def _place(f: Figure) -> tuple[str, ...]:
    return (f.dataset, f.task, f.metric, f.seat, f.group, f.statistic)
