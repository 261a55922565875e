"""The transcript: every message as it crossed, spooled to disk by its sender, merged afterwards.

One append-only file per sending party. A record is one JSON line with the length of the payload that follows it, so a
writer that crashes loses at most its last message, and parties that run in processes of their own need no lock.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pets_eval.model.release import Message

_WHOLE = 1_000_000  # a larger payload is kept as its digest and a sample
_SAMPLE = 65_536


@dataclass
class SpoolTap:
    """A party's recorder (see `model.technique.Tap`): a path and a name, so that it crosses process borders."""

    folder: Path
    party: str
    _sequence: int | None = field(default=None, repr=False)

    def write(self, receiver: str, label: str, payload: bytes, *, round: str = "") -> None:
        """Append one message."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / (quote(self.party, safe="") + ".spool")
        if self._sequence is None:
            self._sequence = len(_read(path, self.party)) if path.exists() else 0
        whole = len(payload) <= _WHOLE
        kept = payload if whole else payload[:_SAMPLE]
        header = {
            "receiver": receiver,
            "label": label,
            "round": round or label,
            "nbytes": len(payload),
            "kept": len(kept),
            "sequence": self._sequence,
            "sha256": hashlib.sha256(payload).hexdigest(),
        }
        self._sequence += 1
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with os.fdopen(handle, "ab", closefd=False) as file:
                file.write(json.dumps(header).encode() + b"\n" + kept)
        finally:
            os.close(handle)

    def __getstate__(self) -> tuple[Path, str]:
        return self.folder, self.party

    def __setstate__(self, state: tuple[Path, str]) -> None:
        self.folder, self.party = state
        self._sequence = None


def read_transcript(folder: Path, order: Iterable[str] = ()) -> tuple[Message, ...]:
    """All messages below *folder*, merged by (party, sequence), parties of *order* first."""
    from urllib.parse import unquote

    if not folder.exists():
        return ()
    rank = {name: i for i, name in enumerate(order)}
    files = [(unquote(p.stem), p) for p in folder.glob("*.spool")]
    files.sort(key=lambda f: (rank.get(f[0], len(rank)), f[0]))
    return tuple(m for party, path in files for m in _read(path, party))


def _read(path: Path, party: str) -> list[Message]:
    raw = path.read_bytes()
    messages: list[Message] = []
    at = 0
    while (end := raw.find(b"\n", at)) >= 0:
        try:
            header = json.loads(raw[at:end])
            kept = int(header["kept"])
        except (ValueError, KeyError, TypeError):
            break  # the tail that a crash left
        payload = raw[end + 1 : end + 1 + max(kept, 0)]
        if len(payload) != kept:
            break
        messages.append(
            Message(
                sender=party,
                receiver=header["receiver"],
                label=header["label"],
                nbytes=header["nbytes"],
                payload=payload,
                sequence=header["sequence"],
                round=header["round"],
                complete=kept == header["nbytes"],
                sha256=header["sha256"],
            )
        )
        at = end + 1 + kept
    return messages
