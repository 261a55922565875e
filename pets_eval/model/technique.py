"""What a technique is, and what the runner lends it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pets_eval.model.claims import Claims
from pets_eval.model.data import Inputs, Party, Task
from pets_eval.model.release import Release
from pets_eval.model.schema import Schema

if TYPE_CHECKING:
    import numpy as np


class Tap(Protocol):
    """A party's own recorder, usable from another process (it pickles). Writes survive a crash of the writer."""

    def write(self, receiver: str, label: str, payload: bytes, *, round: str = "") -> None:
        """Record a message from this party as it was after decryption of the transport."""
        ...


class Context(Protocol):
    """Lent by the runner for one run."""

    rng: np.random.Generator
    workdir: Path

    def progress(self, done: float, note: str = "") -> None:
        """Say how far the run is: *done* between 0 and 1."""
        ...

    def send(self, sender: str, receiver: str, label: str, payload: bytes, *, round: str = "") -> bytes:
        """Carry *payload* from one party to another, recording exactly what crossed; returns what arrives."""
        ...

    def hold(self, party: str, label: str, value: Any) -> None:
        """Record what *party* keeps: bytes, an array, a DataFrame, or plain JSON values."""
        ...

    def tap(self, party: str) -> Tap:
        """A recorder for a party that runs in its own process."""
        ...

    def phase(self, name: str, party: str = "") -> AbstractContextManager[None]:
        """Time a part of the run for *party*: `with ctx.phase("train", "site-1"): ...`."""
        ...


class Mechanism(Protocol):
    """A technique resolved for a task and a schema, that releases many times at little cost."""

    def run_many(self, inputs: Inputs, n: int) -> Sequence[Release]:
        """*n* independent releases from *inputs*."""
        ...


class Technique(ABC):
    """A privacy-enhancing technique under evaluation.

    Subclasses are frozen dataclasses of their parameters, made by `registry.technique`. Heavy libraries are imported
    inside `run`; `requires` names the import packages it needs and `extra` the optional extra that brings them.
    A technique may also have `prepare(task, schema, ctx) -> Mechanism` and `verify(statement, attachment) -> Verified`;
    one that releases a model has `load_model(data: bytes) -> Model`, which reads it back without running code from it.
    """

    name: ClassVar[str]
    extra: ClassVar[str] = ""
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """None if this technique can do *task*, else the reason why not."""
        return None

    @abstractmethod
    def claims(self) -> Claims:
        """What this technique says of itself with these parameters."""

    def fingerprint(self) -> str:
        """A digest of whatever its release depends on beside parameters, data and source, such as a file it reads."""
        return ""

    @abstractmethod
    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Do the task on the inputs and return what may leave."""
