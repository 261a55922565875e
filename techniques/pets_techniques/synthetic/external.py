"""A release that somebody else made, such as a vendor's file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pets_eval import reading
from pets_eval.model import Claims, Context, Inputs, PetsEvalError, Release, Table, Task, Technique, param
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
            trust_model="central",
            adversary="honest-but-curious",
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
        """Read the file in the form of the public schema; columns that it lacks are left out of the comparison."""
        import pandas as pd

        path, schema = Path(self.path), published(inputs.schema)
        shared = [n for n in schema.columns if n in reading.names_in(path)]
        if not shared:
            raise PetsEvalError(f"{path.name} shares no column with the schema; check its column names")
        lacking = [n for n in schema.columns if n not in shared]
        rows = pd.concat(list(reading.pieces(path, shared)), ignore_index=True)
        schema = schema.select(shared)
        table = Table(schema, data=schema.conform(rows, where=path.name))
        sizes = [len(t) for t in inputs.tables().values()]
        people = max(sizes) if inputs.layout == "vertical" else sum(sizes)
        notes = (f"it lacks the columns {', '.join(lacking)}",) if lacking else ()
        return Release("microdata", table, weight=people / len(table), notes=notes, elsewhere=True)
