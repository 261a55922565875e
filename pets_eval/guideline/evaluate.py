"""The evaluator: a guideline and a technique's records go in, one verdict per criterion comes out.

The rules, in one place:
- The unfavourable end of a figure's interval decides (the high end against an upper limit, the low end against a lower
  one), unless the check accuses only of what is proven. Without an interval the value decides, and the reason says so.
  What was not measured is not evaluated.
- Over datasets, tasks, seats and groups, the worst decides.
- Little evidence passes nothing: not a figure measured in fewer than half of the planned repeats, and not a test that
  could not have failed. What misses a limit on little evidence still misses it.
- What misses a limit only because it is uncertain, and cannot be told from an anchor that never looks at the data, is
  not evaluated where the check says so (`beyond`).
- A claim that satisfies a criterion is "claim-only", never a pass; "attested" if a person vouches for it.
- What only a person can say is "waiting" until one does.
- An attestation never overrides what the record shows: a missed check counts, attested or not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from pets_eval.guideline.anchor import chance
from pets_eval.guideline.facts import FACTS, Fact
from pets_eval.guideline.figures import P_VALUE, Figure
from pets_eval.guideline.model import SEVERITY, Check, Criterion, Guideline, Verdict, VerdictName, VerdictRow, worst
from pets_eval.guideline.numbers import brief, together
from pets_eval.guideline.reasons import UNFINISHED, joined, once
from pets_eval.guideline.subject import Place, Subject

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_LIMIT = {"==": "equal to", "<=": "at most", "<": "below", ">=": "at least", ">": "above"}


def evaluate(guideline: Guideline, subjects: Sequence[Subject]) -> list[Verdict]:
    """One verdict per criterion and subject, in the order of the guideline."""
    return [Evaluation(c, s).verdict() for c in guideline.criteria for s in subjects]


class Evaluation:
    """One criterion against one subject."""

    def __init__(self, criterion: Criterion, subject: Subject) -> None:
        self.criterion = criterion
        self.subject = subject

    def verdict(self) -> Verdict:
        """The verdict with its reason and, where tasks were looked at, a row for each."""
        reason = self._inapplicable()
        if reason:
            return self._made("not-applicable", reason)
        check = self.criterion.check
        rows = [] if check is None else self._checks(check.all_) if check.report is None else self._report(check.report)
        if self.criterion.evidence == "attested":
            missed = [r for r in rows if r.verdict in ("fail", "flag")]
            return self._summary(missed) if missed else self._attested()
        found = self._summary(rows)
        word = self._word() if found.verdict == "claim-only" else ""
        return self._made("attested", f"{word}; {found.reason}", rows) if word else found

    # -- whether it applies -----------------------------------------------------------------------

    def _inapplicable(self) -> str:
        c, s = self.criterion, self.subject
        # Where nothing finished, nobody knows what it claims: asked, rather than excused.
        output = not s.finished or any(r.claims and "output-privacy" in r.claims.protects for r in s.finished)
        private = any(g.notion.endswith("dp") for _, g in s.guarantees)  # pure-dp, approx-dp, zcdp, ...
        applies = "all" in c.families or s.family in c.families
        applies = applies or ("all-output" in c.families and output) or ("all-dp" in c.families and private)
        if not applies:
            return f"asked of {', '.join(c.families)} techniques only"
        if c.when is None or not s.finished:
            return ""
        kinds = {r.release_kind for r in s.finished}
        if c.when.release_kind is not None and kinds.isdisjoint(c.when.release_kind):
            return f"asked of techniques that release {' or '.join(c.when.release_kind)} only"
        if c.when.notion is not None and {g.notion for _, g in s.guarantees}.isdisjoint(c.when.notion):
            return f"asked of techniques with a {' or '.join(c.when.notion)} guarantee only"
        return ""

    # -- comparisons ------------------------------------------------------------------------------

    def _checks(self, checks: Sequence[Check] | None) -> list[VerdictRow]:
        rows = []
        for check in checks or ():
            if check.metric in FACTS:
                rows.append(self._fact(check))
            else:
                rows += [self._place(check, place) for place in self.subject.places()]
        return once(rows)

    def _fact(self, check: Check) -> VerdictRow:
        fact = FACTS[check.metric].find(self.subject)
        if not fact.applies:
            return _row("not-applicable", fact.reason)
        if fact.value is None:
            return _row("not-evaluated", fact.reason)
        target = check.value
        if isinstance(fact.value, float) and isinstance(target, (int, float)):
            holds = _HOLDS[check.op](fact.value, target)
        else:
            holds = fact.value == target
        return _row(self._met() if holds else check.on_miss, fact.reason)

    def _place(self, check: Check, place: Place) -> VerdictRow:
        """The worst of the figures that *check* looks at on one dataset and task."""
        found = self._figures(check.metric, place)
        measured = [f for f in found if f.status == "measured"]
        if not measured:
            return self._nothing(check.metric, found, place)
        rows = [self._compare(check, f, place) for f in _chosen(measured, check)]
        if not rows:
            return _row("not-evaluated", f"{check.metric} has no figure for what the criterion asks", place)
        return min(rows, key=lambda r: SEVERITY.index(r.verdict))

    def _compare(self, check: Check, figure: Figure, place: Place) -> VerdictRow:
        subject = f"{check.metric}{_which(figure)}"
        if math.isnan(figure.number):
            return _row("not-evaluated", f"{subject} was not measured: {figure.note or 'no reason given'}", place)
        target = self._target(check, figure, place)
        if target is None or math.isnan(target):
            return _row("not-evaluated", f"{check.value_of}, the limit for {subject}, was not measured", place)
        if check.proven and math.isnan(figure.interval.low) and figure.unit != P_VALUE:
            return _row("not-evaluated", f"{subject} has no interval, so that nothing is proven", place)
        decisive, told = _decisive(figure, check)
        holds = all(_HOLDS[check.op](d, target) for d in decisive)
        relation = "is" if holds else "is not"
        reason = f"{subject} {told} {relation} {_LIMIT[check.op]} {brief(target)}"
        reason += f", {figure.coverage}" if figure.coverage else ""
        if not holds:
            within = _HOLDS[check.op](_end(figure, high=check.op in (">", ">=")), target)
            luck = chance(figure, self.subject.data_free, within=within) if check.beyond else ""
            return _row("not-evaluated", f"{reason}: {luck}", place) if luck else _row(check.on_miss, reason, place)
        doubt = self._doubt(check, figure, target)
        return _row("not-evaluated", f"{reason}: {doubt}", place) if doubt else _row(self._met(), reason, place)

    def _doubt(self, check: Check, figure: Figure, target: float) -> str:
        """Why a figure within its limit is no evidence; "" if it is."""
        if self.criterion.evidence == "measured" and 2 * figure.measured < figure.of:
            return "fewer than half, which is too few to pass"
        if figure.unit == P_VALUE and figure.floor is not None and check.op in (">", ">="):
            least = min(1.0, figure.floor * max(1, figure.tests))
            if _HOLDS[check.op](least, target):
                told = f"the smallest that it can give is {brief(least)}, so it could not have failed"
                return f"too many tests for so few permutations ({told})"
        return ""

    def _target(self, check: Check, figure: Figure, place: Place) -> float | None:
        """The limit: fixed, or the strictest of the other metric's figures (in the same seat and group if there)."""
        if check.value_of is None:
            return float(check.value) if isinstance(check.value, (int, float)) else None
        if check.value_of in FACTS:
            fact = FACTS[check.value_of].find(self.subject)
            return fact.value if isinstance(fact.value, float) else None
        others = [f for f in self._figures(check.value_of, place) if not math.isnan(f.number)]
        same = [f for f in others if (f.seat, f.group) == (figure.seat, figure.group)]
        lows_decide = check.op in ("<", "<=")
        ends = [_end(f, high=not lows_decide) for f in same or others]
        return (min(ends) if lows_decide else max(ends)) if ends else None

    def _met(self) -> VerdictName:
        return "claim-only" if self.criterion.evidence == "claimed" else "pass"

    # -- figures that are shown without a limit ---------------------------------------------------

    def _report(self, names: Sequence[str]) -> list[VerdictRow]:
        facts = {n: FACTS[n].find(self.subject) for n in names if n in FACTS}
        metrics = [n for n in names if n not in FACTS]
        rows = [_reported(fact, self._shown()) for fact in facts.values()]
        return rows + ([self._report_place(metrics, place) for place in self.subject.places()] if metrics else [])

    def _report_place(self, names: list[str], place: Place) -> VerdictRow:
        found = {n: self._figures(n, place) for n in names}
        there = [n for n, figures in found.items() if any(not math.isnan(f.number) for f in figures)]
        if not there:
            return self._nothing(" and ".join(names), [f for fs in found.values() for f in fs], place)
        lacking = [n for n in names if n not in there and any(f.status != "not-applicable" for f in found[n])]
        reason = "shown: " + ", ".join(there) + (f"; not measured: {', '.join(lacking)}" if lacking else "")
        return _row(self._shown(), reason, place)

    def _shown(self) -> VerdictName:
        return "claim-only" if self.criterion.evidence == "claimed" else "reported"

    # -- the sum of it ----------------------------------------------------------------------------

    def _nothing(self, metric: str, found: list[Figure], place: Place) -> VerdictRow:
        """Why there is no figure on *place*: cells that did not finish, a metric that does not apply or failed."""
        cells = [r for r in self.subject.records if (r.spec.dataset, r.spec.task) == place]
        ended = [r for r in cells if r.status == "finished"]
        if not cells:
            return _row("not-evaluated", "no cell has run", place)
        if not ended:
            first = cells[0]
            name: VerdictName = "not-applicable" if all(r.status == "skipped" for r in cells) else "not-evaluated"
            return _row(name, f"{UNFINISHED} ({first.status}: {first.reason or 'no reason given'})", place)
        notes = [f.note for f in found if f.note] or [r.reason for r in ended if r.reason]
        if found and all(f.status == "not-applicable" for f in found):
            return _row("not-applicable", f"{metric} does not apply: {notes[0] if notes else 'no reason given'}", place)
        return _row("not-evaluated", f"{metric} was not measured{': ' + notes[0] if notes else ''}", place)

    def _figures(self, metric: str, place: Place) -> list[Figure]:
        return self.subject.by_metric.get((metric, *place), [])

    def _word(self) -> str:
        """What a person vouches for on this criterion; "" if nobody does."""
        said = (a for a in self.subject.manifest.study.attestations if a.criterion == self.criterion.id)
        return next((f"{a.statement} ({a.by}, {a.date.isoformat()})" for a in said), "")

    def _attested(self) -> Verdict:
        if word := self._word():
            return self._made("attested", word)
        return self._made("waiting", "nobody has attested this; add it under 'attestations' in the study")

    def _summary(self, rows: list[VerdictRow]) -> Verdict:
        if not rows:
            return self._made("not-evaluated", "no cell was planned")
        name = worst([r.verdict for r in rows])
        deciding = [r for r in rows if r.verdict == name]
        if name == "not-applicable" and not self.subject.finished:
            return self._made("not-evaluated", deciding[0].reason, rows)
        if name == "not-applicable" and self._never_played():
            # The criterion is asked of such releases, and no task of the study, or no data, let a metric answer it.
            return self._made("not-evaluated", deciding[0].reason, rows)
        if name == "not-applicable" and self.criterion.evidence == "claimed" and deciding[0].dataset:
            # Asked of this family, and no release says it: missing, not inapplicable.
            return self._made("not-evaluated", f"not stated: {deciding[0].reason}", rows)
        return self._made(name, joined(deciding), rows)

    def _never_played(self) -> bool:
        """Whether every metric of the criterion lacked, wherever there is a release, the evidence that it reads."""
        figures = [f for n in self.criterion.names() for p in self.subject.places() for f in self._figures(n, p)]
        return bool(figures) and all(f.lacks for f in figures)

    def _made(self, name: VerdictName, reason: str, rows: Sequence[VerdictRow] = ()) -> Verdict:
        placed = [r for r in rows if r.dataset]
        return Verdict(
            criterion=self.criterion.id, technique=self.subject.label, verdict=name, reason=reason, rows=placed
        )


# -- pieces that need no criterion ----------------------------------------------------------------


def _row(verdict: VerdictName, reason: str, place: Place = ("", "")) -> VerdictRow:
    return VerdictRow(dataset=place[0], task=place[1], verdict=verdict, reason=reason)


def _reported(fact: Fact, shown: VerdictName) -> VerdictRow:
    if not fact.applies:
        return _row("not-applicable", fact.reason)
    return _row("not-evaluated" if fact.value is None else shown, fact.reason)


def _chosen(figures: list[Figure], check: Check) -> list[Figure]:
    """The rows of a metric that *check* looks at: those it names, else the row for everybody, else all."""
    for field in ("group", "statistic"):
        wanted = getattr(check, field)
        overall = [f for f in figures if getattr(f, field) == (wanted or "")]
        figures = overall if overall or wanted is not None else figures
    return [f for f in figures if check.seat is None or f.seat == check.seat]


def _decisive(figure: Figure, check: Check) -> tuple[list[float], str]:
    """The numbers that decide, and how the figure is told."""
    value = figure.number
    if figure.unit == P_VALUE and figure.adjusted is not None:
        return [figure.adjusted], f"{brief(figure.adjusted)} (smallest of {figure.n}, adjusted for all tests)"
    low, high = figure.interval
    if math.isnan(low):
        return [value], f"{brief(value)} (without an interval, so the value decides)"
    above = check.op in (">", ">=")
    ends = [low if above != check.proven else high] if check.op != "==" else [low, high]
    if low == high:
        return ends, brief(value)
    if ends == [value] and math.isinf(high):
        return ends, f"{brief(value)} (a {figure.level:.0%} lower bound)"
    told, from_, to = together(value, low, high)
    which = "favourable" if check.proven else "unfavourable"
    return ends, f"{told} ({figure.level:.0%} interval {from_} to {to}; its {which} end decides)"


def _end(figure: Figure, *, high: bool) -> float:
    low_end, high_end = figure.interval
    end = high_end if high else low_end
    return figure.number if math.isnan(end) else end


def _which(figure: Figure) -> str:
    parts = [figure.statistic, figure.group and f"group {figure.group}", figure.seat and f"seat {figure.seat}"]
    named = ", ".join(p for p in parts if p)
    return f" ({named})" if named else ""
