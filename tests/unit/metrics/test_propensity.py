"""Propensity scores against statsmodels, scikit-learn and simulated nulls; two-sample classifiers on planted shifts."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.tree import DecisionTreeClassifier

from pets_eval.model import Column, Schema
from pets_metrics.fidelity.propensity import (
    propensity_mse,
    propensity_mse_ratio,
    standardised_propensity_mse,
    two_sample_auc,
    two_sample_test,
)

ALL = [propensity_mse, propensity_mse_ratio, standardised_propensity_mse, two_sample_auc, two_sample_test]


def mixed(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    a = rng.normal(shift, 1, n)
    return pd.DataFrame(
        {
            "a": a,
            "b": a + rng.normal(0, 2, n),
            "c": rng.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1]),
            "d": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1, n)),
        }
    )


def figures(result):
    return [e.value for e in (result.values() if isinstance(result, dict) else [result])]


def test_the_logistic_model_is_statsmodels():
    real, release = mixed(1, 300), mixed(2, 200, shift=0.4)
    both = pd.concat([real, release], ignore_index=True)
    design = pd.DataFrame({"a": both.a, "b": both.b, "y": both.c == "y", "z": both.c == "z"}).astype(float)
    design["d"], design["none"] = both.d.fillna(0), both.d.isna().astype(float)
    label = np.repeat([0.0, 1.0], [300, 200])
    p = sm.Logit(label, sm.add_constant(design)).fit(disp=0, tol=1e-12).predict()
    pmse = np.mean((p - 0.4) ** 2)
    assert propensity_mse(real, release)["logistic"].value == pytest.approx(pmse, rel=1e-6)
    mean = 6 * 0.6**2 * 0.4 / 500  # k - 1 = 6 effects
    assert propensity_mse_ratio(real, release).value == pytest.approx(pmse / mean, rel=1e-6)
    found = standardised_propensity_mse(real, release).value
    assert found == pytest.approx((pmse - mean) / (math.sqrt(12) * 0.6**2 * 0.4 / 500), rel=1e-6)


def test_the_tree_is_scikit_learn_s_of_depth_six_on_a_public_order():
    real, release = mixed(1, 900), mixed(2, 600, shift=0.4)
    bounds = Column("real", bounds=(-9, 9), nullable=True)
    schema = Schema({"a": bounds, "b": bounds, "c": Column("categorical", domain=("z", "x", "y")), "d": bounds})
    both = pd.concat([real, release]).assign(c=lambda t: t.c.map({"z": 0, "x": 1, "y": 2})).fillna(-1)
    label = np.repeat([0, 1], [900, 600])
    p = DecisionTreeClassifier(max_depth=6, random_state=0).fit(both, label).predict_proba(both)[:, 1]
    assert propensity_mse(real, release, schema)["tree"].value == pytest.approx(np.mean((p - 0.4) ** 2), rel=1e-9)


def test_rows_drawn_from_the_real_ones_have_a_ratio_of_one_and_a_fresh_sample_of_two():
    rng = np.random.default_rng(3)
    drawn, fresh, deviations = [], [], []
    for i in range(100):
        real = mixed(100 + i, 400)[["a", "b", "c"]]
        again = real.sample(400, replace=True, random_state=int(rng.integers(1 << 30)))
        deviations.append(standardised_propensity_mse(real, again).value)
        drawn.append(1 + deviations[-1] * math.sqrt(2 / 4))  # k - 1 = 4
        fresh.append(propensity_mse_ratio(real, mixed(9_000 + i, 400)[["a", "b", "c"]]).value)
    # a ratio is a chi-square over its mean, with deviation sqrt(2 / 4) = 0.71; the mean of 100 is within five standard
    # errors with probability above 1 - 1e-6
    assert np.mean(drawn) == pytest.approx(1, abs=5 * 0.71 / math.sqrt(100))
    assert np.mean(fresh) == pytest.approx(2, abs=5 * 1.42 / math.sqrt(100))
    assert 0.6 < np.std(deviations) < 1.6


def test_tables_that_share_no_value_are_at_the_worst_figure():
    real, release = mixed(1, 300), mixed(2, 100).assign(c="elsewhere")
    scores = propensity_mse(real, release)
    assert scores["tree"].value == pytest.approx(0.25 * 0.75) and scores["logistic"].value == pytest.approx(0.25 * 0.75)
    assert two_sample_auc(real, release).value > 0.99 and two_sample_test(real, release).value < 1e-9


def test_a_copy_is_perfect_in_whatever_order():
    real = mixed(1, 300)
    copy = real.sample(frac=1, random_state=1)[["d", "c", "b", "a"]]
    assert figures(propensity_mse(real, copy)) == pytest.approx([0, 0], abs=1e-12)
    assert propensity_mse_ratio(real, copy).value == pytest.approx(0, abs=1e-9)
    assert standardised_propensity_mse(real, copy).value == pytest.approx(-math.sqrt(6 / 2))
    assert two_sample_auc(real, copy).value == 0.5 and two_sample_test(real, copy).value == 1


def test_copies_with_a_little_noise_or_drawn_again_are_not_told_apart():
    real = mixed(1, 1_000)
    near = real.assign(a=real.a + np.random.default_rng(2).normal(0, 0.01, 1_000))
    assert two_sample_auc(real, near).low == 0.5
    assert two_sample_auc(real, real.sample(frac=1, replace=True, random_state=1)).low < 0.51


def test_a_shift_is_ranked_about_as_well_as_it_can_be():
    found = two_sample_auc(mixed(1, 1_500)[["a"]], mixed(2, 1_500, shift=1.0)[["a"]])
    best = stats.norm.cdf(1 / math.sqrt(2))  # of the ideal ranking by a: 0.76
    assert best - 0.05 < found.value < best + 0.03 and found.low < found.value < found.high


def test_few_kinds_of_rows_are_learned_from_their_like():
    real = pd.DataFrame({"a": ["x"] * 500 + ["y"] * 500})
    release = pd.DataFrame({"a": ["x"] * 900 + ["y"] * 100})
    assert two_sample_auc(real, release).value == pytest.approx(0.7)  # 0.9 x 0.5 + (0.9 x 0.5 + 0.1 x 0.5) / 2
    assert two_sample_test(real, release).value < 1e-9


def test_the_test_does_not_accuse_samples_of_the_same_people():
    low = sum(two_sample_test(mixed(2 * i, 120), mixed(2 * i + 1, 150)).value <= 0.05 for i in range(60))
    assert low <= stats.binom.isf(1e-6, 60, 0.05)


def test_order_and_names_of_rows_columns_and_categories_do_not_matter():
    real, release = mixed(1, 400), mixed(2, 300, shift=0.3)
    other = real.sample(frac=1, random_state=1)[["c", "a", "d", "b"]]
    renamed = {"x": "q", "y": "b", "z": "m"}
    for metric in ALL:
        expected = figures(metric(real, release))
        assert figures(metric(other, release.iloc[::-1])) == pytest.approx(expected, rel=1e-9)
        again = metric(real.assign(c=real.c.map(renamed)), release.assign(c=release.c.map(renamed)))
        assert figures(again) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "column",
    [Column("real", bounds=(0, 1), nullable=True), Column("categorical", domain=("u", "v"), nullable=True)],
)
def test_columns_without_any_value_change_nothing(column):
    known = Schema({"a": Column("real", bounds=(-9, 9)), "c": Column("categorical", domain=("x", "y", "z"))})
    wider = Schema(known.columns | {"e": column})
    real, release = (mixed(s, n, shift).assign(e=np.nan) for s, n, shift in [(1, 100, 0.0), (2, 90, 1.0)])
    for metric in (two_sample_auc, two_sample_test):
        assert metric(real, release, wider) == metric(real, release, known)
    empty = Schema({"e": column})
    assert two_sample_auc(real, release, empty).value == 0.5 and two_sample_test(real, release, empty).value == 1


def test_the_interval_is_that_of_auroc():
    found = two_sample_auc(mixed(1, 200), mixed(2, 200, shift=1.0))
    assert found.method == "newcombe-delong" and found.n == 400 and found.low < found.value < found.high


def test_a_sample_of_the_rows_serves_large_tables():
    real = mixed(1, 3_000)
    for metric in ALL:
        few = metric(real, real, rows=500)
        assert figures(few) == pytest.approx(figures(metric(real, real)), abs=1e-9)
    assert propensity_mse(real, mixed(2, 2_000), rows=500)["tree"].n == 1_000


def test_too_few_rows_are_not_measured():
    assert two_sample_auc(mixed(1, 19), mixed(2, 50)).note == "a table has fewer than 20 rows"
    assert math.isnan(two_sample_test(mixed(1, 50), mixed(2, 19)).value)
    constant = pd.DataFrame({"a": ["x"] * 9})
    assert propensity_mse_ratio(constant, constant).note == "no column varies"
