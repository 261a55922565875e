"""Put real, released and held-out tables on one footing, so that every metric reads them alike.

A metric takes plain DataFrames and an optional schema. `align` brings them to the form that the engine's tables have
already: categories as pandas categoricals over one domain, numbers as floats, dates as datetimes. It is lenient where
an evaluator must be: a category that the schema does not name is kept as a category of its own, not refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_eval.model.guess import guess_schema

_CATEGORIES = 5_000  # texts with more values are taken for names or free text where nobody described them


@dataclass(frozen=True, eq=False)
class Aligned:
    """Tables with the same columns in the same form; *schema* describes those columns and no other."""

    schema: Schema
    real: pd.DataFrame
    synthetic: pd.DataFrame
    control: pd.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The columns that are compared, in order."""
        return list(self.schema.columns)


def align(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    *,
    columns: Iterable[str] | None = None,
) -> Aligned:
    """The three tables over the columns that all of them have, in one form; see the module's docstring.

    Ids, weights and the unit of privacy are left out, for nobody would compare them. Without a schema, one is guessed
    from the rows (`pets_eval.model.guess`). With *columns*, only those are kept, and each must be there. Indexes are
    made 0, 1, ... in each table. Raises `PetsEvalError` for an empty table, for infinite or unreadable numbers, and
    where no column is left.
    """
    if schema is not None and not isinstance(schema, Schema):
        raise PetsEvalError(f"schema must be a pets_eval.model.Schema, not {type(schema).__name__}")
    tables = {"real": real, "synthetic": synthetic} | ({} if control is None else {"control": control})
    for name, table in tables.items():
        if not isinstance(table, pd.DataFrame):
            raise PetsEvalError(f"{name} must be a pandas DataFrame, not {type(table).__name__}")
        if table.empty:
            raise PetsEvalError(f"the {name} table has no rows")
        if table.columns.has_duplicates:
            raise PetsEvalError(f"the {name} table has a column twice; rename one of them")
        tables[name] = table.rename(columns=str)
    real, synthetic = tables["real"], tables["synthetic"]
    shared = [n for n in real.columns if all(n in t.columns for t in tables.values())]
    if not shared:
        raise PetsEvalError("the tables share no column that can be compared; check their column names")
    for name in shared:
        for table in tables.values():
            if table[name].dtype.kind == "f" and np.isinf(table[name].to_numpy()).any():
                raise PetsEvalError(f"column {name!r} has infinite values; replace them")
    known = schema or guess_schema([t[shared] for t in tables.values()], tables=len(tables), categories=_CATEGORIES)
    names = [n for n in known.tabular() if n in shared]
    if columns is not None:
        wanted = list(dict.fromkeys(columns))
        lacking = [n for n in wanted if n not in names]
        if lacking:
            raise PetsEvalError(f"column {lacking[0]!r} is not in all tables as one that can be compared")
        names = [n for n in names if n in wanted]
    if not names:
        raise PetsEvalError("the tables share no column that can be compared; check their column names")
    done: dict[str, Column] = {}
    values: dict[str, list[pd.Series]] = {}
    for name in names:
        done[name], values[name] = _column(name, known.columns[name], [t[name] for t in tables.values()])
    frames = [pd.DataFrame({n: values[n][i] for n in names}) for i in range(len(tables))]
    rules = tuple(r for r in known.constraints if set(r.forbid) <= set(names))
    described = replace(known, columns=done, constraints=rules, unit="record", max_rows_per_unit=1)
    return Aligned(described, frames[0], frames[1], frames[2] if control is not None else None)


def one_row_each(table: pd.DataFrame, schema: Schema | None, rng: np.random.Generator) -> pd.DataFrame:
    """One row of each unit of privacy, drawn at random; the table itself where each row is a unit of its own.

    Rows of one person are alike and are in the data together, so attacks that take rows for independent people would
    see leaks where there are none. Call it before `align`, which leaves the column of the unit out.

    >>> visits = pd.DataFrame({"who": ["a", "a", "b"], "x": [1, 1, 2]})
    >>> schema = Schema({"who": Column("id"), "x": Column("integer", bounds=(0, 9))}, unit="who", max_rows_per_unit=2)
    >>> one_row_each(visits, schema, np.random.default_rng(0))["x"].tolist()
    [1, 2]
    """
    if not isinstance(table, pd.DataFrame) or not isinstance(schema, Schema):
        return table  # for `align` to refuse, or to guess what it is
    if schema.unit == "record" or schema.unit not in table.columns:
        return table
    drawn = rng.permutation(len(table))
    first = ~table[schema.unit].iloc[drawn].duplicated().to_numpy()
    return table.iloc[np.sort(drawn[first])]


def _column(name: str, column: Column, values: Sequence[pd.Series]) -> tuple[Column, list[pd.Series]]:
    """The column as these values need it (more categories, nullable), and the values in its form."""
    done = [_form(name, column, v.reset_index(drop=True)) for v in values]
    if column.kind == "categorical":
        known = set(column.domain)
        found: dict[str, None] = {}
        for v in done:
            if not known.issuperset(v.cat.categories):
                used = v.cat.remove_unused_categories().cat.categories
                found |= dict.fromkeys(str(c) for c in used if c not in known)
        if found:
            column = replace(column, domain=(*column.domain, *sorted(found)), from_data=True)
        domain = list(column.domain)
        done = [v if list(v.cat.categories) == domain else v.cat.set_categories(domain) for v in done]
        missing = any(bool((v.cat.codes.to_numpy() < 0).any()) for v in done)
    elif column.kind == "date":
        missing = any(bool(np.isnat(v.to_numpy()).any()) for v in done)
    else:
        numbers = [v.to_numpy() for v in done]
        missing = any(bool(np.isnan(x).any()) for x in numbers)
        if column.kind == "integer" and any(bool((x != np.rint(x))[~np.isnan(x)].any()) for x in numbers):
            column = replace(column, kind="real", bins=column.edges())
    return replace(column, nullable=True) if missing and not column.nullable else column, done


def _form(name: str, column: Column, values: pd.Series) -> pd.Series:
    if column.kind == "categorical":
        if isinstance(values.dtype, pd.CategoricalDtype) and set(values.cat.categories) <= set(column.domain):
            return values
        codes, texts = _texts(values, column)
        return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(texts)))
    if column.kind == "date":
        if values.dtype.kind != "M":
            codes, texts = _texts(values, column)
            stamps = pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", format="ISO8601")
            if stamps.isna().any():
                raise PetsEvalError(f"column {name!r} has values that are no ISO dates (YYYY-MM-DD); mend them")
            values = pd.Series(np.append(stamps.to_numpy(dtype="datetime64[ns]"), np.datetime64("NaT"))[codes])
        days: pd.Series = values.dt.tz_localize(None).astype("datetime64[ns]")
        return days
    if values.dtype == object or isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind not in "iufb":
        codes, texts = _texts(values, column)
        parsed = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype="float64")
        if np.isnan(parsed).any():
            raise PetsEvalError(f"column {name!r} has values that are no numbers; list them as missing codes")
        numbers = pd.Series(np.append(parsed, np.nan)[codes])  # the code of a missing value is -1, the last place
    else:
        numbers = pd.Series(values.to_numpy(dtype="float64", na_value=np.nan))
        missing = [float(c) for c in column.missing if c.lstrip("+-").replace(".", "", 1).isdigit()]
        if missing:
            numbers = numbers.mask(numbers.isin(missing))
    if np.isinf(numbers.to_numpy()).any():  # they were spelt out as text
        raise PetsEvalError(f"column {name!r} has infinite values; replace them")
    return numbers


def _texts(values: pd.Series, column: Column) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """The distinct values as texts, without those that mean "no answer", and which of them each value is (-1: none)."""
    try:
        codes, distinct = pd.factorize(values)
    except TypeError:
        raise PetsEvalError("a column holds lists or other things that are no values; take it out") from None
    again, texts = pd.factorize(as_texts(pd.Series(distinct)).to_numpy(dtype=object))  # 1 and "1" are one category
    known = ~np.isin(texts, column.missing)
    places = np.where(known, known.cumsum() - 1, -1)
    return np.append(places[again], -1)[codes], texts[known]


def as_texts(values: pd.Series) -> pd.Series:
    """Values as the texts of a schema's domain: whole floats lose the ".0" that a missing value gave them."""
    if values.dtype.kind == "f":
        whole = values.notna() & (values % 1 == 0)
        return values.astype(object).where(~whole, values.where(whole, 0).astype("int64").astype(object)).astype(str)
    return values.astype(str)


def quasi_identifiers(schema: Schema, columns: Iterable[str] | None = None) -> list[str]:
    """The columns by which people may be found: *columns*, else those with the role, else all categorical ones.

    The last is a makeshift for tables that nobody has described. Raises `PetsEvalError` for a column that is not there
    and `Unsupported` where none is left.

    >>> sex, pay = Column("categorical", domain=("F", "M")), Column("real", bounds=(0, 9))
    >>> quasi_identifiers(Schema({"sex": sex, "pay": pay}))
    ['sex']
    """
    if columns is not None:
        asked = list(dict.fromkeys(columns))
        for name in asked:
            schema.column(name)
    else:
        asked = schema.with_role("quasi-identifier") or [n for n, c in schema.columns.items() if not c.numeric]
    if not asked:
        raise Unsupported("no column is a quasi-identifier; give one the role in the schema, or name columns")
    return asked


def cell_codes(frame: pd.DataFrame, schema: Schema) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Public cell of each value, shape (rows, columns), and the number of cells of each column, shape (columns,).

    *frame* is one of `Aligned`; numbers are cut at the schema's bins, a missing value has the last cell.

    >>> tables = align(pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": ["y", None]}))
    >>> cell_codes(tables.synthetic, tables.schema)[0].tolist()
    [[1], [2]]
    """
    columns = schema.columns
    codes = np.empty((len(frame), len(columns)), dtype=np.int32, order="F")
    for i, (name, column) in enumerate(columns.items()):
        codes[:, i] = column.codes(frame[name])
    return codes, np.array([len(c.cells()) for c in columns.values()], dtype=np.int64)


def features(schema: Schema, *frames: pd.DataFrame, names: Sequence[str] | None = None) -> list[NDArray[np.float64]]:
    """Tables of `Aligned` as numeric matrices for learned models: one array (rows, features) per frame, no NaN.

    Categories become indicators (a missing one has its own); numbers are centred and scaled by the first frame's median
    and standard deviation, with missing values at 0 beside an indicator. The columns are those of *names*, or all.

    >>> tables = align(pd.DataFrame({"a": ["x", "y"], "b": [1.5, 3.5]}), pd.DataFrame({"a": ["y"], "b": [2.5]}))
    >>> features(tables.schema, tables.real, tables.synthetic)[1].tolist()
    [[0.0, 1.0, 0.0]]
    """
    parts: list[list[NDArray[np.float64]]] = [[] for _ in frames]
    for name in names or schema.columns:
        column = schema.columns[name]
        if column.numeric:
            numbers = [column.numbers(f[name]) for f in frames]
            there = numbers[0][~np.isnan(numbers[0])]
            middle, scale = (float(np.median(there)), float(there.std())) if there.size else (0.0, 1.0)
            any_missing = any(np.isnan(x).any() for x in numbers)
            for part, x in zip(parts, numbers, strict=True):
                part.append(np.nan_to_num((x - middle) / (scale or 1.0), nan=0.0)[:, None])
                if any_missing:
                    part.append(np.isnan(x).astype(float)[:, None])
        else:
            codes = [f[name].cat.codes.to_numpy() for f in frames]
            used = np.unique(np.concatenate(codes))
            for part, c in zip(parts, codes, strict=True):
                part.append((c[:, None] == used).astype(float))
    return [np.hstack(part) for part in parts]
