"""Write a table of any length as Parquet, piece by piece: memory holds one piece, and a crash leaves no half file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pets_eval.model import PetsEvalError, Schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def write_parquet(pieces: Iterable[pa.Table], target: Path) -> None:
    """Write *pieces*, which share one Arrow schema, as the row groups of *target* (a `.part` file until complete)."""
    import pyarrow.parquet as pq

    part = target.with_name(target.name + ".part")
    writer = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for piece in pieces:
            writer = writer or pq.ParquetWriter(part, piece.schema, compression="zstd")
            writer.write_table(piece)
        if writer is None:
            raise PetsEvalError(f"{target.name}: the table has no rows")
        writer.close()
        part.replace(target)
    except OSError as error:
        raise PetsEvalError(f"cannot write {target} ({error.strerror or 'I/O error'}); free or choose a disk") from None
    finally:
        with contextlib.suppress(OSError):
            if writer:
                writer.close()
            part.unlink(missing_ok=True)


def arrow_table(schema: Schema, frame: pd.DataFrame) -> pa.Table:
    """A conforming *frame* as an Arrow table whose types depend on *schema* alone, so that pieces fit together."""
    import pyarrow as pa

    types = {
        "categorical": pa.dictionary(pa.int32(), pa.string()),
        "integer": pa.float64(),
        "real": pa.float64(),
        "date": pa.timestamp("ns"),
        "id": pa.string(),
    }
    fields = [pa.field(name, types[column.kind]) for name, column in schema.columns.items()]
    ids = [name for name, column in schema.columns.items() if column.kind == "id"]
    return pa.Table.from_pandas(frame.astype(dict.fromkeys(ids, str)), schema=pa.schema(fields), preserve_index=False)
