"""Inference against plain loops, planted leaks, and the cases in which Anonymeter 1.1.0 miscounts."""

import math

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.inference import inference_risk

SCHEMA = Schema(
    {
        "age": Column("integer", bounds=(0, 99)),
        "height": Column("real", bounds=(100, 220)),
        "town": Column("categorical", domain=tuple("abcde")),
        "sick": Column("categorical", domain=("no", "yes"), roles=("target",)),
        "debt": Column("real", bounds=(-1000, 0), roles=("sensitive",), nullable=True),
    }
)


def people(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(0, 100, n),
            "height": rng.normal(170, 9, n).clip(100, 220),
            "town": rng.choice(list("abcde"), n),
            "sick": rng.choice(["no", "yes"], n, p=[0.9, 0.1]),
            "debt": np.where(rng.random(n) < 0.2, np.nan, -rng.random(n) * 1000),
        }
    )


def figures(*tables, schema=SCHEMA, **options):
    return {(r.group, r.statistic): r.estimate for r in inference_risk(*tables, schema=schema, **options)}


def test_rates_equal_plain_loops():
    real, release = people(60, 1), people(80, 2)
    found = figures(real, release, secrets=["height", "town"], known=["age", "debt", "height", "town"])
    spread = {n: real[n].max() - real[n].min() for n in ("age", "height", "debt")}
    close = 0.05 * (real["height"].quantile(0.95) - real["height"].quantile(0.05)) / spread["height"]

    def apart(person, row, name):
        if name == "town":
            return float(person[name] != row[name])
        if math.isnan(person[name]) or math.isnan(row[name]):
            return float(math.isnan(person[name]) != math.isnan(row[name]))
        return min(abs(person[name] - row[name]) / spread[name], 1.0)

    for secret in ("height", "town"):
        given = [n for n in ("age", "debt", "height", "town") if n != secret]
        hits = 0
        for _, person in real.iterrows():
            gaps = [sum(apart(person, row, n) for n in given) for _, row in release.iterrows()]
            guess = release.iloc[int(np.argmin(gaps))]
            hits += apart(person, guess, secret) <= (close if secret == "height" else 0)
        assert found[secret, "attack"].value == pytest.approx(hits / 60)


def test_a_copy_is_accused_and_a_fresh_sample_is_not():
    real, control = people(3000, 1), people(3000, 2)
    copy = figures(real, real.sample(frac=1, random_state=0), control)
    for secret in ("sick", "debt", ""):
        assert copy[secret, "attack"].value == 1 and copy[secret, "risk"].low > 0.9
    fresh = figures(real, people(3000, 3), control)
    assert fresh["", "risk"].low == 0
    assert "guessing" in fresh["", "risk"].note, "nothing can be inferred where columns are independent"


def test_a_fifth_of_copied_rows_gives_a_risk_of_a_fifth():
    real, control, fresh = people(3000, 1), people(3000, 2), people(3000, 3)
    risk = figures(real, pd.concat([real[:600], fresh[600:]]), control, secrets=["debt"])["debt", "risk"]
    assert abs(risk.value - 0.2) < 0.08  # six standard errors of the excess in 2,000: false alarm < 1e-8
    assert risk.low < 0.2 < risk.high


def test_guessing_is_what_chance_gives():
    """Anonymeter joins guesses and people by row label: 0 of 500 were right where a tenth is expected."""
    found = figures(people(5000, 1), people(400, 2), secrets=["town", "sick"])
    for secret, chance in (("town", 0.2), ("sick", 0.9**2 + 0.1**2)):
        assert abs(found[secret, "baseline"].value - chance) < 0.1  # 6 standard errors and the draw of the release


def test_numbers_must_be_near_on_the_scale_of_the_column():
    """Anonymeter takes the error relative to the guess, without its sign: every negative guess is right."""
    real = pd.DataFrame({"known": np.arange(400) / 4, "debt": -np.linspace(0, 1000, 400)})
    wrong = real.assign(debt=real["debt"] - 60)
    near = real.assign(debt=real["debt"] - 40)
    rate = {
        name: figures(real, t, schema=None, secrets=["debt"])["", "attack"].value
        for name, t in {"w": wrong, "n": near}.items()
    }
    assert rate == {"w": 0, "n": 1}
    assert figures(real, wrong, schema=None, secrets=["debt"], tolerance=0.07)["", "attack"].value == 1


def test_one_outlier_does_not_make_every_guess_right():
    real = pd.DataFrame({"known": np.arange(400) / 4, "pay": np.linspace(1, 1000, 400)})
    real.loc[399, "pay"] = 1e6
    wrong = real.assign(pay=real["pay"] + 60)
    assert figures(real, wrong, schema=None, secrets=["pay"])["", "attack"].value < 0.01


def test_a_person_counts_once():
    schema = Schema({**SCHEMA.columns, "who": Column("id")}, unit="who", max_rows_per_unit=9)
    real, control = people(90, 1).assign(who=np.arange(90) // 9), people(40, 2).assign(who=np.arange(40))
    found = figures(real, people(90, 3), control, schema=schema)
    assert found["debt", "attack"].n == 10 and found["debt", "control"].n == 40


def test_a_missing_secret_is_guessed_by_a_missing_one_only():
    real = pd.DataFrame({"known": np.arange(60) / 4, "secret": [np.nan, 1.5, 2.5] * 20})
    release = real.assign(secret=[np.nan, np.nan, 2.5] * 20)
    assert figures(real, release, schema=None, secrets=["secret"])["", "attack"].value == pytest.approx(2 / 3)


def test_people_with_missing_values_find_their_own_row():
    """To Anonymeter two missing values are as far apart as can be."""
    real = people(500, 1)
    real["height"] = np.nan
    real["debt"] = -np.linspace(0, 1000, 500)
    found = figures(real, real, secrets=["town"])
    assert found["town", "attack"].value == 1


def test_secrets_are_the_sensitive_and_target_columns_or_all():
    real = people(100, 1)
    assert {g for g, _ in figures(real, real)} == {"", "sick", "debt"}
    plain = Schema(
        {n: Column(c.kind, domain=c.domain, bounds=c.bounds, nullable=True) for n, c in SCHEMA.columns.items()}
    )
    assert {g for g, _ in figures(real, real, schema=plain)} == {"", *SCHEMA.columns}
    assert {g for g, _ in figures(real, real, secrets=["age"])} == {"", "age"}


def test_the_overall_row_names_the_worst_secret():
    real, control = people(2000, 1), people(2000, 2)
    release = people(2000, 3)
    release[["age", "height", "town", "debt"]] = real[["age", "height", "town", "debt"]]
    found = figures(real, release, control)
    assert found["", "risk"].value == found["debt", "risk"].value > 0.7
    assert (
        found["", "risk"].note.startswith("worst of 2 secrets: debt")
        and found["", "risk"].low < found["debt", "risk"].low
    )
    assert found["sick", "risk"].low == 0


def test_no_control_leaves_attack_and_baseline():
    real = people(100, 1)
    found = figures(real, real)
    assert found["", "attack"].value == 1 and found["", "baseline"].value < 1
    assert math.isnan(found["", "risk"].value) and "held-out" in found["", "risk"].note


def test_the_order_of_rows_and_columns_does_not_matter():
    real, release = people(700, 1), people(600, 2)
    one = figures(real, release)
    other = figures(real.sample(frac=1, random_state=1)[[*real][::-1]], release.sample(frac=1, random_state=2))
    assert one["debt", "attack"].value == other["debt", "attack"].value


AWKWARD = {
    "one row": pd.DataFrame({"a": [1.5], "b": ["x"]}),
    "all null": pd.DataFrame({"a": [None, None, None], "b": [1.5, None, 2.5], "c": ["x", "y", None]}),
    "constant": pd.DataFrame({"a": ["x"] * 5, "b": [2.5] * 5}),
    "many": pd.DataFrame({"a": [f"c{i}" for i in range(1000)] * 2, "b": np.arange(2000) / 7}),
    "dates": pd.DataFrame({"a": pd.date_range("2020-01-01", periods=30), "b": list("xy") * 15}),
}


MANY = Schema(
    {"a": Column("categorical", domain=tuple(f"c{i}" for i in range(999))), "b": Column("real", bounds=(0, 300))}
)  # one category is not named


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_give_figures_in_range_or_a_reason(name):
    table, schema = AWKWARD[name], MANY if name == "many" else None
    for control in (None, table):
        for e in figures(table, table, control, schema=schema).values():
            assert e.note if math.isnan(e.value) else 0 <= e.low <= e.value <= e.high <= 1


def test_options_are_checked():
    real = people(20, 1)
    with pytest.raises(Unsupported, match="another one"):
        inference_risk(real[["age"]], real[["age"]])
    for options, message in (
        ({"secrets": ["z"]}, "'z'"),
        ({"known": []}, "empty"),
        ({"tolerance": 1.0}, "share of a number's spread"),
        ({"attacks": 0}, "at least 1"),
    ):
        with pytest.raises(PetsEvalError, match=message):
            inference_risk(real, real, **options)
    alone = figures(real, real, secrets=["age"], known=["age"])
    assert math.isnan(alone["", "risk"].value) and "no other column" in alone["", "risk"].note
