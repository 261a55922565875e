"""k-marginal error by hand and against pandas; and what every metric of distributions must stand."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_eval.registry import as_scores
from pets_metrics.fidelity.association import association_difference, pair_trends
from pets_metrics.fidelity.columns import (
    column_shapes,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    marginal_total_variation,
    wasserstein,
)
from pets_metrics.fidelity.marginals import cell_counts, distances, joint_counts, k_marginal_error, subsets
from pets_metrics.fidelity.nist import nist_k_marginal
from pets_metrics.fidelity.subsample import equivalent_subsample
from pets_metrics.fidelity.workload import range_query_error

ALL = [
    association_difference,
    column_shapes,
    equivalent_subsample,
    hellinger,
    jensen_shannon,
    k_marginal_error,
    kolmogorov_smirnov,
    marginal_total_variation,
    nist_k_marginal,
    pair_trends,
    range_query_error,
    wasserstein,
]
WORDS = Schema({name: Column("categorical", domain=tuple("abcd"), nullable=True) for name in "uvw"})


def words(seed, rows=300):
    rng = np.random.default_rng(seed)
    u = rng.integers(0, 4, rows)
    v = np.where(rng.random(rows) < 0.5, u, rng.integers(0, 4, rows))
    frame = pd.DataFrame({"u": u, "v": v, "w": rng.integers(0, 4, rows)})
    return frame.apply(lambda c: pd.Series(np.array(list("abcd"))[c]).mask(rng.random(rows) < 0.1))


def by_pandas(real, made, names):
    p, q = (t[list(names)].fillna("?").value_counts(normalize=True) for t in (real, made))
    return p.subtract(q, fill_value=0).abs().sum() / 2


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equals_a_table_by_table_count(k):
    real, made = words(1), words(2, 200)
    expected = [by_pandas(real, made, names) for names in combinations("uvw", k)]
    found = k_marginal_error(real, made, WORDS, k=k)
    assert found["mean"].value == pytest.approx(np.mean(expected), abs=1e-12)
    assert found["max"].value == pytest.approx(max(expected), abs=1e-12)


def test_the_note_names_the_worst_columns_and_no_category():
    real = pd.DataFrame({"u": list("aabb"), "v": list("abab"), "w": list("abab")})
    made = real.assign(w=list("abba"))
    assert k_marginal_error(real, made, WORDS)["max"].note == "worst: v x w"


def test_many_marginals_are_sampled_and_the_note_says_so():
    rng = np.random.default_rng(0)
    real, made = (pd.DataFrame({f"c{i:02}": rng.integers(0, 3, 50) for i in range(20)}) for _ in range(2))
    found = k_marginal_error(real, made, k=3, most=100)
    assert "100 of 1,140 marginals" in found["mean"].note
    assert k_marginal_error(real, made.iloc[:, ::-1], k=3, most=100) == found
    assert len(set(subsets(20, 3, 100))) == 100


def test_fewer_columns_than_k():
    real = pd.DataFrame({"u": list("aabb")})
    found = k_marginal_error(real, pd.DataFrame({"u": list("abbb")}), WORDS)
    assert found["mean"].value == 0.25 and "only 1 columns" in found["mean"].note


def test_counting_in_chunks_in_full_and_by_used_cells_agree():
    rng = np.random.default_rng(0)
    sizes = [7, 300, 400]
    real, made = ([rng.integers(0, s, n).astype(np.uint16) for s in sizes] for n in (100_000, 70_000))
    full = cell_counts(real, sizes)
    assert full.sum() == 100_000 and np.array_equal(
        full, np.histogramdd(np.array(real).T, bins=[range(s + 1) for s in sizes])[0].ravel()
    )
    used = joint_counts(real, made, sizes)
    assert len(used[0]) < len(full)
    assert np.array_equal(np.sort(used[0][used[0] > 0]), np.sort(full[full > 0]))
    apart = np.abs(full / 100_000 - cell_counts(made, sizes) / 70_000).sum() / 2
    assert distances(real, made, sizes, [(0, 1, 2)])[0][0] == pytest.approx(apart, abs=1e-12)


def test_cells_beyond_64_bits():
    rng = np.random.default_rng(0)
    real = [rng.integers(0, 2, 40) for _ in range(8)]
    made = [column[::-1].copy() for column in real]
    huge = [10_000_000] * 8
    assert distances(real, made, huge, [tuple(range(8))])[0] == distances(real, made, [2] * 8, [tuple(range(8))])[0]


def test_the_interval_holds_for_the_sources():
    # at least 95 % coverage is promised; fewer than 170 of 200 has a probability below 1e-6 then
    p = np.random.default_rng(5).dirichlet(np.ones(16))
    q = np.random.default_rng(6).dirichlet(np.ones(16))
    schema = Schema({n: Column("integer", bounds=(0, 3)) for n in "uv"})
    rng = np.random.default_rng(7)
    for other in (p, q):
        truth = np.abs(p - other).sum() / 2
        covered = 0
        for _ in range(200):
            draws = [rng.choice(16, 100, p=w) for w in (p, other)]
            real, made = (pd.DataFrame({"u": d // 4, "v": d % 4}) for d in draws)
            found = k_marginal_error(real, made, schema)
            covered += all(e.low <= truth + 1e-12 and truth <= e.high for e in found.values())
        assert covered >= 170


def test_bad_arguments():
    t = words(1)
    for options in ({"k": 0}, {"most": 0}):
        with pytest.raises(PetsEvalError, match="at least 1"):
            k_marginal_error(t, t, WORDS, **options)


def mixed(seed, rows=120):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "constant": ["same"] * rows,
            "flat": np.full(rows, 2.5),
            "number": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(0, 1, rows)),
            "many": rng.permutation([f"k{i % 100}" for i in range(rows)]),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 90, rows), unit="D"),
            "flag": rng.random(rows) < 0.3,
        }
    )


MIXED_SCHEMA = Schema(
    {
        "a": Column("categorical", domain=tuple(str(i) for i in range(1000))),
        "b": Column("real", bounds=(0, 1)),
        "c": Column("categorical", domain=("x",)),
        "d": Column("date", bounds=(0, 10)),
    }
)
EMPTY = pd.DataFrame({"a": [None, None], "b": [None, None], "c": [None, None], "d": [None, None]})
FULL = pd.DataFrame({"a": ["1", "new"], "b": [0.5, 7.5], "c": ["x", "y"], "d": pd.to_datetime(["1970-01-02"] * 2)})
CASES = {
    "mixed": (mixed(1), mixed(2), None),
    "one row": (mixed(1).head(1), mixed(2).head(1), None),
    "one released row": (mixed(1), mixed(2).head(1), None),
    "nothing real": (EMPTY, FULL, MIXED_SCHEMA),
    "nothing released": (FULL, EMPTY, MIXED_SCHEMA),
    "nothing at all": (EMPTY, EMPTY, MIXED_SCHEMA),
    "unseen categories": (FULL, FULL.assign(a=["other", "1"], c="z"), MIXED_SCHEMA),
    "words only": (mixed(1)[["many", "constant"]], mixed(2)[["many", "constant"]], None),
    "numbers only": (mixed(1)[["number", "flat"]], mixed(2)[["number", "flat"]], None),
    "one column": (mixed(1)[["flag"]], mixed(2)[["flag"]], None),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fn", ALL)
def test_figures_are_in_range_or_missing_with_a_reason(fn, case):
    real, made, schema = CASES[case]
    for left, right in ((real, made), (real, real)):
        try:
            scores = as_scores(fn.spec, fn(left, right, schema))
        except Unsupported as declined:
            assert str(declined)
            continue
        assert scores
        low, high = fn.spec.range
        for estimate in (s.estimate for s in scores):
            if math.isnan(estimate.value):
                assert estimate.note
            else:
                assert low <= estimate.low <= estimate.value <= estimate.high <= high
                if left is right:
                    assert estimate.value == pytest.approx({"min": 0, "max": high}[fn.spec.goal], abs=1e-9)


def test_rounding_leads_to_no_distance_above_1():
    for n in range(3, 60):
        real, release = np.arange(n, dtype=np.uint8), np.arange(n, 2 * n, dtype=np.uint8)
        assert distances([real], [release], [2 * n], [(0,)])[0].max() <= 1
