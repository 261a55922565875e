"""Support metrics by hand and against naive loops over all pairs of rows."""

import math

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import PetsEvalError
from pets_metrics.fidelity.support import alpha_precision, beta_recall, support_coverage, support_density

ALL = [alpha_precision, beta_recall, support_coverage, support_density]


def mixed(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    a = rng.normal(shift, 1, n)
    return pd.DataFrame(
        {
            "a": np.where(rng.random(n) < 0.1, np.nan, a),
            "b": np.where(a + rng.normal(0, 1, n) > 0, "x", "y"),
            "c": rng.choice(["p", "q", "r"], n, p=[0.5, 0.3, 0.2]),
        }
    )


def distances(one, other, spread):
    """Gower's distances of all pairs, the naive way."""
    a, b = one.a.to_numpy()[:, None], other.a.to_numpy()[None, :]
    none = np.isnan(a).astype(int) + np.isnan(b)
    total = np.select([none == 2, none == 1], [0.0, 1.0], np.minimum(np.abs(a - b) / spread, 1))
    for name in ("b", "c"):
        total = total + (one[name].to_numpy()[:, None] != other[name].to_numpy()[None, :])
    return total / 3


@pytest.fixture(scope="module")
def pairs():
    real, release = mixed(1, 120), mixed(2, 90, shift=0.5)
    spread = real.a.max() - real.a.min()
    return real, release, *(distances(*t, spread) for t in ((real, real), (real, release), (release, release)))


@pytest.mark.parametrize("k", [1, 5])
def test_coverage_and_density_equal_the_naive_count(pairs, k):
    real, release, own, across, _ = pairs
    radii = np.sort(own, axis=1)[:, k]  # the first is the row itself
    near = across <= radii[:, None] + 1e-9
    coverage, density = support_coverage(real, release, k=k), support_density(real, release, k=k)
    assert coverage.value == pytest.approx(near.any(axis=1).mean()) and coverage.method == "wilson"
    assert density["release"].value == pytest.approx(near.sum() / (k * len(release)))
    inside = (own <= radii[:, None] + 1e-9).sum() - len(real)
    assert density["real"].value == pytest.approx(inside / (k * len(real)))


def curve(depths, own, weights):
    """Share of *weights* within the ball of each share of the *own* depths, at 100,001 shares."""
    levels = np.unique(np.round(own, 9))
    edges = np.array([(np.round(own, 9) <= level).mean() for level in levels])
    reached = np.array([(weights * (np.round(depths, 9) <= level)).sum() for level in levels])
    grid = np.linspace(0, 1, 100_001)
    return grid, np.interp(grid, np.append(0, edges), np.append(0, reached))


def test_precision_and_recall_equal_the_naive_integral(pairs):
    real, release, own, across, other = pairs
    n, m = across.shape
    grid, reached = curve(across.mean(axis=0), own.mean(axis=1), np.full(m, 1 / m))
    expected = 1 - 2 * np.trapezoid(np.abs(reached - grid), grid)
    assert alpha_precision(real, release).value == pytest.approx(expected, abs=1e-4)
    covered = across.min(axis=1) <= np.sort(own, axis=1)[:, 5] + 1e-9
    grid, reached = curve(across.mean(axis=1), other.mean(axis=1), covered / n)
    expected = 1 - 2 * np.trapezoid(np.abs(reached - grid), grid)
    assert beta_recall(real, release).value == pytest.approx(expected, abs=1e-4)


def test_a_copy_is_perfect_in_whatever_order_also_among_equal_rows():
    real = pd.concat([mixed(1, 150), mixed(1, 40)])
    copy = real.sample(frac=1, random_state=1)[["c", "b", "a"]]
    assert alpha_precision(real, copy).value == 1 and beta_recall(real, copy).value == 1
    assert support_coverage(real, copy).value == 1
    density = support_density(real, copy)
    assert density["release"].value == pytest.approx(density["real"].value + 1 / 5)


def test_a_fresh_sample_is_near_perfect_and_its_intervals_say_so():
    real, fresh = mixed(1, 2_000), mixed(2, 2_000)
    precision, recall = alpha_precision(real, fresh), beta_recall(real, fresh)
    assert precision.value > 0.95 and precision.low <= precision.value <= precision.high
    assert recall.value > 0.9 and recall.low <= recall.value <= recall.high
    assert support_coverage(real, fresh).value > 0.93
    density = support_density(real, fresh)
    assert density["release"].value == pytest.approx(density["real"].value, rel=0.1)


def test_a_release_of_one_kind_of_rows_covers_little_and_one_from_elsewhere_nothing():
    real = mixed(1, 400)
    middle = pd.concat([real[(real.b == "x") & (real.c == "p")].iloc[:1]] * 400)
    assert support_coverage(real, middle).value < 0.1 and beta_recall(real, middle).value < 0.1
    assert alpha_precision(real, middle).value < 0.6, "all too typical"
    away = real.assign(a=99.0, b="z", c="s")
    assert support_coverage(real, away).value == 0 and support_density(real, away)["release"].value == 0
    assert alpha_precision(real, away).value == 0 and beta_recall(real, away).value == 0


def test_order_and_names_of_rows_columns_and_categories_do_not_matter():
    real, release = mixed(1, 300), mixed(2, 250, shift=0.5)
    swap = {"x": "v", "y": "u", "p": "m", "q": "k", "r": "l"}
    for metric in ALL:
        other = metric(
            real.iloc[::-1][["b", "c", "a"]].replace(swap), release.sample(frac=1, random_state=1).replace(swap)
        )
        expected = metric(real, release)
        if isinstance(expected, dict):
            expected, other = expected["release"], other["release"]
        assert other.value == pytest.approx(expected.value, rel=1e-9)


def test_some_of_the_real_rows_stand_for_all():
    real, release = mixed(1, 3_000), mixed(2, 3_000, shift=0.5)
    few, all_ = support_coverage(real, release, centres=500), support_coverage(real, release)
    assert few.n == 500 and few.low <= all_.value <= few.high
    assert support_density(real, release, centres=500)["release"].n == 500
    assert beta_recall(real, release, centres=500).value == pytest.approx(beta_recall(real, release).value, abs=0.15)


def test_many_equal_rows_are_counted_without_asking_for_each():
    real = pd.DataFrame({"a": ["x"] * 5_000 + ["y"]})
    density = support_density(real, real)
    # 5,000 rows find each other; the radius of y is 1, and holds all
    assert density["release"].value == pytest.approx((5_000 * 5_000 + 5_001) / (5 * 5_001))
    assert support_coverage(real, real[:10]).value == 1


def test_bad_options_are_refused():
    real = mixed(1, 10)
    with pytest.raises(PetsEvalError, match="k must be at least 1"):
        support_coverage(real, real, k=0)
    with pytest.raises(PetsEvalError, match="centres must be at least 1"):
        beta_recall(real, real, centres=0)
    assert not math.isnan(support_density(real[:1], real)["release"].value)
