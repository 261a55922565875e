"""What cells took on this machine before, so that a plan can say how long it will take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING

from pets_eval.model.record import RunRecord
from pets_eval.run.data import DataPlan, cache_dir
from pets_eval.run.files import write_json

if TYPE_CHECKING:
    from pets_eval.run.plan import PlannedCell

_FILE = "timings.json"


def _key(use: str, dataset: str, task: str, columns: int) -> str:
    return f"{use}|{dataset}|{task}|{columns}"


def lookup(data: DataPlan, cell: PlannedCell) -> tuple[float, float] | None:
    """Median wall seconds (with scoring) and peak bytes of such a cell; None if it never ran here."""
    try:
        known = json.loads((cache_dir() / _FILE).read_text())
    except (OSError, ValueError):
        return None
    found = known.get(_key(cell.spec.technique, data.pick.use, cell.task.use, len(data.schema.columns)))
    return (float(found[0]), float(found[1])) if found else None


def remember(plans: dict[str, DataPlan], tasks: dict[str, str], records: Iterable[RunRecord]) -> None:
    """Keep the medians of *records* for later plans. *tasks* gives the use of each task label."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record.status == "finished" and record.cost and record.cost.wall_s is not None:
            spec = record.spec
            data = plans[spec.dataset]
            key = _key(spec.technique, data.pick.use, tasks[spec.task], len(data.schema.columns))
            total = record.cost.wall_s + (record.overhead_s or 0.0)
            seen.setdefault(key, []).append((total, record.cost.peak_bytes or 0.0))
    if not seen:
        return
    path = cache_dir() / _FILE
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    known |= {key: [median(s for s, _ in rows), max(p for _, p in rows)] for key, rows in seen.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, known)
