"""A person's risk by hand and by brute force; who is exposed is seen, although the mean says nothing."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pets_eval.model import Column, Schema, Unsupported
from pets_eval.registry import make_dataset
from pets_metrics.intervals import clopper_pearson
from pets_metrics.privacy.record_risk import record_risk, record_risks


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """NHANES: schema and rows."""
    folder: Path = tmp_path_factory.mktemp("nhanes")
    source = make_dataset("nhanes", {})
    return source.schema(), source.load(folder, folder / "rows.parquet").frame()


def thirds(frame, seed):
    """Real, held-out and other people."""
    order = np.random.default_rng(seed).permutation(len(frame))
    return [frame.iloc[o].reset_index(drop=True) for o in np.array_split(order, 3)]


def by_statistic(scores):
    return {s.statistic: s.estimate for s in scores if not s.group}


def table(values):
    return pd.DataFrame({"a": np.asarray(values, dtype=float)})


def test_risks_by_hand():
    real, release, control = table([0.5, 10.5, 30.5]), table([1.5, 30.5]), table([2.5, 9.5, 40.5])
    # d: 1, 9, 0; e: 10, 10, 20; d / (d + e): 1/11, 9/19, 0. Held out: d 1, 8, 10; e 2, 1, 10: 1/3, 8/9, 1/2
    assert record_risks(real, release).round(6).tolist() == pytest.approx([10 / 11, 10 / 19, 1])
    assert record_risks(real, release, control).tolist() == pytest.approx([1, 2 / 3, 1])


def test_risks_by_brute_force():
    rng = np.random.default_rng(0)
    real, release, control = (pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"]) for n in (60, 40, 50))
    spread = np.ptp(real.to_numpy(), axis=0)

    def gaps(one, other):
        return np.minimum(np.abs(one.to_numpy()[:, None] - other.to_numpy()[None]) / spread, 1).mean(axis=2)

    others = gaps(real, real) + np.diag(np.full(60, np.inf))
    own, held = gaps(real, release).min(axis=1), gaps(control, release).min(axis=1)
    own, held = own / (own + others.min(axis=1)), held / (held + gaps(control, real).min(axis=1))
    expected = (own[:, None] < held).mean(axis=1) + (own[:, None] == held).mean(axis=1) / 2
    np.testing.assert_allclose(record_risks(real, release, control), expected, atol=1e-9)
    scores = by_statistic(record_risk(real, release, control))
    u = scipy.stats.mannwhitneyu(held, own).statistic / (60 * 50)
    assert scores["mean"].value == pytest.approx(u) == pytest.approx(expected.mean())
    assert scores["most exposed decile"].value == pytest.approx(np.sort(expected)[-6:].mean())


def test_people_with_a_twin_are_not_blamed_for_it():
    assert record_risks(table([0.5, 0.5, 9.5]), table([0.5]))[:2].tolist() == [0.5, 0.5]


def test_copies_put_everybody_at_risk_and_strangers_nobody(people):
    schema, frame = people
    real, control, fresh = thirds(frame, 0)
    copied = by_statistic(record_risk(real, real, control, schema))
    assert copied["mean"].value > 0.999 and copied["most exposed decile"].value == pytest.approx(1, abs=1e-3)
    fair = by_statistic(record_risk(real, fresh, control, schema))
    assert fair["mean"].value == pytest.approx(0.5, abs=0.05)
    decile = fair["most exposed decile"]
    assert decile.low < fair["most exposed decile of control"].value < decile.high
    assert fair["most exposed decile of control"].value == pytest.approx(0.95, abs=0.01)


def test_the_mean_of_strangers_is_in_its_interval(people):
    """DeLong's interval covers 0.5; at 1e-6 at least 26 of 40 must, if 95 % do."""
    schema, frame = people
    inside, deciles = 0, 0
    for seed in range(40):
        real, control, fresh = thirds(frame[:900], seed)
        found = by_statistic(record_risk(real, fresh, control, schema))
        inside += found["mean"].low <= 0.5 <= found["mean"].high
        decile = found["most exposed decile"]
        deciles += decile.low <= found["most exposed decile of control"].value <= decile.high
    least = scipy.stats.binom.ppf(1e-6, 40, 0.95)
    assert inside >= least
    assert deciles >= scipy.stats.binom.ppf(1e-6, 40, 0.85), "a percentile bootstrap of an extreme is a bit short"


def test_a_few_exposed_people_are_seen_where_the_mean_is_not(people):
    schema, frame = people
    real, control, fresh = thirds(frame, 1)
    release = pd.concat([fresh, real[: len(real) // 20]])
    found = by_statistic(record_risk(real, release, control, schema))
    assert found["mean"].value < 0.56
    assert found["most exposed decile"].low > found["most exposed decile of control"].value
    risks = record_risks(real, release, control, schema)
    assert risks.shape == (len(real),) and risks[: len(real) // 20].min() > 0.99


def test_a_small_group_that_is_copied_is_seen(people):
    schema, frame = people
    real, control, fresh = thirds(frame, 2)
    sizes = real["race"].value_counts()
    small = sizes.index[-1]
    release = pd.concat([fresh, real[real["race"] == small]])
    groups = {s.group: s.estimate for s in record_risk(real, release, control, schema) if s.group}
    assert set(groups) >= {f"race = {small}"} and groups[f"race = {small}"].n == sizes.min()
    assert groups[f"race = {small}"].low > 0.95
    assert len(groups) == 5, "one per quasi-identifier"
    none = [s for s in record_risk(real, release, control, schema, least=10_000) if s.group]
    assert none == []


def test_a_category_that_was_read_from_the_rows_is_not_told():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"race": ["secret"] * 20 + ["b"] * 40, "n": rng.normal(size=60)})
    scores = record_risk(frame, frame, frame)
    assert [s.group for s in scores if s.group] == ["race = its smallest group"]
    assert "secret" not in str(scores)
    schema = Schema(
        {
            "race": Column("categorical", domain=("secret", "b"), roles=("quasi-identifier",)),
            "n": Column("real", bounds=(-9, 9)),
        }
    )
    assert [s.group for s in record_risk(frame, frame, frame, schema) if s.group] == ["race = secret"]


def test_without_control_it_says_so(people):
    schema, frame = people
    real, _, fresh = thirds(frame, 0)
    found = by_statistic(record_risk(real, fresh, schema=schema))
    assert list(found) == ["mean", "most exposed decile"] and "not calibrated" in found["mean"].note
    assert found["mean"].value == pytest.approx(0.5, abs=0.02), "a release of as many others comes as near as they do"


def test_one_person_alone():
    with pytest.raises(Unsupported, match="one row"):
        record_risk(table([0.5]), table([0.5, 1.5]))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x"] * 9, "b": [1.5] * 9}),
        pd.DataFrame({"a": [None] * 9, "b": [0.5, None] * 4 + [1.5], "c": list("xy") * 4 + ["z"]}),
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01", None, "2021-05-05"]), "c": list("xyx")}),
        pd.DataFrame({"c": [f"v{i % 150:03}" for i in range(2000)], "n": np.arange(2000) / 7}),
        pd.DataFrame({"c": [1, "x", 2.5, "x"], "n": [True, False, True, True]}),
    ],
)
def test_odd_tables_do_not_crash(frame):
    for control in (None, frame, frame[:1]):
        for score in record_risk(frame, frame, control):
            assert 0 <= score.estimate.value <= 1 and not math.isnan(score.estimate.value)
            assert not score.estimate.low > score.estimate.value


def test_the_order_of_rows_and_columns_does_not_matter(people):
    schema, frame = people
    real, control, fresh = (t[:300] for t in thirds(frame, 3))
    columns = list(reversed(list(frame)))
    expected = record_risks(real, fresh, control, schema)
    turned = [f.sample(frac=1, random_state=1)[columns] for f in (fresh, control)]
    order = np.random.default_rng(0).permutation(300)
    found = record_risks(real.iloc[order][columns], *turned, schema)
    np.testing.assert_allclose(found, expected[order], atol=1e-9)


def test_rows_of_one_person_are_no_independent_people():
    """The release has other people; the interval of the mean risk holds chance as often as it says."""
    rng = np.random.default_rng(0)
    columns = {"a": Column("real", bounds=(-9, 9)), "who": Column("id")}
    schema = Schema(columns, unit="who", max_rows_per_unit=8)

    def visits():
        people = pd.DataFrame({"a": rng.normal(size=100).clip(-8, 8), "who": [f"p{i}" for i in range(100)]})
        return people.loc[people.index.repeat(8)]

    inside = 0
    for _ in range(40):
        real, release, control = visits(), visits(), visits()
        found = by_statistic(record_risk(real, release, control, schema, rng=rng))
        assert found["mean"].n <= 200 and found["most exposed decile"].n == 100
        inside += found["mean"].low <= 0.5 <= found["mean"].high
    assert inside >= scipy.stats.binom.ppf(1e-6, 40, 0.95)
    copied = by_statistic(record_risk(real, real, control, schema))
    assert copied["mean"].low > 0.9, "a person's own rows are no likes of the person"
    assert record_risks(real, release, control, schema).shape == (800,), "the plain function is of rows"


def test_alike_risks_have_an_interval_with_a_width():
    frame = pd.DataFrame({"sex": ["f"] * 12 + ["m"] * 20, "n": np.arange(32) + 0.5})
    group = next(s.estimate for s in record_risk(frame, frame) if s.group)
    assert (group.value, group.n) == (1, 12) and group.low == pytest.approx(clopper_pearson(12, 12)[0])
    assert by_statistic(record_risk(frame, frame))["mean"].low == pytest.approx(clopper_pearson(32, 32)[0])
