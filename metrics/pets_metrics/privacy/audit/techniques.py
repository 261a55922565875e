"""Audit a registered technique on tables of a public schema: resolved once, released many times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pets_eval.model import (
    Answer,
    Guarantee,
    Inputs,
    MissingExtra,
    Party,
    PetsEvalError,
    Release,
    Schema,
    Table,
    Task,
    Technique,
    Unsupported,
)
from pets_eval.registry import check_installed, entries, make_task
from pets_metrics.privacy.audit.context import Unrecorded
from pets_metrics.privacy.audit.neighbours import Pair, extreme_rows
from pets_metrics.privacy.audit.outcomes import Outcomes
from pets_metrics.privacy.audit.sampling import concatenated
from pets_metrics.privacy.audit.target import BatchRaisedError, Data

_PARTY = Party("audited")
_FEW = 64  # cells that are all looked at
_OTHER_CELLS = ("mean of the other cells", "other cells that are missing")


@dataclass(eq=False)
class Released:
    """A technique that answers a task for one party that holds the whole table.

    `mechanism` is what the technique's `prepare` resolved, None where it has none; `guarantee` came with its first
    release, None before that and where there is none. With `alone`, each run is a call of its own.
    """

    name: str
    technique: Technique
    task: Task
    schema: Schema
    ctx: Unrecorded
    mechanism: Any = None
    guarantee: Guarantee | None = None
    alone: bool = False
    _shown: pd.DataFrame | None = field(default=None, repr=False)
    _cells: tuple[str, ...] = ()

    def run_many(self, data: Data, n: int) -> Outcomes:
        """What *n* releases on the table *data* say; a refusal is an outcome like any other error.

        Raises `BatchRaisedError` if a mechanism that makes all of them in one call raises.
        """
        inputs = self.inputs(data)
        if n == 1 or self.alone or self.mechanism is None:
            return concatenated([self._once(inputs) for _ in range(n)])
        try:
            return self._said(self.mechanism.run_many(inputs, n))
        except MissingExtra:  # that is no outcome
            raise
        except (Exception, SystemExit) as error:
            raise BatchRaisedError(replace(self, alone=True)) from error

    def focus(self, pairs: Iterable[Pair]) -> None:
        """Of answers with many cells, look only at those which differ, exactly computed, within some of *pairs*."""
        self._cells = moved_cells(self.task, self.schema, pairs)

    def inputs(self, data: Data) -> Inputs:
        """The table *data* as the technique gets it."""
        assert isinstance(data, pd.DataFrame)
        return Inputs((_PARTY,), {_PARTY.name: Table(self.schema, data=data)}, self.schema)

    def _once(self, inputs: Inputs) -> Outcomes:
        """One run, drawn once whatever comes of it."""
        try:
            if self.mechanism is None:
                return self._said([self.technique.run(self.task, inputs, self.ctx)])
            return self._said(self.mechanism.run_many(inputs, 1))
        except MissingExtra:
            raise
        except (Exception, SystemExit) as error:
            return Outcomes.of([error])

    def _said(self, releases: Sequence[Release]) -> Outcomes:
        self.guarantee = self.guarantee or releases[0].guarantee
        return narrowed(of_releases(releases, self._witnesses()), self._cells)

    def _witnesses(self) -> pd.DataFrame:
        """Records whose probabilities a released model is asked for."""
        if self._shown is None:
            rows = extreme_rows(replace(self.schema, unit="record")).values()
            self._shown = self.schema.conform(pd.concat(list(rows), ignore_index=True), where="witnesses")
        return self._shown


def of_technique(
    technique: Technique, task: Task | None, schema: Schema, rng: np.random.Generator | None = None
) -> Released:
    """The target that releases what *technique* answers to *task* on tables with *schema*.

    Without a task, it is the first that the technique supports. The number of rows is not taken to be public. Raises
    `PetsEvalError` where the technique does not support the task or the schema, and `MissingExtra` where a library of
    it is not installed.
    """
    check_installed(technique)
    schema = replace(schema, rows=None)
    task = task or _first_task(technique, schema)
    task.needs(schema)
    reason = technique.supports(task, schema, (_PARTY,))
    if reason:
        raise PetsEvalError(f"{technique.name} cannot be audited on the task {task.name}: {reason}")
    ctx = Unrecorded(np.random.default_rng() if rng is None else rng)
    prepare = getattr(technique, "prepare", None)
    try:
        mechanism = None if prepare is None else prepare(task, schema, ctx)
    except Unsupported as why:
        raise PetsEvalError(f"{technique.name} cannot be audited on the task {task.name}: {why}") from None
    return Released(f"{technique.name} on {task.name}", technique, task, schema, ctx, mechanism)


def _first_task(technique: Technique, schema: Schema) -> Task:
    tasks = [make_task(name, {}) for name in entries("tasks")]
    for task in sorted(tasks, key=lambda t: t.wants_query or t.wants_records):  # numbers about everybody first
        try:
            task.needs(schema)
        except PetsEvalError:
            continue
        if technique.supports(task, schema, (_PARTY,)) is None:
            return task
    raise PetsEvalError(f"{technique.name} supports no task that can be asked of this schema; give --task or --schema")


def of_releases(releases: Sequence[Release], witnesses: pd.DataFrame) -> Outcomes:
    """The numbers in *releases*: of an answer its values, of microdata its counts per public cell and column.

    Of a model, the probabilities that it gives the records *witnesses*.
    """
    if all(isinstance(r.value, Answer) for r in releases):
        answers = [r.value for r in releases if isinstance(r.value, Answer)]
        index = answers[0].table.index
        if all(a.table.index.equals(index) for a in answers):
            keys = tuple(" | ".join(map(str, cell)) for cell in index)
            values = np.array([a.values for a in answers], dtype=np.float64)
            return Outcomes(values, keys, np.full(len(values), "", dtype=object))
    return Outcomes.of([_numbers(r, witnesses) for r in releases])


def moved_cells(task: Task, schema: Schema, pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The names of the cells whose exact answer differs within some of *pairs*; none where a few cells are all.

    None, too, where the task does not say what the exact answer is.
    """
    moved: dict[str, None] = {}
    for pair in pairs:
        try:
            exact = [
                task.answer(Release("microdata", Table(schema, data=data)), schema, None).table["value"]
                for data in (pair.first, pair.second)
                if isinstance(data, pd.DataFrame)
            ]
        except Exception:  # a task that needs a query, or refuses an empty table
            return ()
        if len(exact[0]) <= _FEW:
            return ()
        differs = ~((exact[0] == exact[1]) | (exact[0].isna() & exact[1].isna())).to_numpy()
        moved |= {" | ".join(map(str, cell)): None for cell in exact[0].index[differs]}
    return tuple(moved)


def narrowed(outcomes: Outcomes, cells: tuple[str, ...]) -> Outcomes:
    """*outcomes* on *cells*, with the mean of all others and how many gave no number; unchanged, if none are named."""
    if not cells:
        return outcomes
    rest = np.array([key not in set(cells) for key in outcomes.keys])
    others, there = outcomes.values[:, rest], outcomes.on(cells).values
    missing = np.isnan(others).sum(axis=1)
    mean = np.nansum(others, axis=1) / np.maximum(others.shape[1] - missing, 1)
    return Outcomes(np.column_stack([there, mean, missing]), (*cells, *_OTHER_CELLS), outcomes.labels, outcomes.seconds)


def _numbers(release: Release, witnesses: pd.DataFrame) -> dict[str, float]:
    value = release.value
    if isinstance(value, Answer):
        return dict(zip((" | ".join(map(str, cell)) for cell in value.table.index), value.values.tolist()))
    if isinstance(value, Table):
        return _cell_counts(value)
    known = witnesses[[c for c in witnesses.columns if c in getattr(value, "features", witnesses.columns)]]
    return {f"probability of record {i}": float(p) for i, p in enumerate(value.predict_proba(known))}


def _cell_counts(table: Table) -> dict[str, float]:
    frame, found = table.frame(), {"records": float(len(table))}
    for name in table.schema.tabular():
        column = table.schema.columns[name]
        counts = np.bincount(column.codes(frame[name]), minlength=len(column.cells()))
        found |= {f"{name} = {cell}": float(c) for cell, c in zip(column.cells(), counts)}
        if column.numeric:
            found[f"total of {name}"] = float(np.nansum(column.numbers(frame[name])))
    return found
