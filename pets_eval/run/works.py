"""From a planned cell to the job that does it: the same for a run and for a later scoring."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pets_eval.model.data import Task
from pets_eval.model.params import canonical
from pets_eval.model.record import Planned, RunRecord, Spec
from pets_eval.model.study import Study
from pets_eval.registry import entry, load, make_task, metric_spec
from pets_eval.run.identity import identity
from pets_eval.run.job import Job

_BASE_MODULES = (
    "numpy",
    "pandas",
    "pandas.io.parquet",
    "pyarrow.parquet",
    "pandas.core.arrays.arrow.extension_types",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "scipy.special",
    "scipy.stats",
    "pets_eval.model.conform",
    "pets_eval.run.cell",
    "pets_eval.run.scoring",
    "pets_eval.run.warm",
)
_RECORD_MODULES = ("sklearn.ensemble", "sklearn.linear_model", "sklearn.tree", "sklearn.preprocessing", "numba")


def tasks_of(study: Study) -> dict[str, Task]:
    """The tasks of a study by label."""
    return {t.label: make_task(t.use, t.params) for t in study.tasks}


def planned(spec: Spec, task: Task, dataset_use: str, key: str, seed: int) -> Planned:
    """A cell with its identity. *key* is that of the prepared dataset."""
    return Planned(identity=identity(spec, task.name, canonical(task), dataset_use, key, seed), spec=spec)


def make_job(cell: Planned, task: Task, study: Study, key: str, root: Path, metrics: list[str]) -> Job:
    """The job that runs a cell from nothing."""
    return Job(
        kind="probe" if cell.spec.kind == "probe" else "run",
        root=str(root.resolve()),
        identity=cell.identity,
        spec=cell.spec.model_dump(mode="json"),
        data=key,
        task_use=task.name,
        task_params=canonical(task),
        seed=study.seed,
        coalitions=study.coalitions,
        seats=study.seats,
        metrics=metrics,
    )


def score_job(job: Job, record: RunRecord, metrics: list[str]) -> Job:
    """The job that adds *metrics* to the scores of a finished cell."""
    cost: dict[str, Any] | None = record.cost.model_dump(mode="json") if record.cost else None
    return replace(job, kind="score", metrics=metrics, cost=cost)


def unscored(record: RunRecord, wanted: Mapping[str, str]) -> list[str]:
    """Names of the *wanted* metrics (name -> source) that the record lacks, has of another source, or that failed."""
    kept = {n: r.source for n, r in record.scores.items() if r.status != "failed"}
    return [name for name, source in wanted.items() if kept.get(name) != source]


def preloads(techniques: Iterable[str], tasks: Iterable[str], metrics: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What the fork server of each family imports before it forks."""
    common: set[str] = set()
    for name in metrics:
        common |= {entry("metrics", name).module, *(m for m in metric_spec(name).uses if _installed(m))}
    for name in tasks:
        plugin = load("tasks", name)
        common |= {entry("tasks", name).module, *plugin.uses}
        if plugin.wants_records:  # attacks and fidelity learn models of records
            common.update(m for m in _RECORD_MODULES if _installed(m))
    families: dict[str, set[str]] = {}
    for name in techniques:
        found = entry("techniques", name)
        families.setdefault(found.family, set()).update({found.module, *load("techniques", name).requires})
    return {family: (*_BASE_MODULES, *sorted(common), *sorted(own)) for family, own in families.items()}


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None
