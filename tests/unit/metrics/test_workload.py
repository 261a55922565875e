"""Random range queries by hand, and against questions asked of the rows one by one."""

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema
from pets_metrics.fidelity.workload import range_query_error

SCHEMA = Schema(
    {
        "age": Column("integer", bounds=(0, 9), nullable=True),
        "sex": Column("categorical", domain=("F", "M")),
        "town": Column("categorical", domain=tuple("abcde"), nullable=True),
    }
)


def people(seed, rows=1000, shift=0.0):
    rng = np.random.default_rng(seed)
    age = np.clip(rng.integers(0, 10, rows) + (rng.random(rows) < shift) * 4, 0, 9).astype(float)
    age[rng.random(rows) < 0.1] = np.nan
    town = pd.Series(rng.choice(list("abcde"), rows)).mask(rng.random(rows) < 0.1 + shift / 2)
    return pd.DataFrame({"age": age, "sex": np.where(rng.random(rows) < 0.5 + shift / 4, "F", "M"), "town": town})


def test_one_column_of_two_categories_has_one_answer():
    real = pd.DataFrame({"sex": list("FFMM")})
    made = pd.DataFrame({"sex": list("FFFM")})
    found = range_query_error(real, made, SCHEMA)
    assert found["mean"].value == found["p95"].value == 0.25
    assert found["mean"].low == pytest.approx(0.25) and found["mean"].high == pytest.approx(0.25)


def test_the_mean_over_ranges_of_a_number_is_that_over_all_ranges():
    schema = Schema({"age": Column("integer", bounds=(0, 3))})
    real, made = (pd.DataFrame({"age": np.repeat([0, 1, 2, 3], n)}) for n in ([4, 3, 2, 1], [1, 1, 4, 4]))
    gap = np.array([0.4, 0.3, 0.2, 0.1]) - np.array([0.1, 0.1, 0.4, 0.4])
    every = [abs(gap[min(a, b) : max(a, b) + 1].sum()) for a in range(4) for b in range(4)]
    found = range_query_error(real, made, schema, queries=20_000)
    # the standard error is at most 0.5 / sqrt(20,000) = 0.0036; five of them are missed with probability below 1e-6
    assert found["mean"].value == pytest.approx(np.mean(every), abs=0.018)


def test_a_copy_is_perfect_and_more_noise_is_worse():
    real = people(1)
    same = range_query_error(real, real.sample(frac=1, random_state=0), SCHEMA)
    assert same["mean"].value == same["p95"].value == 0
    means = [range_query_error(real, people(2, shift=s), SCHEMA)["mean"].value for s in (0.0, 0.3, 0.6, 0.9)]
    assert means == sorted(means)


def test_order_and_names_decide_nothing():
    real, made = people(1), people(2, 700, 0.4)
    one = range_query_error(real, made)
    assert range_query_error(real.iloc[::-1, ::-1], made.iloc[::-1, ::-1]) == one
    swapped = [t.replace({"town": {"a": "z", "b": "a", "c": "y"}}) for t in (real, made)]
    other = range_query_error(*swapped)
    for statistic, estimate in one.items():
        assert other[statistic].value == pytest.approx(estimate.value, abs=1e-12)


def test_the_interval_holds_for_the_whole_workload():
    real, made = people(1), people(2, shift=0.5)
    whole = range_query_error(real, made, SCHEMA, queries=20_000)
    covered = {"mean": 0, "p95": 0}
    for seed in range(40):
        found = range_query_error(real, made, SCHEMA, np.random.default_rng(seed), queries=300)
        for statistic in covered:
            covered[statistic] += found[statistic].low <= whole[statistic].value <= found[statistic].high
    assert min(covered.values()) >= 28  # of 40 at 95 % each: fewer has a probability below 1e-6


def test_bad_arguments():
    for options in ({"queries": 1}, {"columns": 0}):
        with pytest.raises(PetsEvalError, match="at least"):
            range_query_error(people(1), people(2), SCHEMA, **options)
