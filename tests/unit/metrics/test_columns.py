"""Distances of single columns against scipy, SDMetrics and by hand."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from pets_eval.model import Column, Schema, Unsupported
from pets_metrics.fidelity.columns import (
    column_shapes,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    marginal_total_variation,
    wasserstein,
)

ALL = [column_shapes, hellinger, jensen_shannon, kolmogorov_smirnov, marginal_total_variation, wasserstein]


def table(seed, rows=400, shift=0.0):
    """Mixed columns with missing values; *shift* moves every distribution."""
    rng = np.random.default_rng(seed)
    number = rng.normal(shift, 1, rows)
    word = rng.choice(["a", "b", "c"], rows, p=[0.5 - shift / 4, 0.3, 0.2 + shift / 4])
    return pd.DataFrame(
        {
            "number": np.where(rng.random(rows) < 0.1, np.nan, number),
            "whole": rng.poisson(20 + shift, rows),
            "word": pd.Series(word).mask(rng.random(rows) < 0.2),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300 + int(50 * shift), rows), unit="D"),
        }
    )


def by(scores):
    return {(s.group, s.statistic): s.estimate for s in scores}


def sdmetrics_shapes(real, synthetic):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table._properties import ColumnShapes

        kinds = {"number": "numerical", "whole": "numerical", "word": "categorical", "day": "datetime"}
        columns = {name: {"sdtype": kinds[name]} for name in real}
        return ColumnShapes().get_score(real.copy(), synthetic.copy(), {"columns": columns})


def test_total_variation_and_its_kin_by_hand_and_against_scipy():
    real = pd.DataFrame({"a": [*"xxyyyyyyz", None]})
    made = pd.DataFrame({"a": [*"xxxxxyyy", None, None]})
    p, q = np.array([0.2, 0.6, 0.1, 0.1]), np.array([0.5, 0.3, 0.0, 0.2])
    assert by(marginal_total_variation(real, made))["a", ""].value == pytest.approx(0.4)
    assert by(jensen_shannon(real, made))["a", ""].value == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)
    expected = math.sqrt(1 - np.sqrt(p * q).sum())
    assert by(hellinger(real, made))["a", ""].value == pytest.approx(expected, abs=1e-12)


def test_numbers_against_scipy_without_their_missing_values():
    real, made = table(1), table(2, 300, 0.4)
    for name in ("number", "whole"):
        a, b = real[name].dropna(), made[name].dropna()
        assert by(kolmogorov_smirnov(real, made))[name, ""].value == pytest.approx(ks_2samp(a, b).statistic, abs=1e-12)
        expected = wasserstein_distance(a, b) / a.std(ddof=0)
        assert by(wasserstein(real, made))[name, ""].value == pytest.approx(expected, rel=1e-9)
    days = [(t["day"] - pd.Timestamp(0)).dt.days for t in (real, made)]
    assert by(kolmogorov_smirnov(real, made))["day", ""].value == pytest.approx(ks_2samp(*days).statistic, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_column_shapes_is_that_of_sdmetrics(seed):
    real, made = table(seed), table(seed + 10, 350, 0.5)
    found = by(column_shapes(real, made))["", ""].value
    assert found == pytest.approx(sdmetrics_shapes(real, made), abs=1e-9)


def test_column_shapes_leaves_out_what_sdmetrics_leaves_out_and_says_so():
    real, made = table(1), table(2)
    made["number"] = np.nan
    estimate = by(column_shapes(real, made))["", ""]
    assert estimate.value == pytest.approx(sdmetrics_shapes(real, made), abs=1e-9)
    assert "1 of 4 columns" in estimate.note


@pytest.mark.parametrize("fn", ALL)
def test_a_copy_is_perfect_and_order_decides_nothing(fn):
    real, made = table(1), table(2, shift=0.3)
    perfect = 1 if fn.spec.goal == "max" else 0
    assert all(s.estimate.value == perfect for s in fn(real, real.sample(frac=1, random_state=0)))
    one = {key: e.value for key, e in by(fn(real, made)).items()}
    turned = made.iloc[::-1, ::-1]
    other = {key: e.value for key, e in by(fn(real, turned)).items()}
    assert other == pytest.approx(one, abs=1e-12)
    named = by(fn(real.replace({"word": {"a": "z"}}), made.replace({"word": {"a": "z"}})))
    assert {key: e.value for key, e in named.items()} == pytest.approx(one, abs=1e-12)


@pytest.mark.parametrize("fn", ALL)
def test_grows_with_the_distance(fn):
    real = table(1, 2000)
    values = [fn(real, table(2, 2000, shift))[-1].estimate.value for shift in (0.0, 0.5, 1.0, 1.5)]
    assert values == sorted(values, reverse=fn.spec.goal == "max")


def test_overall_figures_are_mean_and_worst_over_the_columns():
    scores = by(marginal_total_variation(table(1), table(2, shift=1.0)))
    each = [e.value for (group, _), e in scores.items() if group]
    assert len(each) == 4
    assert scores["", "mean"].value == pytest.approx(np.mean(each)) and scores["", "max"].value == max(each)
    assert scores["", "max"].note.startswith("worst: ")


def test_a_released_column_without_values_is_far_and_not_passed_over():
    real, made = table(1), table(2).assign(number=np.nan)
    assert by(kolmogorov_smirnov(real, made))["number", ""].value == 1
    assert math.isnan(by(wasserstein(real, made))["number", ""].value)
    assert "1 of 3 columns" in by(wasserstein(real, made))["", "mean"].note


def test_constant_columns():
    real = pd.DataFrame({"a": [2.5, 2.5, 2.5], "b": [1.5, 2.5, 3.5]})
    assert by(wasserstein(real, real))["a", ""].value == 0
    assert "constant" in by(wasserstein(real, real.assign(a=3.5)))["a", ""].note
    assert by(kolmogorov_smirnov(real, real.assign(a=3.5)))["a", ""].value == 1


def test_tables_without_numbers():
    words = pd.DataFrame({"a": ["x", "y"]})
    with pytest.raises(Unsupported, match="no numeric column"):
        kolmogorov_smirnov(words, words)
    with pytest.raises(Unsupported, match="no numeric column"):
        wasserstein(words, words)


def test_intervals_hold_for_the_sources():
    # McDiarmid's and the DKW interval cover in at least 95 % of the draws, whatever the source: of 200 draws fewer than
    # 170 cover with probability below 1e-6
    schema = Schema({"a": Column("integer", bounds=(0, 4))})
    p, q = np.array([0.4, 0.3, 0.1, 0.1, 0.1]), np.array([0.2, 0.3, 0.2, 0.2, 0.1])
    rng = np.random.default_rng(3)
    for other in (p, q):
        truth = {"tv": np.abs(p - other).sum() / 2, "ks": np.abs(np.cumsum(p) - np.cumsum(other)).max()}
        covered = {"tv": 0, "ks": 0}
        for _ in range(200):
            real, made = (pd.DataFrame({"a": rng.choice(5, 150, p=w).astype(float)}) for w in (p, other))
            found = {"tv": marginal_total_variation(real, made, schema), "ks": kolmogorov_smirnov(real, made, schema)}
            for name, scores in found.items():
                covered[name] += all(s.estimate.low <= truth[name] + 1e-12 <= s.estimate.high + 1e-9 for s in scores)
        assert min(covered.values()) >= 170


def test_notes_name_columns_and_no_values():
    real = pd.DataFrame({"a": ["secret", "b"], "n": [41.5, 3.0]})
    made = pd.DataFrame({"a": ["b", "b"], "n": [1.5, 2.0]})
    for fn in ALL:
        for score in fn(real, made):
            assert "secret" not in score.estimate.note and "41.5" not in score.estimate.note
