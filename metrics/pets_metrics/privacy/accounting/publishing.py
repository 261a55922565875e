"""The releases of a finished run as one account for each data set: what it costs to publish them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pets_eval.model import Guarantee, PetsEvalError, Unsupported, near
from pets_eval.model.record import GuaranteeRow, Manifest, RunRecord
from pets_metrics.privacy.accounting.composition import Composed, added, composed
from pets_metrics.privacy.accounting.mechanisms import parts
from pets_metrics.privacy.accounting.notions import check_delta
from pets_metrics.privacy.accounting.part import Part

_USUAL = 1e-6  # where no release states a delta but its mechanisms need one
_FLOAT = 1e-12  # relative: what the rounding of a sum may move a delta


@dataclass(frozen=True)
class Row:
    """`count` releases of one technique for one task, with what each costs by itself, or why no epsilon holds."""

    technique: str
    task: str
    count: int
    epsilon: float
    reason: str = ""


@dataclass(frozen=True)
class Book:
    """What publishing costs the people of one data set, per `unit` under `adjacency`, at `delta`.

    `origin` says where delta is from ("" where it was given) and `reason` why no epsilon holds there ("" where one
    does). `void` names techniques without a guarantee, and why. `verdict` on a budget is "kept", "exceeded", or "void"
    where what is published has no guarantee. `past` is the first release in the order of the plan that goes past the
    budget ("" if none does), in `exceeded`: "epsilon", or "delta" where no epsilon holds.
    """

    dataset: str
    unit: str
    adjacency: str
    delta: float
    budget: float | None
    rows: tuple[Row, ...]
    total: Composed | None
    void: dict[str, str] = field(default_factory=dict)
    past: str = ""
    origin: str = ""
    reason: str = ""
    exceeded: Literal["", "epsilon", "delta"] = ""
    verdict: Literal["", "kept", "exceeded", "void"] = ""


@dataclass(frozen=True, eq=False)
class _Release:
    record: RunRecord
    found: list[Part]  # the same objects for equal guarantees
    guarantee: Guarantee | None
    reason: str = ""

    @property
    def name(self) -> str:
        spec = self.record.spec
        return f"{spec.label} on {spec.task}, repeat {spec.repeat}"


def books(
    directory: Path, *, publish: Sequence[str] = (), delta: float | None = None, budget: float | None = None
) -> list[Book]:
    """One account for each data set, unit and adjacency of the run in *directory*.

    *publish* names the techniques whose releases are published, by label or name; left out, all but the anchors that
    give a guarantee. A release without one counts only where it is named, and then a budget is void. *delta* left out
    is the sum of what the releases state, at least what they fail with. Raises `PetsEvalError` if this is no run, a
    name is not in it, or a parameter makes no sense.
    """
    if delta is not None:
        check_delta(delta)
    records = [r for r in _records(directory) if r.status == "finished" and r.spec.kind == "cell"]
    known = {name for r in records for name in (r.spec.label, r.spec.technique)}
    for name in publish:
        if name not in known:
            raise PetsEvalError(f"no release of this run is by {name[:60]!r}{near(name, known)}")
    seen: dict[str, tuple[list[Part], Guarantee | None, str]] = {}
    releases = [_release(r, seen) for r in records]
    groups: dict[tuple[str, str, str], list[_Release]] = {}
    for release in releases:
        named = {release.record.spec.label, release.record.spec.technique} & set(publish)
        if named or (not publish and (release.guarantee or not release.record.spec.anchor)):
            row = release.record.guarantee
            unit, adjacency = (row.unit, row.adjacency) if release.guarantee and row else ("", "")
            groups.setdefault((release.record.spec.dataset, unit, adjacency), []).append(release)
    for (dataset, unit, adjacency), without in [(k, v) for k, v in groups.items() if k[1:] == ("", "")]:
        del groups[(dataset, unit, adjacency)]
        others = [k for k in groups if k[0] == dataset] or [(dataset, "record", "add-remove")]
        for key in others:
            groups.setdefault(key, []).extend(without)
    return [_book(key, found, delta, budget, bool(publish)) for key, found in groups.items()]


def _book(
    key: tuple[str, str, str], releases: list[_Release], delta: float | None, budget: float | None, chosen: bool
) -> Book:
    releases = sorted(releases, key=lambda r: r.guarantee is None)  # stable: else the order of the plan
    proven = [r for r in releases if r.guarantee is not None]
    at, origin = (delta, "") if delta is not None else _stated(proven)
    rows: dict[tuple[str, str, int], list[_Release]] = {}
    for r in proven:
        rows.setdefault((r.record.spec.label, r.record.spec.task, id(r.found)), []).append(r)
    alone: dict[int, Composed] = {}
    for r in proven:
        if id(r.found) not in alone:
            alone[id(r.found)] = composed(r.found, at)
    shown = tuple(
        Row(label, task, len(same), alone[found].epsilon, _reason(alone[found], same[:1], "it fails by itself"))
        for (label, task, found), same in rows.items()
    )
    void = {r.record.spec.label: r.reason for r in releases if r.guarantee is None}
    total = _together(proven, at, key) if proven else None
    reason = "" if total is None else _reason(total, proven, "the releases fail by themselves")
    made = Book(*key, at, budget, shown, total, void, origin=origin, reason=reason)
    if budget is None:
        return made
    if void and chosen:
        return replace(made, verdict="void")
    if total is None or total.epsilon <= budget:
        return replace(made, verdict="kept")
    first = _first_past(proven, at, key, budget)
    finite = math.isfinite(_together(proven[: first + 1], at, key).epsilon)
    return replace(made, verdict="exceeded", past=proven[first].name, exceeded="epsilon" if finite else "delta")


def _together(releases: Sequence[_Release], delta: float, key: tuple[str, str, str]) -> Composed:
    found = [p for r in releases for p in r.found]
    return composed(found, delta, unit=key[1], adjacency=key[2], releases=len(releases))


def _first_past(releases: Sequence[_Release], delta: float, key: tuple[str, str, str], budget: float) -> int:
    """The place of the first release with which all up to it cost more than *budget*; cost only grows."""
    low, high = 0, len(releases) - 1
    while low < high:
        middle = (low + high) // 2
        if _together(releases[: middle + 1], delta, key).epsilon > budget:
            high = middle
        else:
            low = middle + 1
    return low


def _stated(releases: Sequence[_Release]) -> tuple[float, str]:
    """The sum of the deltas that releases state, and what it is; more where no epsilon could hold at it."""
    delta = math.fsum(r.guarantee.parameters.get("delta", 0.0) for r in releases if r.guarantee)
    failure = added([p for r in releases for p in r.found]).delta
    origin = "the sum of what the releases state"
    if failure > delta:
        delta, origin = failure, "the sum of what the releases fail with"
    if _unbounded(releases) and delta <= failure * (1 + _FLOAT):
        delta, origin = delta + _USUAL, f"{origin} and {_USUAL:g} for noise that states none"
    return min(delta, math.nextafter(1, 0)), origin if releases else ""


def _unbounded(releases: Iterable[_Release]) -> bool:
    return any(p.pure == math.inf and p.times for r in releases for p in r.found)


def _reason(total: Composed, releases: Sequence[_Release], fails: str) -> str:
    """Why no epsilon holds at the delta of *total*, and at which one does; "" where one holds."""
    if math.isfinite(total.epsilon):
        return ""
    if total.failure >= 1:
        return f"{fails} with probabilities that add up to 1 or more: no epsilon holds at any delta"
    unbounded, least = _unbounded(releases), _up(total.failure)
    raised = f"no epsilon holds; raise --delta to {'more than' if unbounded else 'at least'} {least}"
    if total.failure > total.delta:
        return f"{fails} with probability {least}, more than delta = {total.delta:g}: {raised}"
    return f"noise without a largest loss needs a delta beyond what fails by itself ({least}): {raised}"


def _up(value: float) -> str:
    """*value* in as few digits as are not below it, but for the rounding of a sum."""
    texts = (f"{value:.{digits}g}" for digits in range(4, 18))
    return next(text for text in texts if float(text) >= value * (1 - _FLOAT))


def _release(record: RunRecord, seen: dict[str, tuple[list[Part], Guarantee | None, str]]) -> _Release:
    text = "" if record.guarantee is None else json.dumps(record.guarantee.model_dump(), sort_keys=True)
    if text not in seen:
        seen[text] = _accounted(record.guarantee)
    return _Release(record, *seen[text])


def _accounted(row: GuaranteeRow | None) -> tuple[list[Part], Guarantee | None, str]:
    if row is None:
        return [], None, "it states none"
    guarantee = row.guarantee()
    try:
        return parts(guarantee), guarantee, ""
    except (PetsEvalError, Unsupported) as reason:
        return [], None, str(reason)


def _records(directory: Path) -> Iterator[RunRecord]:
    """The records of a run in the order of its plan."""
    try:
        manifest = Manifest.model_validate_json((directory / "run.json").read_bytes())
    except FileNotFoundError:
        raise PetsEvalError(f"{directory} is not a run of pets-eval (it has no run.json)") from None
    except (OSError, ValidationError, ValueError):
        raise PetsEvalError(f"{directory / 'run.json'} is damaged or of another version") from None
    for planned in manifest.plan:
        path = directory / "cells" / f"{planned.identity}.json"
        if path.is_file():
            try:
                yield RunRecord.model_validate_json(path.read_bytes())
            except (OSError, ValidationError, ValueError):
                raise PetsEvalError(f"the record {path.name} of the run is damaged") from None
