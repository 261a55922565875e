"""Principal components against scikit-learn, their distance against scipy; odd tables for all of these metrics."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pets_eval.model import Estimate, PetsEvalError, Unsupported
from pets_eval.registry import as_scores
from pets_metrics.fidelity import components, constraints, energy, propensity, slopes, support
from pets_metrics.fidelity.components import component_distance
from pets_metrics.fidelity.pooled import pooled
from pets_metrics.tables import align

MODULES = [components, constraints, energy, propensity, slopes, support]
METRICS = {v.spec.name: v for m in MODULES for v in vars(m).values() if hasattr(v, "spec")}


def numbers(seed, n, spread=1.0):
    rng = np.random.default_rng(seed)
    common = rng.normal(0, spread, n)
    return pd.DataFrame({c: common * i + rng.normal(0, 1, n) for i, c in enumerate("abcdefg", 1)})


def test_equals_scikit_learn_s_components_and_scipy_s_distance():
    real, release = numbers(1, 500), numbers(2, 400, spread=0.7)
    scaler = StandardScaler().fit(real)
    pca = PCA(5).fit(scaler.transform(real))
    one, other = (pca.transform(scaler.transform(t)) for t in (real, release))
    distances = [stats.ks_2samp(one[:, i], other[:, i]).statistic for i in range(5)]
    scores = component_distance(real, release)
    assert [s.estimate.value for s in scores[1:]] == pytest.approx(distances, rel=1e-9)
    assert scores[0].estimate.value == pytest.approx(np.average(distances, weights=pca.explained_variance_), rel=1e-9)
    assert [s.group for s in scores] == ["", *(f"component {i}" for i in range(1, 6))]


def test_the_interval_holds_the_distance_of_the_populations():
    misses = 0
    for seed in range(100):
        overall = component_distance(numbers(seed, 200)[["a"]], numbers(1_000 + seed, 300)[["a"]])[0].estimate
        misses += overall.low > 0
    # the populations are the same; Massart's bound is at most 0.05 off for both samples together
    assert misses <= stats.binom.isf(1e-6, 100, 0.05)


def test_a_copy_is_perfect_and_shuffled_columns_are_not():
    real = numbers(1, 600)
    copy = real.sample(frac=1, random_state=1)[list("gfedcba")]
    assert component_distance(real, copy)[0].estimate.value == 0
    rng = np.random.default_rng(0)
    shuffled = real.apply(lambda column: rng.permutation(column.to_numpy()))
    assert component_distance(real, shuffled)[0].estimate.low > 0.05


def test_what_cannot_be_measured_is_said():
    constant = pd.DataFrame({"a": ["x"] * 5})
    assert component_distance(constant, constant)[0].estimate.note == "the real table does not vary"
    with pytest.raises(PetsEvalError, match="at least 1"):
        component_distance(constant, constant, count=0)


def test_rows_are_drawn_alike_from_a_table_and_its_copy():
    real = numbers(1, 300)
    copy = real.sample(frac=1, random_state=1)
    data = pooled(align(real, copy), 50, np.random.default_rng(0))
    assert data.least == 50 and (data.codes[:50] == data.codes[50:]).all()
    first, second = data.places
    assert (real.to_numpy()[first] == copy.to_numpy()[second]).all() and len(set(first)) == 50


def test_categories_are_numbered_by_frequency_and_the_rare_ones_taken_together():
    many = pd.DataFrame({"a": [f"k{i:04}" for i in range(150)] + ["k0007"] * 3 + ["k0003"] * 2})
    codes = pooled(align(many, many), 1_000, np.random.default_rng(0)).codes[:, 0]
    assert (codes == 0).sum() == 8 and (codes == 1).sum() == 6 and np.ptp(codes) == 99


def awkward():
    rng = np.random.default_rng(5)
    n = 60
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), unit="D")
    base = pd.DataFrame({"a": rng.normal(size=n), "b": rng.choice(["x", "y"], n), "day": days})
    yield "plain", base, base.iloc[::-1]
    yield "constant", base.assign(a=1.0, b="x", day=days[0]), base.assign(a=1.0, b="x", day=days[0])
    yield "one row", base[:1], base[1:2]
    yield "one released row", base, base[:1]
    yield "one real row", base[:1], base
    yield "no value in a column", base.assign(a=np.nan), base
    yield "no value in a released column", base, base.assign(a=np.nan, b=None, day=pd.NaT)
    yield "unseen categories", base, base.assign(b="elsewhere")
    yield "numbers only", base[["a"]], base[["a"]] + 1
    yield "categories only", base[["b"]], base[["b"]][:40]
    yield "many categories", base.assign(c=[f"k{i % 50}" for i in range(n)]), base.assign(c=[f"j{i}" for i in range(n)])
    yield "mixed texts", base.assign(c=["1", "two", None] * 20), base.assign(c=[3, "two", 4.5] * 20)
    big = pd.DataFrame({"k": [f"k{i % 190}" for i in range(2_000)], "l": np.arange(2_000) % 997 + 0.5})
    yield "190 categories", big, big.assign(k=big.k.sample(frac=1, random_state=1).to_numpy())


@pytest.mark.parametrize(("real", "release"), [c[1:] for c in awkward()], ids=[c[0] for c in awkward()])
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_odd_tables_give_a_figure_in_range_or_say_why_not(metric, real, release):
    try:
        scores = as_scores(metric.spec, metric(real, release))
    except Unsupported as reason:
        assert str(reason) and metric.spec.name in ("constraint-violations", "slope-difference")
        return
    assert scores
    for score in scores:
        e: Estimate = score.estimate
        if math.isnan(e.value):
            assert e.note
            continue
        assert metric.spec.range[0] <= e.value <= metric.spec.range[1]
        assert not e.low > e.value + 1e-12 or e.method == "permutation"
        assert not e.high < e.value - 1e-12 and not e.low < metric.spec.range[0] and not e.high > metric.spec.range[1]
