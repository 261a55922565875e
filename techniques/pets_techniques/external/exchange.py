"""The files that are exchanged with a foreign program: a request it reads, a release it writes; see
docs/external-techniques.md. Whatever is wrong with what it wrote becomes one sentence that quotes nothing of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from pets_eval.model import Answer, Guarantee, Inputs, PetsEvalError, Release, Schema, Table, Task, canonical
from pets_eval.model.answer import LEVELS
from pets_eval.model.record import GuaranteeRow
from pets_eval.model.study import Strict
from pets_techniques.curator import published

if TYPE_CHECKING:
    import pandas as pd

REQUEST, RELEASE = "request.json", "release.json"
_FORMAT = "pets-eval/external/1"
_FILES = {"answer": "answer.parquet", "microdata": "microdata.parquet"}
_NUMBERS = ("value", "se", "low", "high")
_MOST_BYTES = 1_000_000


def write_request(
    folder: Path, task: Task, inputs: Inputs, tables: Mapping[str, pd.DataFrame], params: Mapping[str, Any], seed: int
) -> None:
    """Write the request into *folder*: `request.json`, `cells.parquet`, and one Parquet file per party's table.

    Categories are written as texts, since not every library reads dictionaries of them.
    """
    files = {}
    for i, (party, frame) in enumerate(tables.items()):
        files[party] = f"table-{i}.parquet"
        texts = {name: "object" for name, dtype in frame.dtypes.items() if dtype == "category"}
        frame.astype(texts).to_parquet(folder / files[party], index=False)
    task.cells(inputs.schema).to_frame(index=False).to_parquet(folder / "cells.parquet", index=False)
    columns = {name: inputs.schema.columns[name] for name in inputs.schema.tabular()}
    bins = {n: {"cells": c.cells(), "edges": c.edges() if c.numeric else None} for n, c in columns.items()}
    parties = [{"name": p.name, "roles": sorted(p.roles), "table": files.get(p.name)} for p in inputs.parties]
    request = {
        "format": _FORMAT,
        "task": {"kind": task.kind, "params": canonical(task)},
        "schema": inputs.schema.to_json(),
        "bins": bins,
        "layout": inputs.layout,
        "parties": parties,
        "cells": "cells.parquet",
        "params": dict(params),
        "seed": seed,
    }
    (folder / REQUEST).write_text(json.dumps(request, indent=1))


class _Written(Strict):
    """What `release.json` holds."""

    format: str
    kind: str
    guarantee: GuaranteeRow | None = None
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    notes: list[str] = []


def read_release(folder: Path, task: Task, schema: Schema, hazards: tuple[str, ...], *, where: str) -> Release:
    """The release that the program wrote into *folder*, checked against the public *schema* and the task's cells.

    *hazards* are added to those of its guarantee. Raises `PetsEvalError` starting with *where*.
    """
    written = _read_json(folder / RELEASE, where)
    value = (_answer if written.kind == "answer" else _microdata)(folder / _FILES[written.kind], task, schema, where)
    return Release(
        kind="answer" if isinstance(value, Answer) else "microdata",
        value=value,
        guarantee=_guarantee(written.guarantee, schema, hazards, where) if written.guarantee else None,
        weight=written.weight,
        notes=tuple(written.notes),
    )


def _read_json(path: Path, where: str) -> _Written:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PetsEvalError(f"{where}: {path.name} is larger than 1 MB; tables belong into Parquet files")
        written = _Written.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise PetsEvalError(f"{where} wrote no {path.name}; it says what was released") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in _KEYS)
        raise PetsEvalError(
            f"{where}: {path.name} is not as documented at {key or 'a key'!r}: {first['type']}"
        ) from None
    except (OSError, ValueError, RecursionError):
        raise PetsEvalError(f"{where}: {path.name} is not a JSON file in UTF-8") from None
    if written.format != _FORMAT:
        raise PetsEvalError(f"{where}: {path.name} must have the format {_FORMAT!r}")
    if written.kind not in _FILES:
        raise PetsEvalError(f"{where}: {path.name} must be of the kind {' or '.join(_FILES)}")
    return written


_KEYS = {*_Written.model_fields, *GuaranteeRow.model_fields}


def _guarantee(row: GuaranteeRow, schema: Schema, hazards: tuple[str, ...], where: str) -> Guarantee:
    if row.unit != schema.unit:
        raise PetsEvalError(
            f"{where}: its guarantee must be about the unit of privacy, {schema.unit!r}; write that as the unit, and "
            "bound what one unit contributes"
        )
    bad = [name for name, value in row.parameters.items() if value is None or not 0 <= value < math.inf]
    if bad or not all(event.get("mechanism") for event in row.events):
        raise PetsEvalError(
            f"{where}: the parameters of its guarantee must be finite and not negative, and each event must name its "
            "mechanism"
        )
    stated = row.guarantee()
    return Guarantee(
        notion=stated.notion,
        unit=stated.unit,
        adjacency=stated.adjacency,
        parameters=stated.parameters,
        events=stated.events,
        status=stated.status,
        assumes=(*stated.assumes, "the guarantee is as the foreign program states it; nothing of it was checked here"),
        hazards=(*stated.hazards, *hazards),
    )


def _read_parquet(path: Path, where: str) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise PetsEvalError(f"{where} wrote no {path.name}")
    try:
        return pd.read_parquet(path)
    except Exception:  # whatever it is, its message may quote data
        raise PetsEvalError(f"{where}: {path.name} is not a Parquet file that can be read") from None


def _microdata(path: Path, task: Task, schema: Schema, where: str) -> Table:
    frame, known = _read_parquet(path, where), published(schema)
    strange = sum(name not in known.columns for name in frame.columns)
    if strange:
        raise PetsEvalError(
            f"{where}: {path.name} has {strange} columns that are not published ones of the schema (ids and the unit "
            "of privacy are not)"
        )
    own = known.select([name for name in known.columns if name in frame.columns])
    if not own.columns:
        raise PetsEvalError(f"{where}: {path.name} has no columns")
    return Table(own, data=own.conform(frame, where=f"{where}: {path.name}"))


def _answer(path: Path, task: Task, schema: Schema, where: str) -> Answer:
    import numpy as np
    import pandas as pd

    frame, cells = _read_parquet(path, where), task.cells(schema)
    lacking = [name for name in (*LEVELS, "value") if name not in frame.columns]
    if lacking or set(frame.columns) - {*LEVELS, *_NUMBERS}:
        raise PetsEvalError(f"{where}: {path.name} must have the columns {', '.join(LEVELS)}, value, and se, low, high")
    index = pd.MultiIndex.from_frame(frame[list(LEVELS)].astype(str), names=LEVELS)
    if index.has_duplicates or len(index) != len(cells) or not index.isin(cells).all():
        raise PetsEvalError(f"{where}: {path.name} must have each of the {len(cells):,} cells of cells.parquet once")
    try:
        numbers = {n: frame[n].to_numpy(np.float64, na_value=np.nan) for n in _NUMBERS if n in frame.columns}
    except (TypeError, ValueError):
        raise PetsEvalError(f"{where}: {path.name} has numbers that are none") from None
    if not np.isfinite(numbers["value"]).all() or any(np.isinf(n).any() for n in numbers.values()):
        raise PetsEvalError(f"{where}: {path.name} has numbers that are missing or infinite")
    if (numbers.get("se", np.zeros(1)) < 0).any():
        raise PetsEvalError(f"{where}: {path.name} has negative standard errors")
    return Answer.of(index, numbers.pop("value"), **numbers).on(cells)
