"""Cells as Ray tasks: the same child-process code on other machines, outcomes streamed back to the single writer.

Nodes share no file system: the prepared dataset travels through Ray's object store, the cell's files come back as one
archive. What a node keeps lies in a private temporary folder of the worker process and goes with it. A cell whose node
is lost is run again by Ray; after two more losses it becomes a record.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.engine import Work, crashed, perform
from pets_eval.run.job import Job
from pets_eval.run.servers import Servers
from pets_eval.run.supervise import Limits

_RETRIES = 2
_AHEAD = 4  # tasks handed to Ray per free processor
# A process on its own, since Ray kills the children of its workers: waits until the worker that holds the other end of
# its standard input is gone, then for what ends with the worker, and removes the folder.
_JANITOR = """
import os, shutil, sys, time
if os.fork():
    os._exit(0)
sys.stdin.read()
time.sleep(1)
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""

_HELD_OPEN: list[subprocess.Popen[bytes]] = []


class RayEngine:
    """Cells on the Ray cluster at *address*, or on a local head that is started and stopped with the engine."""

    def __init__(self, workers: int | None, root: Path, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise PetsEvalError("the ray engine needs Ray; install it with: pip install 'pets-eval[ray]'") from None
        self._ray, self._root = ray, root
        if address:
            _refuse_silent(address)
        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            else:
                ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise PetsEvalError(
                f"no Ray cluster answers at {address or 'this machine'} ({type(error).__name__}); check --ray-address"
            ) from None

    def run(self, works: Iterable[Work]) -> Iterator[tuple[str, dict[str, Any]]]:
        """See `engine.Engine.run`."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(perform_on_node)
        data: dict[str, Any] = {}
        waiting = iter(works)
        running: dict[Any, str] = {}
        try:
            while True:
                room = _AHEAD * int(ray.cluster_resources().get("CPU", 1)) - len(running)
                for _, work in zip(range(room), waiting, strict=False):
                    job = work.job
                    if job.data not in data:
                        data[job.data] = ray.put(pack(job.dataset_home))
                    kept = pack(job.home) if job.kind == "score" else b""
                    running[task.remote(_as_text(work), data[job.data], kept)] = job.identity
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                identity = running.pop(done[0])
                yield identity, self._collect(done[0], identity)
        finally:
            self.close()

    def _collect(self, reference: Any, identity: str) -> dict[str, Any]:
        try:
            outcome, files = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            lost = isinstance(error, (self._ray.exceptions.NodeDiedError, self._ray.exceptions.WorkerCrashedError))
            if lost:
                return {"status": "crashed", "reason": f"the node that ran the cell was lost {_RETRIES + 1} times"}
            return crashed(error)
        home = self._root / "cells" / identity
        old = home.with_name(f".{home.name}.old")
        if home.exists():
            home.replace(old)
        unpack(files, home)
        shutil.rmtree(old, ignore_errors=True)
        return dict(outcome)

    def close(self) -> None:
        """Leave the cluster; a local head ends."""
        self._ray.shutdown()


def _refuse_silent(address: str) -> None:
    """Ask for a connection first: Ray itself waits for minutes, and ends the process, where nobody answers."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        return  # "auto" and the like
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        raise PetsEvalError(f"no Ray cluster answers at {address}; check --ray-address") from None


def perform_on_node(text: str, data: bytes, kept: bytes) -> tuple[dict[str, Any], bytes]:
    """Do one work in this Ray worker process; returns its outcome and the files of its cell."""
    values = json.loads(text)
    root = _node_root()
    job = replace(Job(**values["job"]), root=str(root))
    if not job.dataset_home.exists():
        unpack(data, job.dataset_home)
    if kept:
        shutil.rmtree(job.home, ignore_errors=True)
        unpack(kept, job.home)
    outcome = perform(Work(job, tuple(values["modules"]), Limits(**values["limits"])), _node_servers())
    files = pack(job.home)
    shutil.rmtree(job.home, ignore_errors=True)
    return outcome, files


def _as_text(work: Work) -> str:
    return json.dumps({"job": asdict(work.job), "modules": work.modules, "limits": asdict(work.limits)})


@cache
def _node_root() -> Path:
    """A folder of this worker process, removed when the process ends in whatever manner, Ray killing it included."""
    folder = tempfile.mkdtemp(prefix="pets-eval-node-")  # mode 0700
    janitor = subprocess.Popen(
        [sys.executable, "-c", _JANITOR, folder],
        stdin=subprocess.PIPE,  # held open for as long as this process lives
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    janitor.wait()
    _HELD_OPEN.append(janitor)
    return Path(folder)


@cache
def _node_servers() -> Servers:
    return Servers()


def pack(folder: Path) -> bytes:
    """The files of *folder* as one archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """Lay the files of *archive* down as *folder*, all at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(temporary, filter="data")
    temporary.replace(folder)
