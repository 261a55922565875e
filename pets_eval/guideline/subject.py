"""A technique with its parameters, as a guideline sees it: its plan, its records and its figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pets_eval.guideline.families import family_of
from pets_eval.guideline.figures import Figure
from pets_eval.model.record import ClaimsRow, DatasetFacts, GuaranteeRow, Manifest, Planned, RunRecord, Spec

Place = tuple[str, str]  # (dataset, task)


@dataclass(frozen=True)
class Subject:
    """One technique with fixed parameters.

    `baselines` maps each (dataset, task) to the baselines that finished it; `data_free` are the figures of the anchors
    that never look at the data.
    """

    label: str
    spec: Spec
    manifest: Manifest
    planned: Sequence[Planned] = ()
    records: Sequence[RunRecord] = ()
    figures: Sequence[Figure] = ()
    baselines: dict[Place, set[str]] = field(default_factory=dict)
    data_free: Sequence[Figure] = ()

    @property
    def family(self) -> str:
        """Prefix of the criteria that apply."""
        return family_of(self.spec)

    @property
    def finished(self) -> list[RunRecord]:
        """Records of cells that ran to their end, without audits."""
        return [r for r in self.records if r.status == "finished" and r.spec.kind == "cell"]

    @property
    def guarantees(self) -> list[tuple[RunRecord, GuaranteeRow]]:
        """The formal guarantees that came with the releases, with the records they stand in."""
        return [(r, r.guarantee) for r in self.finished if r.guarantee is not None]

    @cached_property
    def by_metric(self) -> dict[tuple[str, str, str], list[Figure]]:
        """The figures by metric, dataset and task."""
        index: dict[tuple[str, str, str], list[Figure]] = defaultdict(list)
        for f in self.figures:
            index[f.metric, f.dataset, f.task].append(f)
        return dict(index)

    def dataset(self, record: RunRecord) -> DatasetFacts | None:
        """Public facts of the dataset of *record*."""
        return self.manifest.datasets.get(record.spec.dataset)

    def places(self) -> list[Place]:
        """Every (dataset, task) that was planned or recorded, in the order of the plan."""
        specs = [p.spec for p in self.planned] + [r.spec for r in self.records]
        return list(dict.fromkeys((s.dataset, s.task) for s in specs))


def labeller(specs: Iterable[Spec]) -> Callable[[Spec], str]:
    """Name each technique-with-parameters: its label, with the parameters added where two share a label."""
    variants: dict[str, set[str]] = defaultdict(set)
    for spec in specs:
        variants[spec.label].add(_variant(spec))

    def label(spec: Spec) -> str:
        if len(variants[spec.label]) < 2:
            return spec.label
        return f"{spec.label} {json.dumps(spec.params, sort_keys=True)}"

    return label


def data_free(anchor: bool, claims: ClaimsRow | None) -> bool:
    """Whether this is the anchor that never looks at the data: it alone protects everybody from everybody."""
    return anchor and claims is not None and {"input-privacy", "output-privacy"} <= set(claims.protects)


def _variant(spec: Spec) -> str:
    return json.dumps([spec.technique, spec.params], sort_keys=True)


def subjects(manifest: Manifest, records: Sequence[RunRecord], figures: Sequence[Figure]) -> list[Subject]:
    """The subjects of a run: anchors first, then in the order of the plan."""
    label = labeller([p.spec for p in manifest.plan] + [r.spec for r in records])
    first: dict[str, Spec] = {}
    planned: dict[str, list[Planned]] = defaultdict(list)
    recorded: dict[str, list[RunRecord]] = defaultdict(list)
    of_label: dict[str, list[Figure]] = defaultdict(list)
    baselines: dict[Place, set[str]] = defaultdict(set)
    blind: set[str] = set()
    for p in manifest.plan:
        name = label(p.spec)
        first.setdefault(name, p.spec)
        planned[name].append(p)
    for r in records:
        name = label(r.spec)
        first.setdefault(name, r.spec)
        recorded[name].append(r)
        if r.status == "finished" and (r.spec.anchor or family_of(r.spec) == "baseline"):
            baselines[r.spec.dataset, r.spec.task].add(name)
        if data_free(r.spec.anchor, r.claims):
            blind.add(name)
    for f in figures:
        of_label[f.technique].append(f)
    free = [f for f in figures if f.technique in blind]
    return [
        Subject(name, spec, manifest, planned[name], recorded[name], of_label[name], dict(baselines), free)
        for name, spec in sorted(first.items(), key=lambda item: not item[1].anchor)
    ]
