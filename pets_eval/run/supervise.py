"""Run one job in a child process of its own: with a time limit, a memory limit, and no way to take others along."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_eval.run.files import write_atomic
from pets_eval.run.job import Job

_POLL_S = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """Limits of one job: seconds of wall time, bytes of memory above the idle baseline."""

    timeout_s: float
    memory_bytes: float


class Servers:
    """The fork servers of this machine, one per set of preloaded modules, started when first needed."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._folder = tempfile.mkdtemp(prefix="pets-eval-")
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, ...], _Server] = {}

    def connect(self, modules: tuple[str, ...]) -> socket.socket:
        """A fresh connection to the server that has *modules* preloaded."""
        with self._lock:
            server = self._servers.get(modules)
            if server is None or server.process.poll() is not None:
                socket_path = f"{self._folder}/{len(self._servers)}-{time.monotonic_ns()}"
                server = self._servers[modules] = _Server(socket_path, modules, self._threads)
        server.wait_ready()
        client = socket.socket(socket.AF_UNIX)
        client.connect(server.path)
        return client

    def close(self) -> None:
        """Stop all servers; they kill what still runs."""
        with self._lock:
            for server in self._servers.values():
                server.stop()
            self._servers.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Server:
    def __init__(self, path: str, modules: tuple[str, ...], threads: int) -> None:
        self.path = path
        self._ready = threading.Lock()
        self._is_ready = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pets_eval.run.server", path, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment(threads),
        )

    def wait_ready(self) -> None:
        with self._ready:
            if not self._is_ready:
                assert self.process.stdout is not None
                if not self.process.stdout.readline():
                    raise RuntimeError("a fork server could not start")
                self._is_ready = True

    def stop(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a server: no library may start a thread on import, each cell keeps to its share of cores."""
    quiet = {
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
        "POLARS_MAX_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "_RJEM_MALLOC_CONF": "background_thread:false",
        "FLWR_TELEMETRY_ENABLED": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONHASHSEED": "0",
    }
    return {**os.environ, **quiet}


def supervise(job: Job, modules: tuple[str, ...], limits: Limits, servers: Servers) -> dict[str, Any]:
    """Run *job* to its end, whatever that is, and return its outcome.

    The outcome is what the child wrote (see `cell.execute`) plus "total_s" and "group_peak_bytes"; or a status
    "timed-out", "out-of-memory" or "crashed" with the reason. Nothing of the job is running when this returns.
    """
    start = time.monotonic()
    job.home.mkdir(parents=True, exist_ok=True)
    job_path = job.home / f"{job.kind}.job.json"
    write_atomic(job_path, job.dumps())
    job.outcome_path().unlink(missing_ok=True)
    with servers.connect(modules) as client:
        client.sendall(json.dumps({"job": str(job_path), "log": str(job.log_path())}).encode() + b"\n")
        replies = client.makefile("rb")
        pid = int(json.loads(replies.readline())["pid"])
        watch = _Watch(pid, limits)
        while not select.select([client], [], [], _POLL_S)[0]:
            if watch.over_limit():
                watch.kill()
                break
        line = replies.readline()
        watch.kill()  # whoever left the group but not the session
    ended = json.loads(line) if line else {"exit": None}
    outcome = _outcome(job, ended["exit"], watch, limits)
    outcome["total_s"] = time.monotonic() - start
    outcome["group_peak_bytes"] = watch.peak
    outcome["processes"] = watch.most_processes
    return outcome


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
    """Looks at all processes of the job's session: how long, how much memory, and whether any is left."""

    def __init__(self, pid: int, limits: Limits) -> None:
        self.pid, self.limits, self.start = pid, limits, time.monotonic()
        self.base: float | None = None
        self.peak = 0.0
        self.most_processes = 1
        self.verdict = ""

    def over_limit(self) -> bool:
        members = session_members(self.pid)
        used = resident(members)
        if self.base is None:
            self.base = used
        self.most_processes = max(self.most_processes, len(members))
        self.peak = max(self.peak, used - self.base)
        if time.monotonic() - self.start > self.limits.timeout_s:
            self.verdict = "timed-out"
        elif used - self.base > self.limits.memory_bytes:
            self.verdict = "out-of-memory"
        return bool(self.verdict)

    def kill(self) -> None:
        """Kill the process group and then whoever else is of the session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for member in session_members(self.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member, signal.SIGKILL)


def session_members(session: int) -> list[int]:
    """Pids of the processes of a session, by /proc; empty where there is none."""
    members = []
    with suppress(OSError), os.scandir("/proc") as processes:
        for process in processes:
            if process.name.isdigit():
                with suppress(OSError, IndexError, ValueError):
                    fields = Path(process.path, "stat").read_bytes().rpartition(b")")[2].split()
                    if int(fields[3]) == session and fields[0] != b"Z":
                        members.append(int(process.name))
    return members


def resident(members: list[int]) -> float:
    """Resident bytes of these processes; of several, shared pages are divided among their users."""
    total = 0.0
    for pid in members:
        with suppress(OSError, ValueError, IndexError):
            if len(members) == 1:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
            else:
                total += _proportional(pid)
    return total


def _proportional(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) * 1024
    return 0.0
