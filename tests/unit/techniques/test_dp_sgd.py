"""DP-SGD: its loss against other accountants, one unit's influence, the sampling, and that it learns."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("opacus")

import torch
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer

from pets_datasets.tasks.classification import Classification
from pets_datasets.tasks.marginals import Marginals
from pets_eval.checks import toy
from pets_eval.model import Inputs, PetsEvalError, Release, Table
from pets_eval.registry import make_technique
from pets_techniques.dp.models import Network, encode, longest, width
from pets_techniques.dp.schedule import Schedule, agreement, calibrate
from pets_techniques.dp.sgd import DpSgdClassifier, batches, examples, network_of, private_optimizer, train

TASK = Classification()


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def auroc(release, data):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(TASK.compute(data).values, TASK.answer(release, data.schema, data.query()).values)


def test_the_loss_is_that_of_the_published_example():
    # noise 1.1, rate 1 %, 10,000 steps at delta 1e-5: 5.193 by privacy loss distributions, in between PRV's bounds
    assert Schedule(0.01, 1.1, 10_000).epsilon(1e-5, 1e-4) == pytest.approx(5.193, abs=1e-3)


@pytest.mark.parametrize(("rate", "noise", "steps"), [(0.01, 1.1, 1000), (0.05, 2.0, 200), (1.0, 5.0, 10)])
def test_opacus_and_dp_accounting_agree_on_the_loss(rate, noise, steps):
    ours = Schedule(rate, noise, steps).epsilon(1e-6, 1e-4)
    prv, rdp = PRVAccountant(), RDPAccountant()
    prv.history = rdp.history = [(noise, rate, steps)]
    with np.errstate(divide="ignore"):  # where everybody is in every batch
        assert prv.get_epsilon(1e-6, eps_error=0.005) == pytest.approx(ours, rel=0.02)
    assert ours < rdp.get_epsilon(1e-6), "Renyi's bound is never below"


@pytest.mark.parametrize(("epsilon", "delta"), [(1e-3, 1e-6), (0.5, 1e-9), (3.0, 1e-5), (100.0, 1e-2)])
def test_the_noise_is_the_least_that_keeps_epsilon(epsilon, delta):
    schedule, lost = calibrate(0.05, 200, epsilon, delta)
    assert lost <= epsilon
    assert schedule.noise_multiplier == 0.3 or lost > 0.98 * epsilon


def test_without_sampling_a_single_step_is_the_gaussian_mechanism():
    from dp_accounting import get_sigma_gaussian

    assert calibrate(1.0, 1, 1.0, 1e-6)[0].noise_multiplier == pytest.approx(get_sigma_gaussian(1.0, 1e-6), rel=1e-3)


def test_a_disagreement_of_the_libraries_stops_the_release():
    schedule, lost = calibrate(0.05, 200, 1.0, 1e-6)
    told = PRVAccountant()
    told.history = [(schedule.noise_multiplier, 0.05, 200)]
    assert "200 steps" in agreement(told, schedule, {"epsilon": lost, "delta": 1e-6})
    for history in ([(schedule.noise_multiplier, 0.05, 150)], [(0.9 * schedule.noise_multiplier, 0.05, 200)]):
        told.history = history
        with pytest.raises(PetsEvalError, match="not released"):
            agreement(told, schedule, {"epsilon": lost, "delta": 1e-6})


def test_batches_are_independent_draws_of_each_unit_and_may_be_empty():
    schedule = Schedule(2**-6, 1.0, 2000)
    drawn = list(batches(64, schedule, torch.Generator().manual_seed(5)))
    sizes = np.bincount([len(b) for b in drawn], minlength=8)
    assert len(drawn) == 2000 and all(len(set(b)) == len(b) for b in drawn)
    expected = 2000 * np.array([math.comb(64, k) * (1 / 64) ** k * (63 / 64) ** (64 - k) for k in range(8)])
    assert sizes[0] > 0 and (np.abs(sizes - expected) < 6 * np.sqrt(expected) + 4).all()
    per_unit = np.bincount([i for b in drawn for i in b], minlength=64)
    assert (np.abs(per_unit - 2000 / 64) < 7 * math.sqrt(2000 / 64)).all()


@pytest.mark.parametrize("hidden", [0, 3])
def test_no_unit_moves_the_sum_of_gradients_by_more_than_the_clipping_norm(hidden):
    rng, rows = np.random.default_rng(0), 3
    shapes = [(hidden, 4), (1, hidden)] if hidden else [(1, 4)]
    technique = DpSgdClassifier(clipping_norm=0.5)
    inputs = torch.from_numpy(rng.normal(0, 50, (20, rows, 4)).astype(np.float32)).requires_grad_()
    labels = torch.from_numpy(rng.integers(0, 2, (20, rows)).astype(np.float32))
    weights = torch.from_numpy((np.arange(rows) <= rng.integers(0, rows, (20, 1))).astype(np.float32))
    start = [(rng.normal(size=s), np.zeros(s[0])) for s in shapes]

    def clipped(chosen):
        model = network_of(start)
        assert isinstance(model, GradSampleModule)
        optimizer = private_optimizer(model, Schedule(0.1, 1.0, 1), technique, 2.0, torch.Generator())
        assert isinstance(optimizer, DPOptimizer) and optimizer.expected_batch_size == 2.0
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        loss(model(inputs[chosen]).squeeze(-1), labels[chosen], weight=weights[chosen], reduction="sum").backward()
        optimizer.clip_and_accumulate()
        return np.concatenate([p.summed_grad.double().numpy().ravel() for p in model.parameters()])

    norms = [np.linalg.norm(clipped([i])) for i in range(20)]
    assert max(norms) <= 0.5 * (1 + 1e-5), "the noise covers that much rounding"
    assert np.isclose(norms, 0.5, rtol=1e-3).sum() > 5, "some are clipped, or the test shows nothing"
    everybody = clipped(list(range(20)))
    for i in range(20):
        others = clipped([j for j in range(20) if j != i])
        assert np.linalg.norm(everybody - others) <= 0.5 * (1 + 1e-5)
    assert not clipped([]).any(), "an empty batch has no gradient"


def test_the_noise_of_a_step_has_the_stated_deviation():
    data = examples(toy().train, TASK, toy().schema)
    nobody = replace(data, weights=np.zeros_like(data.weights))
    size = data.inputs.shape[-1]
    technique = DpSgdClassifier(clipping_norm=2.0, learning_rate=0.5)
    moved = []
    for _ in range(60):
        ((weights, offsets),) = train(
            nobody, [(np.zeros((1, size)), np.zeros(1))], Schedule(0.05, 1.5, 4), technique, 12.0, PRVAccountant()
        )
        moved += [*weights[0], *offsets]
    stated = 0.5 * 2.0 * 1.5 * 2 / 12.0  # learning rate x norm x multiplier x root of the steps / batch
    assert np.std(moved) == pytest.approx(stated, rel=6.5 / math.sqrt(2 * len(moved)))  # false alarm below 1e-9
    assert abs(np.mean(moved)) < 6.5 * stated / math.sqrt(len(moved))


def test_privacy_noise_is_not_that_of_the_study(context):
    data = toy()
    mechanism = DpSgdClassifier(epochs=1).prepare(TASK, data.schema, context)
    torch.manual_seed(1)
    first = mechanism.run_many(inputs_of(data), 1)[0]
    torch.manual_seed(1)
    assert first.value.to_bytes() != mechanism.run_many(inputs_of(data), 1)[0].value.to_bytes()


def test_with_a_large_budget_it_predicts_as_well_as_without_privacy(context):
    data = toy()
    plain = auroc(Release("model", TASK.fit(data.train, data.schema)), data)
    release = DpSgdClassifier(epsilon=100.0, epochs=40, sampling_rate=0.4, learning_rate=4.0).run(
        TASK, inputs_of(data), context
    )
    assert auroc(release, data) > plain - 0.08
    (note,) = release.notes
    assert note.startswith("opacus' PRV accountant gives epsilon ") and note.endswith("100 steps that it saw")


def test_the_guarantee_describes_the_training(context):
    technique = DpSgdClassifier(epsilon=2.0, delta=1e-5, epochs=3, sampling_rate=0.1)
    guarantee = technique.prepare(TASK, toy().schema, context).guarantee
    (event,) = guarantee.events
    assert event["steps"] == 30 and event["sampling"] == "poisson"
    assert 0.1 <= event["sampling_rate"] < 0.1 + 2**-24
    again = Schedule(event["sampling_rate"], event["noise_multiplier"], event["steps"]).epsilon(1e-5, 1e-4)
    assert again == pytest.approx(guarantee.parameters["epsilon"], rel=1e-3)
    assert guarantee.parameters["epsilon"] <= 2.0
    assert any("torch's generator" in h for h in guarantee.hazards)


def test_rows_of_one_unit_are_one_example_up_to_the_public_bound():
    data = toy(unit="person", most_rows=2)
    made = examples(data.train, TASK, data.schema)
    counts = data.train.frame()["person"].value_counts()
    assert made.inputs.shape == (len(counts), 2, width(TASK.predicting(data.schema), data.schema))
    assert made.weights.sum() == counts.clip(upper=2).sum()


def test_what_is_not_public_is_not_taken_from_the_data():
    data = toy()
    unknown = replace(data.schema, rows=None)
    assert "not public" in DpSgdClassifier().supports(TASK, unknown, data.parties)
    assert DpSgdClassifier(public_units=1000).supports(TASK, unknown, data.parties) is None
    people = toy(unit="person").schema
    assert "different 'person'" in DpSgdClassifier().supports(TASK, people, data.parties)
    assert DpSgdClassifier(public_units=90).supports(TASK, people, data.parties) is None
    assert "marginals" in DpSgdClassifier().supports(Marginals(), data.schema, data.parties)


@pytest.mark.parametrize(
    "case",
    [{"rows": 1}, {"sick": "yes"}, {"sick": None}, {"income": None}],
    ids=["one row", "one class", "no label", "all null"],
)
def test_odd_tables_give_a_model_and_no_error(case, context):
    data = toy()
    schema = replace(
        data.schema, columns={n: replace(c, nullable=c.kind != "id") for n, c in data.schema.columns.items()}
    )
    frame = data.train.frame()[: case.pop("rows", None)]
    for name, value in case.items():
        frame[name] = value
    table = Table(schema, data=schema.conform(frame.astype({"income": float}), where="test"))
    technique = DpSgdClassifier(epochs=2, hidden=2)
    mechanism = technique.prepare(TASK, schema, context)
    release = mechanism.run_many(Inputs(data.parties, {"agency": table}, schema), 1)[0]
    assert np.isfinite(TASK.answer(release, schema, data.query()).values).all()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"epsilon": 0}, "at least 0.001"),
        ({"epsilon": -1}, "at least 0.001"),
        ({"epsilon": float("nan")}, "finite"),
        ({"epsilon": 1e9}, "at most 100"),
        ({"delta": 1}, "at most 0.01"),
        ({"delta": 0}, "at least 1e-12"),
        ({"sampling_rate": 1.5}, "at most 1"),
    ],
)
def test_bad_parameters_are_one_sentence(params, said):
    with pytest.raises(PetsEvalError, match=said):
        make_technique("dp-sgd-classifier", params)


def test_models_are_read_back_as_they_were_and_damaged_ones_refused():
    data, rng = toy(), np.random.default_rng(3)
    features = TASK.predicting(data.schema)
    public = replace(data.schema.select(features), unit="record")
    size = width(features, public)
    network = Network(public, ((rng.normal(size=(2, size)), np.zeros(2)), (rng.normal(size=(1, 2)), np.ones(1))))
    back = Network.from_bytes(network.to_bytes())
    np.testing.assert_array_equal(back.predict_proba(data.query()), network.predict_proba(data.query()))
    inputs = encode(data.query(), features, data.schema)
    by_hand = np.tanh(inputs @ network.layers[0][0].T) @ network.layers[1][0][0] + 1
    np.testing.assert_allclose(back.predict_proba(data.query()), 1 / (1 + np.exp(-by_hand)))
    for layers in (network.layers[:1], network.layers[1:], (), ((np.full((1, size), np.nan), np.zeros(1)),)):
        with pytest.raises(PetsEvalError, match="damaged"):
            Network.from_bytes(Network(public, layers).to_bytes())
    for junk in (b"", b"PK\x03\x04", network.to_bytes()[:-50], pd.Series([1]).to_json().encode()):
        with pytest.raises(PetsEvalError, match="not a model"):
            Network.from_bytes(junk)


def test_inputs_come_from_the_schema_and_are_no_longer_than_stated():
    data = toy()
    features = TASK.predicting(data.schema)
    frame = data.train.frame()
    frame.loc[:5, "income"] = [1e300, -1e300, 5000.0, 0.0, np.nan, 2500.0]
    inputs = encode(frame, features, data.schema)
    start = sum(width([n], data.schema) for n in features[: features.index("income")])
    assert inputs[:6, start].tolist() == [1, -1, 1, -1, 0, 0]
    assert inputs[:6, start + 1].tolist() == [0, 0, 0, 0, 1, 0]
    assert np.linalg.norm(inputs, axis=1).max() <= math.sqrt(len(features)) < longest(features)
