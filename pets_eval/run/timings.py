"""What cells took on this machine before, so that a plan can say how long it will take."""

from __future__ import annotations

import json
from contextlib import suppress
from statistics import median

from pets_eval.model.record import RunRecord, Spec
from pets_eval.run.data import DataPlan, cache_dir
from pets_eval.run.files import write_json

_FILE = "timings.json"


def _key(use: str, dataset: str, task: str, columns: int) -> str:
    return f"{use}|{dataset}|{task}|{columns}"


def lookup(data: DataPlan, spec: Spec, task: str) -> tuple[float, float] | None:
    """Median wall seconds (with scoring) and peak bytes of such a cell; None if it never ran here."""
    try:
        known = json.loads((cache_dir() / _FILE).read_text())
    except (OSError, ValueError):
        return None
    found = known.get(_key(spec.technique, data.pick.use, task, len(data.schema.columns)))
    return (float(found[0]), float(found[1])) if found else None


class Timings:
    """Gathers what the cells of a run took, by technique, dataset and task, and keeps the medians for later plans."""

    def __init__(self, plans: dict[str, DataPlan], tasks: dict[str, str]) -> None:
        self._plans, self._tasks = plans, tasks
        self._seen: dict[str, list[tuple[float, float]]] = {}

    def add(self, record: RunRecord) -> None:
        """Take note of a cell that was just run."""
        if record.status != "finished" or record.spec.kind != "cell" or record.cost is None:
            return
        spec, data = record.spec, self._plans[record.spec.dataset]
        key = _key(spec.technique, data.pick.use, self._tasks[spec.task], len(data.schema.columns))
        total = (record.cost.wall_s or 0.0) + (record.overhead_s or 0.0)
        self._seen.setdefault(key, []).append((total, record.cost.peak_bytes or 0.0))

    def keep(self) -> None:
        """Write the medians into the cache; where that cannot be written, plans know less, and that is all."""
        if not self._seen:
            return
        path = cache_dir() / _FILE
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError):
            known = {}
        known |= {key: [median(s for s, _ in rows), max(p for _, p in rows)] for key, rows in self._seen.items()}
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, known)
