"""Score a finished run again: add metrics to kept releases, without running any technique again unless asked to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pets_eval.model.data import Task
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.record import Manifest, Planned
from pets_eval.registry import entries, metric_spec, source_hash
from pets_eval.run.engine import Work
from pets_eval.run.engines import make_engine
from pets_eval.run.files import write_atomic
from pets_eval.run.journal import Journal, lock, read_manifest
from pets_eval.run.runner import Reporter, RunSummary, carry_out
from pets_eval.run.supervise import Limits
from pets_eval.run.works import make_job, planned, preloads, score_job, tasks_of, unscored


def score_run(
    directory: Path, metrics: list[str] | None, *, probe: bool, workers: int | None = None, reporter: Reporter
) -> RunSummary:
    """Compute *metrics* (default: those of the study) on the releases kept in *directory*.

    Scores that are there and were made by the same source are kept. With *probe*, metrics that run the technique
    again become probe cells of their own. Raises `PetsEvalError` if the releases were purged.
    """
    manifest = read_manifest(directory)
    names = _asked(manifest) if metrics is None else list(dict.fromkeys(metrics))
    specs = [metric_spec(name) for name in names]
    stored = [s.name for s in specs if s.effort == "stored"]
    probes = [s.name for s in specs if s.effort != "stored"] if probe else []
    if metrics and not probe and len(stored) < len(specs):
        rerun = ", ".join(s.name for s in specs if s.effort != "stored")
        raise PetsEvalError(f"{rerun} must run the technique again; add --probe to allow that")
    root = directory / "confidential"
    if not (root / "data").is_dir():
        raise PetsEvalError(
            f"{directory} was purged of its releases and cannot be scored; run the study again into a new folder"
        )
    with lock(directory), Journal(directory) as journal:
        tasks = tasks_of(manifest.study)
        manifest = _with_probes(manifest, probes, tasks, directory)
        works = _works(manifest, journal, stored, probes, tasks, root)
        reporter.start(len(manifest.plan), len(manifest.plan) - len(works))
        cells = {p.identity: p.spec for p in manifest.plan}
        failed = carry_out(works, cells, journal, make_engine("local", workers, root, None), reporter) if works else 0
        states = journal.states()
        counts = Counter(states[name][0] for name in cells if name in states)
        return RunSummary(directory, dict(counts), resumed=len(cells) - len(works), failed_metrics=failed)


def _asked(manifest: Manifest) -> list[str]:
    asked = manifest.study.metrics
    return list(entries("metrics")) if isinstance(asked, str) else asked


def _with_probes(manifest: Manifest, probes: list[str], tasks: dict[str, Task], directory: Path) -> Manifest:
    """The manifest with a probe cell per technique and metric that is not planned yet."""
    there = {p.identity for p in manifest.plan}
    added: list[Planned] = []
    for p in manifest.plan:
        for metric in probes if p.spec.kind == "cell" and not p.spec.repeat else []:
            spec = p.spec.model_copy(update={"kind": "probe", "probe": metric})
            facts = manifest.datasets[spec.dataset]
            new = planned(spec, tasks[spec.task], facts.use, facts.prepared, manifest.study.seed)
            if new.identity not in there:
                added.append(new)
    if not added:
        return manifest
    manifest = manifest.model_copy(update={"plan": [*manifest.plan, *added]})
    write_atomic(directory / "run.json", manifest.model_dump_json(by_alias=True, indent=1))
    return manifest


def _works(
    manifest: Manifest, journal: Journal, stored: list[str], probes: list[str], tasks: dict[str, Task], root: Path
) -> list[Work]:
    study = manifest.study
    limits = Limits(study.limits.timeout, study.limits.memory * 1e9)
    wanted = {name: source_hash("metrics", name) for name in stored}
    names = {task.name for task in tasks.values()}
    modules = preloads({p.spec.technique for p in manifest.plan}, names, [*stored, *probes])
    states = journal.states()
    works = []
    for p in manifest.plan:
        finished = states.get(p.identity, ("", ""))[0] == "finished"
        key = manifest.datasets[p.spec.dataset].prepared
        job = make_job(p, tasks[p.spec.task], study, key, root, stored)
        if p.spec.kind == "probe":
            if not finished and p.spec.probe in probes:
                works.append(Work(job, modules[p.spec.family], limits))
        elif finished and (job.home / "release").is_dir():
            record = journal.read(p.identity)
            lacking = unscored(record, wanted)
            if lacking:
                works.append(Work(score_job(job, record, lacking), modules[p.spec.family], limits))
    return works
