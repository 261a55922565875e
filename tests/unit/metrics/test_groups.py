"""Error per person of the worst-served group, by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from pets_datasets.tasks.marginals import Marginals
from pets_eval.model import Answer, Column, Schema, Unsupported
from pets_metrics.equity.groups import group_error_ratio

SCHEMA = Schema(
    {
        "income": Column("categorical", domain=("low", "high")),
        "race": Column("categorical", domain=("a", "b", "c"), roles=("quasi-identifier",)),
        "sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",)),
    }
)
TASK = Marginals(tables=(("income", "race"), ("income",)))
# cells: low|a low|b low|c high|a high|b high|c, low, high
TRUE = [40, 5, 0, 50, 5, 0, 45, 55]


def scores(given, task=TASK, **more):
    cells = task.cells(SCHEMA)
    return group_error_ratio(Answer.of(cells, given), Answer.of(cells, TRUE[: len(cells)]), SCHEMA, task, **more)


def test_by_hand():
    found = scores([41, 6, 7, 49, 6, 9, 0, 0])  # errors of 1 in the people's cells; those of c have nobody in them
    # race a: 2 errors for 90 people; race b: 2 for 10; all: 4 for 100
    assert [s.group for s in found] == ["race", ""]
    assert found[0].estimate.value == pytest.approx((2 / 10) / (4 / 100))
    assert found[0].estimate.note == "worst served: race = b" and found[0].estimate.n == 2
    assert found[1].statistic == "max" and found[1].estimate.value == found[0].estimate.value


def test_groups_of_a_few_people_are_left_out():
    given = [41, 6, 7, 49, 6, 9, 0, 0]
    assert scores(given, least=11)[0].estimate.note == "worst served: race = a"
    assert scores(given, least=11)[0].estimate.value == 1, "one group is compared with itself"
    assert math.isnan(scores(given, least=1_000)[0].estimate.value)


def test_an_even_error_is_one():
    assert scores([44, 5.5, 0, 55, 5.5, 0, 0, 0])[0].estimate.value == pytest.approx(1)


def test_an_exact_release_has_no_ratio():
    found = scores(TRUE)
    assert [s.statistic for s in found] == ["", "max"]
    assert all(math.isnan(s.estimate.value) and s.estimate.note for s in found)


def test_two_quasi_identifiers_and_their_largest():
    task = Marginals(tables=(("race", "sex"),))
    cells = task.cells(SCHEMA)
    true = [10, 10, 10, 10, 10, 10]
    found = group_error_ratio(Answer.of(cells, [10, 13, 10, 10, 10, 10]), Answer.of(cells, true), SCHEMA, task)
    assert {s.group: s.estimate.value for s in found} == {
        "race": pytest.approx(3),
        "sex": pytest.approx(2),
        "": pytest.approx(3),
    }


def test_where_no_group_is_tabulated_it_does_not_apply():
    task = Marginals(tables=(("income",),))
    cells = task.cells(SCHEMA)
    with pytest.raises(Unsupported, match="no quasi-identifier"):
        group_error_ratio(Answer.of(cells, [1, 2]), Answer.of(cells, [1, 2]), SCHEMA, task)
    with pytest.raises(Unsupported, match="no tables"):
        group_error_ratio(Answer.of(cells, [1, 2]), Answer.of(cells, [1, 2]), SCHEMA, object())


def test_a_category_that_was_read_from_the_rows_is_not_told():
    schema = Schema(
        {"race": Column("categorical", domain=("secret", "b"), roles=("quasi-identifier",), from_data=True)}
    )
    task = Marginals(tables=(("race",),))
    cells = task.cells(schema)
    found = group_error_ratio(Answer.of(cells, [40, 50]), Answer.of(cells, [30, 50]), schema, task)
    assert found[0].estimate.note == "worst served: race = one of its groups"


WIDE = Schema(
    {
        "job": Column("categorical", domain=tuple(f"j{i}" for i in range(30))),
        "race": Column("categorical", domain=("a", "b", "c"), roles=("quasi-identifier",)),
    }
)


def noised(harm, seed):
    """A released table of jobs by race, with unbiased noise that is *harm* times as large for race c."""
    task = Marginals(tables=(("job", "race"),))
    rng = np.random.default_rng(seed)
    true = rng.integers(20, 200, 90).astype(float)
    noise = rng.laplace(0, 3, 90) * np.tile([1, 1, harm], 30)
    cells = task.cells(WIDE)
    return group_error_ratio(Answer.of(cells, true + noise), Answer.of(cells, true), WIDE, task)


def test_luck_is_told_from_harm():
    """300 releases with equal noise: Binomial(300, 0.05) exceeds 36 with probability below 1e-6 (mean 15, sd 3.8)."""
    lucky = [noised(1, seed)[0].estimate.note for seed in range(300)]
    assert sum("beyond chance" in note for note in lucky) <= 36
    assert all("Holm-corrected p" in note and "3 groups" in note for note in lucky)
    harmed = [noised(3, seed)[0].estimate.note for seed in range(40)]
    assert sum("race = c; beyond chance" in note for note in harmed) >= 38


def test_p_value_of_two_groups_equals_the_long_way():
    task = Marginals(tables=(("job", "race"),))
    schema = Schema({**WIDE.columns, "race": Column("categorical", domain=("a", "b"), roles=("quasi-identifier",))})
    rng = np.random.default_rng(4)
    true = rng.integers(20, 200, 60).astype(float)
    given = true + rng.laplace(0, 3, 60) * np.tile([1, 4], 30)
    cells = task.cells(schema)
    note = group_error_ratio(Answer.of(cells, given), Answer.of(cells, true), schema, task)[0].estimate.note
    parts = []
    for group in (1, 0):
        e, t = np.abs(given - true)[group::2], true[group::2]
        r = e.sum() / t.sum()
        parts.append((r, np.var(e - r * t, ddof=1) * 30 / t.sum() ** 2))
    (r, v), (q, u) = parts
    p = stats.t.sf((r - q) / math.sqrt(v + u), (v + u) ** 2 / (v**2 / 29 + u**2 / 29))
    assert f"race = b; beyond chance (Holm-corrected p = {2 * p:.2g} over 2 groups" in note
