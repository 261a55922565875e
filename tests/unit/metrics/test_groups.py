"""Error per person of the worst-served group, by hand."""

import math

import pytest

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
