"""Inference of a sensitive feature from a model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from pets_eval.model import Answer, Column, Release, Schema, Unsupported, cell_index
from pets_eval.registry import make_task
from pets_metrics.privacy.model_attribute import inferred_values, model_attribute_excess

SCHEMA = Schema(
    {
        **{f"x{i}": Column("real", bounds=(0, 1), roles=("quasi-identifier",)) for i in range(3)},
        "gene": Column("categorical", domain=("aa", "ab", "bb"), roles=("sensitive",), nullable=True),
        "income": Column("integer", bounds=(0, 100), roles=("sensitive",)),
        "seen": Column("date", bounds=(18_000, 18_100), roles=("sensitive",)),
        "sick": Column("categorical", domain=("no", "yes"), roles=("target",)),
    }
)
TASK = make_task("classification", {})


def encoded(frame):
    gene = frame["gene"].cat.codes.to_numpy()
    days = frame["seen"].to_numpy().astype("datetime64[D]").astype(int)
    return np.column_stack(
        [frame[["x0", "x1", "x2"]], gene == 0, gene == 1, gene == 2, frame["income"] / 100, (days - 18_000) / 100]
    )


class Fitted:
    """A released model around an estimator of scikit-learn."""

    def __init__(self, estimator, frame):
        self.estimator = estimator.fit(encoded(frame), frame["sick"] == "yes")

    def predict_proba(self, features):
        assert features["gene"].dtype == "category" and features["seen"].dtype == "datetime64[ns]"
        return self.estimator.predict_proba(encoded(features))[:, 1]

    def to_bytes(self):
        return b""


def people(rng, n, strength=0.0):
    frame = pd.DataFrame(rng.random((n, 3)), columns=["x0", "x1", "x2"])
    frame["gene"] = rng.choice(["aa", "ab", "bb"], n)
    frame["income"] = rng.integers(0, 101, n)
    frame["seen"] = pd.to_datetime(rng.integers(18_000, 18_101, n), unit="D")
    share = 0.5 + strength * ((frame["gene"] == "aa") - 0.5)
    frame["sick"] = np.where(rng.random(n) < share, "yes", "no")
    return SCHEMA.conform(frame, where="test")


def figures(release, real, control, **more):
    return {
        (s.group, s.statistic): s.estimate for s in model_attribute_excess(release, real, control, SCHEMA, TASK, **more)
    }


def test_the_most_probable_value_is_taken_by_hand():
    """P(1 | value) is 0.6, 0.3, 0.3: the first with label 1, else one of the others, as the prior prefers."""
    x = pd.DataFrame({"v": [0.0, 0.0]})

    def predict(frame):
        return np.where(frame["v"] == 0, 0.6, 0.3)

    assert inferred_values(predict, x, [1, 0], "v", [0, 1, 2], by="loss").tolist() == [0, 1]
    assert inferred_values(predict, x, [1, 0], "v", [0, 1, 2], [0.2, 0.3, 0.5], by="loss").tolist() == [0, 2]
    # posterior: 0.6 * 0.2 = 0.12 < 0.3 * 0.5 = 0.15, and 0.4 * 0.2 < 0.7 * 0.5
    assert inferred_values(predict, x, [1, 0], "v", [0, 1, 2], [0.2, 0.3, 0.5]).tolist() == [2, 2]


def test_an_overfitted_model_betrays_a_feature_of_its_people_only():
    rng = np.random.default_rng(0)
    real, control = people(rng, 500), people(rng, 500)
    # splits on the gene alone would tell it; random labels force the tree to use whatever separates its people
    tree = DecisionTreeClassifier(random_state=0, max_features=1)
    found = figures(Release("model", Fitted(tree, real)), real, control)
    assert found["gene", "excess"].low > 0 and found["gene", "attack"].value > 0.4
    assert abs(found["gene", "control"].value - 1 / 3) < 0.1
    assert found["", "excess"].value == max(found[g, "excess"].value for g in ("gene", "income", "seen"))
    assert found["", "excess"].note.startswith("most exposed: ")


def test_what_the_population_knows_is_no_excess():
    rng = np.random.default_rng(1)
    real, control = people(rng, 3_000, strength=0.9), people(rng, 3_000, strength=0.9)
    found = figures(Release("model", Fitted(LogisticRegression(), real)), real, control, column="gene")
    assert found["gene", "attack"].low > found["gene", "baseline"].value + 0.1
    assert abs(found["gene", "excess"].value) < 0.06
    assert {group for group, _ in found} == {"gene", ""}


def test_a_model_that_says_nothing_leaves_the_most_common_value():
    rng = np.random.default_rng(2)
    real, control = people(rng, 300), people(rng, 300)

    class Constant(Fitted):
        def __init__(self):
            pass

        def predict_proba(self, features):
            return np.full(len(features), 0.5)

    for by in ("posterior", "loss"):
        found = figures(Release("model", Constant()), real, control, by=by, column="gene")
        common = control["gene"].value_counts().index[0]
        assert found["gene", "attack"].value == pytest.approx(float((real["gene"] == common).mean()))


def test_missing_features_and_rows_in_another_order():
    rng = np.random.default_rng(3)
    real, control = people(rng, 200), people(rng, 200)
    release = Release("model", Fitted(LogisticRegression(), real))
    gaps = real.assign(gene=real["gene"].where(np.arange(200) >= 50))
    found = figures(release, gaps, control)
    assert found["gene", "attack"].n == 150 and found["income", "attack"].n == 200
    again = figures(release, gaps.iloc[::-1], control)
    assert {k: e.value for k, e in found.items()} == {k: e.value for k, e in again.items()}
    nobody = figures(release, real.assign(gene=real["gene"].where(np.zeros(200, dtype=bool))), control, column="gene")
    assert np.isnan(nobody["gene", "excess"].value) and nobody["gene", "attack"].note == "nobody can be attacked"


def test_what_it_does_not_apply_to():
    rng = np.random.default_rng(4)
    real, control = people(rng, 50), people(rng, 50)
    answer = Release("answer", Answer.of(cell_index([("sick", "0", "probability")]), [0.5]))
    model = Release("model", Fitted(LogisticRegression(), real))
    with pytest.raises(Unsupported, match="no model"):
        model_attribute_excess(answer, real, control, SCHEMA, TASK)
    with pytest.raises(Unsupported, match="no outcome"):
        model_attribute_excess(model, real, control, SCHEMA, make_task("marginals", {}))
    with pytest.raises(Unsupported, match="no sensitive column"):
        model_attribute_excess(model, real, control, SCHEMA, make_task("classification", {"features": ("x0",)}))
