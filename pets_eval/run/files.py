"""Writing so that a reader sees all of a file or nothing of it."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write *data* to *path* by way of a temporary file beside it."""
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(raw)
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write plain *value* as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1, allow_nan=False))


def digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_hash(value: Any) -> str:
    """SHA-256 over plain JSON values, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def where_raised(error: BaseException) -> str:
    """Type and place of an exception, without its message, which may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    path = Path(frames[-1].filename)
    return f"{type(error).__name__} in {path.parent.name}/{path.name}, line {frames[-1].lineno} ({frames[-1].name})"


def private_dir(path: Path) -> Path:
    """Make *path* a directory that only its owner can enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path
