"""Classification against scikit-learn on inputs that are encoded by pandas."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from pets_datasets.tasks import classification, tabulate
from pets_datasets.tasks.classification import Classification
from pets_datasets.tasks.logistic import LogisticModel
from pets_eval.checks import toy
from pets_eval.model import Answer, Model, PetsEvalError, Release, Table

FEATURES = ("sex", "region", "income")


def encoded(frame):
    x = pd.get_dummies(frame["sex"]).astype(float)
    for level in ("N", "E", "S"):
        x[level] = (frame["region"] == level).astype(float)
    x["no region"] = frame["region"].isna().astype(float)
    x["income"] = (frame["income"] / 5000).fillna(0.5)
    x["no income"] = frame["income"].isna().astype(float)
    return x.to_numpy()


def test_equals_scikit_learn_on_a_design_made_by_pandas():
    data = toy()
    task = Classification(features=FEATURES, strength=2.0)
    answer = task.answer(Release("microdata", data.train), data.schema, data.query())
    frame = data.train.frame()
    reference = LogisticRegression(C=2.0, max_iter=1000).fit(encoded(frame), frame["sick"] == "yes")
    expected = reference.predict_proba(encoded(data.control.frame()))[:, 1]
    np.testing.assert_allclose(answer.values, expected, atol=1e-3)


def test_the_truth_is_the_control_rows_label():
    data = toy()
    truth = Classification().compute(data)
    assert truth.values.tolist() == (data.control.frame()["sick"] == "yes").astype(float).tolist()
    assert Classification(positive="no").compute(data).values.tolist() == (1 - truth.values).tolist()


def test_a_missing_label_is_not_a_number_and_is_not_learnt_from():
    data = toy()
    task = Classification(target="region", positive="S", features=("age",))
    truth = task.compute(data).values
    assert np.isnan(truth).tolist() == data.control.frame()["region"].isna().tolist()
    model = task.fit(data.train, data.schema)
    known = data.train.frame().dropna(subset=["region"]).reset_index(drop=True)
    assert model.to_bytes() == task.fit(Table(data.schema, data=known), data.schema).to_bytes()


def test_a_released_model_answers_and_survives_being_written():
    data = toy()
    task = Classification()
    model = task.fit(data.train, data.schema)
    assert isinstance(model, Model)
    read = LogisticModel.from_bytes(model.to_bytes())
    direct = task.answer(Release("microdata", data.train), data.schema, data.query())
    released = task.answer(Release("model", read), data.schema, data.query())
    assert released.table.equals(direct.table)


@pytest.mark.parametrize("kind", ["pickle", "object array", "cut", "other", "empty"])
def test_a_model_file_runs_no_code_and_says_what_is_wrong(kind):
    model = Classification().fit(toy().train, toy().schema)
    other = io.BytesIO()
    np.savez(other, weights=np.array([{}], dtype=object), intercept=0.0, facts=np.zeros(1, np.uint8))
    data = {
        "pickle": pickle.dumps({"weights": 1}),
        "object array": other.getvalue(),
        "cut": model.to_bytes()[:100],
        "other": b"weights",
        "empty": b"",
    }[kind]
    with pytest.raises(PetsEvalError, match="not a model in the format"):
        LogisticModel.from_bytes(data)


def test_weights_that_do_not_fit_the_schema_are_refused():
    model = Classification().fit(toy().train, toy().schema)
    with pytest.raises(PetsEvalError, match="do not fit"):
        LogisticModel.from_bytes(replace(model, weights=model.weights[1:]).to_bytes())


def test_one_class_only_gives_its_smoothed_rate():
    data = toy()
    frame = data.train.frame()
    frame = frame[frame["sick"] == "no"].reset_index(drop=True)
    values = (
        Classification().answer(Release("microdata", Table(data.schema, data=frame)), data.schema, data.query()).values
    )
    np.testing.assert_allclose(values, 1 / (len(frame) + 2))


def test_many_rows_are_thinned_evenly_over_the_pieces(monkeypatch):
    data = toy()
    task = Classification()
    whole = data.train.frame()
    every_third = Table(data.schema, data=whole.iloc[::3].reset_index(drop=True))
    expected = task.fit(every_third, data.schema)
    monkeypatch.setattr(classification, "_MOST_ROWS", 80)
    monkeypatch.setattr(tabulate, "_BATCH", 31)
    np.testing.assert_allclose(task.fit(data.train, data.schema).weights, expected.weights)


def test_features_are_never_targets_and_the_query_needs_no_target():
    data = toy()
    assert "sick" not in data.query()
    assert Classification().predicting(data.schema) == ["sex", "region", "children", "age", "income", "seen"]


def test_an_answer_is_aligned_by_person():
    data = toy()
    task = Classification()
    rows = len(data.control.frame())
    answer = Answer.of(task.scored(rows, data.schema)[::-1], np.arange(rows) / rows)
    found = task.answer(Release("answer", answer), data.schema, data.query()).values
    assert found.tolist() == (np.arange(rows) / rows)[::-1].tolist()


@pytest.mark.parametrize(
    "params, words",
    [
        ({"target": "sik"}, "did you mean 'sick'?"),
        ({"target": "person"}, "is an id"),
        ({"positive": "yess"}, "did you mean 'yes'?"),
        ({"features": ("age", "sick")}, "is a target and cannot be a feature"),
        ({"features": ("person",)}, "is an id"),
    ],
)
def test_impossible_questions_are_refused(params, words):
    with pytest.raises(PetsEvalError) as error:
        Classification(**params).needs(toy().schema)
    assert words in str(error.value)


def test_without_held_out_people_it_says_what_to_do():
    data = replace(toy(), control=None)
    with pytest.raises(PetsEvalError, match="set 'control' above 0"):
        Classification().compute(data)
    with pytest.raises(PetsEvalError, match="set 'control' above 0"):
        Classification().answer(Release("microdata", data.train), data.schema, None)
