"""The little that this project asks of the operating system about processes."""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress
from pathlib import Path

PDEATHSIG, SUBREAPER = 1, 36  # of prctl(2)
_libc = ctypes.CDLL(None)


def prctl(option: int, value: int) -> None:
    """Set a property of this process, where the system knows it."""
    with suppress(AttributeError):
        _libc.prctl(option, value, 0, 0, 0)


def end_with_parent() -> None:
    """Have this process killed when its parent dies."""
    prctl(PDEATHSIG, signal.SIGKILL)


def child_pids(pid: int) -> list[int]:
    """Pids of the children of a process."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Pids of all processes below *pid*."""
    found: list[int] = []
    waiting = child_pids(pid)
    while waiting:
        found += waiting
        waiting = [grandchild for child in waiting for grandchild in child_pids(child)]
    return found
