"""Membership by the loss under a released model."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from pets_eval.model import Answer, Column, PetsEvalError, Release, Schema, Unsupported, cell_index
from pets_eval.registry import make_task
from pets_metrics.privacy.attack_scores import FIGURES, attack_test, tail_test
from pets_metrics.privacy.model_membership import (
    asked,
    generalisation_gap,
    label_probabilities,
    logits,
    loss_scores,
    model_membership_advantage,
    model_membership_test,
)

SCHEMA = Schema(
    {
        **{f"x{i}": Column("real", bounds=(0, 1)) for i in range(6)},
        "sick": Column("categorical", domain=("no", "yes"), roles=("target",), nullable=True),
    }
)
TASK = make_task("classification", {})


class Fitted:
    """A released model around an estimator of scikit-learn."""

    def __init__(self, estimator, frame):
        self.estimator = estimator.fit(frame.drop(columns="sick"), frame["sick"] == "yes")

    def predict_proba(self, features):
        assert "sick" not in features
        return self.estimator.predict_proba(features)[:, 1]

    def to_bytes(self):
        return b""


def people(rng, n):
    frame = pd.DataFrame(rng.random((n, 6)), columns=[f"x{i}" for i in range(6)])
    frame["sick"] = np.where(rng.random(n) < 0.2 + 0.6 * frame["x0"], "yes", "no")
    return SCHEMA.conform(frame, where="test")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return people(rng, 600), people(rng, 600)


def deep(frame):
    from sklearn.tree import DecisionTreeClassifier

    return Release("model", Fitted(DecisionTreeClassifier(random_state=0), frame))


def sound(frame):
    from sklearn.linear_model import LogisticRegression

    return Release("model", Fitted(LogisticRegression(C=0.1), frame))


def test_scores_are_minus_the_log_loss():
    rng = np.random.default_rng(1)
    p, y = rng.random(50), rng.integers(0, 2, 50)
    assert -loss_scores(p, y).mean() == pytest.approx(log_loss(y, p))
    many = rng.dirichlet(np.ones(4), 50)
    classes = np.arange(50) % 4
    assert -loss_scores(many, classes).mean() == pytest.approx(log_loss(classes, many))
    np.testing.assert_allclose(loss_scores(np.column_stack([1 - p, p]), y), loss_scores(p, y))
    assert np.isfinite(loss_scores([0.0, 1.0], [1, 0])).all() and np.isfinite(logits(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("p, y", [([0.5], [0, 1]), ([np.nan], [1]), ([0.5], [2]), ([[0.5, 0.5]], [2]), ([0.5], [0.5])])
def test_labels_and_probabilities_must_fit(p, y):
    with pytest.raises(PetsEvalError):
        label_probabilities(p, y)


def test_an_overfitted_model_betrays_its_people(data):
    real, control = data
    figures = model_membership_advantage(deep(real), real, control, SCHEMA, TASK)
    assert tuple(figures) == FIGURES
    outcome = control["sick"] == "yes"
    wrong = float((deep(real).value.estimator.predict(control.drop(columns="sick")) != outcome).mean())
    assert figures["auc"].value == pytest.approx(0.5 + wrong / 2)  # all members have loss 0, as have the others rightly
    assert figures["advantage"].low > 0.2
    assert model_membership_test(deep(real), real, control, SCHEMA, TASK).value < 1e-6
    gap = generalisation_gap(deep(real), real, control, SCHEMA, TASK)
    assert gap.value == pytest.approx(wrong) and gap.low > 0.2


def test_a_regularised_model_does_not(data):
    real, control = data
    figures = model_membership_advantage(sound(real), real, control, SCHEMA, TASK)
    assert abs(figures["auc"].value - 0.5) < 0.1 and figures["effective epsilon"].low < 0.1
    assert abs(generalisation_gap(sound(real), real, control, SCHEMA, TASK).value) < 0.12


def test_figures_are_those_of_scikit_learn_and_scipy_on_the_losses(data):
    real, control = data
    release = sound(real)
    scores = [loss_scores(release.value.predict_proba(f.drop(columns="sick")), f["sick"].cat.codes) for f in data]
    expected = roc_auc_score(np.repeat([1, 0], 600), np.concatenate(scores))
    assert model_membership_advantage(release, real, control, SCHEMA, TASK)["auc"].value == pytest.approx(expected)
    p = min(stats.mannwhitneyu(*scores, alternative="greater").pvalue, tail_test(*scores).value)
    assert model_membership_test(release, real, control, SCHEMA, TASK).value == pytest.approx(min(1, 2 * p))


def test_people_whose_label_is_missing_are_left_out_and_the_order_does_not_matter(data):
    real, control = data
    release = sound(real)
    unknown = real.assign(sick=real["sick"].where(np.arange(600) >= 100))
    one = model_membership_advantage(release, unknown, control, SCHEMA, TASK, np.random.default_rng(0))
    other = model_membership_advantage(release, real.iloc[:99:-1], control, SCHEMA, TASK, np.random.default_rng(0))
    assert {k: e.value for k, e in one.items()} == {k: e.value for k, e in other.items()}
    assert one["auc"].n == 500 + 600


def test_it_needs_a_model_and_an_outcome(data):
    real, control = data
    answer = Answer.of(cell_index([("sick", "0", "probability")]), [0.5])
    for metric in (model_membership_advantage, model_membership_test, generalisation_gap):
        with pytest.raises(Unsupported, match="no model"):
            metric(Release("answer", answer), real, control, SCHEMA, TASK)
        with pytest.raises(Unsupported, match="no outcome"):
            metric(sound(real), real, control, SCHEMA, make_task("marginals", {}))
    nobody = real.assign(sick=real["sick"].where(np.zeros(600, dtype=bool)))
    assert np.isnan(model_membership_advantage(sound(real), real, nobody, SCHEMA, TASK)["auc"].value)
    assert np.isnan(generalisation_gap(sound(real), real, nobody, SCHEMA, TASK).value)


class Remembers:
    """A model that knows nothing but the outcome of a few people, by their first feature."""

    def __init__(self, frame):
        self.known = dict(zip(frame["x0"], frame["sick"] == "yes", strict=True))

    def predict_proba(self, features):
        guess = 0.4 + 0.2 * features["x1"].to_numpy()
        return np.array([float(self.known.get(x, p)) for x, p in zip(features["x0"], guess, strict=True)])

    def to_bytes(self):
        return b""


def test_a_few_people_who_are_fully_exposed_are_seen(data):
    real, control = data
    release = Release("model", Remembers(real[:12]))
    scores = [loss_scores(*s) for s in asked(release, data, SCHEMA, TASK)]
    assert attack_test(*scores).value > 0.01, "their ranks drown among the others"
    found = model_membership_test(release, real, control, SCHEMA, TASK)
    assert found.value < 1e-3 and found.note == "smallest of 2 tests: loss, hypergeometric"
    nobody = real.assign(sick=real["sick"].where(np.zeros(600, dtype=bool)))
    assert np.isnan(model_membership_test(release, nobody, control, SCHEMA, TASK).value)


def test_a_model_of_other_people_is_not_accused(data):
    rng = np.random.default_rng(2)
    release = sound(people(rng, 600))
    found = [model_membership_test(release, people(rng, 200), people(rng, 200), SCHEMA, TASK).value for _ in range(60)]
    assert np.sum(np.array(found) <= 0.05) <= stats.binom.isf(1e-6, 60, 0.05)
