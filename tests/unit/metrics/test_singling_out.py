"""Singling out against pandas' own filters, planted copies and fresh samples."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from pets_eval.model import Column, PetsEvalError, Schema
from pets_metrics.privacy.singling_out import (
    Boxes,
    Glance,
    Index,
    lone_rows,
    lone_values,
    random_boxes,
    ranks,
    singling_out_risk,
)
from pets_metrics.tables import align

SCHEMA = Schema(
    {
        "income": Column("real", bounds=(0, 1e6), nullable=True),
        "age": Column("integer", bounds=(0, 99)),
        "day": Column("date", bounds=(0, 20_000)),
        "town": Column("categorical", domain=tuple(f"t{i}" for i in range(40)), nullable=True),
        "sex": Column("categorical", domain=("F", "M")),
        "job": Column("categorical", domain=tuple("abcdefgh")),
    }
)


def people(n, seed):
    rng = np.random.default_rng(seed)
    town = rng.geometric(0.1, n).clip(1, 40) - 1
    return pd.DataFrame(
        {
            "income": np.where(rng.random(n) < 0.1, np.nan, np.exp(rng.normal(10, 1, n)).clip(0, 1e6).round(-1)),
            "age": rng.integers(0, 100, n),
            "day": pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "town": np.where(rng.random(n) < 0.05, None, np.char.add("t", town.astype(str))),
            "sex": rng.choice(["F", "M"], n),
            "job": rng.choice(list("abcdefgh"), n),
        }
    )


def figures(*tables, **options):
    rows = singling_out_risk(*tables, schema=SCHEMA, **options)
    return {(r.group, r.statistic): r.estimate for r in rows}


@pytest.fixture(scope="module")
def laid_out():
    t = align(people(700, 1), people(600, 2), schema=SCHEMA)
    (real, release), top = ranks(t.schema, t.real, t.synthetic)
    return t, real, release, top, np.array([c.numeric for c in SCHEMA.columns.values()])


def select(t, frame, real, release, top, boxes):
    """Rows that each predicate selects, by pandas, from values and not from ranks."""
    both = pd.concat([t.real, t.synthetic], ignore_index=True)
    stacked = np.concatenate([real, release], axis=1)
    counts = []
    for columns, low, high in zip(boxes.columns, boxes.low, boxes.high, strict=True):
        hit = pd.Series(True, index=frame.index)
        for c, a, b in zip(columns, low, high, strict=True):
            name = t.names[c]
            if b == 0:
                hit &= frame[name].isna()
            elif not t.schema.columns[name].numeric:
                assert a == b
                hit &= frame[name] == t.schema.columns[name].domain[a - 1]
            else:
                known = both[name]
                hit &= frame[name] >= known[stacked[c] >= a].min()
                hit &= frame[name] <= known[(stacked[c] <= b) & (stacked[c] > 0)].max()
        counts.append(int(hit.sum()))
    return np.array(counts)


def test_counts_equal_pandas_filters(laid_out):
    t, real, release, top, numeric = laid_out
    for width in (1, 2, 4):
        boxes = random_boxes(release, top, numeric, width, 150, np.random.default_rng(width))
        assert len(boxes) == 150
        counts = Index(real, top).count(boxes)
        assert counts.tolist() == select(t, t.real, real, release, top, boxes).tolist()
        assert Glance(real).several(boxes).tolist() == (counts > 1).tolist()
        assert width == 4 or counts.max() > 1


def test_predicates_select_one_release_row_and_none_is_made_twice(laid_out):
    t, real, release, top, numeric = laid_out
    several = lone_rows(release, top, numeric, 3, 120, np.random.default_rng(1))
    single = lone_values(release, top, numeric, 10_000, np.random.default_rng(1))
    for boxes in (several, single):
        assert (select(t, t.synthetic, real, release, top, boxes) == 1).all()
        assert len(boxes.distinct()) == len(boxes)
    assert len(several) == 120 and all(len(set(c)) == 3 for c in several.columns)


def test_lone_values_by_hand():
    codes = np.array([[0, 2, 2, 3, 5], [1, 1, 1, 2, 2]], dtype=np.int32)
    top, numeric = np.array([6, 3], dtype=np.int32), np.array([True, False])
    boxes = lone_values(codes, top, numeric, 99, np.random.default_rng(0))
    found = {tuple(map(int, (c[0], a[0], b[0]))) for c, a, b in zip(boxes.columns, boxes.low, boxes.high, strict=True)}
    assert found == {(0, 0, 0), (0, 3, 3), (0, 5, 5), (0, 5, 6)}  # the lowest value, 2, occurs twice


def test_exact_values_of_one_person_single_out_even_where_columns_are_shuffled():
    """Not a false alarm: each income that occurs once is published, and selects its one owner."""
    real, control = people(2000, 1), people(2000, 2)
    shuffled = real.apply(lambda c: c.sample(frac=1, random_state=len(c.name)).to_numpy())
    found = figures(real, shuffled, control, attacks=500)
    assert found["univariate", "attack"].value == 1 and found["univariate", "risk"].low > 0.9
    assert found["multivariate", "risk"].low == 0


@pytest.mark.parametrize("n", [60, 150])
def test_fresh_samples_are_not_accused(n):
    """Hundreds of predicates are made of few outlying rows. Low ends above 0 in 2.5 % of 25: false alarm < 1e-6."""
    low = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        tables = [pd.DataFrame(np.exp(1.5 * (rng.normal(size=(n, 6)) + rng.normal(size=(n, 1))))) for _ in range(3)]
        rows = singling_out_risk(*tables, attacks=1000, rng=rng)
        low.append([r.estimate.low for r in rows if r.statistic == "risk" and r.group in ("", "multivariate")])
        worth = next(r.estimate.n for r in rows if r.group == "multivariate" and r.statistic == "attack")
        assert worth <= n, "a row is worth one predicate at most"
    assert (np.array(low) > 0).sum(axis=0).max() <= binom.isf(1e-6, 25, 0.025)


def test_sources_are_the_rows_that_predicates_select(laid_out):
    _, _, release, top, numeric = laid_out
    boxes = lone_rows(release, top, numeric, 3, 120, np.random.default_rng(1))
    rows = Index(release, top).sources(boxes)
    value = release[boxes.columns, rows[:, None]]
    assert ((value >= boxes.low) & (value <= boxes.high)).all()


def test_columns_take_turns():
    """Anonymeter draws from all predicates at once, so that the widest column crowds out the others (its issue 44)."""
    n = 5000
    codes = np.stack([np.arange(1, n + 1), np.minimum(np.arange(1, n + 1), 21)]).astype(np.int32)
    boxes = lone_values(
        codes, np.array([n, 21], dtype=np.int32), np.array([False, False]), 100, np.random.default_rng(0)
    )
    assert (boxes.columns == 1).sum() == 20 and len(boxes) == 100


def test_a_copy_is_accused_and_a_fresh_sample_is_not():
    real, control = people(2000, 1), people(2000, 2)
    copy = figures(real, real.sample(frac=1, random_state=0), control, attacks=500)
    for group in ("univariate", "multivariate", ""):
        assert copy[group, "attack"].value == 1 and copy[group, "risk"].low > 0.95
        assert copy[group, "control"].value < 0.6
    fresh = figures(real, people(2000, 3), control, attacks=500)
    assert fresh["", "risk"].low == 0 and fresh["", "risk"].value < 0.25
    own = figures(real, control, control, attacks=500)
    assert own["", "control"].value == 1 and own["", "risk"].value == 0, "the control itself was released"


def test_the_univariate_risk_does_not_depend_on_the_number_of_attacks():
    """Anonymeter divides by the attacks that were asked for, and fell from 0.79 at 500 to 0.23 at 2,000."""
    real, control = people(800, 1)[["income"]], people(800, 2)[["income"]]
    few, many = (figures(real, real, control, attacks=n)["univariate", "risk"] for n in (200, 20_000))
    assert few.value == many.value == 1
    assert few.n == 200 and many.n < 3000


@pytest.mark.parametrize("size", [1000, 2000, 5000])
def test_the_size_of_the_control_does_not_move_its_rate(size):
    real, release = people(2000, 1), people(2000, 3)
    reference = figures(real, release, people(2000, 2), attacks=1000)
    found = figures(real, release, people(size, 4), attacks=1000)
    for group in ("univariate", "multivariate"):
        one, other = reference[group, "control"], found[group, "control"]
        spread = math.hypot(one.high - one.low, other.high - other.low) / 4
        assert abs(one.value - other.value) < 5 * spread, (one, other)  # false alarm < 1e-6
        assert found[group, "risk"].low == 0


def test_a_copy_stays_accused_with_a_small_control_and_a_tiny_one_is_refused():
    real = people(2000, 1)
    assert figures(real, real, people(600, 2), attacks=300)["", "risk"].value == 1
    tiny = figures(real, real, people(300, 2), attacks=300)["", "risk"]
    assert math.isnan(tiny.value) and "fewer held-out people" in tiny.note


def test_rows_released_twice_are_no_protection():
    real, control = people(500, 1), people(500, 2)
    twice = figures(real, pd.concat([real, real]), control, attacks=200)
    assert twice["multivariate", "attack"].value == 1 and twice["", "risk"].value > 0.9
    assert "identical release rows" in twice["multivariate", "attack"].note


def test_no_control_leaves_attack_and_baseline():
    real = people(300, 1)
    found = figures(real, real, attacks=100)
    assert found["", "attack"].value == 1 and found["", "baseline"].value < 0.5
    assert math.isnan(found["", "risk"].value) and "held-out" in found["", "risk"].note


def test_a_release_that_singles_nobody_out_is_not_measured():
    flat = pd.DataFrame({"a": ["x"] * 9 + ["y"] * 9, "b": ["u", "v", "w"] * 6})
    whole = singling_out_risk(flat, flat, flat, attacks=50)
    found = {(r.group, r.statistic): r.estimate for r in whole}
    assert math.isnan(found["univariate", "risk"].value) and "exactly one row" in found["univariate", "risk"].note
    assert found["multivariate", "attack"].value == 0  # once repeated rows count as one


AWKWARD = {
    "one row": pd.DataFrame({"a": [1.5], "b": ["x"]}),
    "one column": pd.DataFrame({"a": ["x", "y", "y"]}),
    "all null": pd.DataFrame({"a": [None, None, None], "b": [1.5, None, 2.5], "c": ["x", "y", None]}),
    "constant": pd.DataFrame({"a": ["x"] * 5, "b": [2.5] * 5}),
    "many": pd.DataFrame({"a": [f"c{i}" for i in range(1000)] * 2, "b": np.arange(2000) / 7}),
    "dates": pd.DataFrame({"a": pd.date_range("2020-01-01", periods=30), "b": list("xy") * 15}),
}


MANY = Schema(
    {"a": Column("categorical", domain=tuple(f"c{i}" for i in range(999))), "b": Column("real", bounds=(0, 300))}
)  # one category is not named


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_give_figures_in_range_or_a_reason(name):
    table, schema = AWKWARD[name], MANY if name == "many" else None
    for control in (None, table):
        for r in singling_out_risk(table, table, control, schema, attacks=20):
            e = r.estimate
            assert e.note if math.isnan(e.value) else 0 <= e.low <= e.value <= e.high <= 1


def test_the_same_generator_gives_the_same_figures_and_the_tables_are_left_alone():
    real, release, control = people(300, 1), people(300, 2), people(300, 3)
    before = [t.copy() for t in (real, release, control)]
    one, other = (figures(real, release, control, attacks=99, rng=np.random.default_rng(5)) for _ in range(2))
    assert one == other
    for table, kept in zip((real, release, control), before, strict=True):
        pd.testing.assert_frame_equal(table, kept)


def test_options_are_checked():
    real = people(20, 1)
    for options in ({"attacks": 0}, {"width": 1}):
        with pytest.raises(PetsEvalError, match="at least"):
            singling_out_risk(real, real, **options)


def test_boxes_join():
    box = Boxes(*(np.array([[v]], dtype=np.int32) for v in (0, 1, 2)))
    assert len(box + box) == 2 and len((box + box).distinct()) == 1
