"""Score a finished run again: add metrics to kept releases, without running any technique again unless asked to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pets_eval.model.errors import PetsEvalError
from pets_eval.model.record import Manifest, Planned, RunRecord
from pets_eval.model.study import TaskPick
from pets_eval.registry import entries, metric_spec, source_hash
from pets_eval.run.engine import Work, make_engine
from pets_eval.run.files import write_atomic
from pets_eval.run.identity import identity
from pets_eval.run.job import Job
from pets_eval.run.journal import Journal, lock, read_manifest
from pets_eval.run.runner import Reporter, RunSummary, carry_out, preloads, score_job
from pets_eval.run.supervise import Limits


def score_run(
    directory: Path, metrics: list[str] | None, *, probe: bool, workers: int | None = None, reporter: Reporter
) -> RunSummary:
    """Compute *metrics* (default: all stored ones) on the releases kept in *directory*.

    Scores that are there and were made by the same source are kept. With *probe*, metrics that run the technique
    again become probe cells of their own. Raises `PetsEvalError` if the releases were purged.
    """
    manifest = read_manifest(directory)
    names = list(entries("metrics")) if metrics is None else list(dict.fromkeys(metrics))
    specs = [metric_spec(name) for name in names]
    stored = [s.name for s in specs if s.effort == "stored"]
    probes = [s.name for s in specs if s.effort != "stored"] if probe else []
    if metrics and not probe and len(stored) < len(specs):
        rerun = ", ".join(s.name for s in specs if s.effort != "stored")
        raise PetsEvalError(f"{rerun} must run the technique again; add --probe to allow that")
    root = directory / "confidential"
    if not (root / "data").is_dir():
        raise PetsEvalError(f"{directory} was purged of its releases and cannot be scored; run the study again")
    with lock(directory), Journal(directory) as journal:
        manifest = _with_probes(manifest, probes, directory)
        works = _works(manifest, journal, stored, root)
        reporter.start(len(manifest.plan), len(manifest.plan) - len(works))
        made = {p.identity: p.spec for p in manifest.plan}
        if works:
            carry_out(works, made, journal, make_engine("local", workers, root, None), reporter)
        states = journal.states()
        counts = Counter(states[p.identity][0] for p in manifest.plan if p.identity in states)
        return RunSummary(directory, dict(counts), len(manifest.plan) - len(works))


def _with_probes(manifest: Manifest, probes: list[str], directory: Path) -> Manifest:
    """The manifest with a probe cell per technique and metric that is not planned yet."""
    planned = {p.identity for p in manifest.plan}
    added: list[Planned] = []
    for p in manifest.plan:
        if p.spec.kind != "cell" or p.spec.repeat:
            continue
        for metric in probes:
            spec = p.spec.model_copy(update={"kind": "probe", "probe": metric})
            task = _task(manifest, spec.task)
            facts = manifest.datasets[spec.dataset]
            name = identity(spec, task.use, task.params, facts.use, facts.prepared, manifest.study.seed)
            if name not in planned:
                added.append(Planned(identity=name, spec=spec))
    if not added:
        return manifest
    manifest = manifest.model_copy(update={"plan": [*manifest.plan, *added]})
    write_atomic(directory / "run.json", manifest.model_dump_json(by_alias=True, indent=1))
    return manifest


def _works(manifest: Manifest, journal: Journal, stored: list[str], root: Path) -> list[Work]:
    study = manifest.study
    limits = Limits(study.limits.timeout, study.limits.memory * 1e9)
    sources = {name: source_hash("metrics", name) for name in stored}
    probes = {p.spec.probe for p in manifest.plan if p.spec.probe}
    modules = preloads(
        {p.spec.technique for p in manifest.plan}, {t.use for t in study.tasks}, [*stored, *sorted(probes)]
    )
    states = journal.states()
    works = []
    for p in manifest.plan:
        status = states.get(p.identity, ("", ""))[0]
        job = _job(manifest, p, root)
        if p.spec.kind == "probe":
            if status != "finished":
                works.append(Work(job, modules[p.spec.family], limits))
        elif status == "finished":
            record = journal.read(p.identity)
            names = [n for n in stored if not _has(record, n, sources[n])]
            if names:
                works.append(Work(score_job(job, record, names), modules[p.spec.family], limits))
    return works


def _has(record: RunRecord, name: str, source: str) -> bool:
    return name in record.scores and record.scores[name].source == source


def _task(manifest: Manifest, label: str) -> TaskPick:
    return next(t for t in manifest.study.tasks if t.label == label)


def _job(manifest: Manifest, p: Planned, root: Path) -> Job:
    task = _task(manifest, p.spec.task)
    facts: dict[str, Any] = {
        "kind": "probe" if p.spec.kind == "probe" else "run",
        "root": str(root.resolve()),
        "identity": p.identity,
        "spec": p.spec.model_dump(mode="json"),
        "data": manifest.datasets[p.spec.dataset].prepared,
        "task_use": task.use,
        "task_params": task.params,
        "seed": manifest.study.seed,
        "coalitions": manifest.study.coalitions,
        "seats": manifest.study.seats,
        "metrics": [],
    }
    return Job(**facts)
