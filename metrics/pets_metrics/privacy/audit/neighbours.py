"""Worst-case neighbours: pairs of inputs that differ in one unit, on which broken mechanisms have been caught.

They are made from public facts alone: the bounds of an array of numbers, or the schema of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pets_eval.model import Column, PetsEvalError, Schema
from pets_metrics.privacy.audit.claim import Neighbours
from pets_metrics.privacy.audit.target import Data

_OTHERS = 12  # units in the tables that the neighbours share
_FAR = 1_000  # widths of the bounds: how far beyond them the outlier lies
_DAYS = 100_000.0  # the latest and earliest dates that are tried lie so many days from 1970
_UNHEARD = "unheard-of"  # a category that no schema lists
_MANY = 10  # times the rows that the schema bounds a unit by


@dataclass(frozen=True, eq=False)
class Pair:
    """Two neighbouring inputs; `times(k)` is the first changed by k units in the way that makes the second.

    `outside`: one of them lies outside the stated domain, so that a mechanism sound within it may tell them apart.
    """

    name: str
    first: Data
    second: Data
    times: Callable[[int], Data]
    outside: bool = False


# -- arrays of numbers -------------------------------------------------------------------------------------------------


def of_bounds(low: float, high: float, neighbours: Neighbours = "add-remove") -> list[Pair]:
    """Neighbours among 1-D arrays of numbers from *low* to *high*; raises `PetsEvalError` for bounds that are none.

    >>> [pair.name for pair in of_bounds(0, 1) if not pair.outside][:2]
    ['one value against none', 'the highest value beside the lowest']
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise PetsEvalError(f"bounds must be two finite numbers, the lower one first, not {low:g} and {high:g}")
    lowest, highest = np.full(_OTHERS, float(low)), np.full(_OTHERS, float(high))
    spread = np.linspace(low, high, _OTHERS)
    middle, largest = (low + high) / 2, max(low, high, key=abs)
    changes = [
        ("the highest value beside the lowest", lowest, high, False),
        ("the lowest value beside the highest", highest, low, False),
        ("one value more, like the others", np.full(_OTHERS, middle), middle, False),
        ("the highest value among various", spread, high, False),
        ("a value far beyond the bounds", spread, high + _FAR * (high - low), True),
        ("a missing value", spread, np.nan, True),
        ("an infinite value", spread, np.inf, True),
    ]
    if neighbours == "replace":
        return [_replaced(name, base, value, out) for name, base, value, out in changes if value not in base[:1]]
    alone = _added("one value against none", np.empty(0), float(largest), False)
    return [alone, *(_added(name, base, value, out) for name, base, value, out in changes)]


def _added(name: str, base: Any, value: float, outside: bool) -> Pair:
    def times(k: int) -> Data:
        return np.append(base, np.full(k, value))

    return Pair(name, base, times(1), times, outside)


def _replaced(name: str, base: Any, value: float, outside: bool) -> Pair:
    def times(k: int) -> Data:
        k = min(k, len(base))
        return np.append(np.full(k, value), base[k:])

    return Pair(name.replace("one value more", "one value"), base, times(1), times, outside)


# -- tables ------------------------------------------------------------------------------------------------------------

Row = Mapping[str, Any]


def of_schema(schema: Schema, neighbours: Neighbours = "add-remove", *, conforming: bool = False) -> list[Pair]:
    """Neighbours among tables with *schema*; a unit is all rows with one value of its unit of privacy.

    With *conforming*, only tables that `Schema.conform` admits are made, and values beyond the bounds of numeric
    columns are no longer `outside`: whoever takes any conforming table must clamp them. Without, categories are plain
    objects, as in a file: a categorical column would list its whole domain, and hide that keys are taken from the data.
    """
    tables = _Tables(schema, conforming)
    plain, rare = tables.row(), tables.row(category=-1)
    low, high = tables.row(number="low"), tables.row(number="high")
    various = [tables.row(category=i) for i in range(_OTHERS)]
    changes: list[tuple[str, list[Row], list[Row], bool]] = [
        ("the highest values beside the lowest", [low] * _OTHERS, [high], False),
        ("the lowest values beside the highest", [high] * _OTHERS, [low], False),
        ("a record like another", various, [plain], False),
        ("a rare key: categories that nobody else has", various, [rare], False),
    ]
    if any(c.nullable for c in tables.free.values()):
        nulls = {**plain, **{n: None for n, c in tables.free.items() if c.nullable}}
        changes.append(("missing values", various, [nulls], False))
    if any(c.numeric for c in tables.free.values()):
        far = tables.row(number="far")
        changes.append(("values far beyond the bounds", various, [far], not conforming))
    if not conforming:
        changes += tables.malformed(various, plain)
    if schema.unit != "record":
        most = schema.max_rows_per_unit
        changes.append((f"a person with {most} rows, all alike", various, [high] * most, False))
        changes.append((f"a person with {_MANY * most} rows, all alike", various, [high] * (_MANY * most), False))
        spread = [tables.row(category=i, number="high") for i in range(_MANY * most)]
        changes.append((f"a person with {_MANY * most} various rows", various, spread, False))
    if neighbours == "replace":
        return [tables.pair(*change, replaced=True) for change in changes if change[1][0] != change[2][0]]
    changes.insert(0, ("one record against none", [], [high], False))
    return [tables.pair(*change, replaced=False) for change in changes]


def extreme_rows(schema: Schema) -> dict[str, pd.DataFrame]:
    """Tables of one unit: with the highest values, the lowest ones, and the categories listed last.

    It has as many rows as the schema bounds a unit by, all alike.
    """
    tables = _Tables(schema, conforming=True)
    most = 1 if schema.unit == "record" else schema.max_rows_per_unit
    kinds = {
        "a unit with the highest values": tables.row(number="high"),
        "a unit with the lowest values": tables.row(number="low"),
        "a unit with the categories listed last": tables.row(category=-1),
    }
    return {name: tables.table([(0, row)] * most) for name, row in kinds.items()}


class _Tables:
    """Makes tables, row by row, from a schema alone; *conforming* ones, or as they would be read from a file."""

    def __init__(self, schema: Schema, conforming: bool) -> None:
        self.schema, self.conforming = schema, conforming
        self._made: dict[int, pd.DataFrame] = {}
        self.free = {n: c for n, c in schema.columns.items() if c.kind != "id" and n != schema.unit}
        if not self.free:
            raise PetsEvalError("the schema has no column beside ids; an audit needs one whose values may differ")

    def row(self, *, category: int = 0, number: str = "middle") -> Row:
        """A record: the *category*-th of each domain (its last is kept for -1), and *number* of each numeric column."""
        return {n: _number(c, number) if c.numeric else _category(c, category) for n, c in self.free.items()}

    def malformed(self, base: list[Row], plain: Row) -> list[tuple[str, list[Row], list[Row], bool]]:
        """Records that the schema does not admit."""
        strange = {**plain, **{n: _UNHEARD for n, c in self.free.items() if not c.numeric}}
        gone = {**plain, **{n: None for n, c in self.free.items() if not c.nullable}}
        found = [("a category outside the domain", base, [strange], True)] if strange != plain else []
        return found + ([("missing values where none may be", base, [gone], True)] if gone != plain else [])

    def pair(self, name: str, base: list[Row], change: list[Row], outside: bool, *, replaced: bool) -> Pair:
        def times(k: int) -> Data:
            kept = base[min(k, len(base)) :] if replaced else base
            first = len(base) - len(kept)
            new = [(_OTHERS + i, row) for i in range(k) for row in change]
            return self.table([*((first + i, row) for i, row in enumerate(kept)), *new])

        return Pair(name, self._shared(base), times(1), times, outside)

    def _shared(self, base: list[Row]) -> pd.DataFrame:
        """The table of *base*, the same object for all pairs, so that its runs serve them all."""
        if id(base) not in self._made:
            self._made[id(base)] = self.table(enumerate(base))
        return self._made[id(base)]

    def table(self, rows: Iterable[tuple[int, Row]]) -> pd.DataFrame:
        """The table of (number of the unit, record); where it is to conform, as far as its values allow."""
        rows = list(rows)
        columns: dict[str, list[Any]] = {name: [] for name in self.schema.columns}
        for person, row in rows:
            for name, column in self.schema.columns.items():
                columns[name].append(row[name] if name in row else _identity(column, person))
        done = {n: self._series(n, values) for n, values in columns.items()}
        return pd.DataFrame(done, index=pd.RangeIndex(len(rows)))

    def _series(self, name: str, values: list[Any]) -> pd.Series:
        column = self.schema.columns[name]
        if column.kind == "categorical" and not self.conforming:
            return pd.Series(values, dtype=object)
        return typed(column, values)


def _identity(column: Column, person: int) -> Any:
    """A value of its own for each unit; raises `PetsEvalError` where the column has not so many."""
    if column.kind == "id":
        return f"unit-{person}"
    own = unused(column, [], person + 1)
    if len(own) <= person:
        raise PetsEvalError(
            f"the unit column may take {len(own)} values, and neighbours need {person + 1} units; widen its domain"
        )
    return own[person]


def unused(column: Column, used: Collection[Any], most: int) -> list[Any]:
    """Up to *most* values that *column* may take and that are not among *used*; of dates, days since 1970-01-01."""
    if column.kind == "categorical":
        return [value for value in column.domain if value not in used][:most]
    room = len(used) + most  # among so many there are enough
    if column.bounds is None:
        values = np.array([f"added-{i}" for i in range(room)], dtype=object)
    elif column.kind == "real":
        places = np.arange(room)
        values = column.bounds[0] + (column.bounds[1] - column.bounds[0]) * (places / (1 + places))
    else:
        low, high = np.ceil(column.bounds[0]), np.floor(column.bounds[1])
        values = low + np.arange(max(0.0, min(room, high - low + 1)))
    return [value for value in values.tolist() if value not in used][:most]


def _category(column: Column, place: int) -> str:
    if place < 0 or len(column.domain) == 1:
        return column.domain[-1]
    return column.domain[place % (len(column.domain) - 1)]


def _number(column: Column, which: str) -> float:
    assert column.bounds is not None
    low, high = column.bounds
    value = {"low": low, "high": high, "middle": (low + high) / 2, "far": high + _FAR * (high - low)}[which]
    if column.kind == "date":
        value = min(max(value, -_DAYS), max(_DAYS, high))
    return float(value if column.kind == "real" or which in ("low", "high") else np.floor(value))


def typed(column: Column, values: list[Any]) -> pd.Series:
    """*values* in the form that a conforming table has them in, as far as they allow; of dates, from days."""
    if column.kind == "categorical":
        if all(v is None or v in column.domain for v in values):
            return pd.Series(pd.Categorical(values, categories=list(column.domain)))
        return pd.Series(values, dtype=object)
    if column.kind == "id":
        return pd.Series(values, dtype=object)
    numbers = pd.Series(values, dtype="float64")
    if column.kind == "date":
        return pd.to_datetime(numbers, unit="D").astype("datetime64[ns]")
    return numbers
