"""Bring a table into the form its schema promises, and read and write schemas as plain values."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pets_eval.model.errors import PetsEvalError
from pets_eval.model.params import near
from pets_eval.model.schema import KINDS, ROLES, Column, Rule, Schema

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime.date(1970, 1, 1)


def conform(schema: Schema, frame: pd.DataFrame, *, where: str) -> pd.DataFrame:
    """See `Schema.conform`."""
    import pandas as pd

    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise PetsEvalError(f"{where}: column {str(twice)!r} occurs twice; rename one of them")
    for name in schema.columns:
        if name not in frame.columns:
            raise PetsEvalError(
                f"{where}: column {name!r} of the schema is missing from the data{near(name, frame.columns)}"
            )
    if frame.empty:
        raise PetsEvalError(f"{where}: the table has no rows")
    done = {n: _column(c, frame[n], f"{where}: column {n!r}") for n, c in schema.columns.items()}
    return pd.DataFrame(done, index=pd.RangeIndex(len(frame)))


def _column(column: Column, values: pd.Series, where: str) -> pd.Series:
    import numpy as np
    import pandas as pd

    values = values.reset_index(drop=True)
    if column.kind == "id":
        return values.astype(str) if values.dtype == object else values
    raw_missing = values.isna()
    if column.missing:
        raw_missing |= _texts(values).isin(column.missing)
    if column.kind == "categorical":
        domain = list(column.domain)
        if isinstance(values.dtype, pd.CategoricalDtype) and set(values.cat.categories) <= set(domain):
            return _nullable(column, values.cat.set_categories(domain), raw_missing, where)
        texts = _texts(values)
        done = pd.Series(pd.Categorical(texts.where(texts.isin(domain)), categories=domain)).mask(raw_missing)
        _refuse(
            done.isna() & ~raw_missing,
            where,
            "outside the public domain",
            "add it to the schema's domain, list it as a missing code",
        )
    elif column.kind == "date":
        masked = values.mask(raw_missing)
        done = pd.to_datetime(masked, errors="coerce", format=None if masked.dtype.kind == "M" else "ISO8601").astype(
            "datetime64[ns]"
        )
        _refuse(done.isna() & ~raw_missing, where, "that is not an ISO date (YYYY-MM-DD)", "mend the date")
    else:
        done = pd.to_numeric(values.mask(raw_missing), errors="coerce").astype("float64")
        _refuse(done.isna() & ~raw_missing, where, "that is not a number", "list it as a missing code")
        _refuse(pd.Series(np.isinf(done.to_numpy())), where, "that is infinite", "replace it")
        if column.kind == "integer":
            _refuse((done % 1 != 0) & done.notna(), where, "that is not a whole number", "declare the column as real")
    return _nullable(column, done, raw_missing, where)


def _nullable(column: Column, done: pd.Series, missing: pd.Series, where: str) -> pd.Series:
    if not column.nullable:
        _refuse(missing, where, "that is missing", "declare the column as nullable: true")
    return done


def _texts(values: pd.Series) -> pd.Series:
    """Values as texts; whole floats without the ".0" that a missing value elsewhere in the column gives them."""
    if values.dtype.kind == "f":
        whole = values.notna() & (values % 1 == 0)
        return values.astype(object).where(~whole, values.where(whole, 0).astype("int64").astype(object)).astype(str)
    return values.astype(str)


def _refuse(bad: pd.Series, where: str, what: str, mend: str) -> None:
    count = int(bad.sum())
    if count:
        first = int(bad.to_numpy().argmax()) + 1
        many = "1 value" if count == 1 else f"{count} values"
        raise PetsEvalError(f"{where} has {many} {what} (first in row {first}); {mend} or clean the data")


def schema_to_json(schema: Schema) -> dict[str, Any]:
    """See `Schema.to_json`."""
    out: dict[str, Any] = {"unit": schema.unit, "max-rows-per-unit": schema.max_rows_per_unit}
    if schema.unit_is:
        out["unit-is"] = schema.unit_is
    if schema.rows is not None:
        out["rows"] = schema.rows
    out["columns"] = {name: _column_to_json(column) for name, column in schema.columns.items()}
    if schema.constraints:
        out["constraints"] = [
            {"name": r.name, "forbid": {n: list(c) for n, c in r.forbid.items()}} for r in schema.constraints
        ]
    return out


def _column_to_json(column: Column) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for f in fields(Column):
        value = getattr(column, f.name)
        if f.name == "kind" or value != f.default:
            if column.kind == "date" and f.name in ("bounds", "bins"):
                value = [(_EPOCH + datetime.timedelta(days=int(v))).isoformat() for v in value]
            plain[f.name.replace("_", "-")] = list(value) if isinstance(value, tuple) else value
    return plain


def schema_from_json(value: Mapping[str, Any], *, where: str) -> Schema:
    """See `Schema.from_json`."""
    _keys(value, {"schema", "unit", "unit-is", "rows", "max-rows-per-unit", "columns", "constraints"}, where)
    columns = value.get("columns")
    if not isinstance(columns, Mapping) or not columns:
        raise PetsEvalError(f"{where}: 'columns' must map each column's name to its description")
    done = {str(n): _column_from_json(c, f"{where}: column {str(n)!r}") for n, c in columns.items()}
    rules = tuple(
        _rule_from_json(r, done, f"{where}: constraints[{i}]") for i, r in enumerate(_list(value, "constraints", where))
    )
    unit = value.get("unit", "record")
    rows = _count(value, "rows", None, where)
    most = _count(value, "max-rows-per-unit", 1, where)
    if not isinstance(unit, str) or (unit != "record" and unit not in done):
        raise PetsEvalError(f"{where}: the unit of privacy {str(unit)!r} is not a column{near(unit, done)}")
    unit_is = str(value.get("unit-is", ""))
    return Schema(columns=done, unit=unit, unit_is=unit_is, rows=rows, max_rows_per_unit=most or 1, constraints=rules)


def _column_from_json(value: Any, where: str) -> Column:
    if not isinstance(value, Mapping):
        raise PetsEvalError(f"{where} must be a mapping with a 'kind'")
    names = {f.name.replace("_", "-") for f in fields(Column)}
    _keys(value, names, where)
    kind = value.get("kind")
    if kind not in KINDS:
        raise PetsEvalError(
            f"{where}: kind must be one of {', '.join(KINDS)}, not {str(kind)[:40]!r}{near(kind, KINDS)}"
        )
    roles = tuple(str(r) for r in _list(value, "roles", where))
    for role in roles:
        if role not in ROLES:
            raise PetsEvalError(f"{where}: unknown role {role[:40]!r}{near(role, ROLES)}; roles are {', '.join(ROLES)}")
    for flag in ("nullable", "from-data"):
        if not isinstance(value.get(flag, False), bool):
            raise PetsEvalError(f"{where}: {flag!r} must be true or false")
    bounds = tuple(_number(b, kind, f"{where}: bounds") for b in _list(value, "bounds", where))
    if bounds and len(bounds) != 2:
        raise PetsEvalError(f"{where}: bounds must be [lowest, highest]")
    try:
        return Column(
            kind=kind,
            domain=tuple(str(v) for v in _list(value, "domain", where)),
            bounds=(bounds[0], bounds[1]) if bounds else None,
            bins=tuple(_number(b, kind, f"{where}: bins") for b in _list(value, "bins", where)),
            roles=roles,  # type: ignore[arg-type]
            missing=tuple(str(v) for v in _list(value, "missing", where)),
            nullable=value.get("nullable", False),
            from_data=value.get("from-data", False),
            label=str(value.get("label", "")),
            source=str(value.get("source", "")),
        )
    except ValueError as error:
        raise PetsEvalError(f"{where}: {error}") from None


def _rule_from_json(value: Any, columns: Mapping[str, Column], where: str) -> Rule:
    if not isinstance(value, Mapping) or not isinstance(value.get("forbid"), Mapping) or not value["forbid"]:
        raise PetsEvalError(f"{where}: a constraint needs 'forbid', a mapping of columns to conditions")
    _keys(value, {"name", "forbid"}, where)
    forbid: dict[str, Any] = {}
    for name, condition in value["forbid"].items():
        if name not in columns:
            raise PetsEvalError(f"{where}: there is no column {str(name)!r}{near(name, columns)}")
        if not isinstance(condition, list) or not condition:
            raise PetsEvalError(f"{where}: the condition on {name!r} must be a list of categories or [low, high]")
        if columns[name].numeric:
            if len(condition) != 2:
                raise PetsEvalError(f"{where}: the condition on {name!r} must be [low, high]")
            forbid[name] = tuple(_number(b, columns[name].kind, f"{where}: {name}") for b in condition)
        else:
            forbid[name] = tuple(str(c) for c in condition)
            for c in forbid[name]:
                if c not in columns[name].domain:
                    raise PetsEvalError(
                        f"{where}: {c[:40]!r} is not in the domain of {name!r}{near(c, columns[name].domain)}"
                    )
    return Rule(name=str(value.get("name", "constraint")), forbid=forbid)


def _keys(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, Mapping):
        raise PetsEvalError(f"{where} must be a mapping of names to values")
    for key in value:
        if key not in known:
            raise PetsEvalError(f"{where}: unknown key {str(key)[:40]!r}{near(key, known)}")


def _list(value: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, (list, tuple)):
        raise PetsEvalError(f"{where}: {key!r} must be a list")
    return list(found)


def _count(value: Mapping[str, Any], key: str, default: int | None, where: str) -> int | None:
    found = value.get(key, default)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 1):
        raise PetsEvalError(f"{where}: {key!r} must be a whole number of at least 1")
    return found


def _number(value: Any, kind: str, where: str) -> float:
    if kind == "date":
        if isinstance(value, datetime.datetime):
            value = value.date()
        if isinstance(value, datetime.date):
            return float((value - _EPOCH).days)
        try:
            return float((datetime.date.fromisoformat(str(value)) - _EPOCH).days)
        except ValueError:
            raise PetsEvalError(f"{where} must be ISO dates (YYYY-MM-DD)") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PetsEvalError(f"{where} must be numbers")
    try:
        return float(value)
    except OverflowError:
        raise PetsEvalError(f"{where} must be numbers below 1e308") from None
