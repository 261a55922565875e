"""The equivalent sub-sample: a sample of a known share must be recognised as such."""

import math

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import PetsEvalError
from pets_metrics.fidelity.marginals import k_marginal_error
from pets_metrics.fidelity.subsample import equivalent_subsample


def people(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.normal(0, 1, (rows, 6))
    u[:, 1:] += 0.7 * u[:, :1]
    return pd.DataFrame({f"c{i}": np.digitize(u[:, i], [-1.5, -0.5, 0.5, 1.5]).astype(str) for i in range(6)})


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.7, 0.95])
def test_a_random_sample_is_recognised(share):
    real = people()
    hits, values = 0, []
    for seed in range(10):
        found = equivalent_subsample(real, real.sample(frac=share, random_state=seed))
        values.append(found.value)
        hits += found.low <= share <= found.high
    assert np.median(values) == pytest.approx(share, rel=0.25)
    assert hits >= 4  # of 10 at 95 % each: fewer has a probability below 1e-6


def test_a_fresh_sample_of_as_many_people_is_about_a_third():
    values = [equivalent_subsample(people(seed=0), people(seed=s)).value for s in range(1, 8)]
    # its distance has variance 2 / n against (1 - p) / (p n) of a sample: equal where p = 1/3
    assert 0.28 < np.median(values) < 0.39


def test_a_copy_is_the_whole_and_so_is_everybody_twice():
    real = people(500)
    for copy in (real, real.sample(frac=1, random_state=0), pd.concat([real, real])):
        found = equivalent_subsample(real, copy)
        assert (found.value, found.low, found.high) == (1, 1, 1)


def test_worse_than_the_smallest_sample_says_so():
    real = people()
    found = equivalent_subsample(real, pd.DataFrame({c: ["9"] * 50 for c in real}))
    assert found.value == 0.001 and found.note == "worse than the smallest sample tried, 3 rows"


def test_falls_with_noise_and_orders_as_the_error_does():
    real = people()
    rng = np.random.default_rng(1)
    values, errors = [], []
    for noise in (0.02, 0.1, 0.3, 0.8):
        made = real.apply(lambda c, p=noise: c.where(rng.random(len(c)) > p, "4"))
        values.append(equivalent_subsample(real, made).value)
        errors.append(k_marginal_error(real, made)["mean"].value)
    assert errors == sorted(errors) and values == sorted(values, reverse=True)


def test_the_same_generator_gives_the_same_figure():
    real, made = people(400), people(300, 1)
    assert equivalent_subsample(real, made) == equivalent_subsample(real, made, rng=np.random.default_rng(0))


def test_tiny_tables_and_bad_arguments():
    one = pd.DataFrame({"a": ["x"]})
    assert equivalent_subsample(one, one).value == 1
    assert math.isnan(equivalent_subsample(one, pd.DataFrame({"a": ["y"]})).value)
    with pytest.raises(PetsEvalError, match="repeats"):
        equivalent_subsample(one, one, repeats=1)
