"""Membership inference against records: planted leaks are found, sound releases are not accused."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.attack_scores import auc, tpr_at_fpr
from pets_metrics.privacy.membership import membership_advantage, membership_test, play
from pets_metrics.tables import align

REGIONS = ("N", "E", "S", "W")
SCHEMA = Schema(
    {
        "age": Column("integer", bounds=(0, 99), roles=("quasi-identifier",)),
        "region": Column("categorical", domain=REGIONS, roles=("quasi-identifier",)),
        "secret": Column("categorical", domain=("p", "q"), from_data=True, roles=("quasi-identifier",)),
        "income": Column("real", bounds=(0, 500), nullable=True),
        "weight": Column("real", bounds=(0, 500)),
    }
)


def draw(rng, n):
    age = rng.integers(18, 90, n)
    income = rng.gamma(4, 10, n) + age / 2
    return pd.DataFrame(
        {
            "age": age,
            "region": rng.choice(REGIONS, n, p=[0.5, 0.3, 0.15, 0.05]),
            "secret": rng.choice(["p", "q"], n, p=[0.8, 0.2]),
            "income": np.where(rng.random(n) < 0.1, np.nan, income),
            "weight": rng.normal(70, 10, n).clip(0, 500),
        }
    )


def copies(rng, real, share=1.0, noise=0.0):
    """A bootstrap copy of a *share* of the rows; *noise* is added to numbers in units of their standard deviation."""
    out = real.sample(len(real), replace=True, random_state=int(rng.integers(1 << 30))).reset_index(drop=True)
    for name in ("age", "income", "weight"):
        out[name] = out[name] + noise * real[name].std() * rng.normal(size=len(out))
    fresh = draw(rng, len(real))
    return out.where(pd.Series(rng.random(len(out)) < share), fresh)


def figures(rows, group=""):
    return {r.statistic: r.estimate for r in rows if r.group == group}


@pytest.mark.parametrize(
    "leak", [{}, {"noise": 0.01}, {"share": 0.05}, {"noise": 0.1}], ids=["copy", "noisy", "5 %", "noisier"]
)
def test_planted_leaks_are_found(leak):
    rng = np.random.default_rng(1)
    real, control = draw(rng, 2_000), draw(rng, 2_000)
    synthetic = copies(rng, real, **leak)
    assert membership_test(real, synthetic, control, SCHEMA).value < 1e-4
    overall = figures(membership_advantage(real, synthetic, control, SCHEMA))
    assert overall["auc"].low > 0.5
    if not leak or leak.get("noise") == 0.01:
        assert overall["auc"].value > 0.7 and overall["advantage"].low > 0.3
        assert overall["effective epsilon"].low > 0.5


def test_fresh_samples_are_not_accused():
    rng = np.random.default_rng(2)
    found = {"distance": [], "relative distance": [], "density ratio": []}
    adjusted, areas = [], []
    for _ in range(40):
        real, synthetic, control = draw(rng, 150), draw(rng, 150), draw(rng, 200)
        played = play(align(real, synthetic, control, SCHEMA), rng)
        for name in found:
            found[name].append(stats.mannwhitneyu(*played.scores[name], alternative="greater").pvalue)
        adjusted.append(membership_test(real, synthetic, control, SCHEMA, rng).value)
        areas.append(figures(membership_advantage(real, synthetic, control, SCHEMA, rng))["auc"].low > 0.5)
    for name, p in found.items():
        assert stats.kstest(p, "uniform").pvalue > 1e-6, name
    wrong = stats.binom.isf(1e-6, 40, 0.05) / 40
    assert np.mean(np.array(adjusted) <= 0.05) <= wrong
    assert np.mean(areas) <= wrong


def test_independent_marginals_of_the_data_are_not_accused():
    rng = np.random.default_rng(3)
    small = []
    for _ in range(20):
        real, control = draw(rng, 1_000), draw(rng, 1_000)
        synthetic = real.apply(lambda x: x.sample(len(x), replace=True, random_state=int(rng.integers(1 << 30))).array)
        small.append(membership_test(real, synthetic, control, SCHEMA, rng).value < 0.05)
    assert np.sum(small) <= stats.binom.isf(1e-6, 20, 0.05)


def test_the_density_ratio_is_that_of_known_gaussians():
    rng = np.random.default_rng(4)
    real, control = (pd.DataFrame(rng.normal(size=(n, 2)), columns=["x", "y"]) for n in (2_000, 8_000))
    synthetic = pd.DataFrame(rng.normal([1, 0], 0.8, size=(4_000, 2)), columns=["x", "y"])
    order = np.random.default_rng(0).permutation(len(real))[:5_000]
    scores = play(align(real, synthetic, control), np.random.default_rng(0)).scores["density ratio"][0]
    people = real.to_numpy()[order]
    truth = stats.norm.logpdf(people, [1, 0], 0.8).sum(axis=1) - stats.norm.logpdf(people).sum(axis=1)
    # in two dimensions the log distances are half of the log densities
    assert stats.spearmanr(scores, truth).statistic > 0.9
    middle = np.abs(truth) < 3
    assert np.polyfit(truth[middle], 2 * scores[middle], 1)[0] == pytest.approx(1, abs=0.15)


def test_matches_are_counted_in_tables_of_categories():
    rng = np.random.default_rng(5)
    names = [f"c{i}" for i in range(3)]

    def table(p, n):
        return pd.DataFrame({c: rng.choice(["a", "b"], n, p=[p, 1 - p]) for c in names})

    real, control, synthetic = table(0.5, 400), table(0.5, 400), table(0.9, 400)
    played = play(align(real, synthetic, control), np.random.default_rng(0))
    chosen = real.iloc[np.random.default_rng(0).permutation(400)].reset_index(drop=True)
    scores = played.scores["exact match"][0]
    common = (chosen == "a").all(axis=1)
    inside = (synthetic == "a").all(axis=1).sum()
    assert scores[common] == pytest.approx(scores[common][0])
    assert scores[common][0] == pytest.approx(math.log((inside + 0.5) / 401 / (1 / 8)), abs=0.6)


def test_the_smallest_groups_are_shown_and_categories_read_from_the_data_are_not():
    rng = np.random.default_rng(6)
    real, control = draw(rng, 2_000), draw(rng, 4_000)
    rows = membership_advantage(real, copies(rng, real), control, SCHEMA)
    groups = {r.group for r in rows}
    assert "region = W" in groups and "secret = its smallest group" in groups
    assert not any(g.startswith("secret = q") for g in groups)
    small = next(r.estimate for r in rows if r.group == "region = W")
    assert small.value > 0.7 and small.method.endswith("bonferroni")


def test_order_and_names_do_not_matter():
    rng = np.random.default_rng(7)
    real, control = draw(rng, 300), draw(rng, 300)
    synthetic = copies(rng, real, noise=0.2)
    expected = membership_advantage(real, synthetic, control, SCHEMA)
    columns = list(real.columns[::-1])
    turned = Schema({n: SCHEMA.columns[n] for n in columns})
    shuffled = synthetic.sample(frac=1, random_state=0)
    found = membership_advantage(real[columns], shuffled[columns], control[columns], turned)
    assert figures(found)["auc"].value == pytest.approx(figures(expected)["auc"].value, abs=1e-9)
    named = {r: r * 2 for r in REGIONS[::-1]}
    renamed = [t.assign(region=t["region"].map(named)) for t in (real, synthetic, control)]
    plain = membership_advantage(real, synthetic, control)
    assert figures(membership_advantage(*renamed))["auc"].value == pytest.approx(figures(plain)["auc"].value, abs=1e-9)


@pytest.mark.parametrize(
    "table",
    [
        lambda n: pd.DataFrame({"a": ["x"] * n}),
        lambda n: pd.DataFrame({"a": [None] * n, "b": np.arange(n) * 1.0}),
        lambda n: pd.DataFrame({"d": pd.date_range("2020-01-01", periods=n)}),
        lambda n: pd.DataFrame({"m": [1, "x", None, 2.5] * (n // 4)}),
    ],
    ids=["constant", "all-null", "dates", "mixed"],
)
def test_odd_tables_do_not_break_it(table):
    rows = membership_advantage(table(40), table(40), table(40))
    assert all(math.isnan(r.estimate.value) or r.estimate.value >= -1 for r in rows)
    assert 0 <= membership_test(table(40), table(40), table(40)).value <= 1


def test_a_thousand_categories():
    table = pd.DataFrame({"c": [f"c{i % 1000}" for i in range(2_000)]})
    schema = Schema({"c": Column("categorical", domain=tuple(f"c{i}" for i in range(1_000)))})
    assert 0.4 < figures(membership_advantage(table, table, table, schema))["auc"].value < 0.6
    assert membership_test(table, table, table, schema).value > 1e-3


def test_one_row_and_too_few_controls():
    rng = np.random.default_rng(8)
    one, control = draw(rng, 1), draw(rng, 10)
    overall = figures(membership_advantage(one, one, control, SCHEMA))
    assert overall["auc"].value == 1 and math.isnan(overall["advantage"].value)
    with pytest.raises(Unsupported, match="held-out"):
        membership_test(one, one, control[:3], SCHEMA)
    with pytest.raises(PetsEvalError, match="targets"):
        membership_test(one, one, control, SCHEMA, targets=0)


VISITS = Schema({**SCHEMA.columns, "who": Column("id")}, unit="who", max_rows_per_unit=8)


def visits(rng, n):
    """Eight rows of each person, all alike."""
    people = draw(rng, n).assign(who=[f"p{i}" for i in range(n)])
    return people.loc[people.index.repeat(8)].reset_index(drop=True)


def test_rows_of_one_person_are_no_independent_people():
    """Nobody of the release is in either table, so an accusation is luck; all rows of a person are lucky together."""
    rng = np.random.default_rng(9)
    found, accused = [], 0
    for _ in range(40):
        real, synthetic, control = visits(rng, 100), visits(rng, 100), visits(rng, 100)
        found.append(membership_test(real, synthetic, control, VISITS, rng).value)
        accused += figures(membership_advantage(real, synthetic, control, VISITS, rng))["auc"].low > 0.5
    wrong = stats.binom.isf(1e-6, 40, 0.05)
    assert np.sum(np.array(found) <= 0.05) <= wrong and accused <= wrong
    assert membership_test(real, real, control, VISITS, rng).value < 1e-6, "copies are found nonetheless"


def test_each_statistic_is_that_of_the_attack_that_is_surest_of_it():
    """Of noisy copies, one attack finds more people, and another is surer of a few."""
    rng = np.random.default_rng(10)
    real, control = draw(rng, 2_000), draw(rng, 4_000)
    synthetic = copies(rng, real, share=0.1)
    overall = figures(membership_advantage(real, synthetic, control, SCHEMA))
    scores = play(align(real, synthetic, control, SCHEMA), np.random.default_rng(0)).scores
    level = 1 - 0.05 / len(scores)
    tails = {name: tpr_at_fpr(*pair, 0.01, level) for name, pair in scores.items()}
    areas = {name: auc(*pair, level) for name, pair in scores.items()}
    chosen = {}
    for statistic, found in (("tpr at 1% fpr", tails), ("auc", areas)):
        chosen[statistic] = max(found, key=lambda name: (found[name].low, found[name].value))
        assert overall[statistic].low == found[chosen[statistic]].low
        assert overall[statistic].value == found[chosen[statistic]].value
        assert overall[statistic].note.startswith(f"strongest of 4 attacks: {chosen[statistic]}")
    assert len(set(chosen.values())) == 2
