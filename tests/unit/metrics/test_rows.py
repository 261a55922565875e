"""Rows are numbered in their order, whatever their values are; checked by hand and against numpy."""

import numpy as np
import pandas as pd
import pytest

from pets_metrics.rows import distinct_rows, group_numbers, owners, row_classes


def test_equal_rows_have_one_class():
    a, b = np.array([[1.0, 2.0], [3.0, 2.0], [1.0, 2.0]]), np.array([[3.0, 2.0], [9.0, 9.0]])
    first, second = row_classes([a, b])
    assert first[0] == first[2] != first[1] == second[0] and second[1] not in first


def test_groups_of_many_wide_columns_do_not_overflow():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 100_000, (500, 30))
    codes = np.concatenate([codes, codes[:100]])
    found = group_numbers(codes)
    assert len(np.unique(found)) == 500 and (found[500:] == found[:100]).all()
    order = np.lexsort(codes[:500].T[::-1])
    assert (np.diff(found[:500][order]) > 0).all(), "in the order of the rows' values"


@pytest.mark.parametrize("kind", ["int8", "int64", "float64", "bool"])
def test_distinct_rows_are_those_of_numpy(kind):
    rows = (np.random.default_rng(0).integers(-3, 3, (200, 3)) / (2 if kind == "float64" else 1)).astype(kind)
    values, first, group, count = np.unique(rows, axis=0, return_index=True, return_inverse=True, return_counts=True)
    found = distinct_rows(rows)
    assert (found.group == group).all() and (found.counts == count).all() and (found.first == first).all()
    assert (rows[found.first] == values).all()


def test_values_far_apart_and_missing_ones_are_numbered():
    wide = np.array([[-(2**62)], [2**62], [0], [2**62]])
    assert group_numbers(wide).tolist() == [0, 2, 1, 2]
    assert group_numbers(np.array([[np.nan, 1.0], [0.5, 1.0], [np.nan, 1.0]])).tolist() == [1, 0, 1]


def test_rows_without_columns_are_all_alike_and_no_rows_have_no_numbers():
    assert group_numbers(np.empty((3, 0))).tolist() == [0, 0, 0]
    assert group_numbers(np.empty((0, 2))).tolist() == []


def test_people_are_numbered_as_they_come_and_the_unknown_are_one():
    frame = pd.DataFrame({"person": ["b", None, "a", "b", None]})
    assert owners(frame, "person").tolist() == [0, 1, 2, 0, 1]
    assert owners(frame, "record").tolist() == [0, 1, 2, 3, 4]
