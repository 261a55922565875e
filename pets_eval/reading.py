"""Read somebody's CSV or Parquet file a piece at a time; whatever is wrong with it becomes one sentence.

The sentences name files, columns and rows, and never quote what stands in the data.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pets_eval.model import PetsEvalError, near

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 200_000
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def names_in(path: Path) -> list[str]:
    """The column names of the file at *path* (`.parquet`/`.pq`, else CSV), which are not in doubt: each occurs once."""
    _must_be_file(path)
    names = _parquet_names(path) if is_parquet(path) else _csv_names(path)
    if not names:
        raise PetsEvalError(f"{path.name} has no columns")
    for name in names:
        if names.count(name) > 1:
            raise PetsEvalError(f"{path.name}: column {name[:60]!r} occurs twice; rename one of them")
    return names


def pieces(path: Path, columns: list[str], size: int = _ROWS) -> Iterator[pd.DataFrame]:
    """The *columns* of the file at *path*, at most *size* rows at a time.

    A CSV file comes as texts, exactly as they stand there, so that codes such as 007 keep their form; an empty field
    is missing. A Parquet file comes with the types it has.
    """
    there = names_in(path)
    for name in columns:
        if name not in there:
            raise PetsEvalError(
                f"{path.name}: column {name!r} of the schema is missing from the data{near(name, there)}"
            )
    yield from _parquet_pieces(path, columns, size) if is_parquet(path) else _csv_pieces(path, there, columns, size)


def is_parquet(path: Path) -> bool:
    """Whether the file's name says that it is Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def _must_be_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise PetsEvalError(f"{path} is a folder; name the CSV or Parquet file in it")
        if not path.exists():
            raise PetsEvalError(f"there is no file {path}; check the path")
        if not path.is_file():
            raise PetsEvalError(f"{path} is not a regular file; give a CSV or Parquet file")
        if path.stat().st_size == 0:
            raise PetsEvalError(f"{path.name} is empty; give a CSV file with a line of column names, or a Parquet file")
    except (OSError, ValueError) as error:
        raise PetsEvalError(f"cannot read the data file ({type(error).__name__}); check its path") from None


# -- CSV ------------------------------------------------------------------------------------------


def _csv_names(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            start = file.read(4096)
        if start.startswith(b"PK\x03\x04"):
            raise PetsEvalError(f"{path.name} is a spreadsheet or an archive; save the table as CSV in UTF-8")
        if start.startswith(_MARKS) or b"\0" in start:
            raise PetsEvalError(f"{path.name} is not a text file in UTF-8; save it as CSV in UTF-8, or as Parquet")
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=_separator(path), strict=True), [])
    except UnicodeDecodeError:
        raise PetsEvalError(f"{path.name} is not a text file in UTF-8; save it as CSV in UTF-8") from None
    except csv.Error:
        raise PetsEvalError(f"{path.name} is not a CSV file: its first line cannot be split into names") from None
    except OSError as error:
        raise PetsEvalError(f"cannot read {path} ({error.strerror}); mend its permissions") from None
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise PetsEvalError(f"{path.name} separates its columns by something else than commas; save it with commas")
    if not names or not all(name.strip() for name in names):
        raise PetsEvalError(f"{path.name}: the first line must name every column")
    return names


def _csv_pieces(path: Path, names: list[str], columns: list[str], size: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    try:
        with (
            warnings.catch_warnings(),
            path.open(encoding="utf-8-sig", newline="") as file,
            pd.read_csv(
                path,
                sep=_separator(path),
                header=0,
                names=names,
                dtype=str,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                encoding="utf-8-sig",
                chunksize=size,
            ) as reader,
        ):
            warnings.simplefilter("error", pd.errors.ParserWarning)  # "length of header does not match length of data"
            fields = _FieldCount(csv.reader(file, delimiter=_separator(path), strict=True), path.name)
            fields.check(size)  # before pandas reads on: it fills up rows that are too short and says nothing
            for piece in reader:
                yield piece[columns]
                fields.check(size)
            while fields.check(size):
                pass
    except UnicodeDecodeError:
        raise PetsEvalError(f"{path.name} is not a text file in UTF-8; save it as CSV in UTF-8") from None
    except (csv.Error, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError):
        raise PetsEvalError(
            f"{path.name} is not a well-formed CSV file: a quotation mark is not closed, or stands within a field; "
            "mend the file"
        ) from None
    except OSError as error:
        raise PetsEvalError(f"cannot read {path} ({error.strerror}); check the disk") from None


class _FieldCount:
    """Sees to it that every row has as many fields as the first line; a blank line is no row."""

    def __init__(self, records: Iterator[list[str]], name: str) -> None:
        self._records, self._name = records, name
        self._fields = len(next(records))
        self._rows = 0

    def check(self, size: int) -> int:
        """Check the next *size* records; returns how many there were."""
        import numpy as np

        lengths = np.fromiter(map(len, itertools.islice(self._records, size)), dtype=np.int64)
        rows = lengths[lengths > 0]
        wrong = np.flatnonzero(rows != self._fields)
        if wrong.size:
            row, found = self._rows + int(wrong[0]) + 1, int(rows[wrong[0]])
            raise PetsEvalError(
                f"{self._name}: row {row} (after the line of names) has {found} fields where that line has "
                f"{self._fields}; mend the row, and put a value that contains the separator in quotation marks"
            )
        self._rows += len(rows)
        return len(lengths)


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","


# -- Parquet --------------------------------------------------------------------------------------


def _parquet_names(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (pa.ArrowException, OSError):
        raise PetsEvalError(f"{path.name} is not a readable Parquet file; write it again") from None


def _parquet_pieces(path: Path, columns: list[str], size: int) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for name in columns:
                kind = file.schema_arrow.field(name).type
                if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
                    raise PetsEvalError(
                        f"{path.name}: column {name!r} holds lists, records or durations; store numbers or text"
                    )
            for batch in file.iter_batches(batch_size=size, columns=columns):
                yield batch.to_pandas(ignore_metadata=True)[columns]
    except (pa.ArrowException, OSError):
        raise PetsEvalError(f"{path.name} is not a readable Parquet file; write it again") from None
