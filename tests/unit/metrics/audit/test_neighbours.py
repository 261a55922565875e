"""Neighbours differ in exactly one unit, and lie within the stated domain unless they say so."""

import numpy as np
import pandas as pd
import pytest

from pets_eval.checks.toy import toy
from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.audit.around import of_table
from pets_metrics.privacy.audit.locate import built_in
from pets_metrics.privacy.audit.neighbours import of_bounds, of_schema

RELATIONS = ["add-remove", "replace"]


def rows(frame):
    return sorted(map(repr, frame.astype(object).where(frame.notna(), None).to_numpy().tolist()))


def extra(first, second):
    """Rows of *second* beyond those of *first*, and the other way round."""
    left, right = rows(first), rows(second)
    for row in list(left):
        if row in right:
            left.remove(row)
            right.remove(row)
    return left, right


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("low, high", [(0, 1), (-5, 2), (100, 200)])
def test_arrays_differ_in_one_value(relation, low, high):
    pairs = of_bounds(low, high, relation)
    assert len({p.name for p in pairs}) == len(pairs)
    for pair in pairs:
        gone, new = extra(pd.DataFrame({"x": pair.first}), pd.DataFrame({"x": pair.second}))
        assert (len(gone), len(new)) == ((1, 1) if relation == "replace" else (0, 1)), pair.name
        inside = all(((x >= low) & (x <= high)).all() for x in (pair.first, pair.second))
        assert inside == (not pair.outside), pair.name
        np.testing.assert_array_equal(pair.times(1), pair.second)
        gone, new = extra(pd.DataFrame({"x": pair.first}), pd.DataFrame({"x": pair.times(3)}))
        assert len(new) <= 3 and len(new) >= 2, pair.name


def test_the_issue_s_canaries_are_there():
    names = " ".join(p.name for p in of_bounds(0, 1))
    for words in ("against none", "far beyond", "missing", "infinite", "highest", "lowest"):
        assert words in names
    names = " ".join(p.name for p in of_schema(toy(unit="person").schema))
    for words in (
        "against none",
        "rare key",
        "missing values",
        "far beyond",
        "outside the domain",
        "30 rows",
        "like another",
    ):
        assert words in names


@pytest.mark.parametrize("low, high", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1)])
def test_bounds_that_are_none_are_refused(low, high):
    with pytest.raises(PetsEvalError, match="two finite numbers"):
        of_bounds(low, high)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("unit", ["record", "person"])
def test_tables_differ_in_one_unit(relation, unit):
    schema = toy(unit=unit).schema
    for pair in of_schema(schema, relation):
        first, second = pair.first, pair.second
        gone, new = extra(first, second)
        whose = set(second["person"]) - set(first["person"])
        assert len(whose) == 1, pair.name
        assert len(new) == (second["person"].isin(whose)).sum()
        assert len(gone) == (1 if relation == "replace" else 0), pair.name
        assert len(pair.times(4)["person"].unique()) == len(first) + (0 if relation == "replace" else 4)
        assert second.equals(pair.times(1))


@pytest.mark.parametrize("unit", ["record", "person"])
@pytest.mark.parametrize("schema", [toy().schema, built_in()], ids=["toy", "built-in"])
def test_conforming_tables_conform(unit, schema):
    schema = Schema(schema.columns, unit=unit, max_rows_per_unit=3)
    for relation in RELATIONS:
        for pair in of_schema(schema, relation, conforming=True):
            assert not pair.outside
            for table in (pair.first, pair.second, pair.times(2)):
                if len(table):
                    assert schema.conform(table, where="test").equals(table), pair.name
                else:
                    assert list(table.columns) == list(schema.columns)


def test_categories_are_those_of_a_file_unless_tables_conform():
    """A categorical column lists its whole domain, so that `value_counts` would tell no key from the data."""
    for conforming in (False, True):
        pairs = of_schema(built_in(), conforming=conforming)
        rare = next(p for p in pairs if p.name.startswith("a rare key"))
        listed = [set(side["region"].value_counts().index) for side in (rare.first, rare.second)]
        assert (listed[0] == listed[1]) == conforming


def test_what_lies_outside_says_so():
    schema = toy().schema
    for pair in of_schema(schema):
        try:
            second = schema.conform(pair.second, where="test")
            fits = all(
                second[n].dropna().between(*c.bounds).all()
                for n, c in schema.columns.items()
                if c.kind in ("integer", "real")
            )
        except PetsEvalError:
            fits = False
        assert fits != pair.outside, pair.name


def test_a_schema_of_ids_alone_is_refused():
    with pytest.raises(PetsEvalError, match="no column beside ids"):
        of_schema(Schema({"who": Column("id")}))


def test_equal_inputs_are_one_object():
    pairs = [p for p in of_schema(toy().schema) if "like another" in p.name or "rare" in p.name]
    assert pairs[0].first is pairs[1].first  # its runs serve both


# -- around a table that is there --------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("unit", ["record", "person"])
def test_neighbours_of_a_table(relation, unit):
    data = toy(unit=unit)
    frame, schema = data.train.frame(), data.schema
    for pair in of_table(frame, schema, relation):
        gone, new = extra(pair.first, pair.second)
        assert gone or new
        most = 1 if unit == "record" else max(3, frame["person"].value_counts().max())
        assert len(gone) <= most and len(new) <= most, pair.name
        if relation == "replace" and unit == "person":
            assert set(pair.second["person"]) == set(frame["person"])
        for table in (pair.second, pair.times(3)):
            assert schema.conform(table, where="test").equals(table)


def test_the_most_exposed_record_is_the_rarest():
    schema = Schema({"a": Column("categorical", domain=("x", "y")), "b": Column("categorical", domain=("u", "v"))})
    frame = pd.DataFrame({"a": ["x"] * 18 + ["y", "y"], "b": ["u"] * 19 + ["v"]})
    frame = schema.conform(frame, where="test")
    removed = of_table(frame, schema)[0].second
    assert len(removed) == 19 and (removed["b"] == "u").all() and (removed["a"] == "y").sum() == 1


def test_too_few_units_are_refused():
    data = toy()
    with pytest.raises(Unsupported, match="at least 16 units"):
        of_table(data.train.frame().head(10), data.schema)


UNITS = {
    "id": Column("id"),
    "integer": Column("integer", bounds=(0, 60)),
    "real": Column("real", bounds=(0, 1)),
    "date": Column("date", bounds=(0, 60)),
    "categorical": Column("categorical", domain=tuple(f"p{i}" for i in range(40))),
}


@pytest.mark.parametrize("kind", UNITS)
def test_whoever_is_added_is_new(kind):
    schema = Schema({"who": UNITS[kind], "a": Column("categorical", domain=("x", "y"))}, unit="who")
    there = {
        "id": [f"added-{i}" for i in range(20)],
        "integer": np.arange(5.0, 25.0),
        "real": np.arange(20) / 20,
        "date": pd.to_datetime(np.arange(10, 30), unit="D"),
        "categorical": [f"p{i}" for i in range(5, 25)],
    }[kind]
    frame = schema.conform(pd.DataFrame({"who": there, "a": ["x", "y"] * 10}), where="test")
    for pair in of_table(frame, schema)[1:]:
        for k, table in ((1, pair.second), (8, pair.times(8))):
            assert len(table) == 20 + k and table["who"].nunique() == 20 + k, pair.name
    for pair in of_schema(schema, conforming=True):
        if len(pair.first):
            assert pair.times(3)["who"].nunique() == pair.first["who"].nunique() + 3, pair.name


def test_nobody_can_be_added_where_all_are_there():
    who = Column("integer", bounds=(1, 20))
    schema = Schema({"who": who, "a": Column("categorical", domain=("x", "y"))}, unit="who")
    frame = schema.conform(pd.DataFrame({"who": np.arange(1.0, 21.0), "a": ["x", "y"] * 10}), where="test")
    with pytest.raises(Unsupported, match="so that nobody can be added"):
        of_table(frame, schema)
    few = Schema({"who": Column("integer", bounds=(1, 9)), "a": schema.columns["a"]}, unit="who")
    with pytest.raises(PetsEvalError, match="may take 9 values"):
        of_schema(few)
