"""An audit in words and as JSON. It says "violation found" or "no violation found", and nothing stronger."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from pets_metrics.privacy.audit.claim import Finding
from pets_metrics.privacy.audit.verdict import Audit, Planted

FORMAT = "pets-eval/audit/1"
_RELATION = {"add-remove": "one more or less", "replace": "one replaced by another"}


def as_json(audit: Audit) -> dict[str, Any]:
    """Plain JSON values; what is not measured or not finite is null."""
    worst = audit.worst
    return {
        "schema": FORMAT,
        "target": audit.target,
        "claim": _plain(asdict(audit.claim)),
        "outcome": audit.outcome,
        "p_value": _number(audit.p_value),
        "epsilon_lower_bound": _number(worst.epsilon),
        "level": worst.level,
        "event": worst.event,
        "event_seen": worst.note,
        "neighbours": worst.neighbours,
        "detection_floor": _number(worst.floor),
        "detection_ceiling": _number(worst.ceiling),
        "would_have_caught": _number(audit.caught),
        "planted_violation": asdict(audit.planted) if audit.planted else None,
        "runs": audit.runs,
        "runs_per_input": worst.runs,
        "seconds": round(audit.seconds, 3),
        "neighbours_tried": {name: _number(epsilon) for name, epsilon in audit.explored.items()},
        "findings": [_plain(asdict(f)) for f in (audit.worst, *audit.also)],
        "beside_the_verdict": [_plain(asdict(f)) for f in audit.beside],
    }


def as_text(audit: Audit) -> str:
    """What a person reads: the verdict first, then what it rests on."""
    worst, violated = audit.worst, audit.outcome == "violation found"
    lines = [
        audit.outcome + (f" (p = {_p(audit.p_value)})" if violated else ""),
        "",
        _line("target", audit.target),
        _line("claim", f"{audit.claim}, per {audit.claim.unit}, {_RELATION[audit.claim.neighbours]}"),
        _line("lower bound", f"epsilon >= {_e(worst.epsilon)} at {_percent(worst.level)} confidence"),
        _line("neighbours", worst.neighbours),
        _line("event", f"{worst.event}; {worst.note}"),
        _line("runs", f"{audit.runs:,} in {audit.seconds:.1f} s, {worst.runs:,} on each of the worst neighbours"),
        _line("detection floor", _floor(worst)),
        _line("ceiling", f"so many runs can show an epsilon of {_e(worst.ceiling)} at most"),
        _line("power", _power(audit)),
    ]
    if not violated:
        lines.append(_line("planted", _planted(audit.planted)))
    lines += [_line(f.check, f"{_said(f)}: {f.note or f.event}") for f in audit.also]
    if audit.beside:
        lines += ["", "beside the verdict; counted with --strict:"]
        lines += [_line(f.check, f"{f.neighbours}: told apart, epsilon >= {_e(f.epsilon)}") for f in audit.beside]
    lines += ["", "neighbours tried, with the epsilon that each seemed to show:"]
    lines += [f"  {epsilon:5.2f}  {name}" for name, epsilon in sorted(audit.explored.items(), key=lambda e: -e[1])]
    if not violated:
        lines += ["", "An audit can contradict a claim; it cannot show that a claim holds."]
    return "\n".join(lines)


def _said(finding: Finding) -> str:
    if finding.outcome == "not measured":
        return finding.outcome
    if not finding.violated:
        return "nothing against the claim"
    return "against the claim" + (f" (p = {_p(finding.p_value)})" if finding.p_value >= 0 else "")


def _floor(worst: Finding) -> str:
    if math.isinf(worst.floor):
        return "none: so few runs cannot contradict this claim; make more"
    return f"epsilon {_e(worst.floor)}: the least that so many runs find in 95 % of tries, if one event shows it all"


def _power(audit: Audit) -> str:
    if math.isnan(audit.caught):
        return "not measured: the outcomes are all alike"
    if math.isinf(audit.caught):
        return "none: no violation planted in these outcomes was found in 95 % of tries; make more runs"
    return (
        f"would have caught a true epsilon of at least {_e(audit.caught)}, planted in these outcomes, in 95 % of tries"
    )


def _planted(planted: Planted | None) -> str:
    if planted is None:
        return "nothing"
    what = f"a violation, {planted.times} units passed off as one, would be caught with probability"
    if planted.power >= 0.95:
        return f"{what} {math.floor(1000 * planted.power) / 1000:g} or more"
    return f"{what} {planted.power:.2g} only: this audit is weak here"


def _line(name: str, said: str) -> str:
    return f"  {name:<18}  {said}"


def _e(epsilon: float) -> str:
    return f"{epsilon:.3g}"


def _percent(level: float) -> str:
    return f"{100 * level:.0f} %" if level < 0.99 else f"{100 * level:.9g} %"


def _p(p_value: float) -> str:
    return "below 1e-12" if p_value < 1e-12 else f"{p_value:.2g}"


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in values.items()}
