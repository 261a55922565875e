"""Agreement of regressions: by hand, and with statsmodels' intervals on planted data."""

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from pets_eval.model import Answer, Unsupported, cell_index
from pets_metrics.intervals import wilson
from pets_metrics.utility.coefficients import interval_overlap, sign_agreement, significance_agreement

NAN = math.nan
TERMS = cell_index([("y", t, "coefficient") for t in ("intercept", "age", "sex=M", "empty")])
TRUE = Answer.of(TERMS, [10, 2, -1, NAN], low=[8, -1, -2, NAN], high=[12, 5, -0.5, NAN])
ALL = (interval_overlap, sign_agreement, significance_agreement)


def test_by_hand():
    # common parts 2 of (4, 4); 6 of (6, 12); none
    released = Answer.of(TERMS, [12, 2, 1, 7], low=[10, -4, 0.5, 6], high=[14, 8, 2, 8])
    overlap = interval_overlap(released, TRUE)
    assert overlap["mean"].value == pytest.approx((0.5 + (1 + 0.5) / 2 + 0) / 3) and overlap["min"].value == 0
    assert overlap["mean"].n == 3, "a coefficient that the data do not tell is left out"
    assert sign_agreement(released, TRUE).value == pytest.approx(2 / 3)
    found = significance_agreement(released, TRUE)
    assert found.value == pytest.approx(2 / 3), "both significant, neither, both with opposite signs"
    assert (found.low, found.high) == wilson(2, 3)


def test_the_truth_itself_is_perfect():
    assert {k: e.value for k, e in interval_overlap(TRUE, TRUE).items()} == {"mean": 1, "min": 1}
    assert sign_agreement(TRUE, TRUE).value == 1 and significance_agreement(TRUE, TRUE).value == 1


def test_what_is_not_released_counts_as_wrong():
    part = Answer.of(TERMS[:2], [10, 2], low=[8, NAN], high=[12, NAN])
    overlap = interval_overlap(part, TRUE)["mean"]
    assert overlap.value == pytest.approx(1 / 3) and "2 of 3" in overlap.note
    assert sign_agreement(part, TRUE).value == pytest.approx(2 / 3) and "1 of 3" in sign_agreement(part, TRUE).note
    assert significance_agreement(part, TRUE).value == pytest.approx(1 / 3)


def test_points_and_endless_intervals():
    point = Answer.of(TERMS, [10, 2, -1, 0], low=[10, 2, 9, 0], high=[10, 2, 9, 0])
    assert interval_overlap(point, TRUE)["mean"].value == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert interval_overlap(point, point)["min"].value == 1
    endless = Answer.of(TERMS, [1] * 4, low=[-math.inf] * 4, high=[math.inf] * 4)
    assert interval_overlap(endless, TRUE)["mean"].value == 0.5, "all of the truth's, none of its own"
    assert interval_overlap(endless, endless)["mean"].value == 1


def test_what_does_not_apply_says_why(answer):
    counts = answer({("t", "a", "count"): 1.0})
    for metric in ALL:
        with pytest.raises(Unsupported, match="fits no coefficients"):
            metric(counts, counts)
    bare = Answer.of(TERMS, [1, 1, 1, 1])
    for metric in (interval_overlap, significance_agreement):
        with pytest.raises(Unsupported, match="gives no intervals"):
            metric(bare, TRUE)
    nothing = Answer.of(TERMS, [NAN] * 4)
    assert "none of 3" in sign_agreement(nothing, TRUE).note
    assert math.isnan(interval_overlap(bare, nothing)["mean"].value) and interval_overlap(bare, nothing)["mean"].note
    assert significance_agreement(bare, nothing).note and sign_agreement(bare, nothing).note


def test_a_fresh_sample_agrees_more_than_a_shuffled_one():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(4_000), rng.normal(0, 1, (4_000, 5))])
    y = x @ [1, 2, -1, 0.5, 0, 0] + rng.normal(0, 1, 4_000)
    cells = cell_index([("y", str(i), "coefficient") for i in range(6)])

    def fitted(rows, values):
        result = OLS(values, x[rows]).fit()
        low, high = result.conf_int().T
        return Answer.of(cells, result.params, low=low, high=high)

    first, second = np.arange(2_000), np.arange(2_000, 4_000)
    truth = fitted(first, y[first])
    fresh, shuffled = fitted(second, y[second]), fitted(first, rng.permutation(y[first]))
    assert interval_overlap(fresh, truth)["mean"].value > 0.5 > interval_overlap(shuffled, truth)["mean"].value
    assert significance_agreement(fresh, truth).value > significance_agreement(shuffled, truth).value
