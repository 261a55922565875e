"""A fork server: a single-threaded process that has imported the heavy packages once and forks a child per job.

Started as `python -m pets_eval.run.server SOCKET MODULE...`. Each connection on the socket asks for one job (one JSON
line); the server answers with the child's pid, and with its exit status and resource use when it ends. Forking is
safe because nothing here starts a thread; should an imported package have started one, the server says so and each
child is a fresh interpreter instead. When the parent goes away, in whatever manner, every child is killed.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def main(path: str, modules: list[str]) -> None:
    """Serve on the socket *path* until standard input closes."""
    failed = [name for name in modules if not _preload(name)]
    threads = len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").exists() else 1
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    print(json.dumps({"ready": True, "threads": threads, "failed": failed}), flush=True)
    _Server(listener, fork=threads == 1).serve()


def _preload(name: str) -> bool:
    try:
        importlib.import_module(name)
    except BaseException:  # a missing extra: the cell itself says so
        return False
    return True


class _Server:
    def __init__(self, listener: socket.socket, *, fork: bool) -> None:
        self.listener, self.fork = listener, fork
        self.clients: dict[int, socket.socket] = {}  # pid -> who asked for it
        self.selector = selectors.DefaultSelector()
        self.wake, wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> None:
        for source in (self.listener, sys.stdin, self.wake):
            self.selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    self.stop()
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj == self.wake:
                    with suppress(BlockingIOError):
                        os.read(self.wake, 4096)
                    self.reap()
                elif isinstance(key.fileobj, socket.socket):
                    self.hang_up(key.fileobj)

    def accept(self) -> None:
        client, _ = self.listener.accept()
        line = client.makefile("rb").readline()
        if not line:
            client.close()
            return
        pid = self.start(json.loads(line))
        self.clients[pid] = client
        self.selector.register(client, selectors.EVENT_READ)
        _tell(client, {"pid": pid})

    def start(self, request: dict[str, str]) -> int:
        if not self.fork:
            command = [sys.executable, "-m", "pets_eval.run.child", request["job"]]
            append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, request["log"], append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ]
            return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
        pid = os.fork()
        if pid:
            return pid
        try:
            self.become_child(request)
        finally:
            os._exit(1)

    def become_child(self, request: dict[str, str]) -> None:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 1024)
        from pets_eval.run.child import work

        work(request["job"])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def reap(self) -> None:
        while self.clients:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            client = self.clients.pop(pid, None)
            if client is not None:
                code = os.waitstatus_to_exitcode(status)
                _tell(client, {"exit": code, "cpu_s": usage.ru_utime + usage.ru_stime})
                self.selector.unregister(client)
                client.close()
            _kill_group(pid)  # what the cell left behind

    def hang_up(self, client: socket.socket) -> None:
        """The supervisor is gone or wants the job ended."""
        pid = next((p for p, c in self.clients.items() if c is client), None)
        if pid is not None:
            _kill_group(pid)
            self.selector.unregister(client)
            self.clients[pid].close()
            del self.clients[pid]
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def stop(self) -> None:
        for pid in self.clients:
            _kill_group(pid)
        os._exit(0)


def _tell(client: socket.socket, message: dict[str, object]) -> None:
    with suppress(OSError):
        client.sendall(json.dumps(message).encode() + b"\n")


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
