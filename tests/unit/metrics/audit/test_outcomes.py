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
