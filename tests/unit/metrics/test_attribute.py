"""Attribute inference: by hand, against SDMetrics, and with planted leaks."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sdmetrics.single_table.privacy.cap import CategoricalCAP, CategoricalZeroCAP

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.intervals import difference
from pets_metrics.privacy.attribute import attribute_inference
from pets_metrics.privacy.attribution import correct_attribution
from pets_metrics.privacy.secret_columns import share, worst_first

SCHEMA = Schema(
    {
        "age": Column("integer", bounds=(0, 99), roles=("quasi-identifier",)),
        "region": Column("categorical", domain=("N", "E", "S"), roles=("quasi-identifier",)),
        "job": Column("categorical", domain=tuple("abcdef")),
        "ill": Column("categorical", domain=("yes", "no"), nullable=True, roles=("sensitive",)),
        "income": Column("real", bounds=(0, 500), roles=("sensitive",)),
    }
)


def draw(rng, n):
    age = rng.integers(18, 90, n)
    return pd.DataFrame(
        {
            "age": age,
            "region": rng.choice(["N", "E", "S"], n),
            "job": rng.choice(list("abcdef"), n),
            "ill": rng.choice(["yes", "no", None], n, p=[0.3, 0.6, 0.1]),
            "income": rng.gamma(2, 20, n).clip(0, 400) + age,
        }
    )


def figures(rows, group=""):
    return {r.statistic: r.estimate for r in rows if r.group == group}


def test_classes_by_hand():
    schema = Schema(
        {
            "sex": Column("categorical", domain=("F", "M", "X"), roles=("quasi-identifier",)),
            "ill": Column("categorical", domain=("yes", "no"), roles=("sensitive",)),
        }
    )
    real = pd.DataFrame({"sex": list("FFFMMX"), "ill": ["yes", "yes", "no", "yes", "no", "no"]})
    release = pd.DataFrame({"sex": list("FFFMM"), "ill": ["yes", "yes", "no", "no", "no"]})
    control = pd.DataFrame({"sex": list("FMMX"), "ill": ["no", "yes", "no", "yes"]})
    found = figures(correct_attribution(real, release, control, schema), "ill")
    assert found["cap"].value == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 0 + 1) / 5)
    assert found["matched"].value == pytest.approx(5 / 6)
    assert found["cap control"].value == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert found["cap excess"].value == pytest.approx(8 / 15 - 4 / 9)
    assert found["tcap"].value == 0.5 and found["tcap reach"].value == pytest.approx(2 / 6)  # M is sure, F is not
    assert found["tcap control"].value == 0.5 and found["tcap excess"].value == 0
    assert found["baseline"].value == pytest.approx((3 * 2 / 5 + 3 * 3 / 5) / 6)
    near = figures(correct_attribution(real, release, control, schema, tau=0.6), "ill")
    assert near["tcap"].value == pytest.approx(3 / 5)  # two of three F, one of two M
    alone = figures(correct_attribution(real, release, schema=schema), "ill")
    assert alone["cap"].value == found["cap"].value and math.isnan(alone["cap excess"].value)
    assert "control" in alone["cap excess"].note


def test_cap_is_that_of_sdmetrics():
    rng = np.random.default_rng(0)
    real, release = (
        pd.DataFrame({n: rng.choice(list("abcd"), size) for n in ("k1", "k2", "k3", "s")}) for size in (150, 60)
    )
    mine = figures(correct_attribution(real, release, secrets=["s"], keys=["k1", "k2", "k3"]), "s")
    asked = {"key_fields": ["k1", "k2", "k3"], "sensitive_fields": ["s"]}
    with pytest.warns(DeprecationWarning):
        cap, zero = (m.compute(real, release, **asked) for m in (CategoricalCAP, CategoricalZeroCAP))
    assert 1 - mine["cap"].value == pytest.approx(cap, abs=1e-12)
    assert 1 - mine["cap"].value * mine["matched"].value == pytest.approx(zero, abs=1e-12)
    assert mine["matched"].value < 1


def test_copies_are_found():
    rng = np.random.default_rng(1)
    real, control = draw(rng, 600), draw(rng, 600)
    synthetic = real.sample(600, replace=True, random_state=0)
    rows = attribute_inference(real, synthetic, control, SCHEMA)
    overall = figures(rows)
    assert overall["excess"].low > 0.2
    groups = {r.group for r in rows} - {""}
    assert groups == {f"{s}, {a}" for s in ("ill", "income") for a in ("nearest", "model")}
    for group in groups:
        found = figures(rows, group)
        assert found["excess"].low > 0, group
        assert found["excess"].value == pytest.approx(found["attack"].value - found["control"].value)
        assert found["attack"].value > found["baseline"].value
    attributed = figures(correct_attribution(real, synthetic, control, SCHEMA, keys=["age", "region", "job"]))
    assert attributed["cap excess"].low > 0.05 and attributed["tcap excess"].low > 0.05


def test_what_the_population_tells_is_no_leak():
    rng = np.random.default_rng(2)

    def tables(n):  # the secret follows from the job, for everybody
        frame = draw(rng, n)
        return frame.assign(ill=np.where(frame["job"].isin(["a", "b"]), "yes", "no"))

    rows = attribute_inference(tables(600), tables(600), tables(600), SCHEMA)
    learnt = figures(rows, "ill, model")
    assert learnt["attack"].value > 0.99 and learnt["control"].value > 0.99
    assert learnt["baseline"].value < 0.8 and learnt["excess"].low <= 0


def test_fresh_samples_are_not_accused():
    rng = np.random.default_rng(3)
    wrong = []
    for _ in range(8):
        real, synthetic, control = draw(rng, 120), draw(rng, 120), draw(rng, 120)
        for metric, key in ((attribute_inference, "excess"), (correct_attribution, "cap excess")):
            wrong.append(figures(metric(real, synthetic, control, SCHEMA))[key].low > 0)
    assert np.sum(wrong) <= stats.binom.isf(1e-6, 16, 0.05)


def test_a_number_must_be_met_closely():
    n = 200
    real = pd.DataFrame({"k": np.arange(n) * 1.0, "s": np.linspace(0, 100, n)})
    control = real.assign(k=real["k"] + 0.5)
    near, far = (real.assign(s=real["s"] + shift) for shift in (4.0, 6.0))  # 5 % of 90 is 4.5
    for synthetic, expected in ((near, 1.0), (far, 0.0)):
        found = figures(attribute_inference(real, synthetic, control, secrets=["s"]), "s, nearest")
        assert found["attack"].value == expected


def test_a_rare_secret_does_not_hide_a_proven_leak():
    counts = {"rare": (4, 6, 1, 6), "proven": (1200, 2000, 600, 2000)}
    rows = worst_first({g: lambda level, c=c: {"excess": difference(*c, level)} for g, c in counts.items()}, "excess")
    overall = figures(rows)["excess"]
    assert overall.value == pytest.approx(0.3) and overall.low > 0.25 and overall.note == "worst of 2: proven"
    assert figures(rows, "rare")["excess"].value == 0.5
    nobody = {"none": lambda level: {"excess": share(0, 0, level, "nobody")}}
    known = {"known": lambda level: {"excess": difference(1, 9, 3, 9, level)}}
    assert figures(worst_first(nobody | known, "excess"))["excess"].note == "worst of 2: known"
    assert math.isnan(figures(worst_first(nobody, "excess"))["excess"].value)


def test_of_equally_near_records_it_does_not_matter_which_is_released_first():
    release = pd.DataFrame({"k": ["x"] * 400, "s": ["yes"] * 40 + ["no"] * 360})
    people = pd.DataFrame({"k": ["x"] * 20, "s": ["yes"] * 20})
    seeds = [np.random.default_rng(i) for i in range(12)]
    told = [figures(attribute_inference(people, release, people, secrets=["s"], rng=r), "s, nearest") for r in seeds]
    assert np.mean([t["attack"].value for t in told]) < 0.8, "a tenth of them say yes, and the first ones do"


@pytest.mark.parametrize("metric", [attribute_inference, correct_attribution])
def test_a_person_counts_once(metric):
    rng = np.random.default_rng(6)
    schema = Schema({**SCHEMA.columns, "who": Column("id")}, unit="who", max_rows_per_unit=9)
    real, control = draw(rng, 90).assign(who=np.arange(90) // 9), draw(rng, 40).assign(who=np.arange(40))
    rows = metric(real, draw(rng, 90), control, schema)
    counted = {r.statistic: r.estimate.n for r in rows if r.group in ("income", "income, nearest")}
    assert counted.get("matched", counted.get("attack")) == 10


def test_names_and_column_order_do_not_matter():
    rng = np.random.default_rng(4)
    real, control = draw(rng, 200), draw(rng, 200)
    synthetic = real.sample(200, replace=True, random_state=0)
    expected = figures(attribute_inference(real, synthetic, control, SCHEMA), "ill, model")
    names = list(real.columns[::-1])
    turned = Schema({n: SCHEMA.columns[n] for n in names})
    found = figures(attribute_inference(real[names], synthetic[names], control[names], turned), "ill, model")
    assert found == expected
    tables = [
        t.assign(job=t["job"].map(dict(zip("abcdef", "uvwxyz", strict=True)))) for t in (real, synthetic, control)
    ]
    other = Schema({**SCHEMA.columns, "job": Column("categorical", domain=tuple("uvwxyz"))})
    assert figures(attribute_inference(*tables, other), "ill, model") == expected


@pytest.mark.parametrize("metric", [attribute_inference, correct_attribution])
def test_odd_tables_do_not_break_it(metric):
    n = 60
    odd = pd.DataFrame(
        {
            "constant": ["x"] * n,
            "empty": [None] * n,
            "date": pd.date_range("2020-01-01", periods=n),
            "many": [f"c{i % 50}" for i in range(n)],
            "number": np.r_[np.nan, np.arange(n - 1.0)],
        }
    )
    for tables in ((odd, odd, odd), (odd[:1], odd, odd), (odd, odd[:1], odd), (odd, odd, odd[:1])):
        for row in metric(*tables):
            e = row.estimate
            assert -1 <= e.value <= 1 or (math.isnan(e.value) and e.note), (row.group, row.statistic)
            assert not e.low > e.value and not e.value > e.high
    with pytest.raises(Unsupported, match="no other column"):
        metric(odd[["many"]], odd[["many"]], odd[["many"]])
    with pytest.raises(PetsEvalError, match="no column"):
        metric(odd, odd, odd, secrets=["nobody"])


def test_a_secret_that_the_release_never_tells():
    rng = np.random.default_rng(5)
    real, control = draw(rng, 50), draw(rng, 50)
    rows = attribute_inference(real, real.assign(ill=None), control, SCHEMA)
    for attack in ("nearest", "model"):
        assert figures(rows, f"ill, {attack}")["attack"].value == 0
    with pytest.raises(PetsEvalError, match="targets"):
        attribute_inference(real, real, control, SCHEMA, targets=0)
    with pytest.raises(PetsEvalError, match="no column"):
        correct_attribution(real, real, schema=SCHEMA, keys=["nobody"])
    with pytest.raises(PetsEvalError, match="tau"):
        correct_attribution(real, real, tau=0)
