"""Associations of columns against pandas, scipy and SDMetrics."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats.contingency import association

from pets_eval.model import PetsEvalError, Unsupported
from pets_metrics.fidelity.association import (
    association_difference,
    correlation_ratio,
    cramers_v,
    pair_trends,
    pearson,
)
from pets_metrics.fidelity.marginals import k_marginal_error


def table(seed, rows=500, tie=0.9):
    """Numbers, dates and words that go together as *tie* says, with missing values."""
    rng = np.random.default_rng(seed)
    core = rng.normal(0, 1, rows)
    near = tie * core + math.sqrt(1 - tie**2) * rng.normal(0, 1, rows)
    word = np.array(["low", "mid", "high"])[np.digitize(near, [-0.5, 0.5])]
    days = pd.to_timedelta((500 + 50 * near).round(), unit="D")
    return pd.DataFrame(
        {
            "x": np.where(rng.random(rows) < 0.1, np.nan, core),
            "y": np.where(rng.random(rows) < 0.1, np.nan, np.exp(near)),
            "day": (pd.Timestamp("2020-01-01") + days).where(rng.random(rows) > 0.05),
            "word": pd.Series(word).mask(rng.random(rows) < 0.1),
            "sign": np.where(core > 0, "plus", "minus"),
            "noise": rng.choice(list("pqrs"), rows),
        }
    )


def sdmetrics_trends(real, synthetic):
    kinds = {"x": "numerical", "y": "numerical", "day": "datetime", "only": "numerical"}
    columns = {name: {"sdtype": kinds.get(name, "categorical")} for name in real}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table._properties import ColumnPairTrends

        trends = ColumnPairTrends()
        trends.real_correlation_threshold, trends.real_association_threshold = 0.5, 0.3  # as its quality report sets
        return trends.get_score(real.copy(), synthetic.copy(), {"columns": columns})


def by(scores):
    return {(s.group, s.statistic): s.estimate for s in scores}


def test_coefficients_against_references():
    t = table(1)
    assert pearson(t["x"].to_numpy(), t["y"].to_numpy()) == pytest.approx(t[["x", "y"]].corr().iloc[0, 1], abs=1e-12)
    counts = pd.crosstab(t["word"], t["noise"]).to_numpy()
    assert cramers_v(counts) == pytest.approx(association(counts, method="cramer"), abs=1e-12)
    known = t.dropna(subset=["y"])
    codes = known["noise"].astype("category").cat.codes.to_numpy()
    groups = [known["y"][codes == c] for c in range(4)]
    f = stats.f_oneway(*groups).statistic
    ratio = f * 3 / (f * 3 + len(known) - 4)  # eta squared from the F statistic
    assert correlation_ratio(codes, known["y"].to_numpy(), 4) == pytest.approx(math.sqrt(ratio), abs=1e-12)


def test_difference_of_every_kind_against_references():
    real, made = table(1), table(2, tie=0.4)
    found = by(association_difference(real[["x", "y"]], made[["x", "y"]]))
    for name in ("pearson", "spearman"):
        gap = abs(real[["x", "y"]].corr(name).iloc[0, 1] - made[["x", "y"]].corr(name).iloc[0, 1])
        assert found["numeric-numeric", f"mean of {name}"].value == pytest.approx(gap, abs=1e-12)
    larger = max(found["numeric-numeric", f"mean of {n}"].value for n in ("pearson", "spearman"))
    assert found["", "mean"].value == found["", "max"].value == larger
    words = by(association_difference(real[["sign", "noise"]], made[["sign", "noise"]]))
    v = [association(pd.crosstab(t["sign"], t["noise"]).to_numpy(), method="cramer") for t in (real, made)]
    assert words["categorical-categorical", "mean"].value == pytest.approx(abs(v[0] - v[1]), abs=1e-12)


def test_overall_is_over_the_pairs_of_all_kinds():
    found = by(association_difference(table(1), table(2, tie=0.2)))
    assert [found[k, "mean"].n for k in ("numeric-numeric", "categorical-categorical", "categorical-numeric")] == [
        3,
        3,
        9,
    ]
    kinds = ("numeric-numeric", "categorical-categorical", "categorical-numeric")
    total = sum(found[k, "mean"].value * found[k, "mean"].n for k in kinds) / 15
    assert found["", "mean"].value == pytest.approx(total) and found["", "mean"].n == 15
    assert found["", "max"].value == max(found[k, "max"].value for k in kinds)


def test_a_copy_is_perfect_and_broken_ties_are_seen():
    real = table(1)
    assert all(s.estimate.value == 0 for s in association_difference(real, real))
    assert pair_trends(real, real).value == 1
    apart = real.apply(lambda column: column.sample(frac=1, random_state=len(column.name)).to_numpy())
    assert by(association_difference(real, apart))["", "max"].value > 0.5
    assert pair_trends(real, apart).value < 0.9
    steps = [by(association_difference(real, table(2, tie=tie)))["", "mean"].value for tie in (0.9, 0.6, 0.3, 0.0)]
    assert steps == sorted(steps)


def test_an_association_that_one_table_cannot_show_counts_as_none():
    real = pd.DataFrame({"a": [0.5, 1.5, 2.5], "b": [0.5, 1.5, 2.5]})
    assert by(association_difference(real, real.assign(b=1.5)))["", "max"].value == pytest.approx(1)
    flat = real.assign(b=1.5)
    assert "constant" in by(association_difference(flat, flat))["", "mean"].note


@pytest.mark.parametrize("seed", range(3))
def test_pair_trends_is_that_of_sdmetrics(seed):
    real, made = table(seed), table(seed + 10, 450, 0.7)
    assert pair_trends(real, made).value == pytest.approx(sdmetrics_trends(real, made), abs=1e-9)


def test_pair_trends_with_constants_and_unseen_categories_is_that_of_sdmetrics():
    real, made = table(1), table(2)
    real["only"], made["only"] = 2.5, 3.5
    made["sign"] = made["sign"].replace("minus", "neither")
    assert pair_trends(real, made).value == pytest.approx(sdmetrics_trends(real, made), abs=1e-9)


def test_the_flaw_of_pair_trends_and_who_sees_it():
    rng = np.random.default_rng(0)
    number = rng.normal(50, 10, 2000)
    real = pd.DataFrame({"a": number, "b": np.where(number > 50, "high", "low")})
    made = real.assign(a=1000 * number + 7)
    assert pair_trends(real, made).value == pytest.approx(1, abs=1e-9)
    assert sdmetrics_trends(real.rename(columns={"a": "x"}), made.rename(columns={"a": "x"})) == pytest.approx(1)
    assert k_marginal_error(real, made)["mean"].value > 0.9


def test_pair_trends_that_cannot_be_measured():
    apart = table(1)[["noise", "x"]]
    assert math.isnan(pair_trends(apart, apart).value)
    with pytest.raises(PetsEvalError, match="thresholds"):
        pair_trends(apart, apart, correlation=2)
    for fn in (pair_trends, association_difference):
        with pytest.raises(Unsupported, match="fewer than two"):
            fn(apart[["x"]], apart[["x"]])


def test_order_and_names_of_categories_decide_nothing():
    real, made = table(1), table(2, tie=0.5)
    one = by(association_difference(real, made))
    named = [t.replace({"word": {"low": "zz"}}).iloc[::-1, ::-1] for t in (real, made)]
    other = by(association_difference(*named))
    assert {k: e.value for k, e in other.items()} == pytest.approx({k: e.value for k, e in one.items()}, abs=1e-12)
    assert pair_trends(*named).value == pytest.approx(pair_trends(real, made).value, abs=1e-12)


def test_large_numbers_do_not_overflow():
    real = pd.DataFrame({"a": [1e300, 2e300, 3e300], "b": ["x", "y", "y"], "c": [1.5, 2.5, 9.5]})
    assert by(association_difference(real, real))["", "max"].value == 0
