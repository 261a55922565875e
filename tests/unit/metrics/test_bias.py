"""Bias of small groups: by hand, with and without planted bias."""

import math

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import Answer, Unsupported, cell_index
from pets_metrics.equity.bias import small_group_bias


def biases(given, true):
    cells = cell_index([("t", str(i), "count") for i in range(len(true))])
    return small_group_bias(Answer.of(cells, given), Answer.of(cells, true))


def test_by_hand():
    found = biases([3, 0, 12, 100, 210, 0], [4, 2, 12, 100, 200, 0])  # the third of five cells: those of 2 and 4
    assert [found[s].value for s in found] == pytest.approx([3 / 6, 10 / 312, 3 / 6 + 10 / 312])
    assert list(found) == ["smallest third", "rest", "gap"]
    assert found["smallest third"].note == "released too low, in 2 of 5 cells" and found["smallest third"].n == 2
    assert found["rest"].note == "released too high" and found["gap"].n == 5


def test_interval_is_the_textbook_s():
    """Cochran (1977), section 6.3, and Welch's t for the gap, the long way."""
    rng = np.random.default_rng(0)
    true = rng.integers(1, 500, 90).astype(float)
    given = true * 0.9 + rng.normal(0, 3, 90)
    found = biases(given, true)
    small = true <= np.sort(true)[29]
    parts = []
    for part in (small, ~small):
        e, t = (given - true)[part], true[part]
        r, n = e.sum() / t.sum(), part.sum()
        parts.append((r, np.var(e - r * t, ddof=1) * n / t.sum() ** 2, n))  # residuals have mean 0
    (r, v, n), (q, u, m) = parts
    half = stats.t.ppf(0.975, n - 1) * math.sqrt(v)
    one = found["smallest third"]
    assert (one.value, one.low, one.high) == pytest.approx((abs(r), max(0, abs(r) - half), abs(r) + half))
    freedom = (v + u) ** 2 / (v**2 / (n - 1) + u**2 / (m - 1))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(v + u)
    assert (found["gap"].low, found["gap"].high) == pytest.approx((max(0, abs(r - q) - half), abs(r - q) + half))


def test_unbiased_noise_is_rarely_accused():
    """400 releases: Binomial(400, 0.05) exceeds 45 with probability below 1e-6 (mean 20, sd 4.4)."""
    rng = np.random.default_rng(1)
    wrong = dict.fromkeys(("smallest third", "rest", "gap"), 0)
    for _ in range(400):
        true = np.ceil(rng.exponential(100, 200))
        found = biases(true + rng.laplace(0, 5, 200), true)
        for name in wrong:
            wrong[name] += found[name].low > 0
    assert max(wrong.values()) <= 45, wrong


def test_what_clipping_and_suppression_do_to_small_groups():
    rng = np.random.default_rng(2)
    true = np.ceil(rng.exponential(30, 300))
    clipped = np.maximum(true + rng.laplace(0, 20, 300), 0)
    found = biases(clipped, true)
    assert found["smallest third"].low > 0 and found["gap"].low > 0
    assert found["smallest third"].note.startswith("released too high")
    suppressed = biases(np.where(true < 10, 0, true), true)
    assert suppressed["smallest third"].low > 0.3 and suppressed["rest"].value == 0
    assert suppressed["smallest third"].note.startswith("released too low")


def test_an_exact_release_has_no_bias():
    assert [(e.value, e.low, e.high) for e in biases([1, 2, 3, 4], [1, 2, 3, 4]).values()] == [(0, 0, 0)] * 3


def test_order_of_cells_does_not_matter_and_unanswered_ones_are_zero():
    given, true = np.array([3.0, np.nan, 12, 100, 210]), np.array([4.0, 2, 12, 100, 200])
    order = [3, 1, 0, 4, 2]
    one, other = biases(given, true), biases(given[order], true[order])
    assert [e.value for e in one.values()] == pytest.approx([e.value for e in other.values()])
    assert one["smallest third"].value == pytest.approx(3 / 6)


def test_where_there_are_no_small_groups():
    for true in ([5, 5, 5], [0, 0], [7]):
        found = biases([1.0] * len(true), true)
        assert math.isnan(found["smallest third"].value) and found["smallest third"].note
    with pytest.raises(Unsupported):
        cells = cell_index([("t", "a", "mean")])
        small_group_bias(Answer.of(cells, [1]), Answer.of(cells, [1]))


def test_one_small_cell_has_no_interval():
    found = biases([1, 100, 300], [2, 100, 300])
    assert found["smallest third"].value == 0.5 and math.isnan(found["smallest third"].low)
    assert found["smallest third"].note == "released too low, in 1 of 3 cells; one cell has no interval"
    assert (found["rest"].low, found["rest"].high) == (0, 0) and math.isnan(found["gap"].low)
