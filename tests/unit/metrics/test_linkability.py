"""Linkability against plain loops, planted copies, and guessing where columns are few and ties many."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.linkability import guessed, linkability_risk, linked, namers

NAMES = list("abcdef")
SCHEMA = Schema({n: Column("real", bounds=(-9, 9)) for n in NAMES})


def people(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        (rng.normal(size=(n, 2)) @ rng.normal(size=(2, 6)) + rng.normal(size=(n, 6))).clip(-9, 9), columns=NAMES
    )


def figures(*tables, **options):
    rows = linkability_risk(*tables, **options)
    assert {r.group for r in rows} == {""}
    return {r.statistic: r.estimate for r in rows}


@pytest.mark.parametrize("k", [1, 3])
def test_links_equal_plain_loops(k):
    rng = np.random.default_rng(1)
    targets, release = rng.random((40, 5)), rng.random((60, 5))
    halves = [(np.array([0, 3]), np.array([1, 2, 4]))]
    found = linked(targets, namers(release, halves, k, rng))
    for target, link in zip(targets, found, strict=True):
        named = [set(np.abs(release[:, c] - target[c]).sum(axis=1).argsort()[:k].tolist()) for c in halves[0]]
        assert link == bool(named[0] & named[1])
    assert 0 < found.sum() < 40


@pytest.mark.parametrize("rows, k", [(1, 1), (7, 2), (50, 5), (6, 4)])
def test_guessing_is_that_of_two_random_draws(rows, k):
    """Six standard errors of 4,000 draws: false alarm < 1e-8."""
    rng = np.random.default_rng(0)
    hits = [
        bool(set(rng.permutation(rows)[:k].tolist()) & set(rng.permutation(rows)[:k].tolist())) for _ in range(4000)
    ]
    assert abs(np.mean(hits) - guessed(rows, k)) <= 6 * math.sqrt(0.25 / 4000)


def test_a_copy_is_accused_and_a_fresh_sample_is_not():
    real, control = people(3000, 1), people(3000, 2)
    copy = figures(real, real.sample(frac=1, random_state=0), control, SCHEMA)
    assert copy["attack"].value == 1 and copy["risk"].low > 0.97 and copy["attack"].n == 2000
    fresh = figures(real, people(3000, 3), control, SCHEMA)
    assert fresh["risk"].low == 0 and fresh["risk"].value < 0.05
    assert copy["baseline"].value == pytest.approx(1 / 3000)


def test_a_fifth_of_copied_rows_gives_a_risk_of_a_fifth():
    real, control, fresh = people(3000, 1), people(3000, 2), people(3000, 3)
    mixed = pd.concat([real[:600], fresh[600:]])
    risk = figures(real, mixed, control, SCHEMA)["risk"]
    assert abs(risk.value - 0.2) < 0.06  # six standard errors of 0.2 in 2,000: false alarm < 1e-8
    assert risk.low < 0.2 < risk.high


def test_ties_make_no_links_where_the_halves_know_nothing_of_each_other():
    """Two independent columns of 3 categories: hundreds of rows are equally near. With one common order of the rows
    both halves would name the same one far more often than guessing does."""
    rng = np.random.default_rng(1)
    tables = [pd.DataFrame(rng.choice(list("xyz"), (4000, 2)), columns=["a", "b"]) for _ in range(2)]
    release = pd.DataFrame(rng.choice(list("xyz"), (900, 2)), columns=["a", "b"]).assign(c=np.arange(900) + 0.5)
    real, control = (t.assign(c=rng.random(4000) * 900) for t in tables)
    found = figures(real, release, control, aux=(["a"], ["b"]), attacks=4000)
    hits = round(found["attack"].value * 4000)
    assert found["baseline"].value == pytest.approx(1 / 900)
    assert 1e-7 < binom.cdf(hits, 4000, 1 / 900) < 1 - 1e-7
    assert "guessing" in found["risk"].note


@pytest.mark.parametrize("columns", [2, 3])
def test_fresh_samples_with_few_columns_are_not_accused(columns):
    """All who share a half name the same rows, by luck: that luck must be the same for real and held-out people.

    Low ends above 0 in 2.5 % of 40, and none above 0.09 (they were in 40 % and 20 %): false alarm < 1e-6."""
    low = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        names = [f"c{i}" for i in range(columns)]
        tables = [pd.DataFrame(rng.choice(["a", "b"], (2000, columns)), columns=names) for _ in range(3)]
        risk = figures(*tables, rng=rng)["risk"]
        low.append(0.0 if math.isnan(risk.value) else risk.low)
    assert np.sum(np.array(low) > 0) <= binom.isf(1e-6, 40, 0.025) and max(low) < 0.09


def test_a_person_counts_once():
    schema = Schema({**SCHEMA.columns, "who": Column("id")}, unit="who", max_rows_per_unit=9)
    real, control = people(90, 1).assign(who=np.arange(90) // 9), people(40, 2).assign(who=np.arange(40))
    found = figures(real, people(90, 3), control, schema)
    assert found["attack"].n == 10 and found["control"].n == 40


def test_a_copied_copy_is_no_protection():
    real, control = people(500, 1), people(500, 2)
    twice = figures(real, pd.concat([real] * 3), control, SCHEMA)
    assert twice["attack"].value == 1 and twice["baseline"].value == pytest.approx(1 / 500)


def test_more_neighbours_make_more_links():
    real, control, fresh = people(800, 1), people(800, 2), people(800, 3)
    one, ten = (figures(real, fresh, control, SCHEMA, k=k) for k in (1, 10))
    assert ten["attack"].value > one["attack"].value and ten["baseline"].value > one["baseline"].value


def test_no_control_leaves_attack_and_baseline():
    found = figures(people(50, 1), people(50, 1))
    assert found["attack"].value == 1 and math.isnan(found["risk"].value) and "held-out" in found["risk"].note


def test_the_order_of_rows_and_columns_does_not_matter():
    real, control = people(1500, 1), people(1500, 2)
    release = real + np.random.default_rng(1).normal(size=real.shape) * 0.1
    one = figures(real, release, control, SCHEMA)
    other = figures(
        real[NAMES[::-1]], release.sample(frac=1, random_state=1), control.sample(frac=1, random_state=2), SCHEMA
    )
    spread = math.hypot(one["attack"].high - one["attack"].low, other["attack"].high - other["attack"].low) / 4
    assert abs(one["attack"].value - other["attack"].value) < 6 * spread + 0.2, "only the random halves differ"


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
@pytest.mark.parametrize("k", [1, 7])
def test_awkward_tables_give_figures_in_range_or_a_reason(name, k):
    table, schema = AWKWARD[name], MANY if name == "many" else None
    for control in (None, table):
        for e in figures(table, table, control, schema, k=k).values():
            assert e.note if math.isnan(e.value) else 0 <= e.low <= e.value <= e.high <= 1


def test_options_are_checked():
    real = people(20, 1)
    with pytest.raises(Unsupported, match="two columns"):
        linkability_risk(real[["a"]], real[["a"]])
    for aux, message in (((["a"], ["a", "b"]), "in common"), (([], ["a"]), "in common"), ((["a"], ["z"]), "'z'")):
        with pytest.raises(PetsEvalError, match=message):
            linkability_risk(real, real, aux=aux)
    for options in ({"k": 0}, {"splits": 0}, {"attacks": 0}):
        with pytest.raises(PetsEvalError, match="at least 1"):
            linkability_risk(real, real, **options)
