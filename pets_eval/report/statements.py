"""What must be said in words beside the figures of one task: where privacy was not measured, where units are mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pets_eval.guideline.figures import Figure
from pets_eval.report.model import Scorecard, TechniqueCard
from pets_eval.report.words import title

Place = tuple[str, str]
_NUMERIC = {"integer", "real", "date"}


def privacy_statements(
    place: Place, figures: Sequence[Figure], techniques: Sequence[TechniqueCard], *, drawn: bool
) -> list[str]:
    """Who has no figure of privacy on *place* and why, whose guarantee is weakened, and why there is no chart."""
    private = [f for f in figures if f.axis == "privacy"]
    there = [t for t in techniques if any(f.technique == t.label for f in figures)]
    known = {f.technique for f in private if f.value is not None}
    lacking = [t for t in there if t.label not in known]
    said = []
    if lacking:
        why = _why([f for f in private if f.technique in {t.label for t in lacking}])
        if len(lacking) == len(there):
            said.append(f"Privacy was not measured on this task: {why}.")
        else:
            named = ", ".join(t.label for t in lacking)
            said.append(f"Privacy was not measured on this task for {named}: {why}.")
    for t in there:
        hazards = [h for s in t.guarantees if place in s.places for h in s.guarantee.hazards]
        if hazards:
            told = "; ".join(dict.fromkeys(hazards))
            said.append(f"The guarantee of {t.label} is stated, but an assumption is violated here: {told}.")
    if not drawn:
        said.append(f"There is no chart of privacy against utility: {_no_chart(figures, known)}.")
    return said


def _why(silent: Iterable[Figure]) -> str:
    """The reasons of metrics that gave nothing, each once with the metrics that gave it."""
    reasons: dict[str, dict[str, None]] = {}
    for f in silent:
        told = "the metric failed, as section 5 tells" if f.status == "failed" else f.note or "no reason given"
        reasons.setdefault(told, {})[title(f.metric).lower()] = None
    return "; ".join(f"{reason} ({', '.join(metrics)})" for reason, metrics in reasons.items()) or (
        "no metric of privacy was asked for"
    )


def _no_chart(figures: Iterable[Figure], known: set[str]) -> str:
    if not known:
        return "no technique has a figure of privacy"
    if len({f.technique for f in figures if f.axis == "utility" and f.value is not None}) < 2:
        return "fewer than two techniques have a figure of utility"
    return "the guideline asks to draw none of the figures that there are"


def mixed(figure: Figure, card: Scorecard) -> str:
    """What to add to a column head whose figures may average unlike things; "" where they do not.

    Counts have one unit, and a statistic that names its column ("mean of income") has that column's. Else the task's
    parameters tell: more than one numeric column, and the units may differ; a date, and a ratio has an arbitrary zero.
    """
    if figure.axis != "utility" or figure.statistic in ("", "count"):
        return ""
    columns = next((d.facts.columns for d in card.datasets if d.name == figure.dataset), {})
    named = _names(next((t.params for t in card.tasks if t.label == figure.task), {}))
    kinds = {n: c.get("kind") for n, c in columns.items() if n in named and isinstance(c, Mapping)}
    numeric = [n for n, kind in kinds.items() if kind in _NUMERIC]
    own = [n for n in numeric if n in figure.statistic.split()]
    of_dates = any(kinds[n] == "date" for n in own or numeric)
    if figure.unit == "ratio" and of_dates:
        return "; relative to a date, whose zero is arbitrary: compare techniques, not tasks"
    if not own and len(numeric) > 1:
        return "; mixed units: compare techniques, not tasks"
    return ""


def _names(value: object) -> set[str]:
    """Every text in the parameters of a task, however deep."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        value = list(value.values())
    return {n for v in value for n in _names(v)} if isinstance(value, (list, tuple)) else set()
