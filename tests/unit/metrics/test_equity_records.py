"""Microdata per group: by hand, against scipy and permutations, with planted harm and without any."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from pets_eval.model import Column, Schema, Unsupported
from pets_metrics.equity.records import (
    _shuffled,
    group_fidelity_gap,
    group_fidelity_ratio,
    group_share_difference,
)

QUASI = ("quasi-identifier",)
SCHEMA = Schema(
    {
        "race": Column("categorical", domain=("a", "b", "c"), roles=QUASI),
        "sex": Column("categorical", domain=("F", "M"), roles=QUASI),
        "job": Column("categorical", domain=tuple("uvwxyz")),
        "age": Column("integer", bounds=(0, 99), bins=(0, 20, 40, 60, 80, 100), nullable=True),
    }
)
ALL = (group_fidelity_gap, group_fidelity_ratio, group_share_difference)


def people(n, seed, shares=(0.8, 0.15, 0.05)):
    """Rows whose job and age depend on race and sex."""
    rng = np.random.default_rng(seed)
    race, sex = rng.choice(3, n, p=shares), rng.integers(0, 2, n)
    job = (rng.binomial(5, 0.3 + 0.15 * race) + sex) % 6
    age = np.clip(rng.normal(35 + 10 * race, 15, n), 0, 99).round()
    age[rng.random(n) < 0.05] = np.nan
    return pd.DataFrame({"race": np.array(list("abc"))[race], "sex": np.array(list("FM"))[sex],
                         "job": np.array(list("uvwxyz"))[job], "age": age})  # fmt: skip


def shown(scores):
    return {(s.group, s.statistic): s.estimate for s in scores}


def distances(real, synthetic, by, name):
    """Mean total variation of the other columns within the group, the long way."""
    a, b = real[real[by] == name], synthetic[synthetic[by] == name]
    found = []
    for column in real.columns.drop(by):
        x, y = a[column], b[column]
        if column == "age":
            x, y = (pd.cut(v, SCHEMA.columns["age"].bins, right=False).astype(str) for v in (x, y))
        p, q = x.value_counts(normalize=True), y.value_counts(normalize=True)
        found.append(p.sub(q, fill_value=0).abs().sum() / 2)
    return np.mean(found)


# -- distances and what is expected by chance ------------------------------------------------------------------------


def test_expected_deviation_equals_scipy_s_hypergeometric():
    cases = [(hits, m, n) for m in (0, 1, 5, 40) for n in (1, 3, 60) for hits in range(m + n + 1)]
    hits, m, n = np.array(cases).T
    theirs = []
    for a, b, c in cases:
        x = np.arange(c + 1)
        theirs.append((stats.hypergeom.pmf(x, b + c, a, c) * np.abs(x - a * c / (b + c))).sum())
    np.testing.assert_allclose(_shuffled(hits, m, n), theirs, atol=1e-9)


def test_ratio_is_that_of_the_distances_the_long_way():
    real, synthetic = people(3_000, 0), people(2_000, 1)
    synthetic["job"] = np.where(synthetic["race"] == "b", "u", synthetic["job"])
    found = shown(group_fidelity_ratio(real, synthetic, SCHEMA))
    for by, names in (("race", "abc"), ("sex", "FM")):
        d = np.array([distances(real, synthetic, by, g) for g in names])
        share = np.array([(real[by] == g).mean() for g in names])
        expected = d.max() / (d * share).sum()
        assert found[by, ""].value == pytest.approx(expected)
        assert found[by, ""].low <= expected <= found[by, ""].high
    assert found["race", ""].note == "worst served: race = b"
    assert found["", "max"].value == found["race", ""].value


def test_excess_is_the_distance_less_that_of_shuffled_records():
    real, synthetic = people(400, 2), people(300, 3)
    synthetic["job"] = np.where(synthetic["race"] == "c", "u", synthetic["job"])
    rng = np.random.default_rng(0)
    both = pd.concat([real, synthetic], ignore_index=True)
    first = np.arange(len(both)) < len(real)
    shuffled = []
    for _ in range(150):
        mine = first.copy()
        for g in "abc":
            at = np.flatnonzero(both["race"] == g)
            mine[at] = first[rng.permutation(at)]
        shuffled.append(distances(both[mine], both[~mine], "race", "c"))
    assert np.std(shuffled) < 0.08  # so that the mean of 150 is known to 0.0066; 5 of its errors:
    least = 10
    found = shown(group_fidelity_gap(real, synthetic, SCHEMA, least))["race", "worst"]
    expected = distances(real, synthetic, "race", "c") - np.mean(shuffled)
    assert found.value == pytest.approx(expected, abs=0.033)
    assert found.note.startswith("worst served: race = c, beyond chance")


def test_the_interval_is_as_wide_as_repeated_draws_say():
    """The spread of the worst group's excess over 120 draws of both tables, against the stated variance."""
    values, halves = [], []
    for seed in range(120):
        real, synthetic = people(1_500, 2 * seed), people(1_500, 2 * seed + 1)
        fate = np.random.default_rng(seed).random(len(synthetic)) < 0.5
        harmed = (synthetic["race"] == "b") & fate
        synthetic.loc[harmed, ["sex", "job", "age"]] = ["F", "u", 5.0]
        e = shown(group_fidelity_gap(real, synthetic, SCHEMA))["race", "worst"]
        values.append(e.value)
        halves.append((e.high - e.low) / 2 / stats.norm.ppf(1 - 0.025 / 5))  # three races and two sexes
    # the standard deviation of 120 draws is known to 6.5 %: 5 of its errors are 33 %
    assert 0.67 < np.mean(halves) / np.std(values) < 1.33


# -- sound and unsound releases --------------------------------------------------------------------------------------


def test_identical_tables_are_even():
    real = people(1_000, 0)
    for s in group_fidelity_gap(real, real, SCHEMA) + group_share_difference(real, real, SCHEMA):
        assert s.estimate.value == 0 == s.estimate.low, s
    assert all(math.isnan(s.estimate.value) and s.estimate.note for s in group_fidelity_ratio(real, real, SCHEMA))


def test_a_fresh_sample_is_rarely_accused():
    """80 pairs of samples of one distribution: each statement holds in all groups with at least 95 %.

    Binomial(80, 0.05) exceeds 17 with probability below 1e-6 (mean 4, sd 2.0).
    """
    wrong = {"gap": 0, "worst": 0, "p": 0, "difference": 0, "vanished": 0}
    for seed in range(80):
        real, synthetic = people(2_000, 2 * seed), people(1_000, 2 * seed + 1)
        found = shown(group_fidelity_gap(real, synthetic, SCHEMA) + group_share_difference(real, synthetic, SCHEMA))
        for statistic in ("gap", "worst", "difference", "vanished"):
            wrong[statistic] += found["", statistic].low > 0
        wrong["p"] += any("beyond chance" in e.note for e in found.values())
    assert max(wrong.values()) <= 17, wrong


def test_harm_to_one_small_group_is_found_and_named():
    real, synthetic = people(5_000, 0), people(5_000, 1)
    small = np.flatnonzero(synthetic["race"] == "c")
    synthetic.loc[small, "job"] = np.random.default_rng(0).permutation(synthetic["job"].to_numpy())[: len(small)]
    found = shown(group_fidelity_gap(real, synthetic, SCHEMA))
    assert found["race", "gap"].low > 0 and found["race", "gap"].note.startswith(
        "worst served: race = c, beyond chance"
    )
    assert found["sex", "gap"].low == 0
    assert found["", "gap"].value == found["race", "gap"].value


def test_a_group_that_vanishes_counts_as_lost():
    real, synthetic = people(2_000, 0), people(2_000, 1)
    synthetic = synthetic[synthetic["race"] != "c"]
    lost = (real["race"] == "c").mean()
    share = shown(group_share_difference(real, synthetic, SCHEMA))
    assert share["race", "vanished"].value == lost == share["", "vanished"].value
    assert share["sex", "vanished"].value == 0
    assert share["race", "vanished"].note == "1 groups vanish"
    gap = shown(group_fidelity_gap(real, synthetic, SCHEMA))["race", "worst"]
    assert gap.value == 1 and "race = c" in gap.note
    few = synthetic.head(100)  # of 100 records, five would be of this group: that none is may be chance
    assert shown(group_share_difference(real, few, SCHEMA))["race", "vanished"].value == 0


def test_share_difference_by_hand_and_by_statsmodels():
    real = pd.DataFrame({"sex": ["F"] * 60 + ["M"] * 40, "job": ["u"] * 100})  # job is no quasi-identifier
    synthetic = pd.DataFrame({"sex": ["F"] * 45 + ["M"] * 5, "job": ["u"] * 50})
    found = shown(group_share_difference(real, synthetic, SCHEMA))["sex", "difference"]
    assert found.value == pytest.approx(0.3)
    (a, b), (c, d) = (proportion_confint(*k, alpha=0.05 / 2, method="beta") for k in ((45, 50), (60, 100)))
    low, high = 0.3 - math.hypot(0.9 - a, d - 0.6), 0.3 + math.hypot(b - 0.9, 0.6 - c)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.note in ("largest for sex = F: more than in truth", "largest for sex = M: fewer than in truth")


# -- form ------------------------------------------------------------------------------------------------------------


def test_rare_groups_in_a_small_release_are_no_scandal():
    """100 records of a table with 40 rare groups of 1 in 2,000: now and then one has a member, which proves nothing.

    60 releases; Binomial(60, 0.05) exceeds 15 with probability below 1e-6.
    """
    names = tuple(f"g{i}" for i in range(41))
    schema = Schema({"race": Column("categorical", domain=names, roles=QUASI), "job": SCHEMA.columns["job"]})
    shares = [0.98] + [0.0005] * 40
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real, synthetic = (pd.DataFrame({"race": rng.choice(names, n, p=shares), "job": "u"}) for n in (20_000, 100))
        wrong += shown(group_share_difference(real, synthetic, schema))["", "difference"].low > 0
    assert wrong <= 15


@pytest.mark.parametrize("metric", ALL)
def test_order_of_rows_and_columns_does_not_matter(metric):
    real, synthetic = people(800, 0), people(700, 1)
    one = shown(metric(real, synthetic, SCHEMA))
    mixed = synthetic.sample(frac=1, random_state=0)[["age", "job", "sex", "race"]]
    other = shown(metric(real.sample(frac=1, random_state=1), mixed, SCHEMA))
    assert one.keys() == other.keys()
    for key, e in one.items():
        assert (e.value, e.low, e.high) == pytest.approx((other[key].value, other[key].low, other[key].high))


@pytest.mark.parametrize("metric", ALL)
def test_figures_lie_in_their_interval_and_range(metric):
    low, high = metric.spec.range
    for seed in range(5):
        for n in (40, 400):
            for s in metric(people(500, seed), people(n, seed + 10, (0.2, 0.3, 0.5)), SCHEMA):
                e = s.estimate
                assert math.isnan(e.value) or low <= e.low <= e.value <= e.high <= high, s


@pytest.mark.parametrize("metric", ALL)
def test_without_roles_narrow_columns_form_the_groups_and_are_not_told(metric):
    real, synthetic = people(500, 0), people(500, 1)
    found = metric(real, synthetic)
    assert {s.group for s in found} >= {"race", "sex", "job", ""}
    assert all("= a" not in s.estimate.note for s in found)
    assert any("one of its groups" in s.estimate.note for s in found)


@pytest.mark.parametrize("metric", ALL)
def test_hostile_tables(metric):
    rng = np.random.default_rng(0)
    n = 200
    odd = pd.DataFrame(
        {
            "constant": ["k"] * n,
            "empty": [None] * n,
            "when": pd.date_range("2020-01-01", periods=n),
            "many": [f"c{i}" for i in rng.integers(0, 1_000, n)],
            "number": rng.normal(size=n),
            "mixed": [1 if i % 2 else "x" for i in range(n)],
        }
    )
    for real, synthetic in ((odd, odd.sample(50, random_state=0)), (odd.head(1), odd), (odd, odd.head(1))):
        try:
            found = metric(real, synthetic)
        except Unsupported as reason:
            assert str(reason)
            continue
        assert all(not math.isnan(s.estimate.value) or s.estimate.note for s in found)
    unseen = people(300, 0).assign(race="new")
    assert metric(people(300, 1), unseen, SCHEMA)


def test_where_there_is_no_group():
    numbers = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0)})
    schema = Schema({n: Column("real", bounds=(0, 100), bins=tuple(range(101))) for n in "xy"})
    for metric in ALL:
        with pytest.raises(Unsupported):
            metric(numbers, numbers, schema)
    one = pd.DataFrame({"sex": ["F", "M"] * 50})
    for metric in ALL[:2]:
        with pytest.raises(Unsupported):
            metric(one, one)
    with pytest.raises(Unsupported, match="no group has 30"):
        group_fidelity_gap(people(20, 0), people(20, 1), SCHEMA)
