"""Where cells run. An engine takes works and yields what came of them, in whatever order they end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pets_eval.model.record import MetricResult
from pets_eval.registry import metric_spec, source_hash
from pets_eval.run.job import STARTED, Job
from pets_eval.run.servers import Servers
from pets_eval.run.supervise import Limits, supervise


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
    if job.kind == "score":
        return _score(work, job, servers)
    shutil.rmtree(job.home, ignore_errors=True)
    outcome = supervise(job, work.modules, work.limits, servers)
    for scratch in (job.home / "work", *job.home.glob("rerun-*")):
        shutil.rmtree(scratch, ignore_errors=True)
    if job.kind == "probe" or outcome["status"] != "finished":
        return outcome | {"overhead_s": max(outcome["total_s"] - outcome.get("metric_s", 0.0), 0.0)}
    cost = outcome["cost"]
    if outcome["processes"] > 1:
        cost["peak_bytes"] = max(cost["peak_bytes"], outcome["group_peak_bytes"])
        cost["cpu_s"] = max(cost["cpu_s"], outcome["group_cpu_s"] - outcome["own_cpu_s"])
    if cost["peak_bytes"] > work.limits.memory_bytes:  # a peak between two looks of the supervisor
        reason = (
            f"held {cost['peak_bytes'] / 1e9:.3g} GB, above the memory limit of {work.limits.memory_bytes / 1e9:g} GB"
        )
        return {"status": "out-of-memory", "reason": reason, "started": outcome["started"]}
    overhead = max(outcome["total_s"] - cost["wall_s"], 0.0)
    if outcome["elsewhere"]:  # what it took to read the release in says nothing of what it took to make it
        cost = {}
    scored = _score(work, replace(job, kind="score", cost=cost), servers)
    overhead += scored["overhead_s"]
    return outcome | {"cost": cost, "scores": scored["scores"], "seats": scored["seats"], "overhead_s": overhead}


def _score(work: Work, job: Job, servers: Servers) -> dict[str, Any]:
    """Score a kept release. A metric that takes its process down is a failed metric; the others go on after it."""
    scores: dict[str, Any] = {}
    seats: list[str] = []
    left = list(job.metrics)
    overhead = 0.0
    while left:
        shutil.rmtree(job.scores_home, ignore_errors=True)
        outcome = supervise(replace(job, metrics=left), work.modules, work.limits, servers)
        overhead += max(outcome["total_s"] - outcome.get("metric_s", outcome["total_s"]), 0.0)
        seats = outcome.get("seats", seats)
        done = _kept_scores(job, left)
        scores |= done
        left = [name for name in left if name not in done]
        if outcome["status"] != "finished":
            # without any score the process never came to a metric, and would not come to the next one either
            blamed = left[:1] if (job.scores_home / STARTED).exists() else left
            reason = f"scoring {outcome['status']}: {outcome['reason']}"
            scores |= {name: failed_metric(name, reason).model_dump(mode="json") for name in blamed}
            left = [name for name in left if name not in blamed]
    return {"status": "finished", "scores": scores, "seats": seats, "overhead_s": overhead}


def _kept_scores(job: Job, names: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        path = job.scores_home / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    return found


def failed_metric(name: str, reason: str) -> MetricResult:
    """The result of a metric that could not be computed."""
    spec = metric_spec(name)
    return MetricResult(
        source=source_hash("metrics", name),
        axis=spec.axis,
        goal=spec.goal,
        unit=spec.unit,
        range=spec.range,
        needs=list(spec.needs),
        headline=list(spec.headline),
        status="failed",
        reason=reason,
    )


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
