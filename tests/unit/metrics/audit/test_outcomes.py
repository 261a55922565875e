import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from pets_metrics.privacy.audit.outcomes import Event, Outcomes, together


def test_arrays_of_one_or_more_numbers():
    one = Outcomes.of(np.array([1, 2, 3]))
    assert one.keys == ("value",)
    assert one.values.tolist() == [[1.0], [2.0], [3.0]]
    many = Outcomes.of(np.arange(6.0).reshape(2, 3))
    assert many.keys == ("0", "1", "2")
    assert len(many) == 2
    cube = Outcomes.of(np.zeros((4, 2, 3)))
    assert cube.values.shape == (4, 6)
    assert cube.keys == Outcomes.of([np.zeros((2, 3))]).keys == Outcomes.of([[[0] * 3] * 2]).keys
    assert cube.keys != Outcomes.of(np.zeros((4, 3, 2))).keys
    assert set(cube.labels) == {""}


def test_outputs_of_every_kind():
    outputs = [1, 2.5, True, None, "secret", "secret", "other", {"a": {"b": 1, "c": [2, 3]}}, [4, 5], KeyError("x")]
    seen = Outcomes.of(outputs)
    assert set(seen.keys) == {"value", "a.b", "a.c.0", "a.c.1", "0", "1"}
    assert seen.labels[4] == seen.labels[5] != seen.labels[6]
    assert not any("secret" in label for label in seen.labels)
    assert seen.labels[9] == "raised KeyError"
    assert np.isnan(seen.values[3]).all()


def test_series_and_data_frames_are_arrays():
    assert Outcomes.of(pd.Series([1.0, 2.0])).values.tolist() == [[1.0], [2.0]]
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]})
    assert Outcomes.of(frame).values.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]


def test_together_has_the_keys_of_either():
    one, other = together(Outcomes.of([{"a": 1}]), Outcomes.of([{"b": 2}, {"a": 3}]))
    assert one.keys == other.keys == ("a", "b")
    np.testing.assert_array_equal(one.values, [[1, np.nan]])
    np.testing.assert_array_equal(other.values, [[np.nan, 2], [3, np.nan]])


def test_events():
    seen = Outcomes.of([{"a": 1}, {"a": 3}, {}, ValueError()])
    assert Event.at_least(2, "a").holds(seen).tolist() == [False, True, False, False]
    assert Event.at_least(2, "no such key").holds(seen).tolist() == [False] * 4
    assert Event.present("a").holds(seen).tolist() == [True, True, False, False]
    assert Event.labelled("raised ValueError").negated().holds(seen).tolist() == [True, True, True, False]
    assert Event.at_least(2, "a").negated().name == "not (a >= 2)"


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0])])
def test_a_part_keeps_what_belongs_together(rows):
    seen = Outcomes.of([1, "x", 3], seconds=np.array([0.1, 0.2, 0.3]))
    part = seen.part(rows)
    np.testing.assert_array_equal(part.values, seen.values[rows])
    assert part.labels.tolist() == seen.labels[rows].tolist()
    np.testing.assert_array_equal(part.seconds, seen.seconds[rows])


NAN = float("nan")


def test_null_and_nan_and_absent_and_empty_are_told_apart():
    of_mappings = [
        {"a": None},
        {"a": NAN},
        {},
        {"b": None},
        {"b": NAN},
        {"a": {}},
        {"a": []},
        {"a": None, "b": NAN},
        None,
    ]
    of_lists = [[None], [NAN], [], [None, None], [[]], np.zeros((0, 3)), np.zeros((3, 0))]
    for outputs in (of_mappings, of_lists):
        labels = Outcomes.of(outputs).labels.tolist()
        assert len(set(labels)) == len(labels)
    assert Outcomes.of(of_mappings).labels[0].startswith("null ")
    assert Outcomes.of(of_mappings).labels[1].startswith("not a number ")


def test_numbers_beside_nan_and_null_are_kept():
    seen = Outcomes.of([{"a": 1, "b": NAN}, {"a": 2, "b": None}, {"a": 3}, {"a": 4, "b": 5}])
    assert seen.values[:, 0].tolist() == [1, 2, 3, 4]
    assert len(set(seen.labels[:3])) == 3
    assert seen.labels[2] == seen.labels[3] == ""


def test_nan_in_arrays_is_labelled_as_in_lists():
    rows = np.arange(40.0).reshape(4, 10)
    rows[1, 9] = rows[2, [0, 9]] = rows[3, 9] = np.nan
    labels = Outcomes.of(rows).labels.tolist()
    assert labels == Outcomes.of(rows.tolist()).labels.tolist() == Outcomes.of(list(rows)).labels.tolist()
    assert labels[0] == ""
    assert labels[1] == labels[3] != labels[2]
    assert Outcomes.of(np.array([1.0, NAN])).labels.tolist() == Outcomes.of([1.0, NAN]).labels.tolist()


def test_empty_arrays_of_different_shapes_differ():
    flat, deep = Outcomes.of(np.zeros((3, 0))), Outcomes.of(np.zeros((3, 0, 2)))
    assert flat.values.shape == deep.values.shape == (3, 0)
    assert flat.labels[0] != deep.labels[0]
    assert flat.labels[0] == Outcomes.of([np.zeros(0)]).labels[0]
    assert len(Outcomes.of(np.zeros((0, 3)))) == len(Outcomes.of(np.zeros(0, dtype=int))) == len(Outcomes.of([])) == 0


def test_texts_that_are_json_are_what_they_say():
    seen = Outcomes.of(["1.5", '{"a": 2}', "[3, null]", "inf", {"b": "7"}])
    assert seen.keys == ("value", "a", "0", "b")
    assert seen.values[[0, 3], 0].tolist() == [1.5, np.inf]
    assert seen.labels[[0, 1, 3, 4]].tolist() == [""] * 4
    assert seen.labels[2].startswith("null ")
    texts = Outcomes.of(["yes", '"yes"', "null", "{", "[" * 100_000, "\ud800"])
    assert len(set(texts.labels)) == 6
    assert all(label.startswith("text ") for label in texts.labels)


def test_numbers_of_every_type():
    outputs = [
        Decimal("1.5"),
        Fraction(1, 4),
        np.float32(2),
        np.array(3),
        np.bool_(True),
        Fraction(-(10**400)),
        10**400,
    ]
    seen = Outcomes.of(outputs)
    assert seen.keys == ("value",)
    assert seen.values[:, 0].tolist() == [1.5, 0.25, 2, 3, 1, -np.inf, np.inf]
    assert seen.labels[:6].tolist() == [""] * 6
    assert Outcomes.of([Decimal("sNaN")]).labels[0] == Outcomes.of([NAN]).labels[0]
    parts = Outcomes.of([1 + 2j, np.complex128(3)])
    assert parts.keys == ("real", "imag")
    assert parts.values.tolist() == [[1, 2], [3, 0]]
    record = Outcomes.of(np.array([(1, 2.5)], dtype=[("a", int), ("b", float)]))
    assert (record.keys, record.values.tolist()) == (("a", "b"), [[1, 2.5]])


@pytest.mark.parametrize("kind", [list, np.array])
def test_whole_numbers_keep_their_low_bits(kind):
    seen = Outcomes.of(kind([2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1]))
    assert seen.keys == ("value",)
    assert [bool(label) for label in seen.labels] == [False, True, False, True]
    assert seen.labels[1] != seen.labels[3]
    assert Outcomes.of(kind([[2**53 + 1]])).values.shape == (1, 1)
    huge = Outcomes.of([10**5000, 10**5000 + 1])
    assert huge.labels[0] != huge.labels[1]


def test_what_is_no_number_is_told_apart_and_ends():
    days = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]
    moments = [datetime.datetime(2020, 1, 1, 2), pd.Timestamp("2021"), np.datetime64("2022"), datetime.timedelta(1)]
    outputs = [*days, *moments, np.timedelta64(3, "s"), b"x", b"y", {1, 2}, {1, 3}, frozenset()]
    labels = Outcomes.of(outputs).labels.tolist()
    assert len(set(labels)) == len(outputs)
    assert Outcomes.of([{"b", "a", "c"}]).labels[0] == Outcomes.of([{"c", "a", "b"}]).labels[0]
    others = Outcomes.of([object(), (i for i in "ab"), pd.NA, np.array(object())])
    kinds = ["object", "generator", "NAType"]
    assert others.labels[:3].tolist() == [f"a value of type {kind}" for kind in kinds]
    assert Outcomes.of([{"a": object(), "b": 1}]).values.tolist() == [[1]]
    endless: list[object] = []
    endless.append(endless)
    assert Outcomes.of([endless]).labels[0] == "a value without end"
    assert Outcomes.of(np.array(["2020", "2021"], dtype="datetime64[ns]")).labels[0].startswith("time ")


def test_keys_that_read_alike_do_not_overwrite_each_other():
    for output in ({"1": 5, 1: 6}, {1: 6, "1": 5}):
        seen = Outcomes.of([output])
        assert dict(zip(seen.keys, seen.values[0].tolist())) == {"'1'": 5, "1": 6}
    assert sorted(Outcomes.of([{"a.b": 1, "a": {"b": 2}}]).values[0].tolist()) == [1, 2]
