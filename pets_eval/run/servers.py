"""The fork servers of a process, one per set of preloaded modules, started when first needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

_LONGEST_SOCKET_FOLDER = 80  # a socket's whole path must stay below 108 bytes


class Servers:
    """Starts servers, connects to them, and ends them. Safe to use from several threads."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        folder = tempfile.mkdtemp(prefix="pets-eval-")
        if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
            shutil.rmtree(folder)
            folder = tempfile.mkdtemp(prefix="pets-eval-", dir="/tmp")
        self._folder = folder
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, ...], _Server] = {}
        self._closed = False

    def connect(self, modules: tuple[str, ...]) -> socket.socket:
        """A fresh connection to the server that has *modules* preloaded; a server that died is started anew."""
        for _ in range(2):
            server = self._server(modules)
            with suppress(OSError):
                server.wait_ready()
                client = socket.socket(socket.AF_UNIX)
                client.connect(server.path)
                return client
            server.stop()
        raise RuntimeError("a fork server could not start")

    def close(self) -> None:
        """Stop all servers; they end what still runs."""
        with self._lock:
            self._closed = True
            for server in self._servers.values():
                server.stop()
            self._servers.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _server(self, modules: tuple[str, ...]) -> _Server:
        with self._lock:
            if self._closed:
                raise RuntimeError("the fork servers are closed")
            server = self._servers.get(modules)
            if server is None or server.process.poll() is not None:
                if server is not None:
                    server.stop()
                path = f"{self._folder}/{time.monotonic_ns()}"
                server = self._servers[modules] = _Server(path, modules, self._threads)
            return server


class _Server:
    def __init__(self, path: str, modules: tuple[str, ...], threads: int) -> None:
        self.path = path
        self._waiting = threading.Lock()
        self._ready = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pets_eval.run.server", path, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment(threads),
        )

    def wait_ready(self) -> None:
        """Wait until the server listens; raises `ConnectionError` if it ended instead."""
        with self._waiting:
            if not self._ready:
                assert self.process.stdout is not None
                if not self.process.stdout.readline():
                    raise ConnectionError("the fork server ended")
                self._ready = True

    def stop(self) -> None:
        """End the server, and with it whatever it still runs."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
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
