"""Errors of released numbers, against figures made by hand."""

import math

import numpy as np
import pytest

from pets_eval.model import Unsupported
from pets_metrics.utility.error import max_absolute_error, mean_absolute_error, mean_relative_error

NAN = math.nan
TRUE = {("t", "a", "count"): 10, ("t", "b", "count"): 0, ("m", "a", "mean"): 4.0, ("m", "b", "mean"): NAN}
GIVEN = {("m", "b", "mean"): 7.0, ("m", "a", "mean"): 3.0, ("t", "b", "count"): 2, ("t", "a", "count"): 15}


def values(scores):
    return {name: e.value for name, e in scores.items()}


def test_each_statistic_is_judged_by_itself_and_cells_by_name(answer):
    truth, released = answer(TRUE), answer(GIVEN)
    assert values(mean_absolute_error(released, truth)) == {"count": 3.5, "mean of m": 1.0}
    assert values(max_absolute_error(released, truth)) == {"count": 5.0, "mean of m": 1.0}
    relative = values(mean_relative_error(released, truth))
    assert relative == {"count": pytest.approx((0.5 + 2 / 1) / 2), "mean of m": pytest.approx(0.25)}
    assert mean_absolute_error(released, truth)["count"].n == 2
    assert mean_absolute_error(released, truth)["mean of m"].n == 1, "a cell without a true value is left out"


def test_columns_of_different_units_are_never_mixed_and_counts_of_all_tables_are(answer):
    cells = [(b, c, s) for b in ("age by sex", "income by sex") for c in "FM" for s in ("count", "mean")]
    truth = answer(dict(zip(cells, [10, 40.0, 20, 50.0, 10, 30_000.0, 20, 0.0])))
    released = answer(dict(zip(cells, [12, 41.0, 20, 47.0, 10, 30_600.0, 24, 90.0])))
    assert values(mean_absolute_error(released, truth)) == {
        "count": 1.5,
        "mean of age by sex": 2.0,
        "mean of income by sex": 345.0,
    }
    assert values(max_absolute_error(released, truth))["mean of age by sex"] == 3.0
    relative = values(mean_relative_error(released, truth))
    # the floor is a hundredth of the column's own usual value: it must not lift the ages to the size of the incomes
    assert relative["mean of age by sex"] == pytest.approx((1 / 40 + 3 / 50) / 2)
    assert relative["mean of income by sex"] == pytest.approx((600 / 30_000 + 90 / 150) / 2)


def test_one_cell_and_a_number_that_is_not_finite(answer):
    one = answer({("t", "a", "count"): 4})
    assert values(mean_absolute_error(answer({("t", "a", "count"): 1}), one)) == {"count": 3.0}
    assert math.isinf(mean_absolute_error(answer({("t", "a", "count"): math.inf}), one)["count"].value)


def test_the_floor_is_one_person_or_a_hundredth_of_the_usual_value(answer):
    truth = answer({("t", "a", "sum"): 300.0, ("t", "b", "sum"): 0.0})
    released = answer({("t", "a", "sum"): 300.0, ("t", "b", "sum"): 3.0})
    assert mean_relative_error(released, truth)["sum"].value == pytest.approx((0 + 3 / 1.5) / 2)
    assert mean_relative_error(released, truth, floor=6.0)["sum"].value == pytest.approx((0 + 3 / 6) / 2)


def test_unanswered_cells_are_said_not_hidden(answer):
    truth = answer(TRUE)
    part = answer({("t", "a", "count"): 15})
    scores = mean_absolute_error(part, truth)
    assert scores["count"].value == 5 and scores["count"].note == "1 of 2 cells are not answered"
    assert math.isnan(scores["mean of m"].value) and scores["mean of m"].note == "none of 1 cells is answered"


def test_nothing_to_compare_with_is_not_measured(answer):
    empty = answer({("m", "a", "mean"): NAN})
    for metric in (mean_absolute_error, max_absolute_error, mean_relative_error):
        score = metric(answer({("m", "a", "mean"): 1.0}), empty)["mean"]
        assert math.isnan(score.value) and score.note
    zeros = answer({("m", "a", "mean"): 0.0})
    assert math.isnan(mean_relative_error(zeros, zeros)["mean"].value)


def test_predictions_of_people_are_not_judged_as_numbers(answer):
    people = answer({("sick", "0", "probability"): 1.0})
    for metric in (mean_absolute_error, max_absolute_error, mean_relative_error):
        with pytest.raises(Unsupported, match="auroc"):
            metric(people, people)


def test_many_cells_equal_numpy(answer):
    rng = np.random.default_rng(0)
    true, given = rng.poisson(20, 500).astype(float), rng.normal(20, 9, 500)
    names = [("t", str(i), "count") for i in range(500)]
    truth, released = answer(dict(zip(names, true))), answer(dict(zip(names, given)))
    assert mean_absolute_error(released, truth)["count"].value == pytest.approx(np.abs(true - given).mean())
    assert max_absolute_error(released, truth)["count"].value == pytest.approx(np.abs(true - given).max())
