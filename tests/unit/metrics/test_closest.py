"""Closest records: by hand, against SDMetrics, planted copies that must be found, sound releases that must not."""

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pets_eval.model import Column, Schema, Unsupported
from pets_eval.registry import make_dataset
from pets_metrics.privacy.closest import (
    approximate,
    baseline_protection,
    closest_distances,
    closest_record,
    closest_record_distance,
    closest_record_test,
    median,
    overfitting_protection,
    permuted,
)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """NHANES: schema and rows."""
    folder: Path = tmp_path_factory.mktemp("nhanes")
    source = make_dataset("nhanes", {})
    return source.schema(), source.load(folder, folder / "rows.parquet").frame()


def split(frame, seed, share=0.7):
    """70 % to protect, 30 % held out, and the generator."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    cut = int(share * len(frame))
    return frame.iloc[order[:cut]].reset_index(drop=True), frame.iloc[order[cut:]].reset_index(drop=True), rng


def shuffled(frame, rng):
    """Every column on its own: independent marginals."""
    return pd.DataFrame({n: frame[n].to_numpy()[rng.permutation(len(frame))] for n in frame})


def noisy(frame, rng):
    """Numbers moved by up to 1 % of their range, and 1 % of the categories drawn anew."""
    done = frame.copy()
    for name in frame:
        if frame[name].dtype.kind == "f":
            done[name] += rng.uniform(-0.01, 0.01, len(frame)) * (frame[name].max() - frame[name].min())
        else:
            drawn = frame[name].to_numpy()[rng.integers(0, len(frame), len(frame))]
            done[name] = done[name].astype(object).where(rng.random(len(frame)) > 0.01, drawn)
    return done


def table(values):
    return pd.DataFrame({"a": np.asarray(values, dtype=float) + 0.5})


def test_shares_by_hand():
    # of four released rows three are nearest to a real person; half of all people are real
    found = closest_record(table([0, 10, 20]), table([1, 9, 21, 26]), table([5, 15, 25]))
    assert found["closer to training"].value == 0.75
    assert found["excess"].value == pytest.approx((0.75 - 0.5) / 0.5)
    assert found["excess"].low == 0 and found["excess"].high <= 1


def test_equal_people_share_a_row_and_no_side_is_favoured():
    real, control = pd.DataFrame({"a": list("xxxy")}), pd.DataFrame({"a": list("xz")})
    found = closest_record(real, pd.DataFrame({"a": list("xxyz")}), control)
    assert found["closer to training"].value == pytest.approx((0.75 + 0.75 + 1 + 0) / 4)
    same = pd.DataFrame({"a": list("xyz"), "b": [0.5, 1.5, 2.5]})
    found = closest_record(same, same, same)
    assert found["closer to training"].value == pytest.approx(0.5) and found["excess"].value == 0


def test_the_excess_is_the_share_of_copies_whatever_the_sizes(people):
    schema, frame = people
    for share in (0.3, 0.5, 0.7):
        real, control, _ = split(frame, 2, share)
        real, fresh = real[: len(real) // 2], real[len(real) // 2 :]
        copies = real.sample(len(fresh) // 2, random_state=0)
        found = closest_record(real, pd.concat([fresh[: len(fresh) // 2], copies]), control, schema)
        assert found["excess"].value == pytest.approx(0.5, abs=0.06)
        assert found["excess"].low < 0.5 < found["excess"].high


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_found_with_noise_and_among_others(people, seed):
    schema, frame = people
    real, control, rng = split(frame, seed)
    copies = real.sample(len(real), replace=True, random_state=seed).reset_index(drop=True)
    few = pd.concat([shuffled(real, rng)[: len(real) * 19 // 20], copies[: len(real) // 20]])
    noisy_few = pd.concat([shuffled(real, rng)[: len(real) * 19 // 20], noisy(copies[: len(real) // 20], rng)])
    for release, most in ((copies, 1e-100), (noisy(copies, rng), 1e-100), (few, 1e-10), (noisy_few, 1e-4)):
        assert closest_record_test(real, release, control, schema).value < most
    found = closest_record(real, noisy(copies, rng), control, schema)
    assert found["excess"].low > 0.95


@pytest.mark.slow
def test_copies_are_found_in_every_seed(people):
    schema, frame = people
    for seed in range(20):
        real, control, rng = split(frame, seed)
        copies = real.sample(len(real), replace=True, random_state=seed).reset_index(drop=True)
        mixed = pd.concat([shuffled(real, rng)[: len(real) * 19 // 20], copies[: len(real) // 20]])
        for release in (copies, noisy(copies, rng), mixed):
            assert closest_record_test(real, release, control, schema).value < 1e-6


def p_values(frame, schema, seeds, release):
    """p-values of the test for releases that know nothing of who was used."""
    done = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(frame))
        real, control, fresh = (frame.iloc[o] for o in np.split(order, [len(frame) * 4 // 10, len(frame) * 6 // 10]))
        rng = np.random.default_rng(seed)
        made = fresh if release == "fresh" else shuffled(pd.concat([real, control]), rng)
        done.append(closest_record_test(real, made, control, schema, rng).value)
    return np.array(done)


@pytest.mark.parametrize("release", ["fresh", "marginals"])
def test_strangers_are_not_accused(people, release):
    """p-values are uniform: Kolmogorov-Smirnov at a false-alarm rate of 1e-6."""
    schema, frame = people
    found = p_values(frame[:1200], schema, 40, release)
    assert scipy.stats.kstest(found, "uniform").pvalue > 1e-6
    assert (found < 1e-6).sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("release", ["fresh", "marginals"])
def test_strangers_are_not_accused_in_many_seeds(people, release):
    schema, frame = people
    found = p_values(frame, schema, 300, release)
    assert scipy.stats.kstest(found, "uniform").pvalue > 1e-6
    assert (found < 0.01).sum() <= scipy.stats.binom.isf(1e-6, 300, 0.01)


def test_marginals_of_the_real_table_itself_are_not_accused(people):
    schema, frame = people
    real, control, rng = split(frame, 0)
    assert closest_record_test(real, shuffled(real, rng), control, schema).value > 1e-3
    assert closest_record_test(real, control, control, schema).value > 0.99


def test_the_approximation_is_that_of_all_labellings():
    """Against 20,000 labellings of skewed weights; the error of those is below 5 standard deviations at 1e-6."""
    rng = np.random.default_rng(1)
    weights = rng.pareto(4, 300) * (rng.random(300) < 0.7)
    for share in (0.2, 0.7):
        members = np.arange(300) < 300 * share
        sums = np.array([weights[rng.permutation(300) < 300 * share].sum() for _ in range(20_000)])
        for quantile in (0.5, 0.9, 0.99):
            wanted = np.quantile(sums, quantile)
            orders = [rng.permutation(300) for _ in range(500)]
            best = weights[min(orders, key=lambda o: abs(weights[o][members].sum() - wanted))]
            exact = (sums >= best[members].sum()).mean()
            assert approximate(best, members) == pytest.approx(exact, abs=0.02)
            assert permuted(best, members, rng)[0] == pytest.approx(exact, abs=0.025)


def test_few_people_in_effect_are_permuted():
    # all released rows are one person's: who it is, is a coin toss
    real, control = table(range(0, 100, 2)), table(range(1, 100, 2))
    found = closest_record_test(real, table([10] * 500), control)
    assert found.method == "permutation" and found.low == 1e-4
    assert found.value == pytest.approx(0.5, abs=0.03)
    assert closest_record_test(real, table(range(0, 20, 2)), control).value == pytest.approx(2**-10, abs=1e-3)


def test_alike_people_cannot_be_told_apart():
    same = pd.DataFrame({"a": ["x"] * 5})
    found = closest_record_test(same, same, same)
    assert math.isnan(found.value) and found.note


def test_distances_by_hand():
    found = closest_record_distance(table([0, 40, 80]), table([0, 50, 80]), table([30, 60, 100]))
    assert found["to training"].value == 0
    assert found["to holdout"].value == pytest.approx(0.2)
    assert found["ratio to training"].value == 0
    assert found["ratio to holdout"].value == pytest.approx(0.5)
    with pytest.raises(Unsupported, match="one row"):
        closest_record_distance(table([0]), table([0]), table([1]))


def test_the_larger_table_is_thinned(people):
    schema, frame = people
    real, control, _ = split(frame, 0)
    fresh = control[: len(control) // 2]
    found = closest_record_distance(real, fresh, control[len(control) // 2 :], schema)
    assert found["to training"].low < found["to holdout"].value < found["to training"].high


def test_a_median_lies_in_its_interval_as_often_as_it_says():
    rng = np.random.default_rng(0)
    drawn = [median(rng.normal(size=51)) for _ in range(1000)]
    covered = sum(e.low <= 0 <= e.high for e in drawn)
    assert covered >= scipy.stats.binom.ppf(1e-6, 1000, 0.95)


# -- SDMetrics -------------------------------------------------------------------------------------------------------


@pytest.fixture
def sdmetrics():
    """SDMetrics' distances, with its own view of the columns."""
    pytest.importorskip("sdmetrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdmetrics.single_table.privacy import dcr_utils
        from sdmetrics.single_table.privacy.dcr_baseline_protection import DCRBaselineProtection
        from sdmetrics.single_table.privacy.dcr_overfitting_protection import DCROverfittingProtection

        yield dcr_utils.calculate_dcr, DCRBaselineProtection, DCROverfittingProtection


def described(frame):
    kinds = {n: "numerical" if frame[n].dtype.kind == "f" else "categorical" for n in frame}
    return {"columns": {n: {"sdtype": k} for n, k in kinds.items()}}


def test_distances_are_those_of_sdmetrics(people, sdmetrics):
    schema, frame = people
    frame = frame.astype({n: object for n in frame if frame[n].dtype.kind != "f"})
    rows, references = frame[:150], frame[150:500]
    expected = sdmetrics[0](rows, references, described(frame))
    np.testing.assert_allclose(closest_distances(rows, references, schema), expected, rtol=0, atol=1e-9)


def test_scores_are_those_of_sdmetrics(people, sdmetrics, monkeypatch):
    _, baseline, overfitting = sdmetrics
    schema, frame = people
    frame = frame.astype({n: object for n in frame if frame[n].dtype.kind != "f"})
    real, control, release = frame[:150], frame[150:300], frame[100:220]
    expected = overfitting.compute(real, release, control, described(frame), table_name=None)
    assert overfitting_protection(real, release, control, schema) == pytest.approx(expected, abs=1e-9)
    random = frame[400:520].reset_index(drop=True)
    monkeypatch.setattr(baseline, "_generate_random_data", classmethod(lambda cls, real, size=None: random))
    expected = baseline.compute(real, release, described(frame), table_name=None)
    assert baseline_protection(real, release, random, schema) == pytest.approx(expected, abs=1e-9)


def test_sdmetrics_passes_copies_of_people_who_are_like_others(sdmetrics):
    """It counts a tie as closer to the holdout; here ties are split, and the copies are seen."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.choice(list("ab"), 600) for i in range(8)})
    real, control = frame[:300], frame[300:]
    passed = sdmetrics[2].compute(real, real, control, described(frame), table_name=None)
    assert passed == overfitting_protection(real, real, control)
    assert passed > 0.5, "most copies are ties"
    assert overfitting_protection(real, real, real) == 1
    assert closest_record(real, real, control)["closer to training"].value > 0.6
    assert closest_record_test(real, real, control).value < 1e-6


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x"], "b": [1.5]}),
        pd.DataFrame({"a": ["x"] * 9, "b": [1.5] * 9}),
        pd.DataFrame({"a": [None] * 9, "b": [0.5, None] * 4 + [1.5], "c": list("xy") * 4 + ["z"]}),
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01", None, "2021-05-05"]), "c": list("xyx")}),
        pd.DataFrame({"c": [f"v{i:03}" for i in range(1000)] * 2, "n": np.arange(2000) / 7}),
        pd.DataFrame({"c": [1, "x", 2.5, "x"], "n": [True, False, True, True]}),
    ],
)
def test_odd_tables_do_not_crash(frame):
    for metric in (closest_record, closest_record_test, closest_record_distance):
        try:
            result = metric(frame, frame, frame)
        except Unsupported:
            continue
        for estimate in result.values() if isinstance(result, dict) else [result]:
            assert 0 <= estimate.value <= 1 or (math.isnan(estimate.value) and estimate.note)


def test_the_order_of_rows_does_not_matter(people):
    schema, frame = people
    real, control, rng = split(frame[:1500], 1)
    release = pd.concat([shuffled(real, rng), real[:20]])
    turned = [f.sample(frac=1, random_state=3) for f in (real, release, control)]
    assert closest_record(*turned, schema) == closest_record(real, release, control, schema)
    found = closest_record_test(*turned, schema).value
    assert found == pytest.approx(closest_record_test(real, release, control, schema).value, rel=1e-6)


def test_names_of_categories_and_the_order_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({f"c{i}": rng.choice(list("abcd"), n) for i in range(6)}) for n in (300, 250, 200)]
    columns = list(reversed(list(tables[0])))
    renamed = [t[columns].map(lambda v: {"a": "z", "b": "y", "c": "x", "d": "w"}[v]) for t in tables]
    for name, estimate in closest_record(*tables).items():
        assert closest_record(*renamed)[name].value == pytest.approx(estimate.value, abs=1e-9)
    found = closest_record_test(*renamed)
    assert found.value == pytest.approx(closest_record_test(*tables).value, rel=1e-6)


def test_a_row_with_many_nearest_people_counts_as_chance():
    real = pd.DataFrame({"a": list("abcdefghij"), "b": ["x"] * 10})
    control = pd.DataFrame({"a": list("klmno"), "b": ["x"] * 5})
    found = closest_record(real, pd.DataFrame({"a": ["z", "a"], "b": ["x", "x"]}), control)
    assert found["closer to training"].value == pytest.approx((10 / 15 + 1) / 2)


VISITS = Schema(
    {"a": Column("real", bounds=(-9, 9)), "b": Column("real", bounds=(-9, 9)), "who": Column("id")},
    unit="who",
    max_rows_per_unit=8,
)


def visits(rng, n, rows=8):
    """As many rows of each person, all alike."""
    frame = pd.DataFrame(rng.normal(size=(n, 2)).clip(-8, 8), columns=["a", "b"])
    return frame.assign(who=[f"p{i}" for i in range(n)]).loc[frame.index.repeat(rows)].reset_index(drop=True)


def test_rows_of_one_person_are_no_independent_people():
    """The release has other people; p-values are uniform and intervals hold what chance gives."""
    rng = np.random.default_rng(0)
    found, sure = [], 0
    for _ in range(60):
        real, control = visits(rng, 100), visits(rng, 100)
        release = visits(rng, 100)
        found.append(closest_record_test(real, release, control, VISITS, rng).value)
        sure += closest_record(real, release, control, VISITS, rng)["excess"].low > 0
    assert scipy.stats.kstest(found, "uniform").pvalue > 1e-6 and min(found) > 1e-6
    assert sure <= scipy.stats.binom.isf(1e-6, 60, 0.05)
    assert closest_record_test(real, real, control, VISITS).value < 1e-10


@pytest.mark.parametrize("metric", [closest_record, closest_record_distance])
def test_rows_of_one_person_count_once(metric):
    """However many rows each real person has, the figures are those of the people."""
    rng = np.random.default_rng(1)
    release, control = visits(rng, 60), visits(rng, 40, 1)
    real = visits(rng, 40, 1)
    uneven = real.loc[real.index.repeat(np.arange(40) % 8 + 1)]
    assert metric(uneven, release, control, VISITS) == metric(real, release, control, VISITS)
