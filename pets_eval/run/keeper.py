"""The keeper of one job: starts it in a session of its own, waits for it, and lets nothing of it live on.

It is a child subreaper: whatever the job's processes do (new groups, new sessions, daemons), their orphans come to the
keeper, which kills them when the job ends, when the supervisor hangs up, and when the server that forked it dies.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from pets_eval.run.process import PDEATHSIG, SUBREAPER, child_pids, prctl


def keep(client: socket.socket, server: int, *, fork: bool) -> None:
    """Do the job that *client* asks for; tell its pid at once, and its exit code and CPU seconds at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _on_orphaned)
    prctl(SUBREAPER, 1)
    prctl(PDEATHSIG, signal.SIGTERM)
    if os.getppid() != server:
        return  # it died before we asked to be told
    line = client.makefile("rb").readline()
    if not line:
        return
    request = json.loads(line)
    job = _fork(client, request) if fork else _spawn(request)
    client.sendall(json.dumps({"pid": job, "keeper": os.getpid()}).encode() + b"\n")
    status = _wait(job, client)
    kill_all()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = {"exit": status, "cpu_s": used.ru_utime + used.ru_stime}
    with suppress(OSError):
        client.sendall(json.dumps(ended).encode() + b"\n")


def _fork(client: socket.socket, request: dict[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        client.close()
        os.closerange(3, 1024)
        from pets_eval.run.child import work

        work(request["job"])
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(1)


def _spawn(request: dict[str, str]) -> int:
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, request["log"], append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = [sys.executable, "-m", "pets_eval.run.child", request["job"]]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)


def _wait(job: int, client: socket.socket) -> int | None:
    """The job's exit code; None if the supervisor hung up before it ended."""
    end = os.pidfd_open(job)
    try:
        while True:
            ready, _, _ = select.select([end, client.fileno()], [], [])
            if end in ready:
                return os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
            if not client.recv(1):
                return None
    finally:
        os.close(end)


def kill_all() -> None:
    """Kill and reap the children of this process until none is left; orphans of each come here in turn."""
    while children := child_pids(os.getpid()):
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _on_orphaned(*_: object) -> None:
    kill_all()
    time.sleep(0)  # let the kernel hand over the last orphans
    kill_all()
    os._exit(1)
