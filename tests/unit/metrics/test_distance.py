"""Total variation against scipy's distance and by hand."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cityblock

from pets_eval.model import Unsupported
from pets_metrics.fidelity.distance import total_variation


def test_mean_and_worst_table(answer):
    truth = answer({("t", "a", "count"): 5, ("t", "b", "count"): 5, ("u", "a", "count"): 9, ("u", "b", "count"): 1})
    given = answer({("t", "a", "count"): 50, ("t", "b", "count"): 50, ("u", "a", "count"): 5, ("u", "b", "count"): 5})
    scores = total_variation(given, truth)
    assert scores["mean"].value == pytest.approx(0.2) and scores["max"].value == pytest.approx(0.4)
    assert scores["mean"].n == 2


def test_negative_counts_are_clipped_and_an_empty_release_is_at_distance_one(answer):
    truth = answer({("t", "a", "count"): 1, ("t", "b", "count"): 1})
    assert total_variation(answer({("t", "a", "count"): 4, ("t", "b", "count"): -2}), truth)["mean"].value == 0.5
    assert total_variation(answer({("t", "a", "count"): -4, ("t", "b", "count"): -2}), truth)["mean"].value == 1


def test_an_empty_true_table_is_left_out(answer):
    truth = answer({("t", "a", "count"): 0, ("u", "a", "count"): 3})
    scores = total_variation(answer({("t", "a", "count"): 5, ("u", "a", "count"): 3}), truth)
    assert scores["mean"].value == 0 and scores["mean"].n == 1
    empty = answer({("t", "a", "count"): 0})
    assert math.isnan(total_variation(empty, empty)["mean"].value)


def test_equals_half_of_scipy_s_city_block_distance(answer):
    rng = np.random.default_rng(1)
    true, given = rng.poisson(9, 60) + 1.0, rng.poisson(5, 60) + 1.0
    names = [("t", str(i), "count") for i in range(60)]
    found = total_variation(answer(dict(zip(names, given))), answer(dict(zip(names, true))))["mean"].value
    assert found == pytest.approx(cityblock(true / true.sum(), given / given.sum()) / 2)


def test_other_statistics_in_the_answer_are_ignored_and_a_task_without_counts_declined(answer):
    truth = answer({("t", "a", "count"): 5, ("t", "a", "mean"): 3.0, ("t", "b", "count"): 5, ("t", "b", "mean"): 1.0})
    assert total_variation(truth, truth)["mean"].value == 0
    with pytest.raises(Unsupported, match="no counts"):
        total_variation(truth, answer({("t", "a", "mean"): 3.0}))


def test_cells_without_a_finite_number_count_as_empty(answer):
    truth = answer({("t", "a", "count"): 1, ("t", "b", "count"): 1, ("u", "only", "count"): 4})
    given = answer({("t", "a", "count"): 3, ("t", "b", "count"): math.inf, ("u", "only", "count"): 9})
    scores = total_variation(given, truth)
    assert scores["max"].value == 0.5 and scores["mean"].value == 0.25, "a table of one cell has one distribution"
    nothing = answer({("t", "a", "count"): math.nan, ("t", "b", "count"): math.nan, ("u", "only", "count"): math.nan})
    assert total_variation(nothing, truth)["mean"].value == 1
