import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from pets_eval.model.multiplicity import holm


@pytest.mark.parametrize("n", [1, 2, 7, 50])
@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(n, seed):
    p = np.random.default_rng(seed).beta(0.5, 2, n)
    p[: n // 3] = p[0]  # ties
    np.testing.assert_allclose(holm(list(p)), multipletests(p, method="holm")[1], rtol=1e-12)


def test_none_is_none():
    assert holm([]) == []


def test_extremes():
    assert holm([0.0, 1.0]) == [0.0, 1.0]


def test_sound_techniques_are_rarely_accused():
    """20 sound tests a run: at 0.01, some adjusted p falls below in at most 1 % of runs.

    4,000 runs; Binomial(4000, 0.01) exceeds 75 with probability below 1e-6 (mean 40, sd 6.3).
    """
    draws = np.random.default_rng(7).random((4000, 20))
    assert sum(min(holm(list(row))) < 0.01 for row in draws) <= 75
