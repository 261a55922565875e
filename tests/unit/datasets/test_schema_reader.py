"""The schema reader: any value either becomes a schema or is one sentence."""

import datetime
import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pets_datasets.yaml_schema import parse, read_schema
from pets_eval.model import Column, PetsEvalError, Rule, Schema
from pets_eval.model.schema import KINDS, ROLES

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.datetimes(),
    st.sampled_from([*KINDS, *ROLES, "record", "a", "2020-01-01", 0, 1]),
)
_OF_A_COLUMN = ["kind", "domain", "bounds", "bins", "roles", "missing", "nullable", "from-data", "label", "source"]
_OF_A_SCHEMA = ["columns", "unit", "rows", "max-rows-per-unit", "constraints", "forbid", "name", "a", "b"]
KEYS = st.sampled_from([*_OF_A_COLUMN, *_OF_A_SCHEMA]) | st.text(max_size=4)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
NEARLY_COLUMN = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS)},
    optional={
        "domain": st.lists(SCALARS, max_size=4) | ANYTHING,
        "bounds": st.lists(SCALARS, min_size=2, max_size=2) | ANYTHING,
        "bins": st.lists(st.floats() | SCALARS, max_size=4),
        "roles": st.lists(st.sampled_from(ROLES), max_size=2) | ANYTHING,
        "missing": st.lists(SCALARS, max_size=2) | ANYTHING,
        "nullable": st.booleans() | ANYTHING,
        "from-data": st.booleans() | ANYTHING,
    },
)
NEARLY_SCHEMA = st.fixed_dictionaries(
    {"columns": st.dictionaries(KEYS, NEARLY_COLUMN | ANYTHING, max_size=3)},
    optional={
        "unit": ANYTHING | st.just("a"),
        "rows": ANYTHING,
        "max-rows-per-unit": ANYTHING,
        "constraints": st.lists(
            st.fixed_dictionaries({"forbid": st.dictionaries(KEYS, ANYTHING, max_size=2)}) | ANYTHING, max_size=2
        ),
    },
)


@settings(max_examples=400, deadline=None)
@given(ANYTHING | NEARLY_SCHEMA)
def test_any_value_is_a_schema_or_an_error(value):
    try:
        schema = Schema.from_json(value, where="s.yaml")
    except PetsEvalError as error:
        assert str(error).startswith("s.yaml")
    else:
        for column in schema.columns.values():
            if column.kind != "id":
                assert len(column.cells()) >= 1
        assert Schema.from_json(schema.to_json()) == schema


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="{}[]:-,&*!|>'\"# \n\tab01" + string.ascii_lowercase[:4]) | ANYTHING.map(repr))
def test_any_text_is_yaml_or_an_error(text):
    try:
        parse(text, where="s.yaml")
    except PetsEvalError as error:
        assert "s.yaml" in str(error)
        assert "\n" not in str(error)


NAMES = st.text(min_size=1, max_size=6)
FINITE = st.floats(-1e9, 1e9)
EDGES = st.lists(FINITE, min_size=2, max_size=5, unique=True).map(sorted)
TEXTS = st.lists(st.text(max_size=6), max_size=4, unique=True).map(tuple)
COMMON = {"nullable": st.booleans(), "from_data": st.booleans(), "label": st.text(max_size=9), "missing": TEXTS}
COLUMNS = st.one_of(
    st.builds(Column, st.just("categorical"), domain=TEXTS.filter(bool), **COMMON),
    st.builds(
        lambda kind, edges, **rest: Column(kind, bounds=(edges[0], edges[-1]), bins=tuple(edges), **rest),
        st.sampled_from(["integer", "real"]),
        EDGES,
        **COMMON,
    ),
    st.builds(
        lambda days, **rest: Column("date", bounds=(float(days[0]), float(days[1])), **rest),
        st.lists(st.integers(-10_000, 40_000), min_size=2, max_size=2, unique=True).map(sorted),
        **COMMON,
    ),
    st.builds(Column, st.just("id"), **COMMON),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, COLUMNS, min_size=1, max_size=3), st.none() | st.integers(1, 10**9))
def test_a_drafted_file_reads_back_as_it_was(columns, rows):
    from pets_datasets.draft import schema_yaml

    schema = Schema(columns=columns, rows=rows)
    assert Schema.from_json(parse(schema_yaml(schema), where="x")) == schema


def test_categories_stay_as_written():
    text = """\
columns:
  answer: {kind: categorical, domain: [No, yes, 007, 1_000, 2020-01-01, null, ~, 1e3, 0x1F, on], missing: [-9, NA]}
  age: {kind: integer, bounds: [0, 99]}
constraints:
  - {name: r, forbid: {answer: [No, 007], age: [0, 14]}}
"""
    schema = Schema.from_json(parse(text, where="s"))
    answer = schema.columns["answer"]
    assert answer.domain == ("No", "yes", "007", "1_000", "2020-01-01", "null", "~", "1e3", "0x1F", "on")
    assert answer.missing == ("-9", "NA")
    assert schema.constraints == (Rule("r", {"answer": ("No", "007"), "age": (0.0, 14.0)}),)


def test_dates_may_be_written_plainly_or_quoted():
    text = "columns: {d: {kind: date, bounds: [2020-01-01, '2020-01-03'], bins: [2020-01-01 12:00:00, 2020-01-03]}}"
    column = Schema.from_json(parse(text, where="s")).columns["d"]
    first = (datetime.date(2020, 1, 1) - datetime.date(1970, 1, 1)).days
    assert column.bounds == (first, first + 2)
    assert column.bins == (first, first + 2)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
X = "columns: {x: {kind: categorical, domain: [a]}}\n"
BAD = {
    "empty": ("", "is empty"),
    "remarks-only": ("# nothing\n", "is empty"),
    "a-text": ("just words", "must be a mapping"),
    "a-list": ("- 1\n- 2\n", "must be a mapping"),
    "open-bracket": ("columns: [", "not well-formed YAML at line"),
    "tab": ("columns:\n\tx: 1\n", "not well-formed YAML at line 2"),
    "two-documents": (X + "---\n" + X, "not well-formed YAML"),
    "python-tag": ("!!python/object/apply:os.system [echo]", "not well-formed YAML"),
    "no-columns": ("unit: record\n", "'columns' must map"),
    "columns-list": ("columns: [x, y]\n", "'columns' must map"),
    "same-key": (X + X, "'columns' at line 2 occurs twice"),
    "same-column": ("columns:\n  x: {kind: id}\n  x: {kind: id}\n", "'x' at line 3 occurs twice"),
    "unknown-key": (X + "unitt: record\n", "did you mean 'unit'?"),
    "unknown-kind": ("columns: {x: {kind: categoric}}", "did you mean 'categorical'?"),
    "unknown-role": ("columns: {x: {kind: id, roles: [units]}}", "did you mean 'unit'?"),
    "no-domain": ("columns: {x: {kind: categorical}}", "needs a domain"),
    "domain-twice": ("columns: {x: {kind: categorical, domain: [a, a]}}", "names a category twice"),
    "no-bounds": ("columns: {x: {kind: real}}", "needs bounds"),
    "bounds-turned": ("columns: {x: {kind: real, bounds: [2, 1]}}", "the lower one first"),
    "bounds-text": ("columns: {x: {kind: real, bounds: [a, b]}}", "must be numbers"),
    "bounds-infinite": ("columns: {x: {kind: real, bounds: [0, .inf]}}", "finite"),
    "bounds-huge": (f"columns: {{x: {{kind: real, bounds: [0, 1{'0' * 400}]}}}}", "below 1e308"),
    "bounds-date": ("columns: {x: {kind: date, bounds: [1, 2]}}", "ISO dates"),
    "no-such-date": ("columns: {x: {kind: date, bounds: [2020-02-30, 2020-03-01]}}", "not a well-formed schema file"),
    "one-bin": ("columns: {x: {kind: real, bounds: [0, 1], bins: [0]}}", "two edges"),
    "nan-bin": ("columns: {x: {kind: real, bounds: [0, 1], bins: [0, .nan, 1]}}", "finite"),
    "unit-unknown": (X + "unit: who\n", "is not a column"),
    "unit-list": (X + "unit: [x]\n", "is not a column"),
    "rows-negative": (X + "rows: -1\n", "whole number"),
    "rule-unknown-column": (X + "constraints: [{forbid: {y: [a]}}]\n", "no column 'y'"),
    "rule-unknown-category": (X + "constraints: [{forbid: {x: [b]}}]\n", "not in the domain"),
    "list-key": ("? [a, b]\n: 1\n", "must be a name"),
    "bomb": (BOMB, "more than 1,000,000 values"),
    "itself": ("columns: &c {x: *c}\n", "refers to itself"),
    "deep": ("[" * 100_000, "not a well-formed schema file"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_schema_file_is_one_sentence(case, tmp_path):
    text, says = BAD[case]
    path = tmp_path / f"{case}.yaml"
    path.write_text(text)
    with pytest.raises(PetsEvalError) as error:
        read_schema(path)
    assert says in str(error.value)
    assert f"{case}.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_schema_file_that_cannot_be_read(tmp_path):
    with pytest.raises(PetsEvalError, match="cannot read the schema file"):
        read_schema(tmp_path / "none.yaml")
    with pytest.raises(PetsEvalError, match="cannot read the schema file"):
        read_schema(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("columns: {é: {kind: id}}".encode("latin-1"))
    with pytest.raises(PetsEvalError, match="not text in UTF-8"):
        read_schema(tmp_path / "latin.yaml")


def test_plain_yaml_reads_a_draft_alike():
    """A drafted file quotes what plain YAML would misread, so that other tools read the same domain."""
    from pets_datasets.draft import schema_yaml

    schema = Schema(columns={"x": Column("categorical", domain=("No", "007", "1e3", "2020-01-01", "~", ""))})
    assert Schema.from_json(yaml.safe_load(schema_yaml(schema))) == schema
