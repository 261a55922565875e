"""Coverage and length of released intervals, by hand and against noise of known size."""

import math

import numpy as np
import pytest

from pets_eval.model import Answer, Unsupported, cell_index
from pets_metrics.intervals import wilson
from pets_metrics.utility.coverage import interval_coverage, interval_length, interval_length_ratio

NAN = math.nan
CELLS = cell_index([("t", c, "count") for c in "abcd"] + [("m", "a", "mean"), ("m", "b", "mean")])
TRUE = Answer.of(CELLS, [10, 20, 30, 40, 5.0, NAN])


def test_coverage_and_length_by_hand():
    released = Answer.of(
        CELLS, [11, 25, 30, 9, 5, 5], low=[9, 22, 30, NAN, -math.inf, 0], high=[13, 28, 30, NAN, math.inf, 9]
    )
    shares = interval_coverage(released, TRUE)
    assert shares["count"].value == pytest.approx(2 / 3) and shares["count"].n == 3
    assert (shares["count"].low, shares["count"].high) == wilson(2, 3)
    assert shares["count"].note == "1 of 4 cells have no interval"
    assert shares["mean of m"].value == 1 and shares["mean of m"].n == 1, "no true value, no interval to judge"
    lengths = interval_length(released, TRUE)
    assert lengths["count"].value == pytest.approx((4 + 6 + 0) / 3) and lengths["count"].note
    assert math.isinf(lengths["mean of m"].value)


def test_a_statistic_without_intervals_beside_one_with_them():
    released = Answer.of(CELLS, [1] * 6, low=[0] * 4 + [NAN] * 2, high=[2] * 4 + [NAN] * 2)
    for metric in (interval_coverage, interval_length):
        scores = metric(released, TRUE)
        assert scores["count"].n == 4
        assert math.isnan(scores["mean of m"].value) and scores["mean of m"].note == "no cell of it has an interval"


def test_exchanged_ends_contain_nothing():
    released = Answer.of(CELLS, [1] * 6, low=[99] * 6, high=[0] * 6)
    assert interval_coverage(released, TRUE)["count"].value == 0
    assert interval_length(released, TRUE)["count"].value == 0


def test_no_intervals_and_no_cells_in_common():
    for metric in (interval_coverage, interval_length):
        with pytest.raises(Unsupported, match="gives no intervals"):
            metric(TRUE, TRUE)
        with pytest.raises(Unsupported, match="gives no intervals"):
            metric(Answer.of(cell_index([("x", "a", "count")]), [1], low=[0], high=[2]), TRUE)
    with pytest.raises(Unsupported, match="true answer has no intervals"):
        interval_length_ratio(Answer.of(CELLS, [1] * 6, low=[0] * 6, high=[1] * 6), TRUE)


def test_sound_intervals_of_noise_cover_and_short_ones_do_not():
    rng = np.random.default_rng(0)
    cells = cell_index([("t", str(i), "count") for i in range(2_000)])
    truth = Answer.of(cells, np.full(2_000, 50.0))
    noisy = 50 + rng.normal(0, 3, 2_000)
    sound = interval_coverage(Answer.of(cells, noisy, low=noisy - 1.96 * 3, high=noisy + 1.96 * 3), truth)["count"]
    assert 0.925 < sound.value < 0.975  # five standard errors around 0.95: missed in fewer than 1 of 10^6
    short = interval_coverage(Answer.of(cells, noisy, low=noisy - 3, high=noisy + 3), truth)["count"]
    assert short.high < 0.8


def test_length_against_the_truth_s():
    terms = cell_index([("y", str(i), "coefficient") for i in range(4)])
    true = Answer.of(terms, [1, 2, 3, NAN], low=[0, 2, 2, NAN], high=[2, 2, 4, NAN])
    released = Answer.of(terms, [1, 2, 3, 4], low=[0, 1, -1, 0], high=[1, 3, 5, 9])
    found = interval_length_ratio(released, true)["coefficient"]
    assert found.value == pytest.approx((0.5 + 3) / 2) and found.n == 2, "a point has no length to compare with"
    assert interval_length_ratio(true, true)["coefficient"].value == 1
