"""Keep releases and what parties held as Parquet, npz, JSON or the library's own bytes: nothing that runs when read."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pets_eval.model.answer import LEVELS, Answer
from pets_eval.model.data import Model, Table
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.record import GuaranteeRow
from pets_eval.model.release import Release
from pets_eval.model.schema import Schema
from pets_eval.run.files import write_atomic, write_json

_PARQUET: Literal["zstd"] = "zstd"


def save_answer(answer: Answer, path: Path) -> None:
    """Keep an answer as Parquet."""
    frame = answer.table.reset_index()
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression=_PARQUET)
    write_atomic(path, buffer.getvalue())


def load_answer(path: Path) -> Answer:
    """Read an answer back."""
    import pandas as pd

    frame = pd.read_parquet(path)
    index = pd.MultiIndex.from_frame(frame[list(LEVELS)].astype(str), names=LEVELS)
    return Answer(frame.drop(columns=list(LEVELS)).set_axis(index, axis=0))


def save_release(release: Release, home: Path) -> None:
    """Keep a release in the folder *home*."""
    home.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {
        "kind": release.kind,
        "weight": release.weight,
        "notes": list(release.notes),
        "elsewhere": release.elsewhere,
        "guarantee": GuaranteeRow.of(release.guarantee).model_dump() if release.guarantee else None,
        "attachments": {name: f"attachment-{i}.bin" for i, name in enumerate(release.attachments)},
    }
    for name, file in facts["attachments"].items():
        (home / file).write_bytes(release.attachments[name])
    value = release.value
    if isinstance(value, Answer):
        save_answer(value, home / "answer.parquet")
    elif isinstance(value, Table):
        facts["schema"] = value.schema.to_json()
        target = home / "microdata.parquet"
        if value.path is not None:
            _link(value.path, target)
        else:
            value.frame().to_parquet(target, index=False, compression=_PARQUET)
    else:
        (home / "model.bin").write_bytes(value.to_bytes())
    write_json(home / "release.json", facts)


def _link(source: Path, target: Path) -> None:
    """Give a Parquet file, which nobody changes, a second name; copy it where that cannot be."""
    if source == target:
        return
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def load_release(home: Path, load_model: Callable[[bytes], Model] | None = None) -> Release:
    """Read a release back; a model is read by *load_model*, the technique's own reader."""
    facts: Mapping[str, Any] = json.loads((home / "release.json").read_text())
    value: Answer | Table | Model
    if facts["kind"] == "answer":
        value = load_answer(home / "answer.parquet")
    elif facts["kind"] == "microdata":
        value = Table(Schema.from_json(facts["schema"]), path=home / "microdata.parquet")
    else:
        if load_model is None:
            raise ValueError("the technique releases a model but has no load_model(bytes) to read it back")
        value = load_model((home / "model.bin").read_bytes())
    guarantee = GuaranteeRow.model_validate(facts["guarantee"]).guarantee() if facts["guarantee"] else None
    return Release(
        kind=facts["kind"],
        value=value,
        guarantee=guarantee,
        weight=facts["weight"],
        attachments={name: _inside(home, file).read_bytes() for name, file in facts["attachments"].items()},
        notes=tuple(facts["notes"]),
        elsewhere=facts["elsewhere"],
    )


def _inside(home: Path, file: str) -> Path:
    """The path of a kept *file*; refuses a name that leads out of its folder."""
    if Path(file).name != file:
        raise PetsEvalError(f"{home.name} names a file outside its folder; the run was tampered with")
    return home / file


def save_held(held: Mapping[tuple[str, str], Any], home: Path) -> None:
    """Keep what parties held: bytes, arrays, DataFrames and plain JSON values."""
    import numpy as np
    import pandas as pd

    if not held:
        return
    home.mkdir(parents=True, exist_ok=True)
    index = []
    for i, ((party, label), value) in enumerate(held.items()):
        if isinstance(value, (bytes, bytearray)):
            file = f"{i}.bin"
            (home / file).write_bytes(value)
        elif isinstance(value, np.ndarray):
            file = f"{i}.npy"
            np.save(home / file, value, allow_pickle=False)
        elif isinstance(value, pd.DataFrame):
            file = f"{i}.parquet"
            value.to_parquet(home / file, compression=_PARQUET)
        else:
            file = f"{i}.json"
            (home / file).write_text(json.dumps(value))
        index.append([party, label, file])
    write_json(home / "held.json", index)


def load_held(home: Path) -> dict[tuple[str, str], Any]:
    """Read back what parties held."""
    import numpy as np
    import pandas as pd

    if not (home / "held.json").exists():
        return {}
    held: dict[tuple[str, str], Any] = {}
    for party, label, file in json.loads((home / "held.json").read_text()):
        path = _inside(home, file)
        readers: dict[str, Callable[[Path], Any]] = {
            ".bin": Path.read_bytes,
            ".npy": lambda p: np.load(p, allow_pickle=False),
            ".parquet": pd.read_parquet,
            ".json": lambda p: json.loads(p.read_text()),
        }
        held[party, label] = readers[path.suffix](path)
    return held
