"""What a reader of several released tables learns by combining them: small groups, and what all their members share.

Tables that share columns bound the cells of their joint table: what one table leaves, the other must hold (Buzzigoli
and Giusti's shuttle algorithm, repeated subtraction of margins). Where the two bounds meet, the count is derived. The
same subtraction undoes the suppression of single cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import MISSING, Answer, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import counts
from pets_metrics.equity.groups import Tables
from pets_metrics.intervals import proportion

Floats = NDArray[np.float64]
Names = tuple[str, ...]

_LEVEL = 0.95
_ROUNDS = 10  # of the shuttle algorithm; it has converged long before on tables of a few columns
_MOST_CELLS = 4_000_000  # of all joint tables together; smaller joint tables go first


@dataclass(frozen=True, eq=False)
class CountTable:
    """A released table and the true one, both of the shape of its *columns*' public cells."""

    columns: Names
    released: Floats
    true: Floats


def count_tables(answer: Answer, truth: Answer, schema: Schema, task: object) -> list[CountTable]:
    """The tables of counts of a task with known blocks; raises `Unsupported` for any other task."""
    if not isinstance(task, Tables):
        raise Unsupported("the task asks for no tables of counts")
    released, true = counts(answer, truth)
    tables, start = [], 0
    for block in task.blocks(schema):
        shape = _shape(block, schema)
        stop = start + math.prod(shape)
        tables.append(CountTable(tuple(block), released[start:stop].reshape(shape), true[start:stop].reshape(shape)))
        start = stop
    if start != len(true):
        raise PetsEvalError("the counts are not those of the task's tables; pass the task and schema they came from")
    return tables


def cell_numbers(frame: pd.DataFrame, names: Sequence[str], schema: Schema, where: str) -> dict[str, NDArray[np.int64]]:
    """Number of each row's public cell in each column of *names*; raises `PetsEvalError` for values outside them."""
    part = Schema(columns={n: schema.column(n) for n in names}).conform(frame, where=where)
    return {n: schema.column(n).codes(part[n]) for n in names}


@metric(
    axis="privacy",
    goal="min",
    unit="share",
    range=(0, 1),
    source="Buzzigoli and Giusti, shuttle algorithm (1999); Dobra and Fienberg, Bounds for cell entries in contingency "
    "tables, PNAS 97 (2000)",
    headline=("right",),
    cannot_show="That knowledge from outside, of some people in a group, would not bring out the others.",
)
def differencing_disclosure(
    answer: Answer, truth: Answer, real: pd.DataFrame, schema: Schema, task: object, threshold: int = 10
) -> list[Score]:
    """Share of small groups that no released table shows, but whose size the tables together give exactly; 0 is best.

    A group is a cell of the joint table of two released tables that share a column, or a cell that a table leaves open
    (NaN); it is small with 1 to *threshold* people. The attacker rounds the released counts, raises negative ones to 0,
    and subtracts margins from each other until nothing changes; where the lower and the upper bound of a cell meet
    between 1 and *threshold*, that count is derived. Statistics: "recovered", the share of the small groups that are
    derived with their true count; "right", the share of the derived counts that are true (n is how many were derived).
    Cells that a table leaves open have the same figures of their own, as group "suppressed cells". Wilson's intervals,
    which take groups as independent. Joint tables are looked at from the smallest up to four million cells in all;
    the note says if some were left out. People are rows.
    Raises `Unsupported` unless the task asks for tables of counts of which two can be combined or one has open cells.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({n: Column("categorical", domain=("0", "1")) for n in ("sex", "sick", "old")})
    >>> class Two:
    ...     def blocks(self, schema): return [("sex", "sick"), ("sex", "old")]
    >>> real = pd.DataFrame({"sex": ["0", "0", "0", "1"], "sick": ["0", "0", "0", "1"], "old": ["0", "1", "1", "1"]})
    >>> real = schema.conform(real, where="example")
    >>> four = ("0 | 0", "0 | 1", "1 | 0", "1 | 1")
    >>> cells = cell_index([(block, cell, "count") for block in ("sex x sick", "sex x old") for cell in four])
    >>> exact = Answer.of(cells, [3, 0, 0, 1, 1, 2, 0, 1])
    >>> scores = differencing_disclosure(exact, exact, real, schema, Two())
    >>> [(s.statistic, s.estimate.value, s.estimate.n) for s in scores]
    [('recovered', 1.0, 3), ('right', 1.0, 3)]
    """
    tables = count_tables(answer, truth, schema, task)
    joint, left_out = _joint(tables, schema)
    if not joint:
        raise Unsupported("no two tables can be combined, and no cell is left open")
    codes = cell_numbers(real, sorted({name for columns, _ in joint for name in columns}), schema, "the real table")
    tally = {"": np.zeros(3, dtype=np.int64), "suppressed cells": np.zeros(3, dtype=np.int64)}
    for columns, opened in joint:
        low, high = bounds(columns, tables, schema)
        flat = np.ravel_multi_index([codes[name] for name in columns], low.shape)
        people = np.bincount(flat, minlength=low.size).reshape(low.shape)
        asked = np.ones(low.shape, dtype=bool) if opened is None else opened
        small = asked & (people >= 1) & (people <= threshold)
        derived = asked & (low == high) & (low >= 1) & (low <= threshold)
        found = np.array([small.sum(), derived.sum(), (derived & (low == people)).sum()])
        tally[""] += found
        if opened is not None:
            tally["suppressed cells"] += found
    note = f"{left_out} larger joint tables are left out" if left_out else ""
    scores = []
    for group, (groups, derived_counts, right) in tally.items():
        if group and not groups:
            continue
        told = (int(right), int(groups)), (int(right), int(derived_counts))
        without = (f"no such group has 1 to {threshold} people", "no count is derived")
        for statistic, share, reason in zip(("recovered", "right"), told, without, strict=True):
            estimate = proportion(*share, _LEVEL, note if share[1] else reason)
            scores.append(Score(estimate, group=group, statistic=statistic))
    return scores


def bounds(columns: Names, tables: Sequence[CountTable], schema: Schema) -> tuple[Floats, Floats]:
    """Lower and upper bounds of the cells of the joint table over *columns* from the released *tables*; two arrays.

    Cells for which the tables contradict each other, as noisy ones do, have a lower bound above the upper one; a cell
    of which they say nothing is below infinity.
    """
    margins = list(_margins(columns, tables))
    shape = _shape(columns, schema)
    low, high = np.zeros(shape), np.full(shape, np.inf)
    with np.errstate(invalid="ignore"):  # infinite bounds
        for _ in range(_ROUNDS):
            before = low.sum(), high.sum()  # lower bounds only rise, and upper ones only fall
            for axes, margin in margins:
                # fmin and fmax pass over what is not known
                np.fmin(high, low + (margin - low.sum(axis=axes, keepdims=True)), out=high)
                np.fmax(low, high + (margin - high.sum(axis=axes, keepdims=True)), out=low)
            if before == (low.sum(), high.sum()):
                break
    return low, high


def _margins(columns: Names, tables: Sequence[CountTable]) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """What the tables say of sums over some axes of the joint table: those axes, and the sums with these axes kept.

    Only the largest sets of columns are used, as they imply the smaller ones, unless a table has open cells.
    """
    parts: dict[frozenset[str], list[CountTable]] = {}
    for table in tables:
        parts.setdefault(frozenset(table.columns) & frozenset(columns), []).append(table)
    open_cells = any(np.isnan(t.released).any() for group in parts.values() for t in group)
    for part, group in parts.items():
        if not open_cells and any(part < other for other in parts):
            continue
        direct = [t for t in group if part == frozenset(t.columns)]
        sums = np.array([_margin(t, part, columns) for t in direct or group])
        there = ~np.isnan(sums)
        total = np.where(there, sums, 0).sum(axis=0)
        mean = np.divide(total, there.sum(axis=0), out=np.full_like(total, np.nan), where=there.any(axis=0))
        yield tuple(i for i, c in enumerate(columns) if c not in part), np.maximum(np.rint(mean), 0)


def _margin(table: CountTable, part: frozenset[str], columns: Names) -> Floats:
    """The table summed to *part*, its axes in the order of *columns*, with one of length 1 for each other column."""
    summed = table.released.sum(axis=tuple(i for i, c in enumerate(table.columns) if c not in part))
    kept = [c for c in table.columns if c in part]
    wanted = [c for c in columns if c in part]
    ordered = summed.transpose([kept.index(c) for c in wanted])
    sizes = iter(ordered.shape)
    done: Floats = ordered.reshape([next(sizes) if c in part else 1 for c in columns])
    return done


def _joint(tables: Sequence[CountTable], schema: Schema) -> tuple[list[tuple[Names, NDArray[np.bool_] | None]], int]:
    """Columns of each joint table with its open cells (None: it is not released at all); how many are too large."""
    order = {name: i for i, name in enumerate(schema.columns)}
    shown = [frozenset(t.columns) for t in tables]
    unions = {
        a | b for a, b in itertools.combinations(shown, 2) if a & b and not any(a | b <= released for released in shown)
    }
    new = sorted((tuple(sorted(u, key=order.__getitem__)) for u in unions), key=lambda c: (_size(c, schema), c))
    total = np.cumsum([_size(columns, schema) for columns in new])
    fits = int((total <= _MOST_CELLS).sum())
    opened = [(t.columns, np.isnan(t.released)) for t in tables if np.isnan(t.released).any()]
    return [*opened, *((columns, None) for columns in new[:fits])], len(new) - fits


def _shape(columns: Sequence[str], schema: Schema) -> tuple[int, ...]:
    return tuple(len(schema.column(c).cells()) for c in columns)


def _size(columns: Sequence[str], schema: Schema) -> int:
    return math.prod(_shape(columns, schema))


@metric(
    axis="privacy",
    goal="min",
    unit="share of groups",
    range=(0, 1),
    anchored=True,
    source="NIST SP 800-188 (2023), attribute disclosure; Machanavajjhala et al., l-diversity (2007)",
    headline=("right",),
    cannot_show="That no attribute is told with near certainty: groups where one member differs are not counted.",
)
def small_cell_attribute_disclosure(
    answer: Answer, truth: Answer, schema: Schema, task: object, threshold: int = 10, column: str = ""
) -> list[Score]:
    """Share of small groups with one value of a sensitive column, of which the release says so rightly; 0 is best.

    A group are the people who agree on the other columns of a released table with the sensitive column: whoever knows
    that somebody belongs to it learns the value if the released counts, rounded, are above 0 for one value only. Groups
    have 1 to *threshold* people. Statistics, for each column with the role "sensitive" or "target" (as group; without
    such roles each column in turn; or *column* alone) and for all together: "disclosed", the share of the groups with
    one value that the release gives away; "right", the share of the small groups to which the release gives one value
    that truly have it. A missing value is none. Wilson's intervals, which take the groups of all tables as independent.
    Raises `Unsupported` unless the task tabulates such a column with others.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M")),
    ...                  "sick": Column("categorical", domain=("no", "yes"), roles=("sensitive",))})
    >>> class OneTable:
    ...     def blocks(self, schema): return [("sex", "sick")]
    >>> cells = cell_index([("sex x sick", f"{a} | {b}", "count") for a in "FM" for b in ("no", "yes")])
    >>> truth = Answer.of(cells, [0, 3, 2, 0])
    >>> told = small_cell_attribute_disclosure(Answer.of(cells, [0, 4, 1, 1]), truth, schema, OneTable())
    >>> [(s.group, s.statistic, s.estimate.value) for s in told[:2]]
    [('sick', 'disclosed', 0.5), ('sick', 'right', 1.0)]
    """
    tables = [t for t in count_tables(answer, truth, schema, task) if len(t.columns) > 1]
    roles = [*schema.with_role("sensitive"), *schema.with_role("target")]
    asked = [column] if column else list(dict.fromkeys(roles)) or list(schema.columns)
    tallies = {}
    for name in asked:
        counted = [_homogeneous(t, name, schema, threshold) for t in tables if name in t.columns]
        if counted:
            tallies[name] = np.sum(counted, axis=0)
    if not tallies:
        raise Unsupported("no sensitive column is tabulated with another column")
    tallies[""] = np.sum(list(tallies.values()), axis=0)
    reasons = (f"no group of 1 to {threshold} people has one value only", "the release gives no group one value")
    scores = []
    for name, (groups, told, right) in tallies.items():
        for statistic, n, reason in zip(("disclosed", "right"), (groups, told), reasons, strict=True):
            estimate = proportion(int(right), int(n), _LEVEL, "" if n else reason)
            scores.append(Score(estimate, group=name, statistic=statistic))
    return scores


def _homogeneous(table: CountTable, name: str, schema: Schema, threshold: int) -> NDArray[np.int64]:
    """How many small groups have one value, how many are told to, and how many of the latter have that value."""
    last = table.columns.index(name)
    released, true = (np.moveaxis(a, last, -1).reshape(-1, a.shape[last]) for a in (table.released, table.true))
    people = np.where(np.isnan(released), np.inf, np.maximum(np.rint(released), 0))
    present = np.array([c != MISSING or not schema.column(name).nullable for c in schema.column(name).cells()])

    def one(counted: Floats) -> NDArray[np.bool_]:
        few = (counted.sum(axis=1) >= 1) & (counted.sum(axis=1) <= threshold)
        done: NDArray[np.bool_] = few & ((counted > 0).sum(axis=1) == 1) & present[counted.argmax(axis=1)]
        return done

    has, told = one(true), one(people)
    right = has & told & (people.argmax(axis=1) == true.argmax(axis=1))
    return np.array([has.sum(), told.sum(), right.sum()])
