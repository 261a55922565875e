"""What the runner lends a technique, and the meter that runs beside it."""

from __future__ import annotations

import contextlib
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_eval.model.release import Message
from pets_eval.run.transcript import SpoolTap

if TYPE_CHECKING:
    import numpy as np

Adversary = Callable[[Message], bytes]


class RunContext:
    """The `model.technique.Context` of one run: spooled transcript, held values, phases."""

    def __init__(
        self, rng: np.random.Generator, workdir: Path, spool: Path, adversary: Adversary | None = None
    ) -> None:
        self.rng = rng
        self.workdir = workdir
        self.held: dict[tuple[str, str], Any] = {}
        self.phases: dict[str, dict[str, float]] = {}
        self._spool = spool
        self._taps: dict[str, SpoolTap] = {}
        self._sent: Counter[str] = Counter()
        self._adversary = adversary
        workdir.mkdir(parents=True, exist_ok=True)

    def progress(self, done: float, note: str = "") -> None:
        """Say in the cell's log how far the run is."""
        print(f"{min(max(done, 0.0), 1.0):4.0%} {note}", flush=True)

    def send(self, sender: str, receiver: str, label: str, payload: bytes, *, round: str = "") -> bytes:
        """Record and carry *payload*; an adversary of a rerun may alter it on the way."""
        payload = bytes(payload)
        if self._adversary is not None:
            message = Message(sender, receiver, label, len(payload), payload, self._sent[sender], round or label)
            payload = self._adversary(message)
            self._sent[sender] += 1
        self.tap(sender).write(receiver, label, payload, round=round)
        return payload

    def hold(self, party: str, label: str, value: Any) -> None:
        """Record what *party* keeps under *label*."""
        self.held[party, label] = value

    def tap(self, party: str) -> SpoolTap:
        """The recorder of *party*."""
        if party not in self._taps:
            self._taps[party] = SpoolTap(self._spool, party)
        return self._taps[party]

    @contextlib.contextmanager
    def phase(self, name: str, party: str = "") -> Iterator[None]:
        """Add the wall seconds of the block to (phase, party)."""
        start = time.perf_counter()
        try:
            yield
        finally:
            parties = self.phases.setdefault(name, {})
            parties[party] = parties.get(party, 0.0) + time.perf_counter() - start


class Meter:
    """Wall and CPU seconds and the peak of resident memory of a block, in this process.

    CPU counts children that were waited for. The peak is above the resident memory at the start of the block. What
    other processes hold, and use without being waited for, is seen by the supervisor.
    """

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = self.peak_bytes = 0.0

    def __enter__(self) -> Meter:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # restart the high-water mark here
        self._base = _status("VmRSS")
        self._cpu = cpu_seconds()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._start
        self.cpu_s = cpu_seconds() - self._cpu
        self.peak_bytes = max(_status("VmHWM") - self._base, 0.0)


def cpu_seconds() -> float:
    """CPU seconds of this process so far and of its children that were waited for."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def _status(field: str) -> float:
    """A field of /proc/self/status in bytes; where there is no /proc, the peak that the system reports."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
