"""Group means against pandas' groupby and by hand."""

import numpy as np
import pandas as pd
import pytest

from pets_datasets.tasks.group_means import GroupMeans
from pets_eval.checks import toy
from pets_eval.model import Column, PetsEvalError, Release, Schema, Table


def test_equals_pandas():
    data = toy()
    task = GroupMeans(by=("sex", "region"), of=("income", "age"))
    answer = task.compute(data).table["value"]
    frame = data.train.frame()
    frame["region"] = frame["region"].cat.add_categories("(missing)").fillna("(missing)")
    for name in task.of:
        expected = frame.groupby(["sex", "region"], observed=False)[name].agg(["count", "sum", "mean"])
        expected.index = [" | ".join(cell) for cell in expected.index]
        found = answer.loc[f"{name} by sex x region"].unstack("statistic")
        pd.testing.assert_frame_equal(
            found[["count", "sum", "mean"]], expected.astype(float), check_names=False, check_like=True
        )


def test_weights_scale_counts_and_sums_but_no_mean_and_an_empty_group_has_no_mean():
    schema = Schema({"g": Column("categorical", domain=("a", "b")), "x": Column("real", bounds=(0, 10), nullable=True)})
    frame = pd.DataFrame({"g": ["a", "a", "a"], "x": [1.0, 5.0, None]})
    table = Table(schema, data=schema.conform(frame, where="test"))
    answer = GroupMeans().answer(Release("microdata", table, weight=10), schema, None)
    assert answer.values.tolist()[:3] == [20, 60, 3]
    assert answer.values.tolist()[3:5] == [0, 0] and np.isnan(answer.values[5])


def test_defaults_take_amounts_by_the_first_quasi_identifier():
    schema = toy().schema
    assert GroupMeans().groups(schema) == ("sex",)
    assert GroupMeans().measured(schema) == ("age", "income")


@pytest.mark.parametrize(
    "params, words",
    [
        ({"of": ("region",)}, "column 'region' is categorical where a number is needed"),
        ({"of": ("incom",)}, "did you mean 'income'?"),
        ({"by": ("person",)}, "column 'person' is an id"),
        ({"by": ("sex", "sex")}, "named twice"),
    ],
)
def test_impossible_questions_are_refused(params, words):
    with pytest.raises(PetsEvalError) as error:
        GroupMeans(**params).needs(toy().schema)
    assert words in str(error.value)
