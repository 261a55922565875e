"""Held-out people: a shift and an overlap are found by hand and when planted, and fair splits are not accused."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pets_eval.model import Column, PetsEvalError, Schema
from pets_metrics.intervals import newcombe
from pets_metrics.privacy.control import control_fit, control_overlap

VISITS = Schema(
    {"a": Column("integer", bounds=(0, 60)), "b": Column("real", bounds=(-9, 9)), "who": Column("id")},
    unit="who",
    max_rows_per_unit=8,
)


def draw(rng, n, shift=0.0, rows=1, kinds=60):
    """People, each with as many rows that are all alike; *kinds* of people in "a", and "b" with one decimal."""
    frame = pd.DataFrame({"a": rng.integers(0, kinds, n), "b": rng.normal(shift, 1, n).clip(-8, 8).round(1)})
    return frame.assign(who=[f"p{i}" for i in range(n)]).loc[frame.index.repeat(rows)].reset_index(drop=True)


def test_a_shift_is_found_and_a_fair_split_is_not():
    rng = np.random.default_rng(0)
    assert control_fit(draw(rng, 600), draw(rng, 300, shift=1), VISITS).value < 1e-6
    found = [control_fit(draw(rng, 60), draw(rng, 40), VISITS, rng).value for _ in range(20)]
    assert np.sum(np.array(found) <= 0.05) <= scipy.stats.binom.isf(1e-6, 20, 0.05)


def test_rows_of_one_person_are_no_evidence_of_a_shift():
    rng = np.random.default_rng(1)
    tables = [(draw(rng, 60, rows=8), draw(rng, 60, rows=8)) for _ in range(20)]
    found = [control_fit(*pair, VISITS, rng) for pair in tables]
    assert all(e.n <= 120 for e in found)
    small = np.sum(np.array([e.value for e in found]) <= 0.05)
    assert small <= scipy.stats.binom.isf(1e-6, 20, 0.05)


def test_few_people_are_not_tested():
    rng = np.random.default_rng(2)
    assert math.isnan(control_fit(draw(rng, 10, rows=8), draw(rng, 100), VISITS).value)


def test_overlap_by_hand():
    real, control = (pd.DataFrame({"a": list(v)}) for v in ("aabcdefg", "abx"))
    found = control_overlap(real, control)  # a and b of three; the two real a are like each other
    assert found.value == pytest.approx(2 / 3 - 2 / 8) and found.n == 11
    low, high = newcombe(2, 3, 2, 8)
    assert (found.low, found.high) == pytest.approx((max(low, 0), high))
    fair = control_overlap(real, pd.DataFrame({"a": list("xyz")}))
    assert fair.value == fair.low == 0 and fair.high > 0


def test_a_planted_overlap_is_found_and_a_fair_split_is_not():
    rng = np.random.default_rng(3)
    sure = 0
    for _ in range(60):
        real, control = draw(rng, 400, kinds=20), draw(rng, 200, kinds=20)  # about a third has a like
        sure += control_overlap(real, control, VISITS).low > 0
        both = pd.concat([control[:100], real.sample(100, random_state=0).assign(who=control["who"][100:].array)])
        assert control_overlap(real, both, VISITS).low > 0
    assert sure <= scipy.stats.binom.isf(1e-6, 60, 0.05)
    real = pd.DataFrame(rng.normal(size=(500, 2)), columns=["a", "b"])
    found = control_overlap(real, pd.concat([real[:60], real[:240] + 0.1]))
    assert found.value == 0.2 and found.low > 0.15, "where nobody has a like it is the share"


def test_a_person_s_own_rows_hide_no_overlap():
    rng = np.random.default_rng(4)
    real, control = draw(rng, 100, rows=8), draw(rng, 100, rows=8)
    fair = control_overlap(real, control, VISITS)
    assert fair.low == 0 and fair.n == 200
    both = pd.concat([control[:400], real[400:]])  # the numbers of the people tell them apart
    assert control_overlap(real, both, VISITS).n == 200 and control_overlap(real, both, VISITS).low > 0.3
    assert math.isnan(control_overlap(real, control).value), "without the unit, every row repeats"


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x"] * 9, "b": [1.5] * 9}),
        pd.DataFrame({"a": [None] * 9, "b": [0.5, None] * 4 + [1.5], "c": list("xy") * 4 + ["z"]}),
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01", None, "2021-05-05"]), "c": list("xyx")}),
        pd.DataFrame({"c": [1, "x", 2.5, "x"], "n": [True, False, True, True]}),
        pd.DataFrame({"c": [f"v{i:03}" for i in range(1000)], "n": np.arange(1000) / 7}),
    ],
)
def test_odd_tables_do_not_crash(frame):
    for metric in (control_fit, control_overlap):
        for control in (frame, frame[:1]):
            found = metric(frame, control)
            assert 0 <= found.value <= 1 or (math.isnan(found.value) and found.note)
            assert not found.low > found.value


def test_the_order_of_rows_and_columns_does_not_matter():
    rng = np.random.default_rng(5)
    real, control = draw(rng, 300), draw(rng, 200)
    turned = [t.sample(frac=1, random_state=1)[["b", "who", "a"]] for t in (real, control)]
    assert control_overlap(*turned, VISITS) == control_overlap(real, control, VISITS)


def test_they_need_no_release():
    with pytest.raises(PetsEvalError, match="control table has no rows"):
        control_overlap(draw(np.random.default_rng(0), 9), draw(np.random.default_rng(0), 0), VISITS)
    for metric in (control_fit, control_overlap):
        assert metric.spec.needs == ("real", "control")
