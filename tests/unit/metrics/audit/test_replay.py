"""Replay of exact measurements: declared against actual sensitivity, without a draw."""

from dataclasses import dataclass

import numpy as np
import pytest

from pets_eval.checks import toy
from pets_eval.model import Schema
from pets_eval.registry import make_task, make_technique
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.neighbours import of_schema
from pets_metrics.privacy.audit.replay import Calibrated, Replayable, replay
from pets_metrics.privacy.audit.techniques import of_technique

NAMES = {
    "dp-laplace-marginals": "marginals",
    "dp-gaussian-marginals": "marginals",
    "dp-group-means": "group-means",
}


def prepared(name, unit):
    schema = toy(unit=unit).schema
    task = make_task(NAMES[name], {} if name == "dp-group-means" else {"k": 1})
    target = of_technique(make_technique(name, {}), task, schema)
    return target, of_schema(target.schema, conforming=True)


@pytest.mark.parametrize("unit", ["record", "person"])
@pytest.mark.parametrize("name", NAMES)
def test_our_own_mechanisms_move_by_what_they_declare(name, unit):
    target, pairs = prepared(name, unit)
    assert isinstance(target.mechanism, Replayable)
    found = replay(target.mechanism, target, pairs, Claim(1.0))
    assert not found.violated and found.runs == len(pairs)
    declared, seen = (float(part.split()[-1]) for part in found.note.split(","))
    assert seen <= declared * (1 + 1e-5)
    if unit == "record" or name != "dp-gaussian-marginals":
        assert seen == pytest.approx(declared, rel=1e-5)  # the worst neighbours reach it


@dataclass
class Noise:
    norm: str
    sensitivity: float
    exchanged: float = 0.0


@dataclass
class Counts:
    """Counts people by town."""

    noise: Noise
    weight: float = 1.0

    def exact(self, inputs):
        frame = inputs.pooled().frame()
        return self.weight * np.array([(frame["region"] == r).sum() for r in ("N", "E", "S")])


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("weight, violated", [(1.0, False), (2.0, True), (1.0000001, True)])
def test_an_understated_sensitivity_is_found(norm, weight, violated):
    target, pairs = prepared("dp-laplace-marginals", "record")
    found = replay(Counts(Noise(norm, 1.0), weight), target, pairs, Claim(0.5))
    assert found.violated == violated and np.isnan(found.p_value)
    if weight == 2:
        assert found.epsilon == pytest.approx(1.0) and norm.upper() in found.event
    else:
        assert np.isnan(found.epsilon) or violated


@pytest.mark.parametrize("norm, most", [("l1", 2.0), ("l2", np.sqrt(2))])
def test_a_replaced_unit_moves_more(norm, most):
    target, _ = prepared("dp-laplace-marginals", "record")
    pairs = of_schema(Schema(target.schema.columns), "replace", conforming=True)
    claim = Claim(1.0, neighbours="replace")
    assert not replay(Counts(Noise(norm, 1.0, most)), target, pairs, claim).violated
    assert replay(Counts(Noise(norm, 1.0, 0.99 * most)), target, pairs, claim).violated


@pytest.mark.parametrize("params", [{}, {"noise": "gaussian"}, {"noise": "gaussian", "count_share": 0.1}])
def test_signed_sums_that_are_replaced_move_by_what_they_declare(params):
    target = of_technique(make_technique("dp-group-means", params), make_task("group-means", {}), toy().schema)
    pairs = of_schema(target.schema, "replace", conforming=True)
    claim = Claim(target.mechanism.noise.replaced["epsilon"], 1e-6, neighbours="replace")
    assert isinstance(target.mechanism.noise, Calibrated)
    assert not replay(target.mechanism, target, pairs, claim).violated


def test_noise_of_several_parts_is_not_replayed_as_one():
    target = of_technique(
        make_technique("dp-group-means", {"keys": "private"}), make_task("group-means", {}), toy().schema
    )
    assert not isinstance(target.mechanism.noise, Calibrated)
