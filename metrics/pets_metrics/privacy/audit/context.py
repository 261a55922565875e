"""What a technique is lent where it runs outside of a study: nothing is recorded."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np


class Unrecorded:
    """A `Context` that carries messages and keeps none; its folder goes with it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.workdir = Path(tempfile.mkdtemp(prefix="pets-audit-"))
        weakref.finalize(self, shutil.rmtree, self.workdir, ignore_errors=True)

    def progress(self, done: float, note: str = "") -> None:
        """Say nothing."""

    def send(self, sender: str, receiver: str, label: str, payload: bytes, *, round: str = "") -> bytes:
        """Hand the payload over."""
        return bytes(payload)

    def hold(self, party: str, label: str, value: Any) -> None:
        """Keep nothing."""

    def tap(self, party: str) -> _Nothing:
        """A recorder that records nothing."""
        return _Nothing()

    def phase(self, name: str, party: str = "") -> AbstractContextManager[None]:
        """Time nothing."""
        return nullcontext()


class _Nothing:
    def write(self, receiver: str, label: str, payload: bytes, *, round: str = "") -> None:
        """Record nothing."""
