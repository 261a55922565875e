"""The scorecard: a pure function of the manifest, the records and the guideline. No clock, no machine, no registry."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pets_eval.guideline.evaluate import evaluate
from pets_eval.guideline.model import Guideline
from pets_eval.guideline.subject import Subject, labeller, subjects
from pets_eval.model.record import DatasetFacts, Manifest, Planned, RunRecord
from pets_eval.model.study import Strict
from pets_eval.report.aggregate import aggregate
from pets_eval.report.curve import curves
from pets_eval.report.model import (
    Broken,
    Counts,
    DatasetCard,
    Ended,
    Held,
    Reproduction,
    Scorecard,
    Stated,
    TechniqueCard,
)
from pets_eval.report.tradeoff import tradeoffs
from pets_eval.report.words import guarantee_status


def scorecard(manifest: Manifest, records: Sequence[RunRecord], guideline: Guideline) -> Scorecard:
    """The scorecard of a run: same input, same output, whatever the order of *records*."""
    study = manifest.study
    planned = {p.identity: i for i, p in enumerate(manifest.plan)}
    records = sorted(records, key=lambda r: (planned.get(r.identity, len(planned)), r.identity))
    label = labeller([p.spec for p in manifest.plan] + [r.spec for r in records])
    figures = aggregate(records, label, manifest.plan)
    found = subjects(manifest, records, figures)
    order = {s.label: i for i, s in enumerate(found)}
    figures.sort(key=lambda f: order[f.technique])  # stable: anchors first, then the plan
    techniques = [_technique(s) for s in found]
    ended = _ended(found)
    return Scorecard(
        title=study.name,
        created=manifest.created,
        expires=study.expires.isoformat() if study.expires else "",
        purpose=study.purpose,
        data_subjects=study.data_subjects,
        sharing_model=study.sharing_model or "",
        threat_model=study.threat_model,
        residual_risks=study.residual_risks,
        counts=Counts(
            planned=len(planned.keys() | {r.identity for r in records}),
            finished=sum(r.status == "finished" for r in records),
            ended=dict(sorted(Counter(e.status for e in ended).items())),
        ),
        datasets=[
            DatasetCard(name=name, facts=facts, warnings=_warnings(facts)) for name, facts in manifest.datasets.items()
        ],
        tasks=study.tasks,
        techniques=techniques,
        figures=figures,
        tradeoffs=tradeoffs(figures, techniques, guideline.plots),
        curves=curves(figures, techniques, guideline.plots),
        guideline=Held(
            id=guideline.id,
            title=guideline.title,
            version=guideline.version,
            note=guideline.note,
            sha256=_digest(guideline),
            criteria=guideline.criteria,
        ),
        verdicts=evaluate(guideline, found),
        ended=ended,
        broken=_broken(found),
        reproduction=_reproduction(manifest, records, found),
    )


def _technique(subject: Subject) -> TechniqueCard:
    finished = subject.finished
    stated: dict[str, Stated] = {}
    for record, guarantee in subject.guarantees:
        place = (record.spec.dataset, record.spec.task)
        fresh = Stated(guarantee=guarantee, status=guarantee_status(guarantee), places=[])
        known = stated.setdefault(guarantee.model_dump_json(), fresh)
        if place not in known.places:
            known.places.append(place)
    return TechniqueCard(
        label=subject.label,
        technique=subject.spec.technique,
        family=subject.family,
        params=subject.spec.params,
        anchor=subject.spec.anchor,
        release_kinds=sorted({r.release_kind for r in finished if r.release_kind}),
        release_notes=list(dict.fromkeys(n for r in finished for n in r.release_notes)),
        claims=next((r.claims for r in finished if r.claims), None),
        guarantees=list(stated.values()),
        finished=len(finished),
        planned=sum(p.spec.kind == "cell" for p in subject.planned),
    )


def _place(cell: Planned | RunRecord, subject: Subject) -> dict[str, Any]:
    """Which cell it is, as every list of cells says it."""
    spec = cell.spec
    return {
        "identity": cell.identity,
        "dataset": spec.dataset,
        "task": spec.task,
        "technique": subject.label,
        "repeat": spec.repeat,
        "probe": spec.probe,
    }


def _ended(found: Sequence[Subject]) -> list[Ended]:
    rows: list[Ended] = []
    for subject in found:
        rows += [
            Ended(
                **_place(r, subject),
                status=r.status,
                reason=r.reason or "no reason was recorded",
                attempts=r.attempts,
            )
            for r in subject.records
            if r.status != "finished"
        ]
        there = {r.identity for r in subject.records}
        rows += [
            Ended(
                **_place(p, subject),
                status="not-run",
                reason="planned, and not run yet: run the study again to go on",
            )
            for p in subject.planned
            if p.identity not in there
        ]
    return rows


def _broken(found: Sequence[Subject]) -> list[Broken]:
    """What went wrong on finished cells: each metric that failed, and what the runner remarked on the cell."""
    rows: list[Broken] = []
    for subject in found:
        for r in subject.records:
            told = [("", r.reason)] if r.reason else []
            told += [(n, m.reason) for n, m in r.scores.items() if m.status == "failed"]
            rows += [
                Broken(
                    **_place(r, subject),
                    metric=metric,
                    reason=reason or "no reason was recorded",
                )
                for metric, reason in told
                if r.status == "finished"
            ]
    return rows


def _warnings(facts: DatasetFacts) -> list[str]:
    """What a reader must know before trusting a figure made from this dataset."""
    found = []
    if facts.generated:
        found.append("These data are generated. They describe no real person and prove nothing about people.")
    if facts.from_data:
        found.append(
            f"Bounds or categories of {', '.join(facts.from_data)} were read from the data themselves. That discloses "
            f"something, and weakens every differential privacy guarantee made with them."
        )
    weights = [n for n, c in facts.columns.items() if isinstance(c, dict) and "weight" in (c.get("roles") or ())]
    if weights:
        found.append(
            f"This is a survey with weights ({', '.join(weights)}). Figures without them describe the people who were "
            f"asked, not the population."
        )
    if facts.not_for:
        found.append(f"Not to be used for: {'; '.join(facts.not_for)}.")
    return found


def _reproduction(manifest: Manifest, records: Sequence[RunRecord], found: Sequence[Subject]) -> Reproduction:
    versions: dict[str, str] = {}
    for record in records:
        versions |= record.versions
    unseeded = dict.fromkeys(
        s.spec.technique for s in found if any(r.claims and not r.claims.seeded for r in s.finished)
    )
    return Reproduction(
        command=manifest.command,
        pets_eval=manifest.pets_eval,
        revision=manifest.revision,
        python=manifest.python,
        platform=manifest.platform,
        cpus=manifest.cpus,
        seed=manifest.study.seed,
        repeats=manifest.study.repeats,
        unseeded=list(unseeded),
        packages=dict(sorted(manifest.packages.items())),
        versions=dict(sorted(versions.items())),
        fingerprints={n: d.fingerprint for n, d in manifest.datasets.items()},
        study_sha256=_digest(manifest.study),
        plan_sha256=hashlib.sha256("\n".join(p.identity for p in manifest.plan).encode()).hexdigest(),
    )


def _digest(value: Strict) -> str:
    """SHA-256 over the canonical JSON of *value*: sorted keys, no spaces."""
    plain = value.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
