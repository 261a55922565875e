"""`pets-eval schema DATA`: draft a schema file from a table, with everything that was read from the rows marked so."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from pets_eval import reading
from pets_eval.model import PetsEvalError, Schema
from pets_eval.model.guess import SOURCE, guess_schema

if TYPE_CHECKING:
    import pandas as pd

_CUT = "read from the first {rows:,} rows of the data only; replace by what is published"
_ENOUGH = 2_000_000  # rows to look at: keeps memory and waiting in bounds
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


def draft_schema(path: Path, *beside: Path) -> Schema:
    """A first guess at the schema of the CSV or Parquet file at *path*, from its first two million rows at most.

    It also admits what stands in the files *beside* it, in the columns that they share.

    Every domain and bound in it was read from the rows and says so in `from_data` and `source`, which also says where
    not all rows were looked at. Raises `PetsEvalError` for a file that cannot be read.
    """
    names = reading.names_in(path)
    pieces = reading.pieces(path, names)
    more = [(p, [n for n in names if n in reading.names_in(p)]) for p in beside]
    rows = 0

    def looked() -> Iterator[pd.DataFrame]:
        nonlocal rows
        while rows < _ENOUGH and (piece := next(pieces, None)) is not None:
            rows += len(piece)
            yield piece
        for other, shared in more:
            yield from reading.pieces(other, shared)

    try:
        schema = guess_schema(looked(), tables=1 + len(beside))
    except PetsEvalError as error:
        raise PetsEvalError(f"{path.name}: {error}") from None
    if not any(len(piece) for piece in pieces):
        return schema
    cut = _CUT.format(rows=rows)
    columns = {n: replace(c, source=cut) if c.source == SOURCE else c for n, c in schema.columns.items()}
    return replace(schema, columns=columns)


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
