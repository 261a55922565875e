"""Run one job in a child process of its own: with a time limit, a memory limit, and no way to take others along."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_eval.run.files import write_atomic
from pets_eval.run.job import Job
from pets_eval.run.process import descendants
from pets_eval.run.servers import Servers

_POLL_S = 0.05
_SLOWEST_POLL_S = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """Limits of one job: seconds of wall time, bytes of memory above the idle baseline."""

    timeout_s: float
    memory_bytes: float


def supervise(job: Job, modules: tuple[str, ...], limits: Limits, servers: Servers) -> dict[str, Any]:
    """Run *job* to its end, whatever that is, and return its outcome.

    The outcome is what the child wrote (see `cell.execute`), or a status "timed-out", "out-of-memory" or "crashed" with
    the reason; plus what was seen from outside: "total_s", and over all processes of the job "processes" (most at
    once), "group_peak_bytes" (above the baseline) and "group_cpu_s". Nothing of the job runs when this returns.
    """
    start = time.monotonic()
    job.home.mkdir(parents=True, exist_ok=True)
    job_path = job.home / f"{job.kind}.job.json"
    write_atomic(job_path, job.dumps())
    job.outcome_path().unlink(missing_ok=True)
    with servers.connect(modules) as client:
        client.sendall(json.dumps({"job": str(job_path), "log": str(job.log_path())}).encode() + b"\n")
        replies = client.makefile("rb")
        watch = _Watch(json.loads(replies.readline())["keeper"], limits)
        while not select.select([client], [], [], watch.pause())[0]:
            if watch.over_limit():
                client.shutdown(socket.SHUT_WR)  # the keeper kills the job, then answers
        line = replies.readline()
    ended: dict[str, Any] = json.loads(line) if line else {"exit": None, "cpu_s": 0.0}
    return _outcome(job, ended["exit"], watch, limits) | {
        "total_s": time.monotonic() - start,
        "processes": watch.most_processes,
        "group_peak_bytes": watch.peak,
        "group_cpu_s": ended["cpu_s"],
    }


def _outcome(job: Job, code: int | None, watch: _Watch, limits: Limits) -> dict[str, Any]:
    if watch.verdict == "timed-out":
        return {"status": "timed-out", "reason": f"stopped after the time limit of {limits.timeout_s:g} s"}
    if watch.verdict == "out-of-memory":
        gigabytes = limits.memory_bytes / 1e9
        return {"status": "out-of-memory", "reason": f"stopped above the memory limit of {gigabytes:g} GB"}
    try:
        written: dict[str, Any] = json.loads(job.outcome_path().read_text())
        return written
    except (OSError, ValueError):
        pass
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (perhaps the system ran out of memory)" if -code == signal.SIGKILL else ""
        return {"status": "crashed", "reason": f"the process was ended by {name}{hint}"}
    return {"status": "crashed", "reason": f"the process left with exit code {code} and no outcome"}


class _Watch:
    """Looks at all processes below a keeper: for how long they run, and how much memory they hold."""

    def __init__(self, keeper: int, limits: Limits) -> None:
        self.keeper, self.limits, self.start = keeper, limits, time.monotonic()
        first = descendants(keeper)
        self.base_rss, self.base_pss = _resident(first), _proportional(first)
        self.peak = 0.0
        self.most_processes = 1
        self.verdict = ""

    def pause(self) -> float:
        """Seconds until the next look: short at first, then a tenth of the time that the job runs, within bounds."""
        return min(max(_POLL_S, (time.monotonic() - self.start) / 10), _SLOWEST_POLL_S)

    def over_limit(self) -> bool:
        """Take a look; True if a limit is passed for the first time."""
        if self.verdict:
            return False
        members = descendants(self.keeper)
        used = _resident(members) - self.base_rss if len(members) == 1 else _proportional(members) - self.base_pss
        self.most_processes = max(self.most_processes, len(members))
        self.peak = max(self.peak, used)
        if time.monotonic() - self.start > self.limits.timeout_s:
            self.verdict = "timed-out"
        elif used > self.limits.memory_bytes:
            self.verdict = "out-of-memory"
        return bool(self.verdict)


def _resident(members: list[int]) -> float:
    """Resident bytes of these processes."""
    total = 0.0
    for pid in members:
        with suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return total


def _proportional(members: list[int]) -> float:
    """Resident bytes of these processes, shared pages divided among their users."""
    total = 0.0
    for pid in members:
        with suppress(OSError, ValueError, IndexError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += float(line.split()[1]) * 1024
    return total
