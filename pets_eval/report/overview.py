"""What spans all tasks: guarantees, verdicts, cells that did not finish."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pets_eval.guideline.model import SEVERITY, Criterion, Verdict
from pets_eval.report.model import Ended, Scorecard, TechniqueCard
from pets_eval.report.table import Cell, Header, Line, Sheet
from pets_eval.report.words import NOTION, STATUS, parameters, settings, span


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
                Cell(g.status),
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


def ended_sheet(ended: Iterable[Ended]) -> Sheet:
    """Cells that did not finish; repeats that ended alike share a row."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for e in ended:
        alike[e.technique, e.dataset, e.task, e.probe, STATUS[e.status], e.reason].append(e.repeat)
    lines = [
        Line(t, [Cell(f"{d} / {k}", f"audit: {probe}" if probe else ""), Cell(status), Cell(span(rs)), Cell(reason)])
        for (t, d, k, probe, status, reason), rs in alike.items()
    ]
    headers = [Header("Dataset / task"), Header("How it ended"), Header("Repeats"), Header("Reason")]
    return Sheet("Cells that did not finish", "Technique", headers, lines)


def broken_sheet(card: Scorecard) -> Sheet:
    """Metrics that failed on cells that finished."""
    lines = [
        Line(f.technique, [Cell(f"{f.dataset} / {f.task}"), Cell(f.metric), Cell(f.note)])
        for f in card.figures
        if f.status == "failed"
    ]
    return Sheet(
        "Metrics that failed", "Technique", [Header("Dataset / task"), Header("Metric"), Header("Reason")], lines
    )


@dataclass(frozen=True)
class Judged:
    """A criterion with its verdicts in the order of the techniques."""

    criterion: Criterion
    verdicts: Sequence[Verdict]

    @property
    def common(self) -> Verdict | None:
        """The verdict and reason that all techniques share, if they do."""
        first = self.verdicts[0]
        alike = all((v.verdict, v.reason) == (first.verdict, first.reason) for v in self.verdicts)
        return first if alike else None


@dataclass(frozen=True)
class Reasons:
    """A technique with its verdicts that apply, the worst first."""

    technique: TechniqueCard
    verdicts: Sequence[Verdict]

    def named(self, verdict: str) -> str:
        """The criteria with this verdict."""
        return ", ".join(v.criterion for v in self.verdicts if v.verdict == verdict)


def verdict_matrix(card: Scorecard) -> list[Judged]:
    """Each criterion with its verdicts, in the order of the techniques."""
    found = {(v.criterion, v.technique): v for v in card.verdicts}
    return [Judged(c, [found[c.id, t.label] for t in card.techniques]) for c in card.guideline.criteria]


def reasons(card: Scorecard) -> list[Reasons]:
    """Each technique with its verdicts that apply, the worst first."""
    by_technique: dict[str, list[Verdict]] = defaultdict(list)
    for v in card.verdicts:
        if v.verdict != "not-applicable":
            by_technique[v.technique].append(v)
    return [Reasons(t, sorted(by_technique[t.label], key=lambda v: SEVERITY.index(v.verdict))) for t in card.techniques]
