"""A fork server: a single-threaded process that has imported the heavy packages once and forks a child per job.

Started as `python -m pets_eval.run.server SOCKET MODULE...`. Each connection on the socket asks for one job (one JSON
line) and is handed to a keeper (see `keeper`), forked from here. Forking is safe because nothing here starts a thread;
should an imported package have started one, each job gets a fresh interpreter instead. When the parent goes away, in
whatever manner, every keeper ends its job.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from pets_eval.run.keeper import keep


def main(path: str, modules: list[str]) -> None:
    """Serve on the socket *path* until standard input closes."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a package that prints when it is imported must not be taken for us
    for name in modules:
        _preload(name)
    gc.collect()
    gc.freeze()  # what was imported is not garbage: no child walks it again, and copies its pages
    tasks = Path("/proc/self/task")
    fork = not tasks.exists() or len(list(tasks.iterdir())) == 1
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    answer.write("ready\n")
    answer.close()
    serve(listener, fork=fork)


def _preload(name: str) -> None:
    with suppress(Exception):  # a missing extra: the cell itself says so
        importlib.import_module(name)


def serve(listener: socket.socket, *, fork: bool) -> None:
    """Fork a keeper per connection; end with standard input, which ends the keepers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers that end are not waited for
    server = os.getpid()
    with selectors.DefaultSelector() as selector:
        for source in (listener, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                client, _ = listener.accept()
                with client, suppress(OSError):  # no process can be had: the supervisor sees the connection close
                    if os.fork() == 0:
                        _become_keeper(client, selector, listener, server, fork=fork)


def _become_keeper(
    client: socket.socket, selector: selectors.BaseSelector, listener: socket.socket, server: int, *, fork: bool
) -> None:
    code = 1
    try:
        selector.close()
        listener.close()
        keep(client, server, fork=fork)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
