"""Where cells run. An engine takes works and yields what came of them, in whatever order they end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.job import Job
from pets_eval.run.supervise import Limits, Servers, supervise

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Work:
    """One cell to be done: its first job, the modules its fork server preloads, its limits."""

    job: Job
    modules: tuple[str, ...]
    limits: Limits


class Engine(Protocol):
    """What the runner asks of an engine."""

    def run(self, works: Iterable[Work]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Do the works; yield (identity, outcome) as each ends, its files in the cell's folder below the root."""
        ...

    def close(self) -> None:
        """End whatever still runs."""
        ...


def perform(work: Work, servers: Servers) -> dict[str, Any]:
    """Do one cell: run it and then score it, each in a child process of its own, and merge the outcomes."""
    job = work.job
    if job.kind != "score":
        shutil.rmtree(job.home, ignore_errors=True)
    outcome = supervise(job, work.modules, work.limits, servers)
    shutil.rmtree(job.home / "work", ignore_errors=True)
    if job.kind != "run" or outcome["status"] != "finished":
        return _with_overhead(outcome, outcome["total_s"], 0.0)
    if outcome["processes"] > 1:
        cost = outcome["cost"]
        cost["peak_bytes"] = max(cost["peak_bytes"], outcome["group_peak_bytes"])
    scored = supervise(replace(job, kind="score", cost=outcome["cost"]), work.modules, work.limits, servers)
    total = outcome["total_s"] + scored["total_s"]
    if scored["status"] == "finished":
        outcome |= {key: scored[key] for key in ("scores", "seats", "metric_s")}
    else:
        outcome["reason"] = f"scoring {scored['status']}: {scored['reason']}"
    return _with_overhead(outcome, total, outcome["cost"]["wall_s"])


def _with_overhead(outcome: dict[str, Any], total: float, technique_s: float) -> dict[str, Any]:
    """Say what the engine itself took: all but the technique and the metrics."""
    return outcome | {"overhead_s": max(total - technique_s - outcome.get("metric_s", 0.0), 0.0)}


def crashed(error: Exception) -> dict[str, Any]:
    """The outcome of a cell whose engine, not its technique, failed."""
    return {"status": "crashed", "reason": f"the engine could not run the cell ({type(error).__name__})"}


class LocalEngine:
    """Cells in child processes of this machine, a few at a time."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._servers = Servers(threads=max(1, available_cpus() // workers))

    def run(self, works: Iterable[Work]) -> Iterator[tuple[str, dict[str, Any]]]:
        """See `Engine.run`."""
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="cell")
        try:
            futures = {pool.submit(perform, work, self._servers): work.job.identity for work in works}
            for future in as_completed(futures):
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield futures.pop(future), crashed(error) if error else future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self.close()
            pool.shutdown(wait=True)

    def close(self) -> None:
        """See `Engine.close`."""
        self._servers.close()


def available_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_engine(name: str, workers: int | None, root: Path, address: str | None) -> Engine:
    """The engine called *name*; raises `PetsEvalError` for an unknown one or one that is not installed."""
    if name == "local":
        return LocalEngine(workers or available_cpus())
    if name == "ray":
        from pets_eval.run.ray_engine import RayEngine

        return RayEngine(workers, root, address)
    raise PetsEvalError(f"unknown engine {name!r}; engines are {', '.join(ENGINES)}")
