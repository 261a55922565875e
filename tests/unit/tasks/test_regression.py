"""Linear regression against statsmodels' formula interface on all rows at once."""

import numpy as np
import pytest
import statsmodels.formula.api as smf

from pets_datasets.tasks import tabulate
from pets_datasets.tasks.regression import LinearRegression, fit
from pets_eval.checks import toy
from pets_eval.model import PetsEvalError, Release, Table


@pytest.mark.parametrize("batch", [500_000, 11])
def test_equals_statsmodels_however_the_rows_are_cut(batch, monkeypatch):
    monkeypatch.setattr(tabulate, "_BATCH", batch)
    data = toy()
    task = LinearRegression(target="income", predictors=("age", "sex", "region"))
    answer = task.compute(data).table
    model = smf.ols(
        "income ~ age + C(sex, levels=['F', 'M']) + C(region, levels=['N', 'E', 'S'])", data.train.frame()
    ).fit()
    names = {
        "intercept": "Intercept",
        "age": "age",
        "sex=M": "C(sex, levels=['F', 'M'])[T.M]",
        "region=E": "C(region, levels=['N', 'E', 'S'])[T.E]",
        "region=S": "C(region, levels=['N', 'E', 'S'])[T.S]",
    }
    assert answer.index.get_level_values("cell").tolist() == list(names)
    theirs = list(names.values())
    interval = model.conf_int(0.05).loc[theirs]
    for column, expected in (
        ("value", model.params[theirs]),
        ("se", model.bse[theirs]),
        ("low", interval[0]),
        ("high", interval[1]),
    ):
        np.testing.assert_allclose(answer[column], expected, rtol=1e-9)


def test_an_empty_category_has_no_coefficient_and_disturbs_no_other():
    data = toy()
    task = LinearRegression(target="income", predictors=("age", "region"))
    frame = data.train.frame()
    frame = frame[frame["region"] != "E"].reset_index(drop=True)
    answer = task.answer(Release("microdata", Table(data.schema, data=frame)), data.schema, None).table["value"]
    model = smf.ols("income ~ age + (region == 'S')", frame.dropna(subset=["region", "income"])).fit()
    found = dict(zip(answer.index.get_level_values("cell"), answer))
    assert np.isnan(found["region=E"])
    np.testing.assert_allclose(found["region=S"], model.params.iloc[1], rtol=1e-9)
    np.testing.assert_allclose(found["age"], model.params["age"], rtol=1e-9)


def test_a_column_that_repeats_an_earlier_one_is_left_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    design = np.column_stack([np.ones(50), x, 3 * x - 1, 2 + 5 * x])
    figures = fit([design])
    np.testing.assert_allclose(figures[0, :2], [2, 5], rtol=1e-9)
    assert np.isnan(figures[:, 2]).all()


def test_too_few_rows_give_no_coefficients():
    assert fit([np.ones((2, 3))]) is None
    assert fit([]) is None


@pytest.mark.parametrize(
    "params, words",
    [
        ({"target": "sex"}, "is categorical"),
        ({"predictors": ("age", "income"), "target": "income"}, "is also a predictor"),
        ({"predictors": ("sexx",)}, "did you mean 'sex'?"),
        ({"predictors": ("person",)}, "is an id"),
    ],
)
def test_impossible_questions_are_refused(params, words):
    with pytest.raises(PetsEvalError) as error:
        LinearRegression(**params).needs(toy().schema)
    assert words in str(error.value)
