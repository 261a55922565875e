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
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from pets_eval.model.errors import Conflict, PetsEvalError
from pets_eval.model.record import Manifest, RunRecord
from pets_eval.run.files import now, write_atomic, write_json

_TABLE = """CREATE TABLE IF NOT EXISTS cells (
    identity TEXT PRIMARY KEY, status TEXT NOT NULL, scored TEXT NOT NULL, digest TEXT NOT NULL, before TEXT NOT NULL,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL
) WITHOUT ROWID"""
PURGED = "purged.json"  # when the confidential part was removed


class Journal:
    """The documents of one run directory and their index. Only the holder of `lock` writes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cells = directory / "cells"
        self.cells.mkdir(parents=True, exist_ok=True)
        index = directory / "index.sqlite"
        try:
            self._db = self._open(index)
        except sqlite3.Error:  # damaged, or of an earlier form: it is made anew from the documents
            for path in directory.glob("index.sqlite*"):
                path.unlink()
            self._db = self._open(index)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    # -- the documents --

    def write(self, record: RunRecord) -> None:
        """Keep *record*, replacing an earlier one of the same identity."""
        path = self.path(record.identity)
        raw = dump(record)
        known = self._db.execute("SELECT digest FROM cells WHERE identity = ?", (record.identity,)).fetchone()
        with self._db:  # announced before the document changes, so that a crash in between is told from tampering
            self._note(record, sha256(raw).hexdigest(), before=known[0] if known else "")
        write_atomic(path, raw)
        stat = path.stat()
        with self._db:
            seen = (stat.st_size, stat.st_mtime_ns, record.identity)
            self._db.execute("UPDATE cells SET size = ?, mtime = ? WHERE identity = ?", seen)

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

    def _open(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=30)
        try:
            db.execute("PRAGMA synchronous=OFF")  # what a power cut takes is made anew from the documents
            db.execute(_TABLE)
            self._db = db
            self._refresh()
        except BaseException:
            db.close()
            raise
        return db

    def _refresh(self) -> None:
        """Take in documents that the index does not know, as after a crash; leave alone what somebody altered."""
        columns = "identity, digest, before, size, mtime"
        known = {row[0]: row[1:] for row in self._db.execute(f"SELECT {columns} FROM cells")}
        with self._db, os.scandir(self.cells) as files:
            for file in files:
                if file.name.startswith("."):
                    Path(file.path).unlink(missing_ok=True)  # a write that a crash cut short
                    continue
                digest, before, size, mtime = known.pop(file.name.removesuffix(".json"), ("", "", 0, 0))
                stat = file.stat()
                if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                    found = sha256(Path(file.path).read_bytes()).hexdigest()
                    if not digest or found in (digest, before):
                        seen = (stat.st_size, stat.st_mtime_ns)
                        self._note(read_record(Path(file.path)), found, seen=seen)
            self._db.executemany("DELETE FROM cells WHERE identity = ?", [(i,) for i in known])

    def _note(self, record: RunRecord, digest: str, *, before: str = "", seen: tuple[int, int] = (0, 0)) -> None:
        kept = {name: result.source for name, result in record.scores.items() if result.status != "failed"}
        row = (record.identity, record.status, scored_by(kept), digest, before, *seen)
        self._db.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)", row)


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
        write_json(directory / PURGED, {"purged": now()})
        shutil.rmtree(home, ignore_errors=True)
        if home.exists():
            raise PetsEvalError(f"{home} could not be removed whole; remove the rest by hand")
        return freed


def purged_at(directory: Path) -> str:
    """When the run was purged last; "" if never. Releases of cells that ended before are gone."""
    try:
        return str(json.loads((directory / PURGED).read_text())["purged"])
    except (OSError, ValueError, KeyError):
        return ""


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
