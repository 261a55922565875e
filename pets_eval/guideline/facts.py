"""Facts: what a criterion can ask that is no metric, read from the manifest and the records of one technique."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pets_eval.guideline.subject import Subject
from pets_eval.model.record import DatasetFacts

Value = bool | float | str


@dataclass(frozen=True)
class Fact:
    """A fact's value and one sentence that explains it; no value means that it cannot be known from this run."""

    value: Value | None
    reason: str
    applies: bool = True


@dataclass(frozen=True)
class Known:
    """A named fact: the type of its value, and how it is found."""

    kind: type
    find: Callable[[Subject], Fact]


FACTS: dict[str, Known] = {}


def _fact(name: str, kind: type) -> Callable[[Callable[[Subject], Fact]], Callable[[Subject], Fact]]:
    def register(find: Callable[[Subject], Fact]) -> Callable[[Subject], Fact]:
        FACTS[name] = Known(kind, find)
        return find

    return register


@_fact("context-complete", bool)
def context_complete(subject: Subject) -> Fact:
    """Whether the study states its purpose, the people in the data, the data elements and how results are shared."""
    study = subject.manifest.study
    stated = {
        "purpose": study.purpose.strip(),
        "data-subjects": study.data_subjects.strip(),
        "sharing-model": study.sharing_model,
        "the columns of each dataset": subject.manifest.datasets
        and all(d.columns for d in subject.manifest.datasets.values()),
    }
    return _all_stated(stated)


@_fact("threat-model-stated", bool)
def threat_model_stated(subject: Subject) -> Fact:
    """Whether the study has a threat model, and the technique names its trust model and adversary."""
    claims = [r.claims for r in subject.finished]
    if not claims:
        return Fact(None, "no cell finished, so the technique stated nothing")
    stated = {
        "the study's threat-model": subject.manifest.study.threat_model.strip(),
        "the technique's trust model and adversary": all(
            c and "unknown" not in (c.trust_model, c.adversary) for c in claims
        ),
    }
    return _all_stated(stated)


@_fact("claims-labelled", bool)
def claims_labelled(subject: Subject) -> Fact:
    """Whether every claim says what it protects (input or output privacy), against whom, and what it does not."""
    if not subject.finished:
        return Fact(None, "no cell finished, so the technique claimed nothing")
    claims = [r.claims for r in subject.finished]
    stated = {
        "claims": all(c is not None for c in claims),
        "what is protected": all(c is None or c.covers.strip() for c in claims),
        "what is not protected": all(c is None or c.leaves.strip() for c in claims),
    }
    return _all_stated(stated)


@_fact("objectives-mapped", bool)
def objectives_mapped(subject: Subject) -> Fact:
    """Whether every claim of protection is mapped to a privacy engineering or security objective."""
    claims = [r.claims for r in subject.finished if r.claims]
    if not claims:
        return Fact(None, "no cell finished with claims")
    if not any(c.protects for c in claims):
        return Fact(None, "the technique claims no protection", applies=False)
    names = sorted({o for c in claims for o in c.objectives})
    if all(c.objectives for c in claims):
        return Fact(True, "mapped to " + ", ".join(names))
    return Fact(False, "no objective is named for a claim of protection")


@_fact("baselines-present", bool)
def baselines_present(subject: Subject) -> Fact:
    """Whether at least two baselines (such as no protection, and no data) finished wherever this technique did."""
    places = {(r.spec.dataset, r.spec.task) for r in subject.finished}
    if not places:
        return Fact(None, "no cell finished, so there is nothing to compare")
    lacking = sorted(p for p in places if len(subject.baselines.get(p, set())) < 2)
    if lacking:
        return Fact(False, f"fewer than two baselines finished on {' / '.join(lacking[0])}")
    names = sorted({n for p in places for n in subject.baselines[p]})
    return Fact(True, "run beside " + ", ".join(names))


@_fact("residual-risks-listed", bool)
def residual_risks_listed(subject: Subject) -> Fact:
    """Whether the study lists what remains unprotected."""
    risks = [r for r in subject.manifest.study.residual_risks if r.strip()]
    return Fact(bool(risks), f"{len(risks)} listed" if risks else "the study lists no residual risk")


@_fact("valid-days", float)
def valid_days(subject: Subject) -> Fact:
    """Days from the run to the study's expiry date; infinite without one."""
    expires = subject.manifest.study.expires
    if expires is None:
        return Fact(math.inf, "the study has no expiry date")
    created = datetime.date.fromisoformat(subject.manifest.created[:10])
    days = (expires - created).days
    return Fact(float(days), f"valid for {days} days, until {expires.isoformat()}")


@_fact("software-identified", bool)
def software_identified(subject: Subject) -> Fact:
    """Whether the program, its interpreter, all packages and each finished cell's versions are recorded."""
    manifest = subject.manifest
    stated = {
        "the version of pets-eval": manifest.pets_eval,
        "the version of Python": manifest.python,
        "the versions of the packages": manifest.packages,
        "the versions behind each cell": all(r.versions for r in subject.finished),
    }
    return _all_stated(stated)


@_fact("datasets-identified", bool)
def datasets_identified(subject: Subject) -> Fact:
    """Whether each dataset has a fingerprint, which the run took of the data themselves."""
    return _of_datasets(subject, lambda d: {"fingerprint": d.fingerprint})


@_fact("datasets-attributed", bool)
def datasets_attributed(subject: Subject) -> Fact:
    """Whether the source and the licence of each dataset are stated."""
    return _of_datasets(subject, lambda d: {"licence": d.licence.strip(), "source": d.source.strip()})


def _of_datasets(subject: Subject, find: Callable[[DatasetFacts], Mapping[str, str]]) -> Fact:
    names = sorted({r.spec.dataset for r in subject.records} | {p.spec.dataset for p in subject.planned})
    stated: dict[str, object] = {}
    for name in names:
        facts = subject.manifest.datasets.get(name)
        stated[f"facts of {name}"] = facts
        stated |= {f"{what} of {name}": value for what, value in (find(facts) if facts else {}).items()}
    return _all_stated(stated)


@_fact("repeats", float)
def repeats(subject: Subject) -> Fact:
    """The fewest finished repeats over the tasks that have figures; does not apply to a deterministic technique."""
    if not subject.finished:
        return Fact(None, "no cell finished")
    if all(r.claims and r.claims.deterministic for r in subject.finished):
        return Fact(None, "the technique says it is deterministic, so one run is enough", applies=False)
    counts: dict[tuple[str, str], int] = {}
    for r in subject.finished:
        place = (r.spec.dataset, r.spec.task)
        counts[place] = counts.get(place, 0) + 1
    place, fewest = min(counts.items(), key=lambda item: (item[1], item[0]))
    return Fact(float(fewest), f"{fewest} repeats finished on {' / '.join(place)}")


@_fact("undisclosed-cells", float)
def undisclosed_cells(subject: Subject) -> Fact:
    """How many planned cells have no record, or ended badly without a reason."""
    there = {r.identity for r in subject.records}
    absent = sum(p.identity not in there for p in subject.planned)
    silent = sum(r.status != "finished" and not r.reason.strip() for r in subject.records)
    if not absent and not silent:
        return Fact(0.0, "every planned cell has a record, and each failure its reason")
    parts = ([f"{absent} of {len(subject.planned)} planned cells have no record"] if absent else []) + (
        [f"{silent} cells ended badly without a reason"] if silent else []
    )
    return Fact(float(absent + silent), " and ".join(parts))


@_fact("trust-model", str)
def trust_model(subject: Subject) -> Fact:
    """Who is trusted with the raw data, as the technique says."""
    stated = sorted({r.claims.trust_model for r in subject.finished if r.claims} - {"unknown"})
    return Fact(", ".join(stated), f"trust model: {', '.join(stated)}") if stated else Fact(None, "none is stated")


@_fact("sharing-model", str)
def sharing_model(subject: Subject) -> Fact:
    """How results are shared, as the study says."""
    stated = subject.manifest.study.sharing_model
    return (
        Fact(stated, f"how results are shared: {stated}") if stated else Fact(None, "the study states no sharing-model")
    )


@_fact("privacy-unit", str)
def privacy_unit(subject: Subject) -> Fact:
    """Whom the formal guarantee protects: who the dataset says one unit of privacy is, else as stated."""
    units = set()
    for record, guarantee in subject.guarantees:
        facts = subject.dataset(record)
        known = facts is not None and guarantee.unit == facts.unit and facts.unit_is
        units.add(known or guarantee.unit)
    if not units:
        return Fact(None, "no release came with a formal guarantee")
    found = sorted(units)
    told = f"the guarantee is per {' or '.join(found)}"
    if "record" in found:
        told += "; whether a record is a person, the schema does not say (unit-is)"
    return Fact(found[0] if len(found) == 1 else f"mixed ({', '.join(found)})", told)


@_fact("delta-times-n", float)
def delta_times_n(subject: Subject) -> Fact:
    """The largest claimed delta times the number of protected rows: how many people it may fail to protect at all."""
    return _largest_delta(subject, 1, "the number of rows")


@_fact("delta-times-n-squared", float)
def delta_times_n_squared(subject: Subject) -> Fact:
    """The largest claimed delta times the square of the number of protected rows; at most 1 is the cautious choice."""
    return _largest_delta(subject, 2, "the square of the number of rows")


def _largest_delta(subject: Subject, power: int, named: str) -> Fact:
    """The largest claimed delta, times the number of rows to that power."""
    worst, where = -math.inf, ""
    for record, guarantee in subject.guarantees:
        facts = subject.dataset(record)
        pure = guarantee.notion.startswith("pure") or "epsilon" in guarantee.parameters
        delta = guarantee.parameters.get("delta", 0.0 if pure else None)
        if delta is None or facts is None or not facts.train_rows:
            return Fact(None, "a guarantee states no delta, or the number of rows is not known")
        if delta * facts.train_rows**power > worst:
            worst, where = delta * facts.train_rows**power, record.spec.dataset
    if math.isinf(worst):
        return Fact(None, "no release came with a formal guarantee")
    return Fact(worst, f"delta times {named} is {worst:.3g} on {where}")


@_fact("adjacency", str)
def adjacency(subject: Subject) -> Fact:
    """Which data sets the guarantee takes for neighbours: add-remove (unbounded), replace (bounded) or another."""
    stated = sorted({g.adjacency for _, g in subject.guarantees})
    if not stated:
        return Fact(None, "no release came with a formal guarantee")
    return Fact(", ".join(stated), f"neighbouring data sets differ by: {', '.join(stated)}")


@_fact("mechanism-described", bool)
def mechanism_described(subject: Subject) -> Fact:
    """Whether every guarantee describes its mechanisms, so that its privacy loss can be worked out again from them."""
    if not subject.guarantees:
        return Fact(None, "no release came with a formal guarantee")
    names = sorted({str(e.get("mechanism", "unnamed")) for _, g in subject.guarantees for e in g.events})
    if all(g.events for _, g in subject.guarantees):
        return Fact(True, f"described by its own parameters: {', '.join(names)}")
    return Fact(False, "a guarantee states epsilon and delta, and not which mechanism they come from")


@_fact("data-dependent-bounds", bool)
def data_dependent_bounds(subject: Subject) -> Fact:
    """Whether bounds or domains of a dataset were read from the data, by the schema's own word."""
    columns = sorted({c for r in subject.finished if (d := subject.dataset(r)) for c in d.from_data})
    if columns:
        return Fact(True, f"bounds or categories of {', '.join(columns)} were read from the data")
    return Fact(False, "no bound is marked as read from the data")


@_fact("privacy-hazards", float)
def privacy_hazards(subject: Subject) -> Fact:
    """How many hazards the formal guarantees name, which weaken them here."""
    if not subject.guarantees:
        return Fact(None, "no release came with a formal guarantee")
    hazards = sorted({h for _, g in subject.guarantees for h in g.hazards})
    told = f"an assumption of the guarantee is violated here: {'; '.join(hazards)}"
    return Fact(float(len(hazards)), told if hazards else "the guarantee names no hazard")


def _all_stated(stated: Mapping[str, object]) -> Fact:
    lacking = [name for name, value in stated.items() if not value]
    return Fact(not lacking, f"not stated: {', '.join(lacking)}" if lacking else "all stated")
