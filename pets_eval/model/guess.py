"""Guess a schema from rows, for tables that nobody has described: a start for a schema file, and for a first look.

Every domain and bound that is guessed was read from the rows and says so (`from_data`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pets_eval.model.errors import PetsEvalError
from pets_eval.model.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "read from the data; replace by what is published"
_UNIT_SOURCE = "the bound on its rows was read from the data; replace that by a bound set beforehand"
_CODES = 10  # whole numbers with at most this many values are taken for codes
_MANY, _NEARLY_ALL = 20, 0.9  # so many distinct numbers, and such a share, make a column of numbers with bad values
_CATEGORIES = 200  # texts with more values are taken for names or free text, which no schema should list
_NO_ANSWER = ("", "?", ".", "-", "N", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "<NA>")
_ID_NAME = re.compile(r"(^|[_\W])(id|ids|uuid|guid|key|ssn|nr|no|number|identifier)$", re.IGNORECASE)
_WEIGHT_NAME = re.compile(r"(^|[_\W])(weight|wgt|wt|pwgtp|fnlwgt)$", re.IGNORECASE)
_PADDED = r"[+-]?0\d+"  # 007 is a code, not a number
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"


def guess_schema(
    pieces: Iterable[pd.DataFrame], source: str = SOURCE, *, tables: int = 1, categories: int = _CATEGORIES
) -> Schema:
    """A first guess at the schema of a table that comes in *pieces* of the same columns; *source* is said of it.

    The pieces may be those of several *tables* about the same or other people, such as real and released ones.
    Text that looks like numbers is taken for numbers, also where a few values do not, and usual words for "no answer"
    as missing codes. Columns of names or free text (more than *categories* texts) become ids, and one that seems to
    name persons over several rows the unit of privacy. Raises `PetsEvalError` if there is no row.

    >>> import pandas as pd
    >>> guess_schema([pd.DataFrame({"smokes": ["yes", "no", None]})]).columns["smokes"].cells()
    ('no', 'yes', '(missing)')
    """
    seen: dict[str, _Seen] = {}
    for piece in pieces:
        for name in piece.columns:
            seen.setdefault(str(name), _Seen()).add(_texts(piece[name]))
    if not seen or not next(iter(seen.values())).rows:
        raise PetsEvalError("the table has no rows")
    columns = {name: _guess(name, found, source, tables, categories) for name, found in seen.items()}
    units = [n for n, c in columns.items() if c.kind == "id" and "unit" in c.roles]
    if not units:
        return Schema(columns=columns)
    unit = units[0]
    columns[unit] = replace(columns[unit], from_data=True, source=_UNIT_SOURCE)
    return Schema(columns=columns, unit=unit, max_rows_per_unit=int(seen[unit].counts.max()))


class _Seen:
    """What is known of a column: how often each text occurs, None for missing."""

    def __init__(self) -> None:
        import pandas as pd

        self.rows = 0
        self.empty = 0
        self.counts = pd.Series(dtype="int64")

    def add(self, texts: pd.Series) -> None:
        self.rows += len(texts)
        self.empty += int(texts.isna().sum())
        self.counts = self.counts.add(texts.value_counts(), fill_value=0)


def _texts(values: pd.Series) -> pd.Series:
    """Values as the texts a CSV file would hold."""
    missing = values.isna()
    if values.dtype.kind == "f":
        whole = ~missing & (values % 1 == 0) & (values.abs() < 2**53)
        values = values.astype(object).where(~whole, values.where(whole, 0).astype("int64").astype(object))
    return values.astype(str).mask(missing)


def _guess(name: str, seen: _Seen, source: str, tables: int, categories: int) -> Column:
    import pandas as pd

    texts = pd.Series(seen.counts.index, dtype=str)
    if texts.empty:
        return Column("id", nullable=True, label="no value at all: say what it is, or take the column out")
    no_answer = texts.isin(_NO_ANSWER)
    kind = _number_kind(texts[~no_answer])
    odd = _odd(texts[~no_answer]) if kind is None else []
    if len(odd):  # nearly all are numbers: whoever reads the table by this schema is told of the others
        texts, no_answer = texts.drop(odd), no_answer.drop(odd)
        kind = _number_kind(texts[~no_answer])
    elif kind is None:
        no_answer &= texts != "N"  # between words, N is more likely a category than "no answer"
    codes = tuple(sorted(texts[no_answer]))
    nullable = bool(seen.empty or codes)
    texts = texts[~no_answer]
    facts: dict[str, Any] = {"missing": codes, "nullable": nullable}
    marked: dict[str, Any] = {**facts, "from_data": True, "source": source}
    if texts.empty:
        return Column("id", label="no value at all: say what it is, or take the column out", **facts)
    once = seen.counts.max() <= tables and len(texts) * tables >= seen.rows and seen.rows > _CODES * tables
    if once and kind != "real" and (kind != "date") and (_ID_NAME.search(name) or kind is None):
        return Column("id", roles=("identifier",), **facts)
    if _ID_NAME.search(name) and kind in (None, "integer") and len(texts) > _CODES:
        return Column("id", roles=("unit", "identifier"), label="several rows per value: is this the person?", **facts)
    if kind == "date":
        days = pd.to_datetime(texts, format="ISO8601", errors="coerce").dropna()
        first, last = ((day.normalize() - pd.Timestamp(0)).days for day in (days.min(), days.max()))
        return Column("date", bounds=(first, max(last, first + 1)), **marked)
    if kind == "real" or (kind == "integer" and len(texts) > _CODES):
        numbers = pd.to_numeric(texts)
        low, high = float(numbers.min()), float(numbers.max())
        roles: Any = ("weight",) if _WEIGHT_NAME.search(name) else ()
        return Column(kind, bounds=(low, high if high > low else low + 1), roles=roles, **marked)
    if len(texts) > categories:
        return Column("id", label="names or free text? never tabulated; give a domain if it has categories", **facts)
    order = texts.iloc[pd.to_numeric(texts).argsort()] if kind == "integer" else texts.sort_values()
    return Column("categorical", domain=tuple(order), **marked)


def _number_kind(texts: pd.Series) -> Any:
    """The kind that all *texts* fit: date, integer or real; None for categories."""
    import numpy as np
    import pandas as pd

    if texts.empty or texts.str.fullmatch(_PADDED).any():
        return None
    if texts.str.fullmatch(_DATE).all():
        return "date" if pd.to_datetime(texts, format="ISO8601", errors="coerce").notna().all() else None
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    if not np.isfinite(numbers).all():
        return None
    return "integer" if (numbers % 1 == 0).all() and (numbers.abs() < 2**53).all() else "real"


def _odd(texts: pd.Series) -> Any:
    """Where the few *texts* stand that are no numbers among many that are; nothing where they are not few."""
    import numpy as np
    import pandas as pd

    numbers = np.isfinite(pd.to_numeric(texts, errors="coerce").astype("float64"))
    if numbers.sum() < _MANY or numbers.mean() < _NEARLY_ALL or texts.str.fullmatch(_PADDED).any():
        return []
    return texts.index[~numbers]
