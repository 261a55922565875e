"""What every metric of the library must keep to, by the group it belongs to. A metric in no group fails.

Metrics of records (those that read `real` and `synthetic`) are played on a survey of 400 people with columns of every
kind. Metrics of answers are played on small tables of counts, means, coefficients and predictions.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Answer, Column, Estimate, PetsEvalError, Rule, Schema, Score, Unsupported, cell_index
from pets_eval.registry import as_scores, entries, inject, lacking, load, metric_spec
from pets_testbed.metric_groups import (
    AGREEMENT,
    ATTACKS,
    CONTROLS,
    DESCRIBED,
    ERRORS,
    FIDELITY,
    GROUPS,
    LOOSE,
    MAIN,
    PERFECT,
    PREDICTION,
    RECORDS,
    RERUN,
)

OWN = sorted(name for name, entry in entries("metrics").items() if entry.distribution == "pets-eval")


def test_every_metric_is_in_one_group():
    counts = {name: sum(name in group for group in GROUPS) for name in OWN}
    assert {name: n for name, n in counts.items() if n != 1} == {}, "put it into the one group whose promises it keeps"
    assert set().union(*GROUPS) <= set(OWN), "a group names a metric that is not registered"


@pytest.mark.parametrize("name", OWN)
def test_it_declares_itself(name):
    spec = metric_spec(name)
    assert spec.unit and spec.source.strip() and spec.cannot_show.strip(), name
    assert spec.range[0] < spec.range[1] and spec.goal in ("min", "max", "none")
    if name not in RERUN:  # those need a technique
        assert ">>>" in load("metrics", name).__doc__, f"{name} has no doctest"


# -- a survey, and what is done to it -------------------------------------------------------------------------------

ROLES = {"quasi": ("quasi-identifier",), "secret": ("sensitive",), "label": ("target",)}
SCHEMA = Schema(
    {
        "sex": Column("categorical", domain=("F", "M"), roles=ROLES["quasi"]),
        "town": Column("categorical", domain=("A", "B", "C"), roles=("silo", *ROLES["quasi"])),
        "age": Column("integer", bounds=(18, 90), bins=(18, 30, 45, 60, 75, 90), roles=ROLES["quasi"]),
        "job": Column("categorical", domain=tuple("uvwxyz"), nullable=True),
        "pay": Column("real", bounds=(0, 10_000), nullable=True, roles=ROLES["secret"]),
        "seen": Column("date", bounds=(17_000, 19_000)),
        "ill": Column("categorical", domain=("no", "yes"), roles=("sensitive", *ROLES["label"])),
    },
    constraints=(Rule("no young in town C", {"age": (18, 20), "town": ("C",)}),),
)


def people(n: int, seed: int) -> pd.DataFrame:
    """Correlated columns of every kind, with some values missing."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(50, 17, n).round(), 18, 90)
    town = rng.choice(["A", "B", "C"], n, p=[0.6, 0.3, 0.1])
    town = np.where((age <= 20) & (town == "C"), "A", town)
    sex = rng.choice(["F", "M"], n)
    pay = rng.gamma(3, 400, n) + 25 * age + 500 * (sex == "M")
    frame = {
        "sex": sex,
        "town": town,
        "age": age,
        "job": np.where(rng.random(n) < 0.05, None, rng.choice(list("uvwxyz"), n)),
        "pay": np.where(rng.random(n) < 0.05, np.nan, np.clip(pay, 0, 10_000).round(2)),
        "seen": pd.Timestamp("2018-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"),
        "ill": np.where(rng.random(n) < 1 / (1 + np.exp(-(age - 60) / 8)), "yes", "no"),
    }
    return SCHEMA.conform(pd.DataFrame(frame), where="test")


def noisy(frame: pd.DataFrame, share: float, seed: int = 9) -> pd.DataFrame:
    """*frame* with that share of each column's cells drawn uniformly from the public schema."""
    rng = np.random.default_rng(seed)
    done = frame.copy()
    for name, column in SCHEMA.columns.items():
        hit = rng.random(len(done)) < share
        if column.kind == "categorical":
            done.loc[hit, name] = rng.choice(column.domain, hit.sum())
        elif column.kind == "date":
            days = rng.integers(17_000, 19_000, hit.sum())
            done.loc[hit, name] = pd.to_datetime(days, unit="D").to_numpy().astype("datetime64[ns]")
        else:
            low, high = column.bounds
            done.loc[hit, name] = rng.uniform(low, high, hit.sum()).round()
    return done


@cache
def survey() -> dict[str, pd.DataFrame]:
    return {"real": people(400, 1), "control": people(400, 2), "stranger": people(400, 3)}


def play(name: str, real: pd.DataFrame, synthetic: pd.DataFrame, **more: object) -> list[Score]:
    """The scores of a metric of records."""
    evidence = {"real": real, "synthetic": synthetic, "control": survey()["control"], "schema": SCHEMA}
    evidence |= {"rng": np.random.default_rng(5), **more}
    spec = metric_spec(name)
    return as_scores(spec, inject(spec.fn, {k: v for k, v in evidence.items() if v is not None}))


def main(name: str, scores: list[Score]) -> Estimate:
    """The figure that a guideline would look at."""
    overall = {s.statistic: s.estimate for s in scores if not s.group}
    if name in MAIN:
        return overall[MAIN[name]]
    return next((overall[s] for s in ("mean", "", scores[0].statistic) if s in overall), scores[0].estimate)


def badness(name: str, scores: list[Score]) -> float:
    """The main figure, turned so that larger is worse."""
    value = main(name, scores).value
    return value if metric_spec(name).goal == "min" else -value


def in_range(name: str, scores: list[Score]) -> None:
    spec = metric_spec(name)
    low, high = spec.range
    assert scores, name
    for s in scores:
        e = s.estimate
        where = f"{name} {s.group} {s.statistic} = {e.value} [{e.low}, {e.high}]"
        if math.isnan(e.value):
            assert e.note.strip(), f"{where} does not say why it is not measured"
            continue
        assert low <= e.value <= high, f"{where} lies outside {spec.range}"
        assert not e.low > e.value and not e.value > e.high, f"{where} lies outside its interval"
        assert 0 < e.level < 1 and e.n >= 0 and e.method, where


# -- metrics of records ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FIDELITY))
def test_equal_tables_are_perfect(name):
    real = survey()["real"]
    scores = play(name, real, real.copy())
    in_range(name, scores)
    spec = metric_spec(name)
    best = PERFECT.get(name, spec.range[0] if spec.goal == "min" else spec.range[1])
    assert main(name, scores).value == pytest.approx(best, abs=LOOSE.get(name, 1e-9))


@pytest.mark.parametrize("name", sorted(FIDELITY))
def test_more_noise_is_worse(name):
    real = survey()["real"]
    at = [badness(name, play(name, real, noisy(real, share))) for share in (0.0, 0.3, 1.0)]
    slack = LOOSE.get(name, 1e-9)
    assert at[0] <= at[1] + slack and at[1] <= at[2] + slack and at[0] < at[2], at


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_publishing_everybody_is_worse_than_publishing_strangers(name):
    real, stranger = survey()["real"], survey()["stranger"]
    raw, null = play(name, real, real.copy()), play(name, real, stranger)
    in_range(name, raw)
    in_range(name, null)
    assert badness(name, raw) > badness(name, null)
    if metric_spec(name).unit == "p-value":
        # strangers give a uniform p-value: below 1e-6 once in a million seeds
        assert main(name, raw).value < 1e-3 and main(name, null).value > 1e-6


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_order_of_rows_and_columns_does_not_matter(name):
    real, released = survey()["real"], noisy(survey()["real"], 0.2)
    first = play(name, real, released)
    order = list(SCHEMA.columns)[::-1]
    turned = Schema({n: SCHEMA.columns[n] for n in order}, constraints=SCHEMA.constraints)
    mixed = play(
        name,
        real.sample(frac=1, random_state=1)[order],
        released.sample(frac=1, random_state=2)[order],
        control=survey()["control"].sample(frac=1, random_state=3)[order],
        schema=turned,
    )
    assert {(s.group, s.statistic) for s in first} == {(s.group, s.statistic) for s in mixed}
    a, b = main(name, first), main(name, mixed)
    spread = max(a.high - a.low, b.high - b.low, 0.0)
    # what is drawn at random may move within the uncertainty that the figure states of itself
    assert a.value == pytest.approx(b.value, abs=1e-9 + (0.0 if math.isnan(spread) else 1.5 * spread), nan_ok=True)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_names_of_categories_do_not_matter(name):
    names = {n: {c: f"{i}#{c}" for i, c in enumerate(col.domain)} for n, col in SCHEMA.columns.items() if col.domain}
    columns = {
        n: Column("categorical", domain=tuple(names[n].values()), roles=c.roles, nullable=c.nullable) if c.domain else c
        for n, c in SCHEMA.columns.items()
    }
    renamed = Schema(columns, constraints=(Rule("r", {"age": (18, 20), "town": ("2#C",)}),))

    def rename(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{n: frame[n].cat.rename_categories(names[n]) for n in names})

    real, released = survey()["real"], noisy(survey()["real"], 0.2)
    before = main(name, play(name, real, released))
    after = main(
        name,
        play(name, rename(real), rename(released), control=rename(survey()["control"]), schema=renamed),
    )
    assert after.value == pytest.approx(before.value, abs=1e-9, nan_ok=True)


HOSTILE = {
    "one row": (lambda t: t.iloc[:1], lambda t: t.iloc[:1]),
    "one released row": (lambda t: t, lambda t: t.iloc[:1]),
    "constant release": (lambda t: t, lambda t: t.iloc[[0] * 50]),
    "all constant": (lambda t: t.iloc[[0] * 50], lambda t: t.iloc[[0] * 50]),
    "empty columns": (lambda t: t.assign(pay=np.nan, job=None), lambda t: t.assign(pay=np.nan, job=None)),
    "empty column in the release": (lambda t: t, lambda t: t.assign(pay=np.nan)),
    "unseen categories": (lambda t: t, lambda t: t.assign(job="never seen", town="elsewhere")),
    "texts and numbers mixed": (lambda t: t, lambda t: t.astype({"job": object}).assign(job=[1, "u"] * (len(t) // 2))),
    "no numbers": (lambda t: t[["sex", "town", "ill"]], lambda t: t[["sex", "town", "ill"]]),
    "only numbers": (lambda t: t[["pay", "age"]], lambda t: t[["pay", "age"]]),
    "one column": (lambda t: t[["sex"]], lambda t: t[["sex"]]),
    "another number of rows": (lambda t: t, lambda t: t.iloc[:37]),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("name", sorted(RECORDS))
def test_it_survives(name, case):
    change_real, change_released = HOSTILE[case]
    real, control = (change_real(survey()[n]) for n in ("real", "control"))
    survives(name, real, change_released(survey()["real"]), control, SCHEMA)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_it_survives_without_a_schema_or_people_held_out(name):
    real = survey()["real"]
    survives(name, real, noisy(real, 0.2), survey()["control"], None)
    survives(name, real, noisy(real, 0.2), None, SCHEMA)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_it_survives_a_thousand_categories(name):
    rng = np.random.default_rng(0)
    real, released, control = (
        pd.DataFrame({"code": rng.integers(0, 1000, 600).astype(str), "x": rng.random(600)}) for _ in range(3)
    )
    schema = Schema(
        {
            "code": Column("categorical", domain=tuple(map(str, range(1000))), roles=ROLES["quasi"]),
            "x": Column("real", bounds=(0, 1), roles=ROLES["secret"]),
        }
    )
    survives(name, real, released, control, schema)


def survives(name, real, released, control, schema) -> None:
    before = [t.copy() for t in (real, released)]
    if control is None and "control" in metric_spec(name).needs:
        return
    try:
        scores = play(name, real, released, control=control, schema=schema)
    except (Unsupported, PetsEvalError) as reason:
        assert str(reason).strip()
        return
    in_range(name, scores)
    for table, old in zip((real, released), before, strict=True):
        pd.testing.assert_frame_equal(table, old)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_the_same_seed_gives_the_same_figure(name):
    real, released = survey()["real"], noisy(survey()["real"], 0.2)
    first, again = play(name, real, released), play(name, real, released)
    assert [(s.group, s.statistic) for s in first] == [(s.group, s.statistic) for s in again]
    np.testing.assert_array_equal([s.estimate.value for s in first], [s.estimate.value for s in again])


# -- metrics of answers ---------------------------------------------------------------------------------------------

COUNTS = cell_index([("t", str(i), "count") for i in range(60)])
PEOPLE = cell_index([("ill", str(i), "probability") for i in range(200)])
SLOPES = cell_index([("model", f"x{i}", "coefficient") for i in range(12)])


def counts(share: float) -> tuple[Answer, Answer]:
    rng = np.random.default_rng(4)
    true, noise = rng.integers(5, 300, 60).astype(float), rng.normal(0, 400, 60)
    return Answer.of(COUNTS, true + share * noise), Answer.of(COUNTS, true)


def slopes(share: float) -> tuple[Answer, Answer]:
    rng = np.random.default_rng(6)
    true, noise = rng.normal(0, 4, 12), rng.normal(0, 30, 12)

    def answer(x):
        return Answer.of(SLOPES, x, se=np.ones(12), low=x - 2, high=x + 2)

    return answer(true + share * noise), answer(true)


def predictions(share: float) -> tuple[Answer, Answer]:
    rng = np.random.default_rng(8)
    outcome = (rng.random(200) < 0.4).astype(float)
    guess = (1 - share) * outcome + share * rng.random(200)
    return Answer.of(PEOPLE, guess), Answer.of(PEOPLE, outcome)


def of_kind(name: str):
    """What makes the answer and the truth that the metric is about."""
    if name in PREDICTION:
        return predictions
    return slopes if name in AGREEMENT or name.startswith("interval") else counts


def answered(name: str, share: float) -> list[Score]:
    spec = metric_spec(name)
    answer, truth = of_kind(name)(share)
    return as_scores(spec, inject(spec.fn, {"answer": answer, "truth": truth, "rng": np.random.default_rng(2)}))


@pytest.mark.parametrize("name", sorted(ERRORS | AGREEMENT | PREDICTION))
def test_the_truth_is_perfect_and_noise_makes_it_worse(name):
    spec = metric_spec(name)
    exact, some, much = (answered(name, share) for share in (0.0, 0.4, 1.0))
    for scores in (exact, some, much):
        in_range(name, scores)
    best = spec.range[0] if spec.goal == "min" else spec.range[1]
    assert main(name, exact).value == pytest.approx(best, abs=1e-9)
    assert badness(name, exact) <= badness(name, some) <= badness(name, much)
    assert badness(name, exact) < badness(name, much)


@pytest.mark.parametrize("name", sorted(ERRORS | AGREEMENT | PREDICTION | DESCRIBED))
def test_the_order_of_cells_does_not_matter(name):
    spec = metric_spec(name)
    answer, truth = of_kind(name)(0.3)
    order = np.random.default_rng(0).permutation(len(truth.table))
    mixed = Answer(truth.table.iloc[order])
    before = as_scores(spec, inject(spec.fn, {"answer": answer, "truth": truth, "rng": np.random.default_rng(2)}))
    after = as_scores(spec, inject(spec.fn, {"answer": answer, "truth": mixed, "rng": np.random.default_rng(2)}))
    in_range(name, before)
    np.testing.assert_allclose([s.estimate.value for s in before], [s.estimate.value for s in after], atol=1e-9)


@pytest.mark.parametrize("name", sorted(ERRORS | AGREEMENT | PREDICTION | DESCRIBED))
def test_what_is_not_answered_is_not_zero(name):
    spec = metric_spec(name)
    answer, truth = of_kind(name)(0.3)
    silent = Answer.of(truth.table.index, np.full(len(truth.table), np.nan))
    for released, true in ((silent, truth), (answer, silent)):
        try:
            scores = as_scores(spec, inject(spec.fn, {"answer": released, "truth": true}))
        except Unsupported as reason:
            assert str(reason)
            continue
        in_range(name, scores)


def test_metrics_of_other_kinds_are_not_played_on_records():
    """Those in none of the groups above have tests of their own; here only that they do not ask for records."""
    for name in OWN:
        if name not in RECORDS | CONTROLS:
            assert lacking(metric_spec(name), {"real", "synthetic", "control", "schema", "rng"}), name
