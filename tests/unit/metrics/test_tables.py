"""Tables on one footing: what is compared, what is refused, and that nothing is lost on the way."""

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Rule, Schema
from pets_metrics.tables import align, cell_codes, features, quasi_identifiers

SCHEMA = Schema(
    {
        "id": Column("id", roles=("identifier",)),
        "sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",)),
        "age": Column("integer", bounds=(0, 99), bins=(0, 18, 65, 99), missing=("-1",)),
        "day": Column("date", bounds=(0, 20_000)),
    },
    constraints=(Rule("r", {"sex": ("F",), "age": (0, 5)}),),
)


def frame(**columns):
    return pd.DataFrame({"id": ["a", "b"], "sex": ["F", "M"], "age": [10, 70], "day": ["1970-01-02", None], **columns})


def test_ids_are_left_out_and_the_rest_takes_one_form():
    t = align(frame(), frame(age=["-1", "3"]), frame(sex=pd.Categorical(["M", None])), SCHEMA)
    assert t.names == ["sex", "age", "day"]
    assert t.synthetic["age"].isna().tolist() == [True, False]
    assert t.control["sex"].cat.codes.tolist() == [1, -1]
    assert t.schema.columns["sex"].nullable and t.schema.columns["day"].nullable
    assert t.schema.columns["sex"].roles == ("quasi-identifier",) and t.schema.constraints
    assert t.real["day"].dtype == "datetime64[ns]"


def test_a_category_that_the_schema_does_not_name_is_kept():
    t = align(frame(), frame(sex=["X", "F"]), None, SCHEMA)
    assert t.schema.columns["sex"].domain == ("F", "M", "X") and t.schema.columns["sex"].from_data
    assert list(t.real["sex"].cat.categories) == list(t.synthetic["sex"].cat.categories) == ["F", "M", "X"]


def test_fractions_of_a_whole_number_are_admitted():
    t = align(frame(), frame(age=[10.5, 20]), None, SCHEMA)
    assert t.schema.columns["age"].kind == "real" and t.schema.columns["age"].edges() == (0, 18, 65, 99)


def test_only_columns_that_all_tables_have_are_compared():
    assert align(frame(), frame().drop(columns="age"), None, SCHEMA).names == ["sex", "day"]
    assert align(frame(), frame(), None, SCHEMA, columns=["age"]).names == ["age"]
    assert not align(frame(), frame(), None, SCHEMA, columns=["age"]).schema.constraints


def test_conforming_tables_stay_as_they_are():
    schema = SCHEMA.select(["sex", "age"])
    table = Schema(columns={n: schema.columns[n] for n in ("sex", "age")}).conform(frame(), where="t")
    t = align(table, table, table, schema)
    pd.testing.assert_frame_equal(t.real, table)
    assert t.schema.columns["sex"] == SCHEMA.columns["sex"]


def test_without_a_schema_one_is_guessed():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"x": rng.random(50), "k": rng.choice(["a", "b"], 50), "name": [f"p{i}" for i in range(50)]})
    t = align(real, real.assign(k="c"))
    assert t.names == ["x", "k"] and t.schema.columns["k"].domain == ("a", "b", "c")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.iloc[:0], "the synthetic table has no rows"),
        (lambda t: t[["id"]], "share no column that can be compared"),
        (lambda t: t.assign(age=[1.0, np.inf]), "column 'age' has infinite values"),
        (lambda t: t.assign(age=["SECRET", "1"]), "column 'age' has values that are no numbers"),
        (lambda t: pd.concat([t, t[["sex"]]], axis=1), "has a column twice"),
        (list, "synthetic must be a pandas DataFrame, not list"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(change, said):
    with pytest.raises(PetsEvalError, match=said) as caught:
        align(frame(), change(frame()), None, SCHEMA)
    assert "SECRET" not in str(caught.value)


def test_cells_are_the_public_ones():
    t = align(frame(), frame(age=[17, 18]), None, SCHEMA, columns=["sex", "age"])
    codes, sizes = cell_codes(t.synthetic, t.schema)
    assert codes.tolist() == [[0, 0], [1, 1]] and sizes.tolist() == [2, 3]


def test_features_have_no_gaps_and_one_scale():
    t = align(frame(age=[10, 30]), frame(age=[-1, 30]), None, SCHEMA, columns=["sex", "age"])
    real, synthetic = features(t.schema, t.real, t.synthetic)
    # F, M, (age - 20) / 10, age is missing
    assert real.tolist() == [[1, 0, -1, 0], [0, 1, 1, 0]]
    assert synthetic.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]


def test_quasi_identifiers_may_be_asked_for():
    schema = Schema({"a": Column("categorical", domain=("x",)), "b": Column("real", bounds=(0, 1))})
    assert quasi_identifiers(schema, ["b", "b"]) == ["b"] and quasi_identifiers(SCHEMA) == ["sex"]
    with pytest.raises(PetsEvalError, match="no column 'c'"):
        quasi_identifiers(schema, ["c"])
