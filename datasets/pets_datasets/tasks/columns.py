"""Which columns a task may use, and one kind of sentence for those it may not."""

from __future__ import annotations

from collections.abc import Sequence

from pets_eval.model import Column, PetsEvalError, Schema, near

_FEW_CELLS = 20  # a column with at most this many public cells is tabulated without being asked for


def usable(schema: Schema, names: Sequence[str], *, task: str, numeric: bool = False) -> None:
    """Raise `PetsEvalError` unless each of *names* is a releasable (and *numeric*) column, named once.

    Its cells must have names of their own, since answers are lined up by name.
    """
    for name in names:
        if name not in schema.columns:
            raise PetsEvalError(f"task {task}: there is no column {name!r}{near(name, schema.columns)}")
        if name not in schema.tabular():
            raise PetsEvalError(
                f"task {task}: column {name!r} is an id, a weight or the unit of privacy, and is never tabulated; "
                f"choose among: {', '.join(schema.tabular())}"
            )
        if numeric and not schema.columns[name].numeric:
            raise PetsEvalError(
                f"task {task}: column {name!r} is categorical where a number is needed; "
                f"numeric columns are: {', '.join(_numeric(schema)) or 'none'}"
            )
        cells = schema.columns[name].cells()
        if len(set(cells)) < len(cells):
            raise PetsEvalError(
                f"task {task}: two cells of column {name!r} have the same name (bins that agree in six digits, or a "
                "category called like another cell); make them differ in the schema"
            )
        if list(names).count(name) > 1:
            raise PetsEvalError(f"task {task}: column {name!r} is named twice; name it once")


def narrow(schema: Schema) -> list[str]:
    """The releasable columns with few public cells: those that are tabulated by default."""
    return [n for n in schema.tabular() if len(schema.columns[n].cells()) <= _FEW_CELLS]


def measures(schema: Schema) -> list[str]:
    """The releasable columns that hold amounts: real ones, and integers with too many values for a cell each."""
    return [n for n in _numeric(schema) if _is_amount(schema.columns[n])]


def grouping(schema: Schema) -> list[str]:
    """The first categorical quasi-identifier, else the first categorical column: the default way to form groups."""
    known = set(schema.tabular())
    quasi = [n for n in schema.with_role("quasi-identifier") if n in known]
    for name in [*quasi, *schema.tabular()]:
        if schema.columns[name].kind == "categorical":
            return [name]
    return []


def _numeric(schema: Schema) -> list[str]:
    return [n for n in schema.tabular() if schema.columns[n].numeric]


def _is_amount(column: Column) -> bool:
    assert column.bounds is not None
    return column.kind == "real" or (column.kind == "integer" and column.bounds[1] - column.bounds[0] >= _FEW_CELLS)
