"""Copied records are found, in numbers that can be checked by hand, and strangers are not accused."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_eval.registry import make_dataset
from pets_metrics.intervals import clopper_pearson, newcombe, wilson
from pets_metrics.privacy.copies import (
    apparent_matches,
    exact_match_test,
    unique_exact_matches,
)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """NHANES: schema and rows."""
    folder: Path = tmp_path_factory.mktemp("nhanes")
    source = make_dataset("nhanes", {})
    return source.schema(), source.load(folder, folder / "rows.parquet").frame()


def split(frame, seed):
    """70 % to protect, 30 % held out, and the generator."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    cut = int(0.7 * len(frame))
    return frame.iloc[order[:cut]], frame.iloc[order[cut:]], rng


def shuffled(frame, rng):
    """Every column on its own: independent marginals."""
    return pd.DataFrame({n: frame[n].to_numpy()[rng.permutation(len(frame))] for n in frame})


REAL = pd.DataFrame({"a": list("xxyzw"), "b": [1.5, 1.5, 2.5, None, 3.5]})
RELEASE = pd.DataFrame({"a": list("xyyzz"), "b": [1.5, 2.5, 2.5, None, 9.5]})
CONTROL = pd.DataFrame({"a": list("xvzv"), "b": [1.5, 7.5, 9.5, 7.5]})


def test_unique_matches_by_hand():
    # unique in real: y, z and w; y and z are released. Held out, and no real row: v, z with 9.5, v; z is released
    found = unique_exact_matches(REAL, RELEASE, CONTROL)
    assert list(found) == ["real", "control", "difference"]
    real, control, gap = found.values()
    assert (real.value, real.n, real.method) == (2 / 3, 3, "wilson")
    assert (real.low, real.high) == pytest.approx(wilson(2, 3))
    assert (control.value, control.n) == (1 / 3, 3)
    assert gap.value == pytest.approx(1 / 3)
    assert (gap.low, gap.high) == pytest.approx(newcombe(2, 3, 1, 3))
    assert list(unique_exact_matches(REAL, RELEASE)) == ["real"]


def test_unique_matches_are_those_of_pandas(people):
    """SDNist's own steps: rows unique over all columns, joined to the release without its duplicates."""
    _, frame = people
    frame = frame[["age", "gender", "race", "education", "household_size"]].astype(str)
    real, release = frame[:3000], frame[2000:]
    unique = real[~real.duplicated(keep=False)]
    joined = unique.merge(release.drop_duplicates(), on=list(frame), how="inner")
    found = unique_exact_matches(real, release)["real"]
    assert found.value == len(joined) / len(unique) and found.n == len(unique)


def test_without_a_unique_row_there_is_no_figure():
    twice = pd.DataFrame({"a": list("xxyy")})
    found = unique_exact_matches(twice, twice, twice)
    assert all(math.isnan(e.value) and e.note for e in found.values())
    assert math.isnan(exact_match_test(twice, twice, twice).value)


def test_chosen_columns_are_compared_alone():
    assert unique_exact_matches(REAL, RELEASE, columns=["a"])["real"].value == 2 / 3
    with pytest.raises(PetsEvalError, match="'c' is not in all tables"):
        unique_exact_matches(REAL, RELEASE, columns=["c"])


def test_the_test_is_fishers():
    rng = np.random.default_rng(0)
    real, control, release = (pd.DataFrame({"a": rng.choice(400, n).astype(str)}) for n in (120, 60, 150))
    release = pd.concat([release, real[:10]])
    both = pd.concat([real.assign(of=1), control.assign(of=0)])
    single = both[~both["a"].duplicated(keep=False)]
    table = pd.crosstab(single["of"] == 0, ~single["a"].isin(release["a"]))
    expected = scipy.stats.fisher_exact(table.to_numpy(), alternative="greater").pvalue
    # texts of digits would be taken for numbers
    schema = Schema({"a": Column("categorical", domain=tuple(str(i) for i in range(400)))})
    assert exact_match_test(real, release, control, schema).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_found_and_strangers_are_not(people, seed):
    schema, frame = people
    real, control, rng = split(frame, seed)
    copies = real.sample(len(real), replace=True, random_state=seed)
    assert exact_match_test(real, copies, control, schema).value < 1e-100
    found = unique_exact_matches(real, copies, control, schema)
    assert found["difference"].low > 0.55, "a bootstrap holds 63 % of the rows"
    assert found["control"].value == 0
    few = pd.concat([shuffled(real, rng)[: len(real) * 19 // 20], copies[: len(real) // 20]])
    assert exact_match_test(real, few, control, schema).value < 1e-10
    assert exact_match_test(real, shuffled(real, rng), control, schema).value == 1
    assert exact_match_test(real, control, control, schema).value == 1, "the release holds other people only"


def test_the_test_is_valid_where_people_are_alike(people):
    """A fresh sample of few columns matches many real and held-out people; P(p <= 0.05) is at most 0.05."""
    schema, frame = people
    frame = frame[["age", "gender", "race", "education", "marital_status"]]
    small = 0
    for seed in range(200):
        order = np.random.default_rng(seed).permutation(len(frame))
        real, control, fresh = (frame.iloc[o] for o in np.split(order, [2500, 3500]))
        small += exact_match_test(real, fresh, control, schema.select(list(frame))).value <= 0.05
    # were the chance 0.05 each time, more than 29 of 200 would come in less than 1e-6 of all cases
    assert small <= scipy.stats.binom.isf(1e-6, 200, 0.05)


def test_apparent_matches_by_hand():
    real = pd.DataFrame({"q": list("abcdd"), "s": list("mmmmm"), "n": [1.5, 2.5, 3.5, 4.5, 5.5]})
    release = pd.DataFrame({"q": list("abccd"), "s": list("mkmmm"), "n": [1.5, 2.5, 3.5, 3.5, 4.5]})
    # unique in both: a, with both other values right, and b, with one
    found = {s.statistic: s.estimate for s in apparent_matches(real, release, columns=["q"])}
    assert found["matched"].value == 2 / 5 and found["matched"].n == 5
    assert found["mean agreement"].value == 0.75 and found["mean agreement"].n == 2
    assert found["high agreement"].value == 0.5
    control = pd.DataFrame({"q": list("bede"), "s": list("mmmm"), "n": [2.5, 1.5, 1.5, 1.5]})
    release = pd.concat([release, pd.DataFrame({"q": ["e"], "s": ["m"], "n": [9.5]})])
    found = {s.statistic: s.estimate for s in apparent_matches(real, release, control, columns=["q"])}
    # held out and unlike any real person: e, twice; in the release e stands once
    assert found["matched of control"].value == 2 / 4 and found["mean agreement of control"].value == 0.5
    assert found["high agreement of control"].value == 0


def test_apparent_matches_are_those_of_pandas(people):
    """SDNist's own steps: `drop_duplicates(keep=False)` on both sides, inner join, share of equal values."""
    schema, frame = people
    keys = schema.with_role("quasi-identifier")
    real, release = frame[:3000], frame[2500:]
    ones = [f.astype(str)[~f.astype(str).duplicated(keys, keep=False)] for f in (real, release)]
    joined = ones[0].merge(ones[1], on=keys)
    rest = [n for n in frame if n not in keys]
    agree = np.mean([joined[f"{n}_x"] == joined[f"{n}_y"] for n in rest], axis=0)
    found = {s.statistic: s.estimate for s in apparent_matches(real, release, schema=schema)}
    assert found["matched"].value == len(joined) / len(real)
    assert found["mean agreement"].value == pytest.approx(agree.mean())
    assert found["high agreement"].value == pytest.approx((agree >= 0.9).mean())


def test_quasi_identifiers_are_asked_for_where_nobody_named_them():
    numbers = pd.DataFrame({"n": [0.5, 1.5]})
    with pytest.raises(Unsupported, match="no column is a quasi-identifier"):
        apparent_matches(numbers, numbers)
    texts = pd.DataFrame({"a": ["x", "y"]})
    with pytest.raises(Unsupported, match="every column is a quasi-identifier"):
        apparent_matches(texts, texts)


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
    for metric in (unique_exact_matches, exact_match_test, apparent_matches):
        try:
            result = metric(frame, frame, frame)
        except Unsupported:
            continue
        rows = [s.estimate for s in result] if isinstance(result, list) else result
        for estimate in rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list) else [rows]:
            assert -1 <= estimate.value <= 1 or (math.isnan(estimate.value) and estimate.note)


def test_rows_columns_and_names_of_categories_do_not_matter(people):
    schema, frame = people
    real, control, rng = split(frame, 1)
    release = pd.concat([shuffled(real, rng), real[:200]])
    expected = unique_exact_matches(real, release, control, schema)
    columns = list(rng.permutation(list(frame)))
    turned = [f.sample(frac=1, random_state=3)[columns] for f in (real, release, control)]
    assert unique_exact_matches(*turned, schema) == expected
    renamed = [f.assign(gender=f["gender"].astype(str).map(lambda v: f"~{v}")) for f in (real, release, control)]
    assert unique_exact_matches(*renamed, schema) == expected


def visits(rng, n):
    """Eight rows of each person, alike but for their number; people are of 2,000 kinds."""
    kind = rng.permutation(2_000)[:n]
    frame = pd.DataFrame({"kind": kind.repeat(8) + 0.5, "visit": np.tile(np.arange(8) + 0.5, n)})
    return frame.assign(who=np.arange(n).repeat(8).astype(str))


VISITS = Schema(
    {"kind": Column("real", bounds=(0, 2001)), "visit": Column("real", bounds=(0, 9)), "who": Column("id")},
    unit="who",
    max_rows_per_unit=8,
)


def test_rows_of_one_person_are_no_independent_people():
    """The release has other people, who are like 1 in 20; where one of them matches, all eight rows do."""
    rng = np.random.default_rng(0)
    found, sure = [], 0
    for _ in range(60):
        real, release, control = (visits(rng, 100) for _ in range(3))
        release = pd.concat([release, visits(rng, 200)])
        found.append(exact_match_test(real, release, control, VISITS, rng=rng).value)
        gap = unique_exact_matches(real, release, control, VISITS, rng=rng)
        sure += gap["difference"].low > 0
        assert gap["real"].n <= 100
    wrong = scipy.stats.binom.isf(1e-6, 60, 0.05)
    assert np.sum(np.array(found) <= 0.05) <= wrong and sure <= wrong
    assert min(found) > 1e-4
    assert exact_match_test(real, real, control, VISITS).value < 1e-10


def test_a_row_that_only_its_person_has_is_unique():
    real = pd.DataFrame({"a": list("xxyyz"), "who": list("112234"[:5])})
    schema = Schema({"a": Column("categorical", domain=tuple("xyz")), "who": Column("id")}, unit="who")
    assert unique_exact_matches(real, real, schema=schema)["real"].n == 3
    assert unique_exact_matches(real, real)["real"].n == 1


def test_copies_among_few_held_out_people_could_not_have_failed():
    """Verbatim copies of 27 of 500 people, 50 held out: all that is matched is real, and p is no smaller."""
    table = lambda values: pd.DataFrame({"a": np.asarray(values, dtype=float) + 0.5})  # noqa: E731
    real, control = table(range(500)), table(range(500, 550))
    found = exact_match_test(real, table(np.arange(500) % 27), control)
    assert found.value == found.low == pytest.approx(math.comb(500, 27) / math.comb(550, 27))
    assert found.value == pytest.approx(0.0714, abs=0.0001) and found.method == "hypergeometric"
    assert exact_match_test(table([0, 1]), table(range(4)), table([2, 3, 4])).low == pytest.approx(6 / 10)
    nothing = exact_match_test(real, table([900]), control)
    assert (nothing.value, nothing.low, nothing.method) == (1, 1, "exact")


def test_alike_agreements_have_an_interval_with_a_width():
    real = pd.DataFrame({"q": list("abcde"), "s": list("mmmmm")})
    found = {s.statistic: s.estimate for s in apparent_matches(real, real, columns=["q"])}["mean agreement"]
    assert (found.value, found.high) == (1, 1) and found.low == pytest.approx(clopper_pearson(5, 5)[0])
