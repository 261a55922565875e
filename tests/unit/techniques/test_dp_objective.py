"""Objective perturbation: its loss against numerical integration, the conditions of its proof, and that it learns."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("opendp")

from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import kstest, norm

from pets_datasets.tasks.classification import Classification
from pets_datasets.tasks.marginals import Marginals
from pets_eval.checks import toy
from pets_eval.model import Inputs, PetsEvalError, Table
from pets_eval.registry import make_technique
from pets_techniques.dp.objective import ObjectivePerturbation, encoded, minimum, noisy, perturbation

TASK = Classification()


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-2])
def test_the_loss_of_the_minimum_integrates_to_delta(epsilon, delta):
    """The loss is at most log(1 + 1/(4 penalty)) + 1/(2 s^2) + max(Z, 0) / s; delta: the mean of (1 - e^(eps-it))+."""
    p = perturbation(epsilon, delta, 0.25, 0.01)
    assert p.epsilon <= epsilon
    spent, mu = p.epsilon - 0.01 * epsilon, 1 / p.noise
    least = math.log1p(0.25 / p.penalty) + mu**2 / 2
    over = -np.expm1(spent - least) / 2 if least > spent else 0.0  # half of the time Z is not positive
    start = max(0.0, (spent - least) / mu)
    tail, _ = quad(lambda z: -math.expm1(spent - least - mu * z) * norm.pdf(z), start, start + 40, epsabs=1e-16)
    assert over + tail <= 0.99 * delta * (1 + 1e-5)
    if delta == 1e-9:
        assert over + tail > 0.9 * delta, "and not far below it"


def test_with_no_curvature_it_is_the_gaussian_mechanism():
    from dp_accounting import get_sigma_gaussian

    p = perturbation(1.0, 1e-6, 0.1, 1e6)
    assert p.noise == pytest.approx(get_sigma_gaussian(0.99, 0.99e-6), rel=1e-4)


def test_the_noise_is_below_that_of_the_textbook():
    """Kifer, Smith and Thakurta 2012, Algorithm 1: penalty 2 / (4 eps), noise sqrt(8 log(2 / delta) + 4 eps) / eps."""
    for epsilon in (0.1, 1.0):
        p = perturbation(epsilon, 1e-6, 0.5, 1e-4)
        assert p.penalty <= 0.5 / epsilon * 1.05
        assert p.noise < math.sqrt(8 * math.log(2 / 1e-6) + 4 * epsilon) / epsilon


@pytest.mark.parametrize("penalty", [0.05, 10.0])
def test_densities_of_neighbours_differ_by_no_more_than_the_proof_says(penalty):
    """The density of the minimum w is that of b(w) = -gradient(w) times the determinant of the Hessian, at any w."""
    rng, s = np.random.default_rng(1), 2.0
    rows = rng.normal(size=(30, 3))
    rows /= np.maximum(1, np.linalg.norm(rows, axis=1))[:, None]
    labels = rng.integers(0, 2, 30).astype(float)

    def log_density(w, rows, labels):
        p = expit(rows @ w)
        b = -(rows.T @ (p - labels) + penalty * w)
        hessian = (rows.T * (p * (1 - p))) @ rows + penalty * np.eye(3)
        return -(b @ b) / (2 * s**2) + np.linalg.slogdet(hessian)[1], b

    curvature = math.log1p(0.25 / penalty)
    for row, label in zip(rows, labels):
        outward = row / np.linalg.norm(row)
        fewer = rows[(rows != row).any(axis=1)], labels[(rows != row).any(axis=1)]
        for w in rng.normal(size=(20, 3)) * 3:
            (more, b), (less, c) = log_density(w, rows, labels), log_density(w, *fewer)
            z, y = (-(2 * label - 1) * (x @ outward) / s for x in (b, -c))
            assert more - less <= curvature + 1 / (2 * s**2) + max(z, 0) / s + 1e-9
            assert less - more <= 1 / (2 * s**2) + max(y, 0) / s + 1e-9


def test_every_row_has_norm_at_most_1():
    data = toy()
    frame = data.train.frame()
    frame.loc[:3, "income"] = [1e300, -1e300, 5000.0, np.nan]
    rows, labels = encoded(replace(data.train, data=frame), TASK, data.schema)
    assert np.linalg.norm(rows, axis=1).max() < 1 and len(rows) == len(labels) == len(frame)


def test_the_minimum_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    data = toy()
    rows, labels = encoded(data.train, TASK, data.schema)
    for penalty in (1e-4, 1.0, 1e4):
        found = minimum(rows, labels, np.zeros(rows.shape[1]), penalty)
        peer = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(rows, labels)
        np.testing.assert_allclose(found, peer.coef_[0], atol=1e-4 * max(1, np.abs(found).max()))
    shifted = minimum(rows, labels, np.full(rows.shape[1], 1e4), 1.0)
    assert np.isfinite(shifted).all() and (shifted < 0).all()


def test_the_minimum_without_rows_is_the_noise():
    linear = np.array([3.0, -4.0])
    np.testing.assert_allclose(minimum(np.zeros((0, 2)), np.zeros(0), linear, 2.0), -linear / 2)


def test_noise_is_normal_with_the_stated_deviation():
    drawn = noisy(np.full(4000, 7.0), 3.0)
    assert kstest(drawn, norm(7, 3).cdf).pvalue > 1e-7
    assert len(np.unique(drawn)) == 4000


def test_the_model_approaches_the_one_without_privacy(context):
    from sklearn.metrics import roc_auc_score

    data = toy()
    truth = TASK.compute(data).values
    rows, labels = encoded(data.train, TASK, data.schema)

    exact = expit(rows @ minimum(rows, labels, np.zeros(rows.shape[1]), 0.01))

    def off(epsilon):
        releases = (
            ObjectivePerturbation(epsilon=epsilon).prepare(TASK, data.schema, context).run_many(inputs_of(data), 20)
        )
        made = [r.value.predict_proba(data.train.frame()) for r in releases]
        scores = [roc_auc_score(truth, TASK.answer(r, data.schema, data.query()).values) for r in releases]
        return np.abs(np.array(made) - exact).mean(), np.mean(scores)

    distances, scores = zip(*(off(epsilon) for epsilon in (0.1, 1.0, 10.0, 100.0)))
    assert scores[0] < scores[-1]
    assert list(distances) == sorted(distances, reverse=True) and distances[-1] < 0.05
    plain = roc_auc_score(truth, TASK.fit(data.train, data.schema).predict_proba(data.query()))
    assert scores[-1] > plain - 0.03


def test_the_guarantee_states_what_it_rests_on(context):
    technique = ObjectivePerturbation(epsilon=2.0, delta=1e-5)
    guarantee = technique.prepare(TASK, toy(from_data=True).schema, context).guarantee
    assert guarantee.events == ({"mechanism": "approx", **guarantee.parameters},)
    assert 1.99 < guarantee.parameters["epsilon"] <= 2.0
    assert len(guarantee.hazards) == len(TASK.columns_used(toy().schema))


def test_several_rows_of_one_unit_are_declined_with_the_reason():
    data = toy(unit="person")
    assert "may have 3 rows" in ObjectivePerturbation().supports(TASK, data.schema, data.parties)
    one = toy(unit="person", most_rows=1)
    assert ObjectivePerturbation().supports(TASK, one.schema, one.parties) is None
    assert "marginals" in ObjectivePerturbation().supports(Marginals(), data.schema, data.parties)


def test_one_row_of_each_unit_is_used():
    data = toy(unit="person", most_rows=1)
    rows, _ = encoded(data.train, TASK, data.schema)
    assert len(rows) == data.train.frame()["person"].nunique()


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
    frame = data.train.frame()[: case.get("rows")]
    for name, value in case.items():
        if name != "rows":
            frame[name] = value
    table = Table(schema, data=schema.conform(frame.astype({"income": float}), where="test"))
    mechanism = ObjectivePerturbation().prepare(TASK, schema, context)
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
        ({"penalty": 0}, "at least 0.0001"),
    ],
)
def test_bad_parameters_are_one_sentence(params, said):
    with pytest.raises(PetsEvalError, match=said):
        make_technique("dp-logistic-objective-perturbation", params)
