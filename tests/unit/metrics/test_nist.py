"""NIST's k-marginal score: by hand, bin by bin, and the figures that SDNist gives on its own data."""

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_eval.registry import make_dataset
from pets_metrics.fidelity.nist import feature_pairs, nist_k_marginal
from pets_metrics.fidelity.nist_binning import nist_cells, percentile_edges
from pets_metrics.tables import align

THIRD_PARTY = os.environ.get("PETS_EVAL_TEST_DATA", "")
needs_data = pytest.mark.skipif(not THIRD_PARTY, reason="PETS_EVAL_TEST_DATA does not name a folder with the files")

# What SDNist 2.4's KMarginal class gives for the 2018 excerpt as the release of the 2019 one, printed as int(): with
# PUMA as group feature, its lowest group, and without. "rank": after SDNist 2.4's own validation, transformation and
# binning. "percentile": after the binning function of SDNist's later source instead (numpy 1.24, pandas 2.0). Weights
# are left out of both files; the class leaves PUMA and INDP out of the pairs.
SDNIST = {
    ("national", "rank"): (920, 713, 977),
    ("ma", "rank"): (928, 842, 962),
    ("tx", "rank"): (920, 822, 960),
    ("national", "percentile"): (921, 717, 976),
    ("ma", "percentile"): (928, 840, 962),
    ("tx", "percentile"): (921, 822, 960),
}


@needs_data
@pytest.mark.parametrize(("area", "binning"), SDNIST)
def test_equals_sdnist_to_the_printed_digit(area, binning, tmp_path):
    sources = [make_dataset("nist-excerpts", {"excerpt": f"{area}{year}"}) for year in (2019, 2018)]
    real, made = (s.load(Path(THIRD_PARTY), tmp_path / "table.parquet").frame() for s in sources)
    schema = sources[0].schema()
    grouped = nist_k_marginal(real, made, schema, without=["INDP"], binning=binning)
    alone = nist_k_marginal(real, made, schema, by="", without=["INDP", "PUMA"], binning=binning)
    assert [s.statistic for s in grouped[:2]] == ["all", "worst group"]
    found = [int(s.estimate.value) for s in (*grouped[:2], *alone)]
    assert tuple(found) == SDNIST[area, binning]


def words(seed, rows=200, areas="ABC"):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {n: rng.choice(list(s), rows) for n, s in (("area", areas), ("u", "xyz"), ("v", "pq"), ("w", "st"))}
    )


def schema(areas="ABC", **facts):
    domains = {"area": areas, "u": "xyz", "v": "pq", "w": "st"}
    columns = {n: Column("categorical", domain=tuple(d)) for n, d in domains.items()}
    return Schema(columns | {"area": Column("categorical", domain=tuple(areas), **facts)})


def density(t, names):
    return t[list(names)].value_counts() / len(t)


def test_without_groups_is_the_mean_over_pairs():
    real, made = words(1), words(2, 150)
    gaps = [density(real, p).subtract(density(made, p), fill_value=0).abs().sum() for p in combinations(real, 2)]
    (score,) = nist_k_marginal(real, made, schema())
    assert score.statistic == "all" and score.estimate.value == pytest.approx((2 - np.mean(gaps)) * 500, abs=1e-9)


def test_groups_follow_nist_s_formula():
    real, made = words(1), words(2, 150, "ABCCCCC")
    total, groups = 0.0, pd.Series(0.0, index=list("ABC"))
    shares = real["area"].value_counts(normalize=True)
    pairs = list(combinations(("u", "v", "w"), 2))
    for pair in pairs:
        gap = density(real, ("area", *pair)).subtract(density(made, ("area", *pair)), fill_value=0).abs()
        total += gap.sum()
        groups += np.minimum(gap.groupby("area").sum(), shares) / shares
    found = {(s.group, s.statistic): s.estimate.value for s in nist_k_marginal(real, made, schema(), by="area")}
    assert found["", "all"] == pytest.approx((2 - total / 3) * 500, abs=1e-9)
    expected = (1 - groups / 3) * 1000
    for area in "ABC":
        assert found[f"area = {area}", ""] == pytest.approx(expected[area], abs=1e-9)
    assert found["", "worst group"] == pytest.approx(expected.min(), abs=1e-9)


def test_the_silo_is_the_group_unless_told_otherwise():
    real, made = words(1), words(2)
    silo = schema(roles=("silo",))
    assert nist_k_marginal(real, made, silo) == nist_k_marginal(real, made, schema(), by="area")
    assert nist_k_marginal(real, made, silo, by="") == nist_k_marginal(real, made, schema())


def test_groups_read_from_the_rows_are_not_told():
    scores = nist_k_marginal(words(1), words(2), schema(from_data=True), by="area")
    assert [(s.group, s.statistic) for s in scores] == [("", "all"), ("", "worst group")]
    assert "not told" in scores[1].estimate.note


def test_a_copy_has_the_full_score_and_nothing_in_common_none():
    real = words(1)
    assert all(s.estimate.value == 1000 for s in nist_k_marginal(real, real, schema(), by="area"))
    other = pd.DataFrame({"area": ["D"] * 9, "u": ["o"] * 9, "v": ["o"] * 9, "w": ["o"] * 9})
    assert all(s.estimate.value == 0 for s in nist_k_marginal(real, other, schema(), by="area"))


def test_many_cells_are_counted_alike():
    rng = np.random.default_rng(0)
    wide = [pd.DataFrame({n: rng.integers(0, 300, 2000).astype(str) for n in "abc"}) for _ in range(2)]
    domains = Schema({n: Column("categorical", domain=tuple(map(str, range(300)))) for n in "abc"})
    found = nist_k_marginal(*wide, domains, by="c")
    gap = density(wide[0], "abc").subtract(density(wide[1], "abc"), fill_value=0).abs().sum()
    assert found[0].estimate.value == pytest.approx((2 - gap) * 500, abs=1e-9)


def test_percentile_edges_give_released_extremes_a_bin_of_their_own():
    real = np.arange(100.0)
    assert percentile_edges(real, real, 4).tolist() == [0, 25, 50, 75, 99]
    assert percentile_edges(real, np.array([-5.0, 120.0]), 4).tolist() == [-5, 0, 50, 99, 120]


def cells(real, made, column, binning="percentile", name="n"):
    t = align(pd.DataFrame({name: real}), pd.DataFrame({name: made}), schema=Schema({name: column}))
    (true,), (released,), (size,) = nist_cells(t, [name], binning)
    return true.tolist(), released.tolist(), size


def test_few_values_and_missing_ones_are_cells_as_they_are():
    column = Column("integer", bounds=(2, 20), nullable=True)
    assert cells([2.0, 5.0, None], [5.0, 20.0], column) == ([0, 1, 3], [1, 2], 4)


def test_fractions_of_a_narrow_range_are_binned():
    true, _, size = cells(np.linspace(0, 1, 500), [0.5], Column("real", bounds=(0, 1)))
    assert size == 21 and np.bincount(true).max() <= 26


def test_rank_bins_are_twentieths_of_the_real_rows():
    column = Column("integer", bounds=(0, 1000))
    true, released, _ = cells(np.arange(1, 101), [0, 4, 5, 500], column, "rank")
    assert true == [min(i // 5, 19) for i in range(1, 101)]
    assert released == [0, 0, 1, 19]


def test_rank_bins_without_a_lowest_one_leave_low_values_outside():
    # most real rows share the lowest value, so that the first twentieths are empty
    true, released, size = cells(
        [1.0] * 50 + [9.0] * 50, [-3.0, 1.0, 9.0, 99.0], Column("real", bounds=(-10, 99)), "rank"
    )
    assert true == [0] * 50 + [1] * 50 and released == [2, 0, 1, 1] and size == 4


def test_density_has_bins_of_its_own():
    column = Column("real", bounds=(16.3, 52864.7))
    true, _, _ = cells([20.0, 150.0, 151.0, 52864.7], [20.0], column, name="DENSITY")
    assert true == [0, 0, 1, 13]


def test_pairs_from_thirty_features_are_nist_s_draw():
    rng = np.random.default_rng(0)
    assert feature_pairs(31) == [tuple(int(i) for i in rng.choice(np.arange(31), size=2)) for _ in range(200)]


def test_bad_arguments():
    real = words(1)
    with pytest.raises(PetsEvalError, match="'nowhere'"):
        nist_k_marginal(real, real, schema(), by="nowhere")
    with pytest.raises(PetsEvalError, match="binning"):
        nist_k_marginal(real, real, schema(), binning="other")
    with pytest.raises(Unsupported, match="no column is left"):
        nist_k_marginal(real[["area"]], real[["area"]], schema(), by="area")
