"""The journal of a run: one JSON document per cell, named by the cell's identity; an index that can be made anew.

DIR/run.json               the manifest
DIR/cells/<identity>.json  one record per cell, written atomically by the single writer
DIR/index.sqlite           identity, status and digest of each document; rebuilt from them where it disagrees
DIR/confidential/          mode 0700: prepared data, truth, releases, transcripts, logs
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from pets_eval.model.errors import Conflict, PetsEvalError
from pets_eval.model.record import Manifest, RunRecord
from pets_eval.run.files import private_dir, write_atomic

_TABLE = """CREATE TABLE IF NOT EXISTS cells (
    identity TEXT PRIMARY KEY, status TEXT NOT NULL, scored TEXT NOT NULL,
    digest TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL
) WITHOUT ROWID"""


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Journal:
    """The documents of one run directory and their index. Only the holder of `lock` writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cells = directory / "cells"
        self.confidential = directory / "confidential"
        self.cells.mkdir(parents=True, exist_ok=True)
        private_dir(self.confidential)
        self._db = self._open_index()
        self._refresh()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    # -- the documents --

    def write(self, record: RunRecord) -> None:
        """Keep *record*, replacing an earlier one of the same identity."""
        path = self.path(record.identity)
        raw = dump(record)
        write_atomic(path, raw)
        with self._db:
            self._note(path, record, raw)

    def read(self, identity: str) -> RunRecord:
        """The record of a cell."""
        return read_record(self.path(identity))

    def path(self, identity: str) -> Path:
        """Where the document of a cell is."""
        return self.cells / f"{identity}.json"

    # -- the index --

    def states(self) -> dict[str, tuple[str, str]]:
        """Status and `scored_by` of every journalled cell by identity."""
        return {
            i: (status, scored) for i, status, scored in self._db.execute("SELECT identity, status, scored FROM cells")
        }

    def digests(self) -> dict[str, str]:
        """SHA-256 of every document as it was when it was written."""
        return dict(self._db.execute("SELECT identity, digest FROM cells"))

    def _open_index(self) -> sqlite3.Connection:
        path = self.directory / "index.sqlite"
        try:
            return self._connect(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            return self._connect(path)

    def _connect(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=30)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_TABLE)
        return db

    def _refresh(self) -> None:
        """Bring the index in line with documents that it does not know, as after a crash between the two writes."""
        known = {
            identity: (size, mtime)
            for identity, size, mtime in self._db.execute("SELECT identity, size, mtime FROM cells")
        }
        with self._db, os.scandir(self.cells) as files:
            for file in files:
                if file.name.startswith("."):
                    Path(file.path).unlink(missing_ok=True)  # a write that a crash cut short
                    continue
                identity = file.name.removesuffix(".json")
                stat = file.stat()
                if known.pop(identity, None) != (stat.st_size, stat.st_mtime_ns):
                    path = Path(file.path)
                    self._note(path, read_record(path), path.read_bytes())
            self._db.executemany("DELETE FROM cells WHERE identity = ?", [(i,) for i in known])

    def _note(self, path: Path, record: RunRecord, raw: bytes) -> None:
        stat = path.stat()
        scored = scored_by({name: result.source for name, result in record.scores.items()})
        self._db.execute(
            "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?)",
            (path.stem, record.status, scored, sha256(raw).hexdigest(), stat.st_size, stat.st_mtime_ns),
        )


def scored_by(sources: Mapping[str, str]) -> str:
    """One text for the metrics, by the hash of their source, that a record has scores of."""
    return " ".join(f"{name}:{source[:16]}" for name, source in sorted(sources.items()))


def dump(record: RunRecord) -> bytes:
    """The document of a record."""
    return json.dumps(record.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True).encode()


def read_record(path: Path) -> RunRecord:
    """Read a document; raises `PetsEvalError` if it is damaged."""
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError):
        raise PetsEvalError(
            f"the record {path.name} of the run is damaged; delete that file and run the study again"
        ) from None


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a run; raises `PetsEvalError` if *directory* is not a run."""
    path = directory / "run.json"
    if not path.is_file():
        raise PetsEvalError(f"{directory} is not a run of pets-eval (it has no run.json); make one with: pets-eval run")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError):
        raise PetsEvalError(f"{path} is damaged or of another version; run the study again into a new folder") from None


def read_run(directory: Path) -> tuple[Manifest, list[RunRecord]]:
    """The manifest of a run and the records of its plan that are there, in the order of the plan."""
    manifest = read_manifest(directory)
    return manifest, [read_record(p) for p in _documents(directory, manifest) if p.is_file()]


def _documents(directory: Path, manifest: Manifest) -> Iterable[Path]:
    return (directory / "cells" / f"{planned.identity}.json" for planned in manifest.plan)


def purge(directory: Path) -> int:
    """Remove all that is confidential from a run and return the bytes freed; records and scorecards stay."""
    read_manifest(directory)
    with lock(directory):
        home = directory / "confidential"
        freed = sum(p.stat().st_size for p in home.rglob("*") if p.is_file()) if home.exists() else 0
        shutil.rmtree(home, ignore_errors=True)
        return freed


@contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Hold the run directory; raises `Conflict` that says who holds it. Freed by the system when the holder dies."""
    from filelock import FileLock, Timeout

    holder = directory / "run.holder"
    held = FileLock(directory / "run.lock", timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise Conflict(
            f"{directory} is in use by {_holder(holder)}; wait for it to end or choose another folder"
        ) from None
    try:
        write_atomic(holder, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now()}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        held.release()


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text())
        return f"process {who['pid']} on {who['host']} (since {who['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"
