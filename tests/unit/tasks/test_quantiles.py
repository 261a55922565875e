"""Quantiles against pandas' groupby quantiles and by hand."""

import numpy as np
import pandas as pd
import pytest

from pets_datasets.tasks.quantiles import Quantiles
from pets_eval.checks import toy
from pets_eval.model import Column, PetsEvalError, Release, Schema, Table


def test_by_hand():
    schema = Schema({"x": Column("real", bounds=(0, 10), nullable=True)})
    table = Table(schema, data=schema.conform(pd.DataFrame({"x": [4.0, None, 1.0, 2.0]}), where="test"))
    answer = Quantiles(probabilities=(0, 0.25, 0.5)).answer(Release("microdata", table), schema, None)
    assert answer.values.tolist() == [1, 1.5, 2]
    assert answer.table.index.tolist()[1] == ("x", "all", "p25")


def test_groups_equal_pandas():
    data = toy()
    task = Quantiles(column="income", by=("sex", "children"), probabilities=(0.1, 0.9))
    answer = task.compute(data).table["value"].unstack("statistic")
    frame = data.train.frame()
    expected = frame.groupby(["sex", "children"], observed=False)["income"].quantile([0.1, 0.9]).unstack()
    for (sex, children), row in expected.iterrows():
        np.testing.assert_allclose(answer.loc["income by sex x children", f"{sex} | {children:g}"], row)


def test_an_empty_group_has_no_quantile():
    schema = Schema({"g": Column("categorical", domain=("a", "b")), "x": Column("real", bounds=(0, 10))})
    table = Table(schema, data=schema.conform(pd.DataFrame({"g": ["b"], "x": [3.0]}), where="test"))
    values = Quantiles(by=("g",), probabilities=(0.5,)).answer(Release("microdata", table), schema, None).values
    assert np.isnan(values[0]) and values[1] == 3


@pytest.mark.parametrize(
    "params, words",
    [
        ({"column": "sex"}, "is categorical"),
        ({"column": "agee"}, "did you mean 'age'?"),
        ({"probabilities": ()}, "at least one"),
        ({"probabilities": (0.5, 0.5)}, "each once"),
    ],
)
def test_impossible_questions_are_refused(params, words):
    with pytest.raises(PetsEvalError) as error:
        Quantiles(**params).needs(toy().schema)
    assert words in str(error.value)
