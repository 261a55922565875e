"""Learning from a release instead of the data: against scikit-learn, and on releases whose loss is known."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.tables import align, features
from pets_metrics.utility.training import placements, synthetic_training_gap

SCHEMA = Schema(
    {
        "a": Column("categorical", domain=("p", "q", "r")),
        "x": Column("real", bounds=(-9, 9), nullable=True),
        "ill": Column("categorical", domain=("no", "yes"), roles=("target",)),
        "kind": Column("categorical", domain=("u", "v", "w")),
        "cost": Column("real", bounds=(-30, 30)),
    }
)


def people(n, seed):
    rng = np.random.default_rng(seed)
    a, x = rng.integers(0, 3, n), rng.normal(0, 1, n)
    return pd.DataFrame(
        {
            "a": np.array(["p", "q", "r"])[a],
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "ill": np.where(x + a + rng.normal(0, 1, n) > 1, "yes", "no"),
            "kind": np.array(["u", "v", "w"])[np.clip(np.rint(x + rng.normal(1, 0.5, n)), 0, 2).astype(int)],
            "cost": np.clip(2 * x + a + rng.normal(0, 1, n), -30, 30),
        }
    )


REAL, FRESH, CONTROL = (people(n, seed) for n, seed in ((500, 0), (500, 1), (300, 2)))


def gaps(synthetic, target="", real=REAL, control=CONTROL, schema=SCHEMA):
    scores = synthetic_training_gap(real, synthetic, control, schema, target=target)
    return {(s.group, s.statistic): s.estimate for s in scores}


@pytest.mark.parametrize(("target", "linear"), [("ill", "logistic"), ("kind", "logistic"), ("cost", "ridge")])
def test_the_data_themselves_lose_nothing_a_fresh_sample_little_and_a_shuffled_one_all(target, linear):
    same, fresh = gaps(REAL, target), gaps(FRESH, target)
    assert set(same) == {(g, s) for g in (linear, "boosting") for s in ("real", "synthetic", "gap")} | {("", "gap")}
    for where in ((linear, "gap"), ("boosting", "gap"), ("", "gap")):
        assert (same[where].value, same[where].low, same[where].high) == (0, 0, 0)
    assert abs(fresh[linear, "gap"].value) < 0.05
    rng = np.random.default_rng(3)
    shuffled = gaps(pd.DataFrame({n: rng.permutation(FRESH[n].to_numpy()) for n in FRESH}), target)
    assert shuffled["", "gap"].low > 0 and shuffled["", "gap"].value > 0.1
    assert shuffled["", "gap"] == max((shuffled[g, "gap"] for g in (linear, "boosting")), key=lambda e: e.value)
    for e in [*same.values(), *fresh.values(), *shuffled.values()]:
        assert e.low <= e.value <= e.high


def test_scores_equal_scikit_learn_s():
    found = gaps(FRESH)
    t = align(REAL, FRESH, CONTROL, SCHEMA)
    x = features(t.schema, t.real, t.synthetic, t.control, names=["a", "x", "kind", "cost"])
    ill = [f["ill"] == "yes" for f in (t.real, t.synthetic, t.control)]
    for i, split in enumerate(("real", "synthetic")):
        model = LogisticRegression(max_iter=200, tol=1e-3).fit(x[i], ill[i])
        expected = roc_auc_score(ill[2], model.predict_proba(x[2])[:, 1])
        assert found["logistic", split].value == pytest.approx(expected)


def test_several_classes_are_averaged_one_against_the_rest():
    found = gaps(FRESH, "kind")["logistic", "synthetic"].value
    t = align(REAL, FRESH, CONTROL, SCHEMA)
    x = features(t.schema, t.real, t.synthetic, t.control, names=["a", "x", "cost"])  # no other target
    model = LogisticRegression(max_iter=200, tol=1e-3).fit(x[1], t.synthetic["kind"].cat.codes)
    expected = roc_auc_score(t.control["kind"].cat.codes, model.predict_proba(x[2]), multi_class="ovr")
    assert found == pytest.approx(expected)


def test_placements_average_to_the_area_in_both_classes():
    rng = np.random.default_rng(0)
    positive, scores = rng.random(80) < 0.4, rng.integers(0, 9, 80).astype(float)
    placed = placements(scores, positive)
    area = roc_auc_score(positive, scores)
    assert placed[positive].mean() == pytest.approx(area) and placed[~positive].mean() == pytest.approx(area)


def test_one_class_in_the_release_predicts_the_same_for_all():
    for word in ("yes", "maybe"):
        found = gaps(FRESH.assign(ill=word))
        assert found["logistic", "synthetic"].value == found["boosting", "synthetic"].value == 0.5
        assert "synthetic rows are all of one class" in found["", "gap"].note
        assert found["", "gap"].value > 0.2


def test_order_of_rows_and_columns_and_names_of_categories_do_not_matter():
    usual = gaps(FRESH)
    turned = gaps(
        FRESH.sample(frac=1, random_state=1)[FRESH.columns[::-1]],
        real=REAL.sample(frac=1, random_state=2),
        control=CONTROL.sample(frac=1, random_state=3),
    )
    words = {"p": "Zürich", "q": "Genf", "r": "Bern"}
    named = gaps(
        *(t.assign(a=t["a"].map(words)) for t in (FRESH,)),
        real=REAL.assign(a=REAL["a"].map(words)),
        control=CONTROL.assign(a=CONTROL["a"].map(words)),
        schema=Schema({**SCHEMA.columns, "a": Column("categorical", domain=("Bern", "Genf", "Zürich"))}),
    )
    for where, e in usual.items():
        assert turned[where].value == pytest.approx(e.value, abs=2e-3)
        assert named[where].value == pytest.approx(e.value, abs=2e-3)


def test_hard_tables_do_not_crash():
    def hard(t, seed):
        rng = np.random.default_rng(seed)
        return t.assign(
            none=None,
            constant="c",
            day=pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, len(t)), "D"),
            many=[f"v{i}" for i in rng.integers(0, 1_000, len(t))],
            mixed=[1 if i % 2 else "z" for i in range(len(t))],
        )

    columns = {
        **SCHEMA.columns,
        "none": Column("real", bounds=(0, 1), nullable=True),
        "constant": Column("categorical", domain=("c",)),
        "day": Column("date", bounds=(0, 40_000)),
        "many": Column("categorical", domain=tuple(f"v{i}" for i in range(900))),
        "mixed": Column("categorical", domain=("1", "z")),
    }
    real, fresh, control = hard(REAL, 4), hard(FRESH, 5), hard(CONTROL, 6)
    for target in ("ill", "many"):
        found = gaps(fresh, target, real, control, Schema(columns))
        assert all(math.isfinite(e.value) for e in found.values())
    far = gaps(fresh.assign(cost=fresh["cost"] * 1e12), "", real, control, Schema(columns))
    assert math.isfinite(far["", "gap"].value)
    one = gaps(fresh.head(1), "cost", real, control, Schema(columns))
    assert one["ridge", "synthetic"].value <= 0, "a constant explains nothing"


def test_what_cannot_be_measured_says_why():
    with pytest.raises(Unsupported, match="role target"):
        synthetic_training_gap(REAL, FRESH, CONTROL)
    with pytest.raises(Unsupported, match="no column to predict"):
        gaps(FRESH[["ill"]])
    with pytest.raises(Unsupported, match="nobody is held out"):
        gaps(FRESH, control=None)
    with pytest.raises(PetsEvalError, match="not a column"):
        gaps(FRESH, "weight")
    alike = gaps(FRESH, control=CONTROL.assign(ill="no"))
    assert math.isnan(alike["", "gap"].value) and "all alike" in alike["", "gap"].note
    nobody = gaps(FRESH.assign(ill=None))
    assert math.isnan(nobody["", "gap"].value) and nobody["", "gap"].note == "no synthetic row has a target value"


def test_long_tables_are_drawn_from_alike():
    scores = synthetic_training_gap(REAL, REAL, CONTROL, SCHEMA, rows=100)
    assert scores[-1].estimate.value == 0 and scores[-1].estimate.n == 100
