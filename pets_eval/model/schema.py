"""Public facts about a table: what its columns are, which values they may take, who the unit of privacy is.

A schema never holds a row. Cells, bins and bounds come from here and nowhere else: taking them from the data would
itself disclose, so a bound that was read from the data says so (`from_data`) and is carried as a privacy hazard.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pets_eval.model.errors import PetsEvalError
from pets_eval.model.params import near

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Kind = Literal["categorical", "integer", "real", "date", "id"]
Role = Literal["quasi-identifier", "sensitive", "target", "silo", "unit", "identifier", "weight", "other"]
KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]
ROLES: tuple[str, ...] = Role.__args__  # type: ignore[attr-defined]

MISSING = "(missing)"
_FEW = 20  # an integer column with at most this many values gets a cell per value
_BINS = 10  # any other numeric column gets this many equal bins unless it names its own


@dataclass(frozen=True)
class Column:
    """One column. Numeric and date columns have bounds (inclusive), categorical ones a domain of texts, ids neither.

    `bounds` and `bins` of a date column are days since 1970-01-01. `missing` lists the codes that mean "no answer"
    in the file; `nullable` says whether such rows may exist, and then the column has one cell more, `MISSING`.
    """

    kind: Kind
    domain: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    bins: tuple[float, ...] = ()
    roles: tuple[Role, ...] = ()
    missing: tuple[str, ...] = ()
    nullable: bool = False
    from_data: bool = False
    label: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.kind == "categorical" and not self.domain:
            raise ValueError("a categorical column needs a domain (the list of its public categories)")
        if len(set(self.domain)) != len(self.domain):
            raise ValueError("the domain names a category twice")
        if self.kind in ("integer", "real", "date"):
            if self.bounds is None:
                raise ValueError(f"a column of kind {self.kind} needs bounds (its public lowest and highest value)")
            low, high = self.bounds
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError("bounds must be two finite numbers, the lower one first")
            if not all(math.isfinite(b) for b in self.bins) or any(a >= b for a, b in pairwise(self.bins)):
                raise ValueError("bins must be increasing, finite edges")
            if len(self.bins) == 1:
                raise ValueError("bins need at least two edges")

    @property
    def numeric(self) -> bool:
        """True for columns with an order and a distance: integer, real and date."""
        return self.kind in ("integer", "real", "date")

    def edges(self) -> tuple[float, ...]:
        """The bin edges of a numeric column: its own, or one bin per value of a short integer range, or equal ones."""
        assert self.bounds is not None
        low, high = self.bounds
        if self.bins:
            return self.bins
        if self.kind == "integer" and high - low < _FEW:
            return tuple(low + i - 0.5 for i in range(int(high - low) + 2))
        return tuple(low + (high - low) * i / _BINS for i in range(_BINS + 1))

    def cells(self) -> tuple[str, ...]:
        """Names of the public cells of this column, in the order of the codes that `codes` gives.

        >>> Column("integer", bounds=(0, 2), nullable=True).cells()
        ('0', '1', '2', '(missing)')
        >>> Column("integer", bounds=(0, 90)).cells()[:2]
        ('[0, 9)', '[9, 18)')
        >>> Column("real", bounds=(0, 10), bins=(0, 5, 10)).cells()
        ('[0, 5)', '[5, 10]')
        """
        if self.kind == "categorical":
            names = self.domain
        elif self.kind == "id":
            raise PetsEvalError("an id column has no public cells; it cannot be tabulated")
        else:
            edges = self.edges()
            if not self.bins and self.kind == "integer" and edges[1] - edges[0] == 1:
                names = tuple(f"{int(a + 0.5)}" for a in edges[:-1])
            else:
                shown = [_date(e) if self.kind == "date" else _brief(e) for e in edges]
                names = tuple(f"[{a}, {b})" for a, b in pairwise(shown))
                names = (*names[:-1], names[-1][:-1] + "]")
        return (*names, MISSING) if self.nullable else names

    def codes(self, values: pd.Series) -> NDArray[np.int64]:
        """Cell number of each value; a missing value gets the last cell.

        Numbers outside the bins are counted in the nearest one (clamping is public: the edges are).
        *values* is a column of a conforming frame (see `Schema.conform`).
        """
        import numpy as np

        if self.kind == "categorical":
            codes = values.cat.codes.to_numpy().astype(np.int64)
            missing = codes < 0
        else:
            x = self.numbers(values)
            missing = np.isnan(x)
            edges = np.asarray(self.edges())
            codes = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2).astype(np.int64)
        if missing.any():
            if not self.nullable:
                raise PetsEvalError("a column that is not nullable has missing values")
            codes[missing] = len(self.cells()) - 1
        return codes

    def numbers(self, values: pd.Series) -> NDArray[np.float64]:
        """Values of a numeric column as floats (dates as days since 1970-01-01), NaN where missing."""
        import numpy as np

        if self.kind == "date":
            stamps = values.to_numpy().astype("datetime64[ns]")
            days = stamps.astype("int64") / 86_400e9
            return np.where(np.isnat(stamps), np.nan, days)
        return values.to_numpy(dtype=np.float64, na_value=np.nan)


@dataclass(frozen=True)
class Rule:
    """An edit constraint: no record may meet all of these conditions at once (a structural zero).

    A condition is a list of categories, or a pair (low, high) of inclusive bounds.
    """

    name: str
    forbid: Mapping[str, tuple[str, ...] | tuple[float, float]]

    def broken(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.bool_]:
        """True for each row of *frame* that breaks this rule; missing values never do."""
        import numpy as np

        hit = np.ones(len(frame), dtype=bool)
        for name, condition in self.forbid.items():
            column = schema.column(name)
            if column.numeric:
                low, high = (float(c) for c in condition)
                x = column.numbers(frame[name])
                hit &= (x >= low) & (x <= high)
            else:
                hit &= frame[name].isin(list(condition)).to_numpy()
        return hit


@dataclass(frozen=True)
class Schema:
    """The public description of a table.

    `unit` is the unit of privacy: the name of the column that identifies it, or "record" if each row is one;
    `unit_is` says who that is ("person", "household", "visit"), or nothing where the data do not say.
    `rows` is the number of records where that number is public; `max_rows_per_unit` bounds one unit's contribution.
    """

    columns: Mapping[str, Column]
    unit: str = "record"
    unit_is: str = ""
    rows: int | None = None
    max_rows_per_unit: int = 1
    constraints: tuple[Rule, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.unit != "record" and self.unit not in self.columns:
            raise ValueError(f"the unit of privacy {self.unit!r} is not a column")

    def column(self, name: str) -> Column:
        """The column called *name*; raises `PetsEvalError` that suggests the near name."""
        try:
            return self.columns[name]
        except KeyError:
            raise PetsEvalError(f"there is no column {name!r}{near(name, self.columns)}") from None

    def with_role(self, role: Role) -> list[str]:
        """Names of the columns that have *role*, in order."""
        return [name for name, column in self.columns.items() if role in column.roles]

    def tabular(self) -> list[str]:
        """Names of the columns that can be released: all but ids, weights and the unit of privacy."""
        hidden = {"unit", "identifier", "weight"}
        return [n for n, c in self.columns.items() if c.kind != "id" and n != self.unit and not hidden & set(c.roles)]

    def hazards(self, names: list[str] | None = None) -> list[str]:
        """Names of the columns (of *names*, or all) whose domain or bounds were read from the data."""
        return [n for n in (names or self.columns) if self.columns[n].from_data]

    def select(self, names: list[str]) -> Schema:
        """The schema of a table with only these columns (and the unit of privacy, where it is a column)."""
        keep = [n for n in self.columns if n in names or n == self.unit]
        for name in names:
            self.column(name)
        rules = tuple(r for r in self.constraints if set(r.forbid) <= set(keep))
        return replace(self, columns={n: self.columns[n] for n in keep}, constraints=rules)

    def conform(self, frame: pd.DataFrame, *, where: str) -> pd.DataFrame:
        """Return *frame* in the form every plug-in relies on, or raise `PetsEvalError` naming *where*.

        Columns as in the schema, in its order: categorical as pandas categoricals over the public domain; integer and
        real as float64 with NaN for missing; dates as datetime64[ns]; ids as they are. The message names columns and
        row numbers, and never quotes a value.
        """
        from pets_eval.model.conform import conform

        return conform(self, frame, where=where)

    def to_json(self) -> dict[str, Any]:
        """The schema as plain JSON values."""
        from pets_eval.model.conform import schema_to_json

        return schema_to_json(self)

    @staticmethod
    def from_json(value: Mapping[str, Any], *, where: str = "schema") -> Schema:
        """Read a schema from plain values (a parsed schema file); raises `PetsEvalError` naming the key at fault."""
        from pets_eval.model.conform import schema_from_json

        return schema_from_json(value, where=where)


def _brief(edge: float) -> str:
    """An edge in few digits, but never two edges in the same ones."""
    brief = f"{edge:g}"
    return brief if float(brief) == edge else repr(float(edge))


def _date(days: float) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=round(days))).isoformat()
