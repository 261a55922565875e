"""What spans all tasks: guarantees, verdicts, cells that did not finish."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pets_eval.guideline.model import SEVERITY, Criterion, Verdict
from pets_eval.guideline.subject import data_free
from pets_eval.report.model import Broken, Ended, Scorecard, TechniqueCard
from pets_eval.report.table import Cell, Header, Line, Sheet
from pets_eval.report.words import NOTION, STATUS, parameters, settings, span

_WIDE = 7  # criteria side by side; more are cut into tables of about the same width


def technique_groups(card: Scorecard) -> list[list[TechniqueCard]]:
    """Variants of a technique that say the same of themselves, together."""
    groups: dict[tuple[str, str], list[TechniqueCard]] = defaultdict(list)
    for t in card.techniques:
        groups[t.technique, t.claims.model_dump_json() if t.claims else ""].append(t)
    return list(groups.values())


def params(technique: TechniqueCard) -> str:
    """Parameters as text."""
    return settings(technique.params) or "no parameters"


def guarantee_sheet(members: Sequence[TechniqueCard]) -> Sheet | None:
    """The formal guarantees of a technique's variants."""
    lines = []
    for t in members:
        for s in t.guarantees:
            g = s.guarantee
            where = ", ".join(" / ".join(p) for p in s.places[:4])
            more = f" and {len(s.places) - 4} more" if len(s.places) > 4 else ""
            cells = [
                Cell(NOTION.get(g.notion, g.notion)),
                Cell(parameters(g.parameters) or "none"),
                Cell(g.unit, g.adjacency),
                Cell(s.status),
                Cell(where + more),
            ]
            lines.append(Line(t.label, cells))
    if not lines:
        return None
    headers = [
        Header("Notion"),
        Header("Parameters"),
        Header("Unit of privacy", "adjacency"),
        Header("Status"),
        Header("On"),
    ]
    return Sheet(
        f"Formal guarantees that came with the releases of {members[0].technique}", "Technique", headers, lines
    )


def hazards(members: Sequence[TechniqueCard]) -> list[str]:
    """What weakens the guarantees of these variants, each once."""
    return list(dict.fromkeys(h for t in members for s in t.guarantees for h in s.guarantee.hazards))


def assumptions(members: Sequence[TechniqueCard]) -> list[str]:
    """What must hold for the guarantees of these variants, each once."""
    return list(dict.fromkeys(a for t in members for s in t.guarantees for a in s.guarantee.assumes))


def condition(members: Sequence[TechniqueCard]) -> str:
    """What stands above the assumptions."""
    if hazards(members):
        return (
            "They hold only if all of this is true. Where the status says that an assumption is violated, it is not "
            "(see the privacy hazard above):"
        )
    return "They hold only if:"


def unattacked(card: Scorecard, members: Sequence[TechniqueCard]) -> list[str]:
    """What must stand beside a technique that releases records without a formal guarantee; nothing for others.

    Not said of the anchor that never looks at the data, nor where a privacy figure of a metric that reads released
    records was measured.
    """
    labels = {t.label for t in members if "microdata" in t.release_kinds and not t.guarantees}
    labels -= {t.label for t in members if data_free(t.anchor, t.claims)}
    attacked = {f.technique for f in card.figures if f.axis == "privacy" and f.records and f.value is not None}
    if not labels - attacked:
        return []
    return [
        "it publishes a table of records about persons, without a formal guarantee. Whether persons can be found in it "
        "was not attacked by any metric of this run: no privacy figure below speaks about copies of persons. Add the "
        "task microdata to the study, under which records are attacked."
    ]


def ended_sheet(ended: Iterable[Ended]) -> Sheet:
    """Cells that should have finished and did not; repeats that ended alike share a row."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for e in (e for e in ended if e.status != "skipped"):
        alike[e.technique, e.dataset, e.task, e.probe, STATUS[e.status], e.reason].append(e.repeat)
    lines = [
        Line(t, [Cell(f"{d} / {k}", f"audit: {probe}" if probe else ""), Cell(status), Cell(span(rs)), Cell(reason)])
        for (t, d, k, probe, status, reason), rs in alike.items()
    ]
    headers = [Header("Dataset / task"), Header("How it ended"), Header("Which repeats"), Header("Reason")]
    return Sheet("Cells that did not finish", "Technique", headers, lines)


def skipped_sheet(ended: Iterable[Ended], techniques: Iterable[TechniqueCard]) -> Sheet:
    """Cells that were skipped, by technique and reason: settings and tasks that were skipped alike share a row.

    Reasons are alike that differ in nothing but the task that they name at their end.
    """
    name = {t.label: t.technique for t in techniques}
    settings_of: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    reasons_of: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    places_of: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    cells: dict[tuple[str, str], int] = defaultdict(int)
    for e in (e for e in ended if e.status == "skipped"):
        key = (name.get(e.technique, e.technique), _without_task(e.reason))
        place = f"{e.dataset} / {e.task}" + (f" (audit: {e.probe})" if e.probe else "")
        settings_of[key][e.technique] = None
        places_of[key][place] = None
        reasons_of[key][e.reason] = None
        cells[key] += 1
    lines = []
    for key, variants in settings_of.items():
        technique, shared = key
        told = reasons_of[key]
        reason = next(iter(told)) if len(told) == 1 else f"{shared} these tasks"
        many = f"{len(variants)} settings" if len(variants) > 1 else next(iter(variants)).removeprefix(technique)
        where = ", ".join(places_of[key])
        lines.append(
            Line(
                technique,
                [Cell(many.strip(" ()") or "–"), Cell(where), Cell(str(cells[key])), Cell(reason)],
            )
        )
    headers = [Header("Settings"), Header("Dataset / task"), Header("Cells"), Header("Reason")]
    return Sheet("Cells that were skipped", "Technique", headers, lines)


def _without_task(reason: str) -> str:
    """A reason without the name of the task that it ends with."""
    return re.sub(r" the task \S+$", "", reason)


def flawed(broken: Sequence[Broken]) -> str:
    """How many of the finished cells something went wrong on, as the end of a sentence; "" for none."""
    cells = len({b.identity for b in broken})
    return f"; something went wrong on {cells} of those that finished" if cells else ""


def broken_sheet(broken: Iterable[Broken]) -> Sheet:
    """What went wrong on cells that finished; repeats on which the same went wrong share a row."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for b in broken:
        alike[b.technique, b.dataset, b.task, b.probe, b.metric, b.reason].append(b.repeat)
    lines = [
        Line(
            t,
            [
                Cell(f"{d} / {k}", f"audit: {probe}" if probe else ""),
                Cell(metric or "the cell itself"),
                Cell(span(rs)),
                Cell(reason),
            ],
        )
        for (t, d, k, probe, metric, reason), rs in alike.items()
    ]
    headers = [Header("Dataset / task"), Header("Metric"), Header("Which repeats"), Header("Reason")]
    return Sheet("What went wrong on cells that finished", "Technique", headers, lines)


@dataclass(frozen=True)
class Judged:
    """A criterion with its verdicts in the order of the techniques."""

    criterion: Criterion
    verdicts: Sequence[Verdict]

    @property
    def asked(self) -> bool:
        """Whether it is asked of any of the techniques."""
        return any(v.verdict != "not-applicable" for v in self.verdicts)

    @property
    def common(self) -> Verdict | None:
        """The verdict and reason that all techniques share, if they do."""
        first = self.verdicts[0]
        alike = all((v.verdict, v.reason) == (first.verdict, first.reason) for v in self.verdicts)
        return first if alike else None


@dataclass(frozen=True)
class Checklist:
    """The criteria that are asked of one technique and of no other, each with its verdict and reason."""

    technique: TechniqueCard
    judged: Sequence[Judged]

    @property
    def caption(self) -> str:
        """Whose checklist it is."""
        return f"Asked of {self.technique.label} only"

    @property
    def counts(self) -> str:
        """How many criteria came out how, the worst first."""
        found = Counter(v.verdict for _, v in self.rows)
        return ", ".join(f"{n} {name}" for name in SEVERITY if (n := found[name]))

    @property
    def rows(self) -> Sequence[tuple[Criterion, Verdict]]:
        """Each criterion with this technique's verdict."""
        return [(j.criterion, next(v for v in j.verdicts if v.technique == self.technique.label)) for j in self.judged]


@dataclass(frozen=True)
class Matrix:
    """Some criteria against the techniques that at least one of them is asked of."""

    criteria: Sequence[Criterion]
    rows: Sequence[tuple[TechniqueCard, Sequence[Verdict]]]
    excused: Sequence[str]

    @property
    def caption(self) -> str:
        """Which criteria these are."""
        first, last = self.criteria[0].id, self.criteria[-1].id
        return "Verdicts by technique: " + (first if first == last else f"{first} to {last}")


@dataclass(frozen=True)
class Reasons:
    """A technique with its verdicts that apply, the worst first."""

    technique: TechniqueCard
    verdicts: Sequence[Verdict]

    def named(self, verdict: str) -> str:
        """The criteria with this verdict."""
        return ", ".join(v.criterion for v in self.verdicts if v.verdict == verdict)


@dataclass(frozen=True)
class Held:
    """The verdicts, told briefly: criteria asked of nobody; those on which all techniques stand alike; those asked of
    one technique alone; and the rest."""

    unasked: Sequence[str]
    shared: Sequence[Judged]
    alone: Sequence[Checklist]
    matrices: Sequence[Matrix]

    @property
    def shared_rows(self) -> Sequence[tuple[Criterion, Verdict]]:
        """The criteria on which all techniques stand alike, each with the verdict that they share."""
        return [(j.criterion, j.verdicts[0]) for j in self.shared]


def held(card: Scorecard) -> Held:
    """The verdicts of a scorecard, criteria and techniques in their order."""
    found = {(v.criterion, v.technique): v for v in card.verdicts}
    judged = [Judged(c, [found[c.id, t.label] for t in card.techniques]) for c in card.guideline.criteria]
    unasked = [j.criterion.id for j in judged if not j.asked]
    alone = [_checklist(t, judged) for t in card.techniques]
    told = {j.criterion.id for c in alone for j in c.judged}
    differing = [j for j in judged if j.asked and not j.common and j.criterion.id not in told]
    tables = math.ceil(len(differing) / _WIDE)
    cuts = [round(i * len(differing) / tables) for i in range(tables + 1)] if tables else []
    parts = [_matrix(card.techniques, differing[a:b]) for a, b in pairwise(cuts)]
    return Held(unasked, [j for j in judged if j.asked and j.common], [c for c in alone if c.judged], parts)


def _checklist(technique: TechniqueCard, judged: Sequence[Judged]) -> Checklist:
    asked = ((j, [v for v in j.verdicts if v.verdict != "not-applicable"]) for j in judged if not j.common)
    return Checklist(technique, [j for j, vs in asked if len(vs) == 1 and vs[0].technique == technique.label])


def _matrix(techniques: Sequence[TechniqueCard], judged: Sequence[Judged]) -> Matrix:
    rows = [(t, [j.verdicts[i] for j in judged]) for i, t in enumerate(techniques)]
    asked = [(t, vs) for t, vs in rows if any(v.verdict != "not-applicable" for v in vs)]
    excused = [t.label for t, vs in rows if all(v.verdict == "not-applicable" for v in vs)]
    return Matrix([j.criterion for j in judged], asked, excused)


def reasons(card: Scorecard) -> list[Reasons]:
    """Each technique with its verdicts that apply, the worst first."""
    by_technique: dict[str, list[Verdict]] = defaultdict(list)
    for v in card.verdicts:
        if v.verdict != "not-applicable":
            by_technique[v.technique].append(v)
    return [Reasons(t, sorted(by_technique[t.label], key=lambda v: SEVERITY.index(v.verdict))) for t in card.techniques]
