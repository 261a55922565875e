"""Slopes against scipy's and statsmodels' lines."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.fidelity.slopes import slope_difference

SCHEMA = Schema(
    {
        "race": Column("categorical", domain=("1", "2", "3", "4"), roles=("quasi-identifier",)),
        "sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",)),
        "edu": Column("categorical", domain=("N", *(str(i) for i in range(1, 13)))),
        "age": Column("integer", bounds=(0, 99), roles=("quasi-identifier",)),
        "income": Column("real", bounds=(-1e6, 1e6), roles=("sensitive",), nullable=True),
    }
)


def people(seed, n, effect=1.0):
    rng = np.random.default_rng(seed)
    edu, age = rng.integers(1, 13, n), rng.integers(18, 90, n)
    race, sex = rng.choice(["1", "2", "3", "4"], n, p=[0.6, 0.3, 0.08, 0.02]), rng.choice(["F", "M"], n)
    income = effect * edu * np.where(sex == "F", 1, 2) + age / 50 + rng.normal(0, 1, n) * edu
    income[rng.random(n) < 0.05] = np.nan
    edu = np.where(rng.random(n) < 0.1, "N", edu.astype(str))
    return pd.DataFrame({"race": race, "sex": sex, "edu": edu, "age": age, "income": income})


def scores(*args, **options):
    return {(s.group, s.statistic): s.estimate for s in slope_difference(*args, **options)}


def fit(table):
    table = table[(table.edu != "N") & table.income.notna()]
    x, y = table.edu.astype(float), table.income
    return (
        stats.linregress(x, y).slope,
        sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC1").bse.iloc[1],
        x.std() / y.std(),
    )


def test_groups_by_name_are_scipy_s_lines_with_statsmodels_errors():
    real, release = people(1, 900), people(2, 700, effect=0.5)
    groups = {"first women": {"race": ["1"], "sex": ["F"]}, "other men": {"race": ["2", "3", "4"], "sex": ["M"]}}
    found = scores(real, release, SCHEMA, predictor="edu", outcome="income", by=groups)
    parts = []
    for label, wanted in {"": {}, **groups}.items():
        chosen = [
            t[np.all([t[c].isin(v) for c, v in wanted.items()], axis=0)] if wanted else t for t in (real, release)
        ]
        (b0, e0, unit), (b1, e1, _) = (fit(t) for t in chosen)
        estimate = found[label, "difference" if label else "whole"]
        assert estimate.value == pytest.approx(abs(b1 - b0) * unit, rel=1e-9)
        assert estimate.high - estimate.value == pytest.approx(1.959964 * np.hypot(e0, e1) * unit, rel=1e-6)
        parts.append(estimate)
    assert found["", "mean"].value == pytest.approx(np.mean([e.value for e in parts]))
    assert found["", "max"].value == max(e.value for e in parts)
    assert found["", "max"].high > max(e.high for e in parts)
    assert set(found) == {("", "mean"), ("", "max"), ("", "whole"), *((g, "difference") for g in groups)}


def test_combinations_of_columns_and_by_default_each_category_in_turn():
    real, release = people(1, 900), people(2, 900)
    found = scores(real, release, SCHEMA, predictor="edu", outcome="income", by=("race", "sex"))
    assert ("race = 2, sex = M", "difference") in found and ("race = 4, sex = M", "difference") not in found
    default = scores(real, release, SCHEMA)  # age and income are the only numbers
    assert {g for g, _ in default} == {"", "race = 1", "race = 2", "race = 3", "sex = F", "sex = M"}
    assert default == scores(real, release, SCHEMA, predictor="age", outcome="income")
    assert ("sex = F", "difference") in scores(real, release, SCHEMA, by="sex")


def test_without_a_schema_the_strongest_pair_and_no_groups():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"u": rng.normal(size=200), "v": rng.normal(size=200), "sex": rng.choice(["F", "M"], 200)})
    real["w"] = real.v * 3 + rng.normal(size=200)
    release = real.assign(w=-real.w)
    found = scores(real, release)
    r = np.corrcoef(real.v, real.w)[0, 1]
    assert set(found) == {("", "mean"), ("", "max"), ("", "whole")}
    assert found["", "mean"].value == pytest.approx(2 * r)
    named = scores(real, release, by=["sex"])
    assert {g for g, _ in named} == {"", "sex: group 1", "sex: group 2"}, "no category that was read from the rows"


def test_a_copy_is_perfect_in_whatever_order_and_a_shuffled_outcome_loses_its_correlation():
    real = people(1, 800)
    copy = real.sample(frac=1, random_state=1)[["income", "age", "edu", "sex", "race"]]
    found = scores(real, copy, SCHEMA, predictor="edu", outcome="income")
    assert all(e.value == pytest.approx(0, abs=1e-9) for e in found.values())
    release = real.assign(income=np.random.default_rng(0).permutation(real.income.to_numpy()))
    assert scores(real, release, SCHEMA, predictor="edu", outcome="income")["", "whole"].low > 0.1


def test_the_intervals_hold_nothing_for_a_fresh_sample():
    found = [scores(people(i, 300), people(500 + i, 300), SCHEMA, predictor="edu", outcome="income") for i in range(60)]
    bound = stats.binom.isf(1e-6, 60, 0.05) + 1
    for statistic in ("mean", "max", "whole"):
        assert sum(f["", statistic].low > 0 for f in found) <= bound


def test_a_group_that_the_release_lacks_counts_as_a_slope_of_nothing():
    real = people(1, 600)
    found = scores(real, real[real.sex == "F"], SCHEMA, predictor="edu", outcome="income", by=["sex"])
    b, _, unit = fit(real[real.sex == "M"])
    men = found["sex = M", "difference"]
    assert men.value == pytest.approx(abs(b) * unit) and men.note == "the release has no slope here"


def test_what_cannot_be_fitted_is_said():
    real = people(1, 100)
    with pytest.raises(Unsupported, match="no two numeric columns"):
        slope_difference(real[["sex", "race"]], real[["sex", "race"]])
    with pytest.raises(Unsupported, match="no group has 200 rows"):
        slope_difference(real, real, SCHEMA, least=200)
    with pytest.raises(PetsEvalError, match="no column 'salary'"):
        slope_difference(real, real, SCHEMA, outcome="salary")
    with pytest.raises(PetsEvalError, match="'sex' has no numbers"):
        slope_difference(real, real, SCHEMA, predictor="sex", outcome="income")
    with pytest.raises(PetsEvalError, match="groups are made of categories"):
        slope_difference(real, real, SCHEMA, by=["age"])
    with pytest.raises(PetsEvalError, match="no column 'town'"):
        slope_difference(real, real, SCHEMA, by={"all": {"town": ["x"]}})
    with pytest.raises(PetsEvalError, match="two columns"):
        slope_difference(real, real, SCHEMA, predictor="age", outcome="age")
