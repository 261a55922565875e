"""Energy distance against the definition, loop by loop, and against scipy; the permutation test on planted shifts."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from pets_eval.model import PetsEvalError
from pets_metrics.fidelity.energy import energy_distance, energy_test, roots


def mixed(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    a = rng.normal(shift, 1, n)
    return pd.DataFrame(
        {"a": np.where(rng.random(n) < 0.1, np.nan, a), "b": np.where(a + rng.normal(0, 1, n) > 0, "x", "y")}
    )


def gower(x, y, spread):
    numbers = 1.0 if math.isnan(x.a) != math.isnan(y.a) else 0.0 if math.isnan(x.a) else min(abs(x.a - y.a) / spread, 1)
    return (numbers + (x.b != y.b)) / 2


def test_equals_the_definition():
    real, release = mixed(1, 30), mixed(2, 20, shift=1)
    spread = real.a.max() - real.a.min()

    def mean(one, other):
        return np.mean([[math.sqrt(gower(x, y, spread)) for y in other.itertuples()] for x in one.itertuples()])

    across = 2 * mean(real, release)
    expected = (across - mean(real, real) - mean(release, release)) / across
    found = energy_distance(real, release)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert 0 <= found.low < found.value < found.high <= 1 and found.n == 50


def test_its_root_is_a_euclidean_distance():
    points = np.random.default_rng(0).uniform(0, 1, (40, 3))
    squares = roots(points, points) ** 2
    assert squares == pytest.approx(cdist(points, points, "cityblock") / 3, abs=1e-12)
    centre = np.eye(40) - 1 / 40
    assert np.linalg.eigvalsh(-centre @ squares @ centre / 2).min() > -1e-9


def test_a_copy_is_at_distance_zero_also_in_a_sample():
    real = mixed(1, 500)
    copy = real.sample(frac=1, random_state=1)[["b", "a"]]
    for rows in (100, 3_000):
        assert energy_distance(real, copy, rows=rows).value == pytest.approx(0, abs=1e-12)
        assert energy_test(real, copy, rows=rows, permutations=99).value == 1


def test_columns_that_no_longer_go_together_are_seen():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, 600)
    real = pd.DataFrame({"a": a, "b": np.where(a > 0, "x", "y")})
    apart = real.assign(b=rng.permutation(real.b.to_numpy()))
    assert energy_test(real, apart).value <= 0.01
    assert energy_distance(real, apart).low > 0


def test_grows_with_the_shift_and_its_interval_holds_nothing_for_a_fresh_sample():
    figures = [energy_distance(mixed(1, 400), mixed(2, 400, shift=s)).value for s in (0, 0.5, 1, 2, 4)]
    assert figures == sorted(figures)
    misses = sum(energy_distance(mixed(i, 80), mixed(500 + i, 100)).low > 0 for i in range(100))
    assert misses <= stats.binom.isf(1e-6, 100, 0.05)


def test_the_test_accuses_a_shift_and_not_a_fresh_sample():
    assert energy_test(mixed(1, 300), mixed(2, 300, shift=1)).value == 0.001
    low = sum(energy_test(mixed(i, 60), mixed(500 + i, 70), permutations=99).value <= 0.05 for i in range(100))
    assert low <= stats.binom.isf(1e-6, 100, 0.05)
    found = energy_test(mixed(1, 30), mixed(2, 30), permutations=49)
    assert found.low == 1 / 50 and found.method == "permutation"


def test_bad_options_are_refused():
    real = mixed(1, 10)
    with pytest.raises(PetsEvalError, match="permutations must be at least 1"):
        energy_test(real, real, permutations=0)
    with pytest.raises(PetsEvalError, match="rows must be at least 1"):
        energy_distance(real, real, rows=0)
