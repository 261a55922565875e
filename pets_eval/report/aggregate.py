"""Many repeats become one figure: the mean with its t-interval, and p-values corrected for how many there are."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from pets_eval.guideline.figures import INFINITE, P_VALUE, Figure
from pets_eval.guideline.multiplicity import holm
from pets_eval.model.record import MetricResult, RunRecord, ScoreRow, Spec

Measured = list[tuple[MetricResult, ScoreRow]]


def aggregate(records: Iterable[RunRecord], label: Callable[[Spec], str]) -> list[Figure]:
    """One figure per technique, dataset, task, metric, seat, group and statistic, over all finished repeats.

    With two or more repeats the value is their mean, and the interval Student's t at 95 %; where the cells carry wider
    intervals of their own (sampling error that all repeats share), those are kept. A single repeat keeps its own
    interval. P-values are not averaged: the smallest stands for all, adjusted by Holm over every test of the run.
    """
    rows: dict[tuple[str, ...], Measured] = defaultdict(list)
    silent: dict[tuple[str, ...], list[MetricResult]] = defaultdict(list)
    for record in records:
        if record.status != "finished":
            continue
        base = (label(record.spec), record.spec.dataset, record.spec.task)
        for metric, result in record.scores.items():
            if result.status != "measured" or not result.rows:
                silent[*base, metric].append(result)
            for row in result.rows if result.status == "measured" else ():
                rows[*base, metric, row.seat, row.group, row.statistic].append((result, row))
    figures = [_figure(key, found, silent.get(key[:4], [])) for key, found in rows.items()]
    measured = {key[:4] for key in rows}
    figures += [_absent(key, results) for key, results in silent.items() if key not in measured]
    return _adjusted(figures, rows)


def _figure(key: tuple[str, ...], found: Measured, silent: Sequence[MetricResult]) -> Figure:
    technique, dataset, task, metric, seat, group, statistic = key
    result = found[0][0]
    rows = [row for _, row in found]
    notes = _notes(found, silent)
    infinite = any(_infinite(row) for row in rows)
    values = [row.value for row in rows if row.value is not None]
    if values and len(values) < len(rows) and not infinite:
        notes.insert(0, f"measured in {len(values)} of {len(rows)} repeats")
    low, high, method, n = None, None, "none", 0
    value: float | None = None
    if infinite:
        method, n = rows[0].method, len(rows)
    elif len(values) == 1:
        only = next(row for row in rows if row.value is not None)
        value, low, high, method, n = only.value, only.low, only.high, only.method, only.n
    elif values:
        value, n = _mean(values), len(values)
        if result.unit == P_VALUE:
            value, method = min(values), "smallest of the repeats"
        else:
            low, high, method = _interval(values, rows)
            low, high = _possible(result, low, high)
    return Figure(
        technique=technique,
        dataset=dataset,
        task=task,
        metric=metric,
        axis=result.axis,
        goal=result.goal,
        unit=result.unit,
        seat=seat,
        group=group,
        statistic=statistic,
        value=value,
        low=low,
        high=high,
        method=method,
        n=n,
        infinite=infinite,
        note="; ".join(notes),
    )


def _absent(key: tuple[str, ...], results: Sequence[MetricResult]) -> Figure:
    """A metric that gave nothing on this task: it failed if it failed anywhere, else it does not apply."""
    first = next((r for r in results if r.status == "failed"), results[0])
    technique, dataset, task, metric = key
    return Figure(
        technique=technique,
        dataset=dataset,
        task=task,
        metric=metric,
        axis=first.axis,
        goal=first.goal,
        unit=first.unit,
        status="not-applicable" if first.status == "not-applicable" else "failed",
        note=first.reason,
    )


def _interval(values: Sequence[float], rows: Sequence[ScoreRow]) -> tuple[float | None, float | None, str]:
    """Student's t over the repeats, widened to the mean of the cells' own ends where those reach further."""
    mean, n = _mean(values), len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if min(values) < max(values) else 0.0
    half = _quantile(n - 1) * spread / math.sqrt(n)
    low: float | None = mean - half
    high: float | None = mean + half
    method = f"mean of {n} repeats, Student t"
    sampled = [row for row in rows if row.value is not None and row.method != "exact"]
    own = [row for row in sampled if row.low is not None or row.high is not None]
    if own:
        low = _reach(low, [row.low for row in own], min)
        high = _reach(high, [row.high for row in own], max)
        if (low, high) != (mean - half, mean + half):
            method = f"mean of {n} repeats, Student t widened to the repeats' own intervals"
    return low, high, method


def _possible(result: MetricResult, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Cut a symmetric interval where it leaves the metric's range: a cost below 0, a share outside 0 to 1."""
    least, most = result.range
    if least is not None and low is not None:
        low = max(low, least)
    if most is not None and high is not None:
        high = min(high, most)
    return low, high


def _reach(end: float | None, own: Sequence[float | None], further: Callable[..., float]) -> float | None:
    """The further of *end* and the mean of the cells' own ends; None (unbounded) if one of those is unbounded."""
    bounded = [v for v in own if v is not None]
    if end is None or len(bounded) < len(own):
        return None
    return further(end, _mean(bounded))


def _mean(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return values[0]  # not a rounding error beside it: equal repeats have an interval of no width
    return math.fsum(values) / len(values)


@cache
def _quantile(df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.975))


def _infinite(row: ScoreRow) -> bool:
    return row.value is None and row.note.split(";")[0] == INFINITE


def _notes(found: Measured, silent: Sequence[MetricResult]) -> list[str]:
    notes = []
    if len({result.source for result, _ in found}) > 1:
        notes.append("computed with different versions of the metric, which should not be compared: score again")
    failed = [r for r in silent if r.status == "failed"]
    if failed:
        notes.append(f"failed in {len(failed)} more repeats: {failed[0].reason}")
    said = Counter(row.note for _, row in found if row.note and row.note != INFINITE)
    return notes + list(said)[:2]


def _adjusted(figures: list[Figure], rows: dict[tuple[str, ...], Measured]) -> list[Figure]:
    """Give each p-value figure the smallest of its Holm-adjusted p-values, over all tests of the scorecard."""
    owners: list[tuple[str, ...]] = []
    tests: list[float] = []
    for key, found in rows.items():
        for result, row in found:
            if result.unit == P_VALUE and row.value is not None:
                owners.append(key)
                tests.append(row.value)
    smallest: dict[tuple[str, ...], float] = {}
    for key, p in zip(owners, holm(tests), strict=True):
        smallest[key] = min(p, smallest.get(key, 1.0))
    counts = Counter(owners)
    done = []
    for f in figures:
        key = (f.technique, f.dataset, f.task, f.metric, f.seat, f.group, f.statistic)
        if key in smallest:
            f = f.model_copy(update={"adjusted": smallest[key], "n": counts[key]})
        done.append(f)
    return done
