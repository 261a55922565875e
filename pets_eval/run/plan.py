"""Expand a study into cells, checking every name, parameter and column on the way; no row is touched."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pets_eval.model.data import Task
from pets_eval.model.errors import MissingExtra, PetsEvalError
from pets_eval.model.params import canonical, describe, near
from pets_eval.model.record import Spec
from pets_eval.model.release import IDEAL, PUBLIC
from pets_eval.model.study import Study, TaskPick
from pets_eval.model.technique import Technique
from pets_eval.registry import (
    Entry,
    Kind,
    check_installed,
    entries,
    entry,
    load,
    make_dataset,
    make_task,
    make_technique,
    metric_spec,
)
from pets_eval.run.data import DataPlan, plan_data
from pets_eval.run.studyfile import StudyFile

ANCHORS = ("raw", "null")
_MOST_CELLS = 1_000_000


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the plan. `skip` is the reason why it cannot run, known from public facts alone."""

    spec: Spec
    skip: str = ""


@dataclass(frozen=True)
class Plan:
    """A study that can run: its cells, its datasets, and what will be measured on each kept release."""

    file: StudyFile
    datasets: dict[str, DataPlan]
    tasks: dict[str, Task]
    cells: list[PlannedCell]
    metrics: list[str]
    probes: list[str] = field(default_factory=list)

    @property
    def study(self) -> Study:
        """The study of the plan."""
        return self.file.study


@dataclass(frozen=True)
class _Row:
    technique: Technique
    entry: Entry
    label: str
    anchor: bool

    @staticmethod
    def of(name: str, params: dict[str, Any], where: str = "", *, anchor: bool = False) -> _Row:
        made = make_technique(name, params, where=where)
        return _Row(made, entry("techniques", name), _label(made), anchor)


def make_plan(file: StudyFile) -> Plan:
    """Expand the study in *file*; raises `PetsEvalError` that names file, line and key of the first mistake."""
    study = file.study
    datasets: dict[str, DataPlan] = {}
    for i, pick in enumerate(study.datasets):
        where = file.where("datasets", i)
        source = make_dataset(pick.use, _absolute("datasets", pick.use, pick.params, file, where), where=where)
        datasets[pick.label] = plan_data(pick, source, study.parties, study.seed, where)
    tasks = {t.label: make_task(t.use, t.params, where=file.where("tasks", i)) for i, t in enumerate(study.tasks)}
    pairs = list(_pairs(file, datasets, tasks))
    metrics, probes = _metrics(file)
    _check_seats(file, datasets)
    combinations = sum(math.prod(len(values) for values in pick.grid.values()) for pick in study.techniques)
    most = combinations * len(pairs) * study.repeats
    if most > _MOST_CELLS:
        raise PetsEvalError(f"{file.where()}: the study has {most} cells; split it (at most {_MOST_CELLS})")
    cells = list(_cells(study, datasets, tasks, pairs, list(_rows(file)), probes))
    return Plan(file, datasets, tasks, cells, metrics, probes)


def _absolute(kind: Kind, name: str, params: dict[str, Any], file: StudyFile, where: str) -> dict[str, Any]:
    """Paths of a user's files are relative to the study file."""
    entry(kind, name, where=where)
    paths = {row.name for row in describe(load(kind, name)) if row.path}
    base = file.path.resolve().parent
    return {k: str(base / v) if k in paths and v and isinstance(v, str) else v for k, v in params.items()}


def _pairs(file: StudyFile, datasets: dict[str, DataPlan], tasks: dict[str, Task]) -> Iterator[tuple[str, TaskPick]]:
    for i, pick in enumerate(file.study.tasks):
        for name in pick.of or []:
            if name not in datasets:
                raise PetsEvalError(
                    f"{file.where('tasks', i, 'of')}: no dataset is called {name!r}{near(name, datasets)}"
                )
        for label in pick.of or datasets:
            try:
                tasks[pick.label].needs(datasets[label].schema)
            except PetsEvalError as error:
                raise PetsEvalError(f"{file.where('tasks', i)}: {pick.label} on {label}: {error}") from None
            yield label, pick


def _rows(file: StudyFile) -> Iterator[_Row]:
    """The techniques with each combination of their grid, the anchors first."""
    study = file.study
    named = {p.use for p in study.techniques}
    for name in ANCHORS:
        if name not in named and name in entries("techniques"):
            yield _Row.of(name, {}, anchor=True)
    seen: set[str] = set()
    for i, pick in enumerate(study.techniques):
        where = file.where("techniques", i)
        for key, values in pick.grid.items():
            if not values:
                raise PetsEvalError(f"{file.where('techniques', i, 'grid', key)}: the list of values is empty")
            if key in pick.params:
                raise PetsEvalError(f"{where}: {key!r} stands under both 'params' and 'grid'; keep one")
        for combination in itertools.product(*pick.grid.values()):
            params = {**pick.params, **dict(zip(pick.grid, combination, strict=True))}
            params = _absolute("techniques", pick.use, params, file, where)
            row = _Row.of(pick.use, params, where, anchor=pick.use in ANCHORS)
            if row.label in seen:
                raise PetsEvalError(f"{where}: {row.label} is named twice; remove one")
            seen.add(row.label)
            yield row


def _label(made: Technique) -> str:
    """What a technique with parameters is called on every page: its first parameter, and all that is not as usual."""
    shown: list[str] = []
    for row, value in zip(describe(type(made)), canonical(made).values(), strict=True):
        if not shown or value != _plain_default(row.default):
            shown.append(f"{row.name}={Path(value).name if row.path else _short(value)}")
    return f"{made.name} ({', '.join(shown)})" if shown else made.name


def _plain_default(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    """A value in few letters, but never two values in the same ones.

    >>> _short(1e-6), _short(10.0), _short(1.0000001), _short({"epsilon": 1.0, "bins": 5})
    ('1e-06', '10', '1.0000001', 'epsilon=1, bins=5')
    """
    if isinstance(value, dict):
        return ", ".join(f"{key}={_short(v)}" for key, v in value.items())
    if isinstance(value, float):
        brief = f"{value:g}"
        return brief if float(brief) == value else repr(value)
    return str(value)


def _metrics(file: StudyFile) -> tuple[list[str], list[str]]:
    """Names of the stored metrics and of the probes that the study asks for."""
    asked = file.study.metrics
    names = list(entries("metrics")) if isinstance(asked, str) else list(dict.fromkeys(asked))
    specs = [metric_spec(n, where=file.where("metrics")) for n in names]
    stored = [s.name for s in specs if s.effort == "stored"]
    return stored, [] if asked == "stored" else [s.name for s in specs if s.effort != "stored"]


def _check_seats(file: StudyFile, datasets: dict[str, DataPlan]) -> None:
    known = {p.name for d in datasets.values() for p in d.parties}
    for i, group in enumerate(file.study.coalitions):
        for name in group:
            if name not in known:
                raise PetsEvalError(f"{file.where('coalitions', i)}: no party is called {name!r}{near(name, known)}")
    seats = known | {PUBLIC, IDEAL} | {"+".join(g) for g in file.study.coalitions}
    for seat in file.study.seats or []:
        if seat not in seats:
            raise PetsEvalError(f"{file.where('seats')}: there is no seat {seat!r}{near(seat, seats)}")


def _cells(
    study: Study,
    datasets: dict[str, DataPlan],
    tasks: dict[str, Task],
    pairs: list[tuple[str, TaskPick]],
    rows: list[_Row],
    probes: list[str],
) -> Iterator[PlannedCell]:
    for (label, pick), row in itertools.product(pairs, rows):
        data = datasets[label]
        skip = _unable(row.technique, tasks[pick.label], data)
        repeats = 1 if skip or row.technique.claims().deterministic else study.repeats
        facts = {
            "dataset": label,
            "task": pick.label,
            "technique": row.technique.name,
            "label": row.label,
            "family": row.entry.family,
            "params": canonical(row.technique),
            "anchor": row.anchor,
        }
        for repeat in range(repeats):
            yield PlannedCell(Spec.model_validate({**facts, "repeat": repeat}), skip)
        for metric in probes if not skip else []:
            yield PlannedCell(Spec.model_validate({**facts, "kind": "probe", "probe": metric}))


def _unable(technique: Technique, task: Task, data: DataPlan) -> str:
    """Why the technique cannot do the task here, or ""."""
    try:
        check_installed(technique)
    except MissingExtra as missing:
        return str(missing)
    return technique.supports(task, data.schema, data.parties) or ""


@dataclass(frozen=True)
class Estimated:
    """A row of `pets-eval plan`: what is known of the cost of a technique on a task. None = never measured here."""

    dataset: str
    task: str
    technique: str
    cells: int
    seconds: float | None
    peak_bytes: float | None
    at_most_s: float
    skip: str


def estimate(plan: Plan) -> list[Estimated]:
    """Expected wall seconds of all cells and the peak memory of one, from earlier runs on this machine."""
    from pets_eval.run.timings import lookup

    grouped: dict[tuple[str, str, str], list[PlannedCell]] = {}
    for cell in plan.cells:
        grouped.setdefault((cell.spec.dataset, cell.spec.task, cell.spec.label), []).append(cell)
    rows = []
    for (dataset, task, label), cells in grouped.items():
        known = lookup(plan.datasets[dataset], cells[0].spec, plan.tasks[task].name)
        running = 0 if cells[0].skip else len(cells)
        rows.append(
            Estimated(
                dataset=dataset,
                task=task,
                technique=label,
                cells=len(cells),
                seconds=None if known is None else known[0] * running,
                peak_bytes=None if known is None else known[1],
                at_most_s=running * plan.study.limits.timeout,
                skip=cells[0].skip,
            )
        )
    return rows


def total_seconds(rows: list[Estimated], workers: int) -> float:
    """Expected wall seconds of a run with *workers*; NaN if some technique was never measured here."""
    known = [0.0 if r.skip else (math.nan if r.seconds is None else r.seconds) for r in rows]
    return sum(known) / max(workers, 1)
