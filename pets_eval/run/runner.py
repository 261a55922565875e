"""Run a study: prepare the data, do the cells that are not done, keep a record of each. One writer, any engine."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pets_eval.model.errors import Conflict, PetsEvalError
from pets_eval.model.record import MetricResult, Planned, RunRecord, Spec
from pets_eval.registry import entry, load, source_hash
from pets_eval.run.data import cache_dir, prepare
from pets_eval.run.engine import Engine, Work, make_engine
from pets_eval.run.files import private_dir, write_atomic
from pets_eval.run.identity import identity, versions
from pets_eval.run.job import Job
from pets_eval.run.journal import Journal, lock, now, read_manifest, scored_by
from pets_eval.run.manifest import make_manifest, same_run
from pets_eval.run.plan import Plan, PlannedCell, make_plan
from pets_eval.run.studyfile import StudyFile
from pets_eval.run.supervise import Limits
from pets_eval.run.timings import remember

_BASE_MODULES = (
    "numpy",
    "pandas",
    "pandas.io.parquet",
    "pyarrow.parquet",
    "pyarrow.pandas_compat",
    "scipy.stats",
    "sklearn.linear_model",
    "statsmodels.regression.linear_model",
    "pets_eval.run.cell",
    "pets_eval.run.scoring",
    "pets_eval.run.warm",
)


class Reporter(Protocol):
    """Told how a run goes, for whoever watches."""

    def start(self, total: int, done: int) -> None:
        """The plan has *total* cells, of which *done* need nothing more."""
        ...

    def cell(self, record: RunRecord) -> None:
        """A cell has its record."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...


@dataclass(frozen=True)
class RunSummary:
    """What became of the plan: cells by status, and how many of them were there already."""

    directory: Path
    counts: dict[str, int] = field(default_factory=dict)
    resumed: int = 0

    @property
    def unfinished(self) -> int:
        """Cells that failed in whatever way; skipped ones are not among them."""
        return sum(n for status, n in self.counts.items() if status not in ("finished", "skipped"))


def run_study(
    file: StudyFile,
    directory: Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    timeout: float | None = None,
    memory: float | None = None,
    ray_address: str | None = None,
    command: str = "",
    reporter: Reporter,
) -> RunSummary:
    """Run the study in *file* into *directory*, going on where an earlier run stopped.

    *timeout* (seconds) and *memory* (GB) override the study's limits per cell. Raises `PetsEvalError` for bad input,
    before anything is left on disk, and `Conflict` if another process holds the directory.
    """
    plan = make_plan(file)
    with _own(directory, plan):
        root = private_dir(directory / "confidential")
        keys = {label: prepare_data(plan, label, root / "data", reporter) for label in plan.datasets}
        planned = [(_planned(plan, cell, keys[cell.spec.dataset]), cell) for cell in plan.cells]
        manifest = make_manifest(plan, keys, [p for p, _ in planned], root / "data", command)
        path = directory / "run.json"
        if not (path.exists() and same_run(read_manifest(directory), manifest)):
            write_atomic(path, manifest.model_dump_json(by_alias=True, indent=1))
        limits = Limits(timeout or plan.study.limits.timeout, (memory or plan.study.limits.memory) * 1e9)
        with Journal(directory) as journal:
            todo = list(_todo(plan, planned, keys, root, limits, journal))
            skipped = _new_skips(planned, journal)
            reporter.start(len(planned), len(planned) - len(todo) - len(skipped))
            for record in skipped:
                journal.write(record)
                reporter.cell(record)
            if todo:
                specs = {p.identity: p.spec for p, _ in planned}
                tasks = {t.label: t.use for t in plan.study.tasks}
                made = carry_out(todo, specs, journal, make_engine(engine, workers, root, ray_address), reporter)
                remember(plan.datasets, tasks, made)
            states = journal.states()
            counts = Counter(states[p.identity][0] for p, _ in planned if p.identity in states)
            return RunSummary(directory, dict(counts), len(planned) - len(todo))


@contextmanager
def _own(directory: Path, plan: Plan) -> Iterator[None]:
    """Hold *directory* for this run; leave nothing behind if the run cannot even begin."""
    fresh = not directory.exists()
    if directory.is_file() or (not fresh and any(directory.iterdir()) and not _is_run(directory)):
        raise Conflict(f"{directory} is not empty and is not a run of pets-eval; choose another folder with -o")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with lock(directory):
            if (directory / "run.json").exists():
                there = read_manifest(directory).study.name
                if there != plan.study.name:
                    raise Conflict(f"{directory} holds the study {there!r}; choose another folder with -o")
            yield
    except PetsEvalError:
        if fresh and not (directory / "run.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
        raise


def _is_run(directory: Path) -> bool:
    """A run, or what is left of one that was killed while it prepared its data."""
    return (directory / "run.json").exists() or (directory / "run.lock").exists()


def prepare_data(plan: Plan, label: str, root: Path, reporter: Reporter) -> str:
    """Make sure that the rows of a dataset are prepared below *root*; returns their key."""
    data = plan.datasets[label]
    fingerprint = data.source.fingerprint(cache_dir())
    key = data.key(fingerprint)
    if not (root / key).exists():
        reporter.note(f"preparing dataset {label}")
        private_dir(root)
        prepare(data, fingerprint, root)
    return key


def _planned(plan: Plan, cell: PlannedCell, key: str) -> Planned:
    use = plan.datasets[cell.spec.dataset].pick.use
    name = identity(cell.spec, cell.task.use, cell.task.params, use, key, plan.study.seed)
    return Planned(identity=name, spec=cell.spec)


def _todo(
    plan: Plan,
    planned: list[tuple[Planned, PlannedCell]],
    keys: dict[str, str],
    root: Path,
    limits: Limits,
    journal: Journal,
) -> Iterator[Work]:
    """The cells that have no finished record, and those whose record lacks a score that the study asks for."""
    states = journal.states()
    wanted = {name: source_hash("metrics", name) for name in plan.metrics}
    modules = preloads(
        {c.spec.technique for _, c in planned}, {c.task.use for _, c in planned}, plan.metrics + plan.probes
    )
    for p, cell in planned:
        if cell.skip:
            continue
        status, scored = states.get(p.identity, ("", ""))
        job = make_job(p, cell, plan, keys[cell.spec.dataset], root)
        if status == "finished" and cell.spec.kind == "cell":
            if scored == scored_by(wanted):
                continue
            there = {n: r.source for n, r in journal.read(p.identity).scores.items()}
            names = [n for n in plan.metrics if there.get(n) != wanted[n]]
            if not names:
                continue
            job = score_job(job, journal.read(p.identity), names)
        elif status == "finished":
            continue
        yield Work(job, modules[cell.spec.family], limits)


def make_job(p: Planned, cell: PlannedCell, plan: Plan, key: str, root: Path) -> Job:
    """The job that runs a cell from nothing."""
    study = plan.study
    return Job(
        kind="probe" if cell.spec.kind == "probe" else "run",
        root=str(root.resolve()),
        identity=p.identity,
        spec=cell.spec.model_dump(mode="json"),
        data=key,
        task_use=cell.task.use,
        task_params=cell.task.params,
        seed=study.seed,
        coalitions=study.coalitions,
        seats=study.seats,
        metrics=plan.metrics,
    )


def score_job(job: Job, record: RunRecord, metrics: list[str]) -> Job:
    """The job that adds *metrics* to the scores of a finished cell."""
    from dataclasses import replace

    cost = record.cost.model_dump(mode="json") if record.cost else None
    return replace(job, kind="score", metrics=metrics, cost=cost)


def preloads(techniques: Iterable[str], tasks: Iterable[str], metrics: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What the fork server of each family imports before it forks."""
    common = {entry("tasks", n).module for n in tasks} | {entry("metrics", n).module for n in metrics}
    families: dict[str, set[str]] = {}
    for name in techniques:
        found = entry("techniques", name)
        families.setdefault(found.family, set()).update({found.module, *load("techniques", name).requires})
    return {family: (*_BASE_MODULES, *sorted(common), *sorted(own)) for family, own in families.items()}


def carry_out(
    works: list[Work], specs: dict[str, Spec], journal: Journal, engine: Engine, reporter: Reporter
) -> list[RunRecord]:
    """Have *engine* do the works and write a record of each as it ends."""
    made: list[RunRecord] = []
    kinds = {w.job.identity: w.job.kind for w in works}
    try:
        for cell, outcome in engine.run(works):
            earlier = journal.read(cell) if journal.path(cell).exists() else None
            record = (
                rescored(earlier, outcome)
                if kinds[cell] == "score" and earlier is not None
                else make_record(cell, specs[cell], outcome, earlier)
            )
            journal.write(record)
            reporter.cell(record)
            made.append(record)
    finally:
        engine.close()
    return made


def make_record(cell: str, spec: Spec, outcome: dict[str, Any], earlier: RunRecord | None) -> RunRecord:
    """The record of a cell from what its engine brought back."""
    known = {k: outcome[k] for k in RunRecord.model_fields if k in outcome}
    return RunRecord.model_validate(
        {
            **known,
            "identity": cell,
            "spec": spec,
            "ended": now(),
            "attempts": earlier.attempts + 1 if earlier else 1,
            "versions": versions(spec.technique),
        }
    )


def rescored(record: RunRecord, outcome: dict[str, Any]) -> RunRecord:
    """The record with the scores that a score job found; a score job that failed leaves a reason."""
    found = {name: MetricResult.model_validate(r) for name, r in outcome.get("scores", {}).items()}
    reason = "" if outcome["status"] == "finished" else f"scoring {outcome['status']}: {outcome['reason']}"
    return record.model_copy(update={"scores": {**record.scores, **found}, "reason": reason})


def _new_skips(planned: list[tuple[Planned, PlannedCell]], journal: Journal) -> list[RunRecord]:
    """Records of the cells that public facts rule out, unless they are there."""
    states = journal.states()
    return [
        make_record(p.identity, p.spec, {"status": "skipped", "reason": cell.skip}, None)
        for p, cell in planned
        if cell.skip and states.get(p.identity, ("",))[0] != "skipped"
    ]
