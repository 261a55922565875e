"""The task that asks for records: counts by hand, and who may answer it."""

import numpy as np
import pandas as pd
import pytest

from pets_datasets.tasks.microdata import Microdata
from pets_eval.checks import toy
from pets_eval.model import Answer, Column, PetsEvalError, Release, Schema, Table

SCHEMA = Schema({"sex": Column("categorical", domain=("F", "M")), "age": Column("integer", bounds=(0, 2))}, rows=4)


def release(weight=1.0, **columns):
    schema = SCHEMA.select(list(columns))
    return Release("microdata", Table(schema, data=schema.conform(pd.DataFrame(columns), where="t")), weight=weight)


def test_it_counts_each_column_and_weighs_the_rows():
    answer = Microdata().answer(release(2.0, sex=["F", "F"], age=[0, 2]), SCHEMA, None)
    assert answer.values.tolist() == [4, 0, 2, 0, 2]


def test_a_column_that_was_not_released_is_not_answered():
    answer = Microdata().answer(release(sex=["F", "M"]), SCHEMA, None)
    np.testing.assert_array_equal(answer.values, [1, 1, np.nan, np.nan, np.nan])


def test_counts_answer_it_as_well():
    counts = Answer.of(Microdata().cells(SCHEMA)[::-1], np.arange(5.0))
    assert Microdata().answer(Release("answer", counts), SCHEMA, None).values.tolist() == [4, 3, 2, 1, 0]


def test_a_table_of_ids_has_no_records_to_release():
    with pytest.raises(PetsEvalError, match="task microdata: no column can be released"):
        Microdata().needs(Schema({"name": Column("id")}))


def test_ids_are_no_part_of_the_truth():
    data = toy()
    assert "person" not in Microdata().compute(data).table.index.get_level_values("block")
