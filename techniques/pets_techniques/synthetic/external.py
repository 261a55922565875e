"""A release that somebody else made, such as a vendor's file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pets_eval import reading
from pets_eval.model import (
    Claims,
    Column,
    Context,
    Inputs,
    PetsEvalError,
    Release,
    Schema,
    Table,
    Task,
    Technique,
    param,
)
from pets_eval.registry import technique
from pets_techniques.curator import published


@technique("external-release")
class ExternalRelease(Technique):
    """Judge a table of records that was made elsewhere, from a CSV or Parquet file. What it cost is not known."""

    path: str = param(path=True, help="the CSV or Parquet file of the release, relative to the study file")

    def claims(self) -> Claims:
        """What any such file is published for; its maker may claim more, and nothing is known of how it was made."""
        return Claims(
            protects=frozenset({"output-privacy"}),
            trust_model="unknown",
            adversary="unknown",
            objectives=("disassociability",),
            covers="Whatever its maker claims; nothing of it was seen here.",
            leaves="How it was made is not known, nor who saw the data on the way.",
            deterministic=True,
            seeded=True,
        )

    def fingerprint(self) -> str:
        """SHA-256 of the file."""
        reading.names_in(Path(self.path))
        try:
            with Path(self.path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise PetsEvalError(f"cannot read {self.path} ({error.strerror}); check its permissions") from None

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """The records of the file, each of which stands for as many people as there are protected ones for it."""
        table = self.read(inputs.schema)
        sizes = [len(t) for t in inputs.tables().values()]
        people = max(sizes) if inputs.layout == "vertical" else sum(sizes)
        notes = (
            f"{len(table):,} records from a file of SHA-256 {self.fingerprint()[:16]}",
            *self._left(table, inputs.schema),
        )
        return Release("microdata", table, weight=people / len(table), notes=notes, elsewhere=True)

    def read(self, schema: Schema) -> Table:
        """The file in the form of the public *schema*.

        Columns that it lacks are left out of every comparison. Those that the schema does not name, or keeps back as
        ids, come along as ids: they are scanned for direct identifiers, and never tabulated. Raises `PetsEvalError`
        for a file that cannot be read so.
        """
        import pandas as pd

        path, known = Path(self.path), published(schema)
        there = reading.names_in(path)
        shared = [n for n in known.columns if n in there]
        if not shared:
            raise PetsEvalError(f"{path.name} shares no column with the schema; check its column names")
        more = [n for n in there if n not in shared]
        pieces = list(reading.pieces(path, [*shared, *more]))
        if not pieces:
            raise PetsEvalError(f"{path.name}: the table has no rows")
        own = Schema(columns={**known.select(shared).columns, **{n: Column("id") for n in more}})
        return Table(own, data=own.conform(pd.concat(pieces, ignore_index=True), where=path.name))

    def _left(self, table: Table, schema: Schema) -> list[str]:
        """What is not attacked in the file, in words."""
        lacking = [n for n in published(schema).columns if n not in table.schema.columns]
        weights = table.schema.with_role("weight")
        more = [n for n, c in table.schema.columns.items() if c.kind == "id"]
        said = [
            ("it lacks the columns", lacking),
            ("only direct identifiers are looked for in", more),
            ("weights are not attacked:", weights),
        ]
        return [f"{words} {', '.join(names)}" for words, names in said if names]
