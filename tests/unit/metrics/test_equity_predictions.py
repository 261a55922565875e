"""Gaps between groups of predicted people, against fairlearn and scikit-learn."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from pets_eval.model import Answer, Column, PetsEvalError, Schema, Unsupported, cell_index
from pets_metrics.equity.predictions import (
    demographic_parity_difference,
    equalised_odds_difference,
    group_auroc_gap,
)

QUASI = ("quasi-identifier",)
SCHEMA = Schema(
    {
        "race": Column("categorical", domain=("a", "b", "c"), roles=QUASI),
        "age": Column("integer", bounds=(0, 99), bins=(0, 30, 60, 100), roles=QUASI, nullable=True),
        "weight": Column("real", bounds=(0, 200)),
    }
)
ALL = (demographic_parity_difference, equalised_odds_difference, group_auroc_gap)


def predicted(n, seed, harm=0.0):
    """Answer, truth and query; *harm* moves the scores of race c towards noise."""
    rng = np.random.default_rng(seed)
    race, age = rng.choice(3, n, p=[0.6, 0.25, 0.15]), rng.integers(0, 100, n)
    sick = rng.random(n) < 0.4
    score = np.clip(0.3 + 0.4 * sick + rng.normal(0, 0.25, n), 0, 1)
    score = np.where((race == 2) & (rng.random(n) < harm), rng.uniform(0.3, 1, n), score)
    query = pd.DataFrame({"race": np.array(list("abc"))[race], "age": age, "weight": rng.random(n)})
    cells = cell_index([("sick", str(i), "probability") for i in range(n)])
    return Answer.of(cells, score), Answer.of(cells, sick.astype(float)), query


def shown(scores):
    return {(s.group, s.statistic): s.estimate for s in scores}


def ages(query):
    return np.digitize(query["age"], [30, 60])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_equal_to_fairlearn(seed, threshold):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    answer, truth, query = predicted(1_500, seed, harm=0.5)
    y, decided = truth.values, answer.values >= threshold
    pairs = (
        (equalised_odds_difference, fairlearn.equalized_odds_difference),
        (demographic_parity_difference, fairlearn.demographic_parity_difference),
    )
    for ours, theirs in pairs:
        found = shown(ours(answer, truth, query, SCHEMA, threshold=threshold))
        for name, groups in (("race", query["race"]), ("age", ages(query))):
            expected = theirs(y, decided, sensitive_features=groups)
            assert found[name, ""].value == pytest.approx(expected, abs=1e-12)
        assert found["", "max"].value == max(found["race", ""].value, found["age", ""].value)


def test_auroc_gap_equals_scikit_learn_s_areas():
    answer, truth, query = predicted(1_500, 0, harm=0.5)
    found = shown(group_auroc_gap(answer, truth, query, SCHEMA))
    for name, groups in (("race", query["race"]), ("age", ages(query))):
        areas = [roc_auc_score(truth.values[groups == g], answer.values[groups == g]) for g in np.unique(groups)]
        assert found[name, ""].value == pytest.approx(max(areas) - min(areas))
    assert found["race", ""].note == "lowest for race = c, highest for race = a" or "highest for race = b" in (
        found["race", ""].note
    )


def test_two_groups_have_joined_limits():
    answer, truth, query = predicted(400, 3)
    query["race"] = np.where(query["race"] == "c", "b", query["race"])
    schema = SCHEMA.select(["race"])
    found = demographic_parity_difference(answer, truth, query, schema)[0].estimate
    positive, those = answer.values >= 0.5, (query["race"] == "b").to_numpy()
    k, n = [int(positive[m].sum()) for m in (those, ~those)], [int(m.sum()) for m in (those, ~those)]
    (a, b), (c, d) = (proportion_confint(k[i], n[i], method="beta") for i in (0, 1))
    p, q = k[0] / n[0], k[1] / n[1]
    low, high = p - q - math.hypot(p - a, d - q), p - q + math.hypot(b - p, q - c)
    if p < q:
        low, high = -high, -low
    assert (found.low, found.high) == (pytest.approx(max(0, low)), pytest.approx(high))


@pytest.mark.parametrize("metric", ALL)
def test_even_predictions_are_rarely_accused_and_harm_is_found(metric):
    """Binomial(100, 0.05) exceeds 19 with probability below 1e-6 (mean 5, sd 2.2)."""
    accused = found = 0
    for seed in range(100):
        e = shown(metric(*predicted(600, seed), SCHEMA))["", "max"]
        accused += e.low > 0
    for seed in range(20):
        e = shown(metric(*predicted(4_000, seed, harm=1.0), SCHEMA))
        found += e["race", ""].low > 0 and "race = c" in e["race", ""].note and e["", "max"].low > 0
    assert accused <= 19 and found >= 19


@pytest.mark.parametrize("metric", ALL[:2])
def test_rare_decisions_in_small_groups_are_no_scandal(metric):
    """1 of 100 is predicted positive, in groups of 40: one hit in a group proves nothing.

    120 times; Binomial(120, 0.05) exceeds 20 with probability below 1e-6.
    """
    wrong = 0
    cells = cell_index([("sick", str(i), "probability") for i in range(1_000)])
    for seed in range(120):
        rng = np.random.default_rng(seed)
        query = pd.DataFrame({"race": rng.choice(list("abc"), 1_000, p=[0.92, 0.04, 0.04])})
        answer, truth = (Answer.of(cells, (rng.random(1_000) < share).astype(float)) for share in (0.01, 0.5))
        wrong += metric(answer, truth, query, SCHEMA)[-1].estimate.low > 0
    assert wrong <= 20


@pytest.mark.parametrize("metric", ALL)
def test_small_groups_are_left_out(metric):
    answer, truth, query = predicted(300, 0)
    query.loc[query["race"] == "c", "race"] = "b"
    query.loc[query.index[:25], "race"] = "c"
    without = metric(answer, truth, query, SCHEMA)
    assert "race = c" not in without[0].estimate.note
    with_them = metric(answer, truth, query, SCHEMA, least=25)
    assert with_them[0].estimate.value >= without[0].estimate.value
    none = metric(answer, truth, query, SCHEMA, least=1_000)
    assert all(math.isnan(s.estimate.value) and "fewer than two groups" in s.estimate.note for s in none)
    assert [s.group for s in none] == ["race", "age", ""]


@pytest.mark.parametrize("metric", ALL)
def test_people_without_outcome_scores_or_group(metric):
    answer, truth, query = predicted(500, 1)
    cells = truth.table.index
    holes = truth.values.copy()
    holes[::7] = np.nan
    kept = np.arange(500) % 7 != 0
    short = cell_index([("sick", str(i), "probability") for i in range(int(kept.sum()))])
    one = metric(answer, Answer.of(cells, holes), query, SCHEMA)
    other = metric(Answer.of(short, answer.values[kept]), Answer.of(short, truth.values[kept]), query[kept], SCHEMA)
    if metric is not demographic_parity_difference:  # which asks for no outcome
        assert [s.estimate.value for s in one] == [s.estimate.value for s in other]
    unscored = answer.values.copy()
    unscored[3] = np.nan
    gone = metric(Answer.of(cells, unscored), truth, query, SCHEMA)
    assert [s.estimate.note for s in gone] == ["1 of 500 people are not scored"]
    nobody = query.assign(race=None, age=None)
    assert all(math.isnan(s.estimate.value) for s in metric(answer, truth, nobody, SCHEMA))


@pytest.mark.parametrize("metric", ALL)
def test_order_of_people_and_columns_does_not_matter(metric):
    answer, truth, query = predicted(500, 1)
    order = np.random.default_rng(0).permutation(500)
    cells = truth.table.index
    mixed = Answer.of(cells, answer.values[order]), Answer.of(cells, truth.values[order])
    one = shown(metric(answer, truth, query, SCHEMA))
    other = shown(metric(*mixed, query.iloc[order][["weight", "age", "race"]], SCHEMA))
    for key, e in one.items():
        assert (e.value, e.low, e.high) == pytest.approx((other[key].value, other[key].low, other[key].high))
        assert 0 <= e.low <= e.value <= e.high <= 1


@pytest.mark.parametrize("metric", ALL)
def test_guessing_treats_everybody_alike(metric):
    _, truth, query = predicted(500, 1)
    flat = Answer.of(truth.table.index, np.full(500, 0.4))
    for s in metric(flat, truth, query, SCHEMA):
        assert s.estimate.value == 0 == s.estimate.low < s.estimate.high and s.estimate.note == "all groups alike"


@pytest.mark.parametrize("metric", ALL)
def test_a_category_that_the_schema_does_not_name_is_not_told(metric):
    answer, truth, query = predicted(500, 1)
    secret = query.assign(race=query["race"].replace({"c": "secret"}))
    found = metric(answer, truth, secret, SCHEMA)
    assert found[0].estimate.value == metric(answer, truth, query, SCHEMA)[0].estimate.value
    assert "secret" not in found[0].estimate.note and "one of its groups" in found[0].estimate.note


@pytest.mark.parametrize("metric", ALL)
def test_where_it_does_not_apply(metric):
    answer, truth, query = predicted(50, 1)
    with pytest.raises(Unsupported, match="no quasi-identifier"):
        metric(answer, truth, query[["weight"]], SCHEMA)
    with pytest.raises(PetsEvalError, match="query has 49 rows"):
        metric(answer, truth, query.head(49), SCHEMA)
    counts = cell_index([("race", "a", "count")])
    with pytest.raises(Unsupported, match="predicts no outcomes"):
        metric(Answer.of(counts, [1]), Answer.of(counts, [1]), query, SCHEMA)
