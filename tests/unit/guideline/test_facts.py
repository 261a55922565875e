"""Each fact against a run that has it and one that lacks it."""

import math

import pytest

from pets_eval.guideline.facts import FACTS
from pets_eval.guideline.subject import subjects
from pets_eval.model.record import Planned


def fact(name, manifest, records, label="dp-noise"):
    subject = next(s for s in subjects(manifest, records, []) if s.label == label)
    found = FACTS[name].find(subject)
    assert found.reason
    return found


@pytest.fixture
def value(example):
    """The value of a fact for one finished cell; keywords go to the study, `record` ones to the record."""

    def value(name, record=None, datasets=None, **study):
        records = [example.record(**record or {})]
        return fact(name, example.manifest(records, datasets=datasets, **study), records).value

    return value


@pytest.mark.parametrize("lacking", ["purpose", "data_subjects"])
def test_context_complete(value, lacking):
    assert value("context-complete") is True
    assert value("context-complete", **{lacking: " "}) is False
    assert value("context-complete", sharing_model=None) is False


def test_context_needs_the_columns(value, example):
    assert value("context-complete", datasets={"people": example.facts(columns={})}) is False


def test_threat_model_and_claims(value, example):
    assert value("threat-model-stated") is True
    assert value("threat-model-stated", threat_model="") is False
    assert value("claims-labelled") is True
    silent = example.DP_CLAIMS.model_copy(update={"leaves": " "})
    assert value("claims-labelled", record={"claims": silent}) is False
    assert value("claims-labelled", record={"claims": None}) is False
    assert value("objectives-mapped") is True
    assert (
        value("objectives-mapped", record={"claims": example.DP_CLAIMS.model_copy(update={"objectives": []})}) is False
    )


def test_objectives_do_not_apply_where_nothing_is_claimed(example):
    records = [example.record("raw")]
    assert not fact("objectives-mapped", example.manifest(records), records, "raw").applies


def test_baselines_must_finish_where_the_technique_did(example):
    both = [example.record(t, task=k) for t in ("raw", "null", "dp-noise") for k in ("one", "two")]
    assert fact("baselines-present", example.manifest(both), both).value is True
    broken = [
        r
        if r.spec.technique != "null" or r.spec.task != "two"
        else example.record("null", task="two", status="crashed", reason="x")
        for r in both
    ]
    found = fact("baselines-present", example.manifest(broken), broken)
    assert (found.value, "people / two" in found.reason) == (False, True)


def test_validity(value):
    assert value("valid-days") == 365
    assert value("valid-days", expires=None) == math.inf
    assert value("valid-days", expires="2025-02-28") == -1


def test_residual_risks(value):
    assert value("residual-risks-listed") is True
    assert value("residual-risks-listed", residual_risks=[" "]) is False


def test_identity_of_software_and_data(value, example):
    assert value("software-identified") is True
    assert value("software-identified", record={"versions": {}}) is False
    assert value("datasets-identified") is True
    assert value("datasets-identified", datasets={"people": example.facts(fingerprint="")}) is False
    assert value("datasets-attributed") is True
    assert value("datasets-attributed", datasets={"people": example.facts(licence="")}) is False
    assert value("datasets-attributed", datasets={"people": example.facts(source=" ")}) is False
    assert value("datasets-identified", datasets={"other": example.facts()}) is False


def test_repeats_count_the_worst_task(example):
    records = [example.record(task=t, repeat=i) for t, n in (("one", 3), ("two", 2)) for i in range(n)]
    assert fact("repeats", example.manifest(records), records).value == 2
    raw = [example.record("raw")]
    assert not fact("repeats", example.manifest(raw), raw, "raw").applies


def test_undisclosed_cells(example):
    records = [example.record(repeat=0), example.record(repeat=1, status="failed", reason="why")]
    assert fact("undisclosed-cells", example.manifest(records), records).value == 0
    silent = [records[0], example.record(repeat=1, status="failed", reason=" ")]
    assert fact("undisclosed-cells", example.manifest(silent), silent).value == 1
    third = example.record(repeat=2)
    plan = [Planned(identity=r.identity, spec=r.spec) for r in [*silent, third]]
    assert fact("undisclosed-cells", example.manifest(silent, plan=plan), silent).value == 2


@pytest.mark.parametrize(("unit", "stated"), [("SEQN", "person"), ("record", "record")])
def test_privacy_unit(value, example, unit, stated):
    assert value("privacy-unit", record={"guarantee": example.dp(1.0, unit=unit)}) == stated
    assert value("privacy-unit") is None
    dataset = {"people": example.facts(unit="record", unit_is="")}
    assert value("privacy-unit", record={"guarantee": example.dp(1.0, unit="record")}, datasets=dataset) == "record"
    dataset = {"people": example.facts(unit="record", unit_is="person-year")}
    assert (
        value("privacy-unit", record={"guarantee": example.dp(1.0, unit="record")}, datasets=dataset) == "person-year"
    )


def test_delta_times_n(value, example):
    assert value("delta-times-n", record={"guarantee": example.dp(1.0, 1e-3)}) == pytest.approx(0.7)
    assert value("delta-times-n", record={"guarantee": example.dp(1.0)}) == 0
    assert value("delta-times-n") is None
    rho = example.dp(1.0).model_copy(update={"notion": "zcdp", "parameters": {"rho": 0.5}})
    assert value("delta-times-n", record={"guarantee": rho}) is None


def test_data_dependence(value, example):
    assert value("data-dependent-bounds") is False
    assert value("data-dependent-bounds", datasets={"people": example.facts(from_data=["age"])}) is True
    assert value("privacy-hazards", record={"guarantee": example.dp(1.0, hazards=["a", "b"])}) == 2
    assert value("privacy-hazards", record={"guarantee": example.dp(1.0)}) == 0
    assert value("privacy-hazards") is None


def test_trust_model(value):
    assert value("trust-model") == "central"


def test_how_results_are_shared(value):
    assert value("sharing-model") == "publish"
    assert value("sharing-model", sharing_model=None) is None


def test_who_are_neighbours(value, example):
    assert value("adjacency") is None
    assert value("adjacency", record={"guarantee": example.dp(1.0)}) == "add-remove"


def test_delta_is_held_to_the_square_of_the_number_of_rows(value, example):
    assert value("delta-times-n-squared") is None
    assert value("delta-times-n-squared", record={"guarantee": example.dp(1.0)}) == 0
    exact = value("delta-times-n-squared", record={"guarantee": example.dp(1.0, 1 / 700**2)})
    assert exact == pytest.approx(1)
    assert value("delta-times-n", record={"guarantee": example.dp(1.0, 1 / 700**2)}) == pytest.approx(1 / 700)


def test_a_guarantee_keeps_its_mechanism_or_not(value, example):
    assert value("mechanism-described") is None
    plain = example.dp(1.0)
    assert value("mechanism-described", record={"guarantee": plain}) is False
    told = plain.model_copy(update={"events": [{"mechanism": "laplace", "scale": 1.0}]})
    assert value("mechanism-described", record={"guarantee": told}) is True
