"""The user's own data: `use: file` with a CSV or Parquet file and a schema file that says what may stand in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pets_datasets import yaml_schema
from pets_datasets.provenance import fingerprint
from pets_datasets.stream import arrow_table, write_parquet
from pets_eval import reading
from pets_eval.model import Card, PetsEvalError, Schema, Source, Table, param
from pets_eval.registry import dataset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_IN_MEMORY = 64_000_000  # bytes; a longer file goes through Parquet, a piece at a time


@dataset("file")
class UserFile(Source):
    """Your own CSV or Parquet file, described by a schema file (draft one with: pets-eval schema DATA)."""

    path: str = param(path=True, help="the CSV or Parquet file, relative to the study file")
    schema_file: str = param(path=True, help="the schema file")
    control_file: str = param(
        "", path=True, help="people held out beforehand, a file like the first; the study then splits off nobody else"
    )

    def card(self) -> Card:
        """The dataset card: what the schema file says, and no more."""
        schema = self.schema()
        marked = [name for name in schema.hazards() if name != schema.unit]
        hazard = "read from the data: a privacy hazard for any technique that takes them as public."
        notes = [f"Domain or bounds of {', '.join(marked)} were {hazard}"] if marked else []
        if schema.unit in schema.hazards():
            notes.append(f"The bound on the rows of one {schema.unit} was {hazard}")
        return Card(
            title=Path(self.path).name,
            description="A file of the user's, described by a schema file.",
            source="the user",
            licence="as agreed with whoever holds the data",
            notes=tuple(notes),
        )

    def schema(self) -> Schema:
        """The schema of the schema file; no row is read."""
        return yaml_schema.read_schema(Path(self.schema_file))

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the files and the modules that read them."""
        given = [Path(p) for p in (self.path, self.control_file) if p]
        for path in given:
            reading.names_in(path)
        sources = tuple(str(module.__file__) for module in (reading, yaml_schema))
        digests = [_digest(path) for path in (*given, Path(self.schema_file))]
        return fingerprint((__file__, *sources), *digests)

    def load(self, cache: Path, target: Path) -> Table:
        """The conforming table: in memory, or for a long file streamed to *target*."""
        return _loaded(Path(self.path), self.schema(), target)

    def held_out(self, cache: Path, target: Path) -> Table | None:
        """The people of the control file, in the same form."""
        if not self.control_file:
            return None
        return _loaded(Path(self.control_file), replace(self.schema(), rows=None), target)

    @staticmethod
    def draft(path: Path, *beside: Path) -> str:
        """A schema file for the table at *path* that also admits what stands in the files *beside* it."""
        from pets_datasets.draft import draft_schema, schema_yaml

        return schema_yaml(draft_schema(path, *beside))


def _loaded(path: Path, schema: Schema, target: Path) -> Table:
    counted = _counted(_conforming(path, schema), schema, path.name)
    if path.is_file() and path.stat().st_size > _IN_MEMORY:
        write_parquet((arrow_table(schema, piece) for piece in counted), target)
        return Table(schema, path=target)
    import pandas as pd

    return Table(schema, data=pd.concat(list(counted), ignore_index=True))


def _conforming(path: Path, schema: Schema) -> Iterator[pd.DataFrame]:
    start = 0
    for piece in reading.pieces(path, list(schema.columns)):
        where = path.name if start == 0 else f"{path.name}, counting rows from row {start + 1}"
        try:
            yield schema.conform(piece, where=where)
        except (TypeError, ValueError, OverflowError):
            raise PetsEvalError(
                f"{where}: a column has a type that does not fit the schema; store it as text"
            ) from None
        start += len(piece)
    if start == 0:
        raise PetsEvalError(f"{path.name}: the table has no rows")


def _counted(frames: Iterator[pd.DataFrame], schema: Schema, name: str) -> Iterator[pd.DataFrame]:
    """Pass *frames* on, and refuse a table that breaks the public numbers of the schema."""
    rows, units = 0, _Units()
    for frame in frames:
        rows += len(frame)
        if schema.unit != "record":
            units.add(frame[schema.unit])
        yield frame
    if schema.rows is not None and rows != schema.rows:
        raise PetsEvalError(f"{name} has another number of rows than the schema's 'rows'; mend or remove that entry")
    if units.most > schema.max_rows_per_unit:
        raise PetsEvalError(
            f"{name}: some unit of privacy has more rows than the schema's 'max-rows-per-unit', so that noise would be "
            "too small; raise that public bound, or drop rows beforehand"
        )


class _Units:
    """How many rows each unit has, by the hash of its name: 16 bytes per unit, whatever the names."""

    def __init__(self) -> None:
        import numpy as np

        self._hashes: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._counts: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    @property
    def most(self) -> int:
        return int(self._counts.max(initial=0))

    def add(self, names: pd.Series) -> None:
        import numpy as np
        import pandas as pd

        hashes = pd.util.hash_pandas_object(names.astype(str), index=False).to_numpy()
        both = np.concatenate([self._hashes, hashes])
        weights = np.concatenate([self._counts, np.ones(len(hashes), dtype=np.int64)])
        self._hashes, where = np.unique(both, return_inverse=True)
        self._counts = np.bincount(where, weights=weights).astype(np.int64)


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise PetsEvalError(f"cannot read {path.name} ({error.strerror}); check its path and permissions") from None
