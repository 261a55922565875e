"""Many repeats become one figure, and p-values are corrected for how many there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from pets_eval.guideline.figures import P_VALUE, Figure
from pets_eval.model.multiplicity import holm
from pets_eval.model.record import MetricResult, Planned, RunRecord, ScoreRow, Spec
from pets_eval.report.repeats import Combined, combine

_COARSE = ("permutation", "hypergeometric")  # tests whose `low` is the smallest p-value that they can give
_RECORDS = "synthetic"  # the evidence by which a metric reads released records
Key = tuple[str, ...]  # technique, dataset, task, metric, seat, group, statistic
Measured = list[tuple[MetricResult, ScoreRow]]


def aggregate(records: Iterable[RunRecord], label: Callable[[Spec], str], plan: Iterable[Planned] = ()) -> list[Figure]:
    """One figure per technique, dataset, task, metric, seat, group and statistic, over all finished repeats.

    A figure says in how many of the repeats of the *plan* (and of *records*) it was measured; see `combine` for its
    value. P-values are not averaged: the smallest stands for all, adjusted by Holm over every test of its axis; those
    of an anchor among themselves.
    """
    records = list(records)
    rows: dict[Key, Measured] = defaultdict(list)
    silent: dict[Key, list[MetricResult]] = defaultdict(list)
    for record in records:
        if record.status != "finished":
            continue
        base = (label(record.spec), record.spec.dataset, record.spec.task)
        for metric, result in record.scores.items():
            if result.status != "measured" or not result.rows:
                silent[*base, metric].append(result)
            for row in result.rows if result.status == "measured" else ():
                rows[*base, metric, row.seat, row.group, row.statistic].append((result, row))
    planned = _planned(records, label, plan)
    figures = [_figure(key, found, silent.get(key[:4], []), _of(key, planned)) for key, found in rows.items()]
    measured = {key[:4] for key in rows}
    figures += [_absent(key, found, _of(key, planned)) for key, found in silent.items() if key not in measured]
    anchors = {label(r.spec) for r in records if r.spec.anchor}
    return _adjusted(figures, rows, anchors)


def _planned(records: Sequence[RunRecord], label: Callable[[Spec], str], plan: Iterable[Planned]) -> Counter[Key]:
    """How many cells were planned by technique, dataset, task and audit ("" for none), each counted once."""
    specs = {r.identity: r.spec for r in records} | {p.identity: p.spec for p in plan}
    return Counter((label(s), s.dataset, s.task, s.probe) for s in specs.values())


def _of(key: Key, planned: Counter[Key]) -> int:
    """In how many cells the metric of *key* could be measured: its own audits, else the cells that release."""
    return planned[key[:4]] or planned[*key[:3], ""]


def _figure(key: Key, found: Measured, silent: Sequence[MetricResult], of: int) -> Figure:
    technique, dataset, task, metric, seat, group, statistic = key
    result = found[0][0]
    rows = [row for _, row in found]
    values = [row.value for row in rows if row.value is not None]
    is_test = result.unit == P_VALUE
    made = _smallest(rows) if is_test and values else combine(rows, result.range)
    figure = Figure(
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
        value=made.value,
        low=made.low,
        high=made.high,
        method=made.method,
        n=made.n,
        measured=len(values),
        of=of,
        floor=_floor(rows) if is_test else None,
        records=_RECORDS in result.needs,
        detail=bool(result.headline) and statistic not in result.headline,
    )
    notes = [figure.coverage, made.note, *_notes(found, silent)]
    return figure.model_copy(update={"note": "; ".join(n for n in notes if n)})


def _smallest(rows: Sequence[ScoreRow]) -> Combined:
    """The smallest p-value. It has no interval, and which repeat gave it is chance."""
    there = [(row.value, row) for row in rows if row.value is not None]
    if len(there) == 1:
        value, only = there[0]
        return Combined(value, method=only.method, n=only.n)
    return Combined(min(value for value, _ in there), method="smallest of the repeats", n=len(there))


def _floor(rows: Sequence[ScoreRow]) -> float | None:
    """The smallest p-value that the coarsest of these tests can give, where that is not as small as one likes."""
    return max((row.low for row in rows if row.method in _COARSE and row.low is not None), default=None)


def _absent(key: Key, results: Sequence[MetricResult], of: int) -> Figure:
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
        of=of,
        records=_RECORDS in first.needs,
        lacks=first.lacks if all(r.lacks for r in results) else [],
        note=first.reason,
    )


def _notes(found: Measured, silent: Sequence[MetricResult]) -> list[str]:
    notes = []
    if len({result.source for result, _ in found}) > 1:
        notes.append("computed with different versions of the metric, which should not be compared: score again")
    failed = sum(r.status == "failed" for r in silent)
    if failed:
        notes.append(f"failed in {failed}, see section 5")
    missing = [row.note for _, row in found if row.value is None]
    return notes + _commonest([row.note for _, row in found if row.value is not None]) + _commonest(missing)


def _commonest(notes: Sequence[str]) -> list[str]:
    """What most repeats say of themselves, and how many do where they differ."""
    said = Counter(n for n in notes if n)
    if not said:
        return []
    note, times = said.most_common(1)[0]
    return [note if times == len(notes) else f"{note} (in {times} of {len(notes)})"]


def _adjusted(figures: list[Figure], rows: dict[Key, Measured], anchors: set[str]) -> list[Figure]:
    """Give each p-value figure the smallest of its Holm-adjusted p-values, over all tests of its axis.

    A test of fidelity accuses nobody of a leak, so it takes no power from those of privacy. What nobody would release
    takes none from the others either: the tests of an anchor are corrected among themselves.
    """
    tests: dict[tuple[str, str], list[tuple[Key, float]]] = defaultdict(list)
    for key, found in rows.items():
        for result, row in found:
            if result.unit == P_VALUE and row.value is not None:
                tests[result.axis, key[0] if key[0] in anchors else ""].append((key, row.value))
    smallest: dict[Key, float] = {}
    together: dict[Key, int] = {}
    for those in tests.values():
        for (key, _), p in zip(those, holm([p for _, p in those]), strict=True):
            smallest[key] = min(p, smallest.get(key, 1.0))
            together[key] = len(those)
    counts = Counter(key for those in tests.values() for key, _ in those)
    done = []
    for f in figures:
        key = (f.technique, f.dataset, f.task, f.metric, f.seat, f.group, f.statistic)
        if key in smallest:
            f = f.model_copy(update={"adjusted": smallest[key], "n": counts[key], "tests": together[key]})
        done.append(f)
    return done
