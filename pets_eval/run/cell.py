"""Run the technique of a cell, measure it, keep what it released."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pets_eval.model.answer import Answer
from pets_eval.model.data import Model, Table
from pets_eval.model.errors import PetsEvalError, Unsupported
from pets_eval.model.release import Release
from pets_eval.run.build import claims_row, inputs_of, plug_ins
from pets_eval.run.context import Meter, RunContext, cpu_seconds
from pets_eval.run.files import digest, now
from pets_eval.run.job import Job
from pets_eval.run.seeds import generator
from pets_eval.run.store import save_held, save_release
from pets_eval.run.transcript import read_transcript


def run(job: Job) -> dict[str, Any]:
    """Run the technique once under the meter."""
    spec = job.cell()
    started = now()
    technique, task, dataset = plug_ins(job)
    inputs = inputs_of(job, task, dataset)
    reason = technique.supports(task, inputs.schema, inputs.parties)
    if reason:
        raise Unsupported(reason)
    before = cpu_seconds()
    rng = generator(job.seed, spec.dataset, spec.task, spec.technique, spec.params, spec.repeat)
    ctx = RunContext(rng, job.home / "work", job.home / "spool")
    with Meter() as meter:
        release = technique.run(task, inputs, ctx)
    after = cpu_seconds()
    check_release(release, spec.technique)
    save_release(release, job.home / "release")
    save_held(ctx.held, job.home / "held")
    messages = read_transcript(job.home / "spool", [p.name for p in inputs.parties])
    flows: dict[tuple[str, str, str], list[int]] = {}
    for m in messages:
        flows.setdefault((m.sender, m.receiver, m.label), []).append(m.nbytes)
    return {
        "status": "finished",
        "reason": "",
        "started": started,
        "claims": claims_row(technique.claims()),
        "guarantee": _guarantee(release),
        "release_kind": release.kind,
        "release_notes": list(release.notes),
        "artifacts": artifacts(job.home, Path(job.root)),
        "cost": {
            "wall_s": meter.wall_s,
            "cpu_s": meter.cpu_s,
            "peak_bytes": meter.peak_bytes,
            "sent_bytes": float(sum(m.nbytes for m in messages)),
            "rounds": float(len({m.round for m in messages})),
            "phases": ctx.phases,
        },
        "elsewhere": release.elsewhere,
        "own_cpu_s": cpu_seconds() - after + before,
        "flows": [
            {"sender": s, "receiver": r, "label": label, "messages": len(sizes), "nbytes": sum(sizes)}
            for (s, r, label), sizes in flows.items()
        ],
    }


def check_release(release: Any, name: str) -> None:
    """Refuse what is not a proper release, with a sentence for the author of the technique."""
    if not isinstance(release, Release):
        raise PetsEvalError(f"technique {name!r} returned a {type(release).__name__}, not a Release")
    kinds: dict[str, type] = {"answer": Answer, "microdata": Table, "model": Model}
    if release.kind not in kinds or not isinstance(release.value, kinds[release.kind]):
        raise PetsEvalError(f"technique {name!r} returned a release whose kind and value do not belong together")
    if not (isinstance(release.weight, (int, float)) and 0 < release.weight < math.inf):
        raise PetsEvalError(f"technique {name!r} returned a release whose weight is not a positive number")
    texts = (*release.notes, *release.attachments)
    if not all(isinstance(t, str) for t in texts) or not all(
        isinstance(b, bytes) for b in release.attachments.values()
    ):
        raise PetsEvalError(f"technique {name!r} returned notes that are not texts or attachments that are not bytes")


def _guarantee(release: Release) -> dict[str, Any] | None:
    from pets_eval.model.record import GuaranteeRow

    return GuaranteeRow.of(release.guarantee).model_dump() if release.guarantee else None


def artifacts(home: Path, root: Path) -> list[dict[str, Any]]:
    """The kept files of a cell with their digests; logs and outcomes are not evidence."""
    kept = [p for d in ("release", "held", "spool") for p in sorted((home / d).rglob("*")) if p.is_file()]
    return [{"path": str(p.relative_to(root)), "sha256": digest(p), "nbytes": p.stat().st_size} for p in kept]
