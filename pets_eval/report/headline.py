"""Which row of a metric stands in a table: the one for everybody, and else the worst, said as such."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pets_eval.guideline.figures import Figure


def headline(figures: Iterable[Figure]) -> dict[str, dict[str, Figure]]:
    """From the figures of one metric on one task: statistic -> technique -> the figure to show.

    The row for all groups stands for its groups, and where no technique has one, the worst group; of several seats,
    the worst. Statistics that are details are left out. "Worst" is the highest value where low is good, the lowest
    where high is good. A technique that lacks the rows which others have (the metric does not apply to it, say) is
    shown under each statistic with its note.
    """
    by_technique: dict[str, list[Figure]] = defaultdict(list)
    for f in figures:
        if not f.detail:
            by_technique[f.technique].append(f)
    everybody = any(f.group == "" and f.status == "measured" for rows in by_technique.values() for f in rows)
    out: dict[str, dict[str, Figure]] = defaultdict(dict)
    lacking: dict[str, Figure] = {}
    for technique, rows in by_technique.items():
        shown = [f for f in rows if f.status == "measured" and (f.group == "" or not everybody)]
        if not shown:
            lacking[technique] = worst(rows)
        for statistic in {f.statistic for f in shown}:
            out[statistic][technique] = worst([f for f in shown if f.statistic == statistic])
    return {s: {**out[s], **lacking} for s in sorted(out)} or {"": lacking}


def worst(figures: Sequence[Figure]) -> Figure:
    """The figure with the highest value, or the lowest where high is good; one without a value only if none has one."""

    def badness(f: Figure) -> float:
        value = f.number
        if math.isnan(value):
            return -math.inf
        return -value if f.goal == "max" else value

    return max(figures, key=badness)
