"""Run a study: prepare the data, do the cells that are not done, keep a record of each. One writer, any engine."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from pets_eval.model.errors import Conflict, PetsEvalError
from pets_eval.model.record import Manifest, MetricResult, Planned, RunRecord, Spec
from pets_eval.registry import source_hash
from pets_eval.run.data import cache_dir, prepare
from pets_eval.run.engine import Engine, Work
from pets_eval.run.engines import make_engine
from pets_eval.run.files import now, private_dir, where_raised, write_atomic
from pets_eval.run.identity import versions
from pets_eval.run.journal import Journal, lock, read_manifest, scored_by
from pets_eval.run.manifest import make_manifest, same_run
from pets_eval.run.plan import Plan, PlannedCell, make_plan
from pets_eval.run.studyfile import StudyFile
from pets_eval.run.supervise import Limits
from pets_eval.run.timings import Timings
from pets_eval.run.works import make_job, planned, preloads, score_job, unscored


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
    """What became of the plan: cells by status, how many were there already, and what is missing.

    `failed_metrics` counts cells of which some metric could not be computed in this run; `not_installed` names the
    reasons of cells that were skipped for want of an extra.
    """

    directory: Path
    counts: dict[str, int] = field(default_factory=dict)
    resumed: int = 0
    failed_metrics: int = 0
    not_installed: tuple[str, ...] = ()

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
    fingerprints = {label: data.source.fingerprint(cache_dir()) for label, data in plan.datasets.items()}
    keys = {label: data.key(fingerprints[label]) for label, data in plan.datasets.items()}
    cells = [(_planned(plan, cell, keys), cell) for cell in plan.cells]
    limits = Limits(timeout or plan.study.limits.timeout, (memory or plan.study.limits.memory) * 1e9)
    root = directory / "confidential"
    with _own(directory, plan), Journal(directory) as journal:
        earlier = read_manifest(directory) if (directory / "run.json").exists() else None
        todo = list(_todo(plan, cells, keys, root, limits, journal))
        if todo or earlier is None:
            for label, data in plan.datasets.items():
                if not (root / "data" / keys[label]).exists():
                    reporter.note(f"preparing dataset {label}")
                    _prepare(label, data, fingerprints[label], root)
        _keep_manifest(plan, cells, keys, earlier, command, directory)
        skipped = _new_skips(cells, journal)
        reporter.start(len(cells), len(cells) - len(todo) - len(skipped))
        for record in skipped:
            journal.write(record)
            reporter.cell(record)
        failed = 0
        if todo:
            timings = Timings(plan.datasets, {label: task.name for label, task in plan.tasks.items()})
            specs = {p.identity: p.spec for p, _ in cells}
            made = make_engine(engine, workers, root, ray_address)
            failed = carry_out(todo, specs, journal, made, reporter, timings)
            timings.keep()
        states = journal.states()
        return RunSummary(
            directory,
            dict(Counter(states[p.identity][0] for p, _ in cells if p.identity in states)),
            resumed=sum(not c.skip for _, c in cells) - len(todo),
            failed_metrics=failed,
            not_installed=tuple(dict.fromkeys(c.skip for _, c in cells if "pip install" in c.skip)),
        )


@contextmanager
def _own(directory: Path, plan: Plan) -> Iterator[None]:
    """Hold *directory* for this run; leave nothing behind if the run cannot even begin."""
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir()) and not _is_run(directory)):
        raise Conflict(f"{directory} is not empty and is not a run of pets-eval; choose another folder with -o")
    made = [p for p in (directory, *directory.parents) if not p.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PetsEvalError(
            f"the folder {directory} cannot be made ({error.strerror}); choose another with -o"
        ) from None
    with lock(directory):
        try:
            if (directory / "run.json").exists():
                there = read_manifest(directory).study.name
                if there != plan.study.name:
                    raise Conflict(f"{directory} holds the study {there!r}; choose another folder with -o")
            yield
        except BaseException:
            if made and not (directory / "run.json").exists():
                shutil.rmtree(made[-1], ignore_errors=True)
            raise


def _is_run(directory: Path) -> bool:
    """A run, or what is left of one that was killed while it prepared its data."""
    return (directory / "run.json").exists() or (directory / "run.lock").exists()


def _prepare(label: str, data: Any, fingerprint: str, root: Path) -> None:
    private_dir(root)
    try:
        prepare(data, fingerprint, private_dir(root / "data"))
    except (PetsEvalError, MemoryError):
        raise
    except Exception as error:  # a source's own fault: its message may quote data
        raise PetsEvalError(f"the dataset {label!r} cannot be prepared: {where_raised(error)}") from None


def _planned(plan: Plan, cell: PlannedCell, keys: dict[str, str]) -> Planned:
    spec = cell.spec
    use = plan.datasets[spec.dataset].pick.use
    return planned(spec, plan.tasks[spec.task], use, keys[spec.dataset], plan.study.seed)


def _keep_manifest(
    plan: Plan,
    cells: Sequence[tuple[Planned, PlannedCell]],
    keys: dict[str, str],
    earlier: Manifest | None,
    command: str,
    directory: Path,
) -> None:
    """Write the manifest unless the one that is there says the same of the same cells."""
    ours = [p for p, _ in cells]
    names = {p.identity for p in ours}
    bases = {(p.spec.dataset, p.spec.task, p.spec.label) for p in ours}
    probes = [
        p
        for p in (earlier.plan if earlier else [])
        if p.spec.kind == "probe"
        and p.identity not in names
        and (p.spec.dataset, p.spec.task, p.spec.label) in bases
        and _planned(plan, PlannedCell(p.spec), keys).identity == p.identity
    ]
    manifest = make_manifest(plan, keys, [*ours, *probes], directory / "confidential" / "data", earlier, command)
    if earlier is None or not same_run(earlier, manifest):
        write_atomic(directory / "run.json", manifest.model_dump_json(by_alias=True, indent=1))


def _todo(
    plan: Plan,
    cells: Sequence[tuple[Planned, PlannedCell]],
    keys: dict[str, str],
    root: Path,
    limits: Limits,
    journal: Journal,
) -> Iterator[Work]:
    """The cells that have no finished record, and those whose record lacks a score that the study asks for."""
    states = journal.states()
    wanted = {name: source_hash("metrics", name) for name in plan.metrics}
    complete = scored_by(wanted)
    specs = [p.spec for p, _ in cells]
    tasks = {task.name for task in plan.tasks.values()}
    modules = preloads({s.technique for s in specs}, tasks, plan.metrics + plan.probes)
    for p, cell in cells:
        status, scored = states.get(p.identity, ("", ""))
        if cell.skip or (status == "finished" and (p.spec.kind == "probe" or scored == complete)):
            continue
        task = plan.tasks[p.spec.task]
        job = make_job(p, task, plan.study, keys[p.spec.dataset], root, plan.metrics)
        if status == "finished" and (job.home / "release").is_dir():
            record = journal.read(p.identity)
            names = unscored(record, wanted)
            if not names:
                continue  # it has more scores than the study asks for
            job = score_job(job, record, names)
        yield Work(job, modules[p.spec.family], limits)


def carry_out(
    works: Sequence[Work],
    specs: dict[str, Spec],
    journal: Journal,
    engine: Engine,
    reporter: Reporter,
    timings: Timings | None = None,
) -> int:
    """Have *engine* do the works and write a record of each as it ends; returns how many have a failed metric."""
    failed = 0
    kinds = {w.job.identity: w.job.kind for w in works}
    try:
        for cell, outcome in engine.run(works):
            earlier = journal.read(cell) if journal.path(cell).exists() else None
            if kinds[cell] == "score" and earlier is not None:
                record = _rescored(earlier, outcome)
            else:
                record = _make_record(cell, specs[cell], outcome, earlier)
                if timings:
                    timings.add(record)
            journal.write(record)
            reporter.cell(record)
            failed += any(result.status == "failed" for result in record.scores.values())
    finally:
        engine.close()
    return failed


def _make_record(cell: str, spec: Spec, outcome: dict[str, Any], earlier: RunRecord | None) -> RunRecord:
    """The record of a cell from what its engine brought back; what is malformed fails the cell, not the run."""
    facts: dict[str, Any] = {
        "identity": cell,
        "spec": spec,
        "ended": now(),
        "attempts": earlier.attempts + 1 if earlier else 1,
        "versions": versions(spec.technique),
    }
    known = {k: outcome[k] for k in RunRecord.model_fields if k in outcome}
    try:
        return RunRecord.model_validate({**known, **facts})
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        why = f"the technique or a metric returned a malformed {place}"
        return RunRecord.model_validate({**facts, "status": "failed", "reason": why})


def _rescored(record: RunRecord, outcome: dict[str, Any]) -> RunRecord:
    """The record with the scores that a score job found; a job that the engine lost leaves a reason."""
    found = {name: MetricResult.model_validate(r) for name, r in outcome.get("scores", {}).items()}
    reason = "" if outcome["status"] == "finished" else f"scoring {outcome['status']}: {outcome['reason']}"
    return record.model_copy(update={"scores": {**record.scores, **found}, "reason": reason})


def _new_skips(cells: Sequence[tuple[Planned, PlannedCell]], journal: Journal) -> list[RunRecord]:
    """Records of the cells that public facts rule out, unless they are there."""
    states = journal.states()
    return [
        _make_record(p.identity, p.spec, {"status": "skipped", "reason": cell.skip}, None)
        for p, cell in cells
        if cell.skip and states.get(p.identity, ("",))[0] != "skipped"
    ]
