"""`pets-eval schema DATA`: draft a schema file from a table, with everything that was read from the rows marked so."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from pets_datasets import reading
from pets_eval.model import Column, PetsEvalError, Schema

if TYPE_CHECKING:
    import pandas as pd

_SOURCE = "read from the data; replace by what is published"
_CUT = "read from the first {rows:,} rows of the data only; replace by what is published"
_UNIT_SOURCE = "the bound on its rows was read from the data; replace that by a bound set beforehand"
_CODES = 10  # whole numbers with at most this many values are taken for codes
_ENOUGH = 2_000_000  # rows to look at: keeps memory and waiting in bounds
_CATEGORIES = 200  # texts with more values are taken for names or free text, which no schema should list
_NO_ANSWER = ("", "?", ".", "-", "N", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", "<NA>")
_ID_NAME = re.compile(r"(^|[_\W])(id|ids|uuid|guid|key|ssn|nr|no|number|identifier)$", re.IGNORECASE)
_WEIGHT_NAME = re.compile(r"(^|[_\W])(weight|wgt|wt|pwgtp|fnlwgt)$", re.IGNORECASE)
_PADDED = r"[+-]?0\d+"  # 007 is a code, not a number
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_SEPARATORS = {"\x85", "\u2028", "\u2029", "\ufeff"}
_HEAD = """\
# A draft of the public schema of your table. Read every line before use.
#
# Privacy hazard: whatever is marked `from-data: true` was read from the rows and so discloses something of them.
# Every technique that takes it as public knowledge carries that hazard on its scorecard. Replace each such domain or
# bound by what is published (a code book, a law, a questionnaire) or known beforehand, then drop `from-data` and say
# in `source` where it comes from.
#
# kind: categorical (with domain), integer, real or date (with bounds), id (never tabulated)
# roles: quasi-identifier, sensitive, target, silo, unit, identifier, weight, other
# bins: edges of the cells of a numeric column; without them it gets equal ones
# missing: codes that mean "no answer"; nullable: true where such rows may occur
# rows: the number of records, if (and only if) that number is public
"""


def draft_schema(path: Path) -> Schema:
    """A first guess at the schema of the CSV or Parquet file at *path*, from its first two million rows at most.

    Every domain and bound in it was read from the rows and says so in `from_data` and `source`, which also says where
    not all rows were looked at. Raises `PetsEvalError` for a file that cannot be read.
    """
    names = reading.names_in(path)
    seen = {name: _Seen() for name in names}
    pieces = reading.pieces(path, names)
    for piece in pieces:
        for name in names:
            seen[name].add(_texts(piece[name]))
        if seen[names[0]].rows >= _ENOUGH:
            break
    rows = seen[names[0]].rows
    if not rows:
        raise PetsEvalError(f"{path.name}: the table has no rows")
    source = _CUT.format(rows=rows) if any(len(piece) for piece in pieces) else _SOURCE
    columns = {name: _guess(name, seen[name], source) for name in names}
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


def _guess(name: str, seen: _Seen, source: str) -> Column:
    import pandas as pd

    texts = pd.Series(seen.counts.index, dtype=str)
    if texts.empty:
        return Column("id", nullable=True, label="no value at all: say what it is, or take the column out")
    no_answer = texts.isin(_NO_ANSWER)
    kind = _number_kind(texts[~no_answer])
    if kind is None:
        no_answer &= texts != "N"  # between words, N is more likely a category than "no answer"
    codes = tuple(sorted(texts[no_answer]))
    nullable = bool(seen.empty or codes)
    texts = texts[~no_answer]
    facts: dict[str, Any] = {"missing": codes, "nullable": nullable}
    marked: dict[str, Any] = {**facts, "from_data": True, "source": source}
    if texts.empty:
        return Column("id", label="no value at all: say what it is, or take the column out", **facts)
    once = len(texts) == seen.rows and seen.rows > _CODES
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
    if len(texts) > _CATEGORIES:
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


# -- writing --------------------------------------------------------------------------------------


def schema_yaml(schema: Schema) -> str:
    """*schema* as a YAML text with remarks on what to mend; `Schema.from_json` reads it back."""
    plain = schema.to_json()
    unit = json.dumps(plain["unit"], ensure_ascii=False)
    remark = "each row is somebody else" if schema.unit == "record" else "guessed: this column names the person"
    lines = [
        _HEAD,
        *_cut_short(schema),
        "# unit of privacy: the column that names the person, or record if each row is somebody else. Where a person",
        "# can have several rows and this says record, every guarantee is too weak.",
        f"unit: {unit}  # {remark}",
        "# who one unit is, once you know: person, household, visit ...",
        f"unit-is: {json.dumps(schema.unit_is)}",
        "# most rows of one unit: a bound set beforehand, not the highest count in the data",
        f"max-rows-per-unit: {plain['max-rows-per-unit']}",
        *([f"rows: {plain['rows']}"] if "rows" in plain else []),
        "columns:",
    ]
    for name, column in plain["columns"].items():
        if column.get("from-data"):
            what = _WHAT.get(column["kind"], "these bounds were")
            lines.append(f"  # {what} read from the data: replace by what is published")
        lines.append(_block({name: column}, indent="  "))
    if "constraints" in plain:
        lines.append(_block({"constraints": plain["constraints"]}, indent=""))
    return "\n".join(lines) + "\n"


def _cut_short(schema: Schema) -> list[str]:
    """What to say where the draft was made from a part of the rows."""
    start = _CUT.partition("{")[0]
    seen = next((c.source.partition(";")[0] for c in schema.columns.values() if c.source.startswith(start)), "")
    if not seen:
        return []
    return [
        f"# CUT SHORT: the table is longer than what was looked at. Domains and bounds were {seen}:",
        "# later rows may hold other categories, larger numbers and more rows of one person.",
        "#",
    ]


_WHAT = {"categorical": "this domain was", "id": "the bound on the rows of one unit was"}


class _Dumper(yaml.SafeDumper):
    """Writes YAML that reads back as it was: line separators other than \\n only survive in double quotes."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if _SEPARATORS & set(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _block(value: Any, *, indent: str) -> str:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return "\n".join(indent + line for line in text.rstrip("\n").split("\n"))


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write *text* to *path* whole or not at all; refuses to replace a file unless *force* is given."""
    if path.exists() and not force:
        raise PetsEvalError(f"{path} exists already; choose another name, or replace it with --force")
    part = None
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).replace(path)
    except OSError as error:
        raise PetsEvalError(f"cannot write {path} ({error.strerror}); choose another place") from None
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def _rows(schema: Schema) -> Iterator[dict[str, Any]]:
    for name, column in schema.columns.items():
        yield {
            "column": name,
            "kind": column.kind,
            "values": len(column.domain) or None,
            "bounds": list(column.bounds) if column.bounds else None,
            "nullable": column.nullable,
            "missing": list(column.missing),
            "roles": list(column.roles),
            "from-data": column.from_data,
        }


@click.command("schema")
@click.argument("data")
@click.option("-o", "--output", help="Write the schema file here; without it, print it.")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the table of columns as JSON.")
def command(data: str, output: str | None, force: bool, as_json: bool) -> None:
    """Draft a schema file for DATA, a CSV or Parquet file.

    What is read from the rows is marked `from-data: true`: a privacy hazard, until you replace it by public facts.
    """
    schema = draft_schema(Path(data))
    if output:
        write_new(Path(output), schema_yaml(schema), force=force)
        click.echo(f"wrote {output}; read its remarks before use", err=True)
    if as_json:
        click.echo(json.dumps(list(_rows(schema)), indent=2, ensure_ascii=False))
    elif not output:
        click.echo(schema_yaml(schema), nl=False)
