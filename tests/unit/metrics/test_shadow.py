"""Shadow-model attacks: a generator that copies is found out, one that does not is not, and what cannot be played."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import (
    Answer,
    Column,
    Inputs,
    Party,
    PetsEvalError,
    Release,
    Schema,
    Table,
    Unsupported,
    cell_index,
)
from pets_metrics.privacy import shadow
from pets_metrics.privacy.shadow import shadow_membership, shadow_membership_advantage
from pets_metrics.privacy.shadow_features import summaries
from pets_metrics.tables import align

SCHEMA = Schema(
    {
        "age": Column("integer", bounds=(0, 99)),
        "region": Column("categorical", domain=("N", "E", "S")),
        "income": Column("real", bounds=(0, 500), nullable=True),
    }
)
OUTLIER = pd.DataFrame({"age": [98], "region": ["S"], "income": [490.0]})
SETS = ("naive", "histogram", "correlations", "nearest")


def draw(rng, n):
    return pd.DataFrame(
        {
            "age": rng.integers(18, 70, n),
            "region": rng.choice(["N", "E", "S"], n, p=[0.6, 0.35, 0.05]),
            "income": rng.gamma(4, 10, n).clip(0, 300),
        }
    )


def bootstrap(data, rng):
    return data.iloc[rng.integers(0, len(data), len(data))]


def constant(data, rng):
    return draw(rng, len(data))


def figures(rows, group=""):
    return {r.statistic: r.estimate for r in rows if r.group == group}


class Again:
    """A technique that can be run again: *make* turns one party's table into a release."""

    def __init__(self, frame, make, schema=SCHEMA):
        table = Table(schema, data=schema.conform(frame, where="test"))
        self.inputs = Inputs((Party("curator"),), {"curator": table}, schema)
        self.make, self.rng, self.seen = make, np.random.default_rng(9), []

    def __call__(self, *, inputs=None, n=1):
        (table,) = (inputs or self.inputs).tables().values()
        self.seen += [len(table)] * n
        return [self.make(table.frame(), self.rng) for _ in range(n)]


def microdata(generate):
    return lambda data, rng: Release(
        "microdata", Table(SCHEMA, data=SCHEMA.conform(generate(data, rng).reset_index(drop=True), where="test"))
    )


def test_a_bootstrap_copy_gives_an_outlier_away():
    rng = np.random.default_rng(0)
    rows = shadow_membership(bootstrap, draw(rng, 100), OUTLIER, SCHEMA, rng, shadows=80)
    overall = figures(rows)
    # the target is drawn with probability 1 - (1 - 1/100)^100 = 0.634; the attacker sees whether it was
    assert overall["advantage"].low <= 0.634 <= overall["advantage"].high
    assert overall["auc"].low > 0.6 and overall["effective epsilon"].low > 0.5
    nearest = figures(rows, "nearest")
    assert nearest["true positive rate"].value > 0.4 and nearest["false positive rate"].value == 0
    assert f"privacy gain {1 - nearest['advantage'].value:.2f}" in nearest["advantage"].note
    for name in SETS:
        assert figures(rows, name)["auc"].value > 0.6, name


def test_without_knowing_the_others_it_is_still_found():
    rng = np.random.default_rng(1)
    rows = shadow_membership(bootstrap, draw(rng, 500), OUTLIER, SCHEMA, rng, size=100, shadows=80)
    assert figures(rows)["advantage"].low > 0.2


def test_a_generator_that_ignores_the_data_is_not_accused():
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(6):
        rows = shadow_membership(constant, draw(rng, 60), OUTLIER, SCHEMA, rng, shadows=24)
        seen += [figures(rows)["auc"].low > 0.5, figures(rows)["effective epsilon"].low > 0]
        values = [figures(rows, name)["auc"].value for name in SETS]
        assert all(0 <= v <= 1 for v in values)
    assert sum(seen) <= 5  # binomial(12, 0.05): more than 5 below 1e-5 if they were independent


def test_the_summaries_by_hand():
    release = pd.DataFrame({"age": [20, 40], "region": ["S", "N"], "income": [None, 10.0]})
    target = pd.DataFrame({"age": [40], "region": ["S"], "income": [10.0]})
    people = align(release.assign(age=[0, 100]), release, None, SCHEMA).real
    found = summaries(release, target, people, SCHEMA)
    assert found["naive"].tolist() == [30, 30, 100, 0, 2, 0.5, 0.5, 10, 10, 0, 0.5]
    assert found["histogram"].sum() == pytest.approx(3)
    assert found["correlations"].tolist() == pytest.approx([-1, 0, 0])  # age and "is S"; income is constant where known
    first = (0 + 1 + 0) / 3  # the second record: another region
    second = (0.2 + 0 + 1) / 3
    expected = np.log(np.array([first, *[second] * 4]) + 1e-6)
    assert found["nearest"].tolist() == pytest.approx(expected.tolist())


def test_releases_have_features_of_one_length_whatever_they_hold():
    rng = np.random.default_rng(3)
    people = align(draw(rng, 30), draw(rng, 30), None, SCHEMA).real
    whole = summaries(draw(rng, 30), OUTLIER, people, SCHEMA)
    odd = pd.DataFrame({"age": [None], "region": ["elsewhere"], "income": [np.nan]})
    for name, vector in summaries(odd, OUTLIER, people, SCHEMA).items():
        assert vector.shape == whole[name].shape and np.isfinite(vector).all()


def test_a_technique_that_copies_is_found_by_running_it_again():
    rng = np.random.default_rng(4)
    people = pd.concat([draw(rng, 60), OUTLIER], ignore_index=True)
    again = Again(people, microdata(lambda data, rng: data))
    rows = shadow_membership_advantage(again, draw(rng, 20), rng, people=2, shadows=10)
    overall = figures(rows)
    assert overall["auc"].value == 1 and overall["advantage"].value == 1
    assert "2 people, 10 runs" in overall["advantage"].note
    assert {r.group for r in rows} - {""} == {f"{s}, {k} people" for s in SETS for k in ("most exposed", "random")}
    assert set(again.seen) == {61}  # another person takes the place of the target
    calm = shadow_membership_advantage(Again(people, microdata(constant)), None, rng, people=2, shadows=20)
    assert figures(calm)["auc"].low <= 0.5


def test_the_most_exposed_come_first():
    rng = np.random.default_rng(5)
    people = pd.concat([draw(rng, 200), OUTLIER], ignore_index=True)
    frame = SCHEMA.conform(people, where="test")
    assert shadow._targets(frame, np.arange(201), SCHEMA, 4, rng)[0] == 200
    assert len(set(shadow._targets(frame, np.arange(201), SCHEMA, 4, rng))) == 4


def test_exact_counts_give_a_person_away_and_noisy_ones_less():
    rng = np.random.default_rng(6)

    def counted(scale):
        def make(data, rng):
            counts = data["region"].value_counts().reindex(["N", "E", "S"]).to_numpy(float)
            cells = cell_index([("region", c, "count") for c in "NES"])
            return Release("answer", Answer.of(cells, counts + scale * rng.laplace(size=3)))

        return make

    people = pd.concat([draw(rng, 60).assign(region="N"), OUTLIER], ignore_index=True)
    others = draw(rng, 20).assign(region="E")
    exact, noisy = (
        figures(shadow_membership_advantage(Again(people, counted(s)), others, rng, people=1, shadows=400))
        for s in (0, 2.0)
    )
    assert exact["auc"].value == 1 and exact["effective epsilon"].low > 3
    # a swap moves two counts by 1: Laplace noise of scale 2 bounds the loss by 2 / 2 = 1
    assert noisy["effective epsilon"].low < 1 and noisy["auc"].value < 0.8


def test_people_with_several_rows_are_taken_out_as_a_whole():
    schema = Schema({"id": Column("id", roles=("unit",)), **SCHEMA.columns}, unit="id", max_rows_per_unit=2)
    rng = np.random.default_rng(7)
    people = draw(rng, 40).assign(id=np.repeat(np.arange(20), 2))[list(schema.columns)]
    people = schema.conform(people, where="test")
    theirs = (people["id"] == people["id"].iloc[0]).to_numpy()
    owner = pd.factorize(people["id"])[0]
    without = shadow._without(people, theirs, owner, None, schema, rng)
    assert len(without) == 40 and without["id"].nunique() == 20
    assert without.iloc[:38].equals(people[~theirs].reset_index(drop=True))


def test_what_cannot_be_played_says_why():
    rng = np.random.default_rng(8)
    again = Again(draw(rng, 30), microdata(constant))
    with pytest.raises(Unsupported, match="one run takes"):
        shadow_membership_advantage(again, rng=rng, seconds=1e-9)
    again.inputs = replace(again.inputs, layout="horizontal")
    with pytest.raises(Unsupported, match="one party"):
        shadow_membership_advantage(again)
    model = Again(draw(rng, 30), lambda data, rng: Release("model", object()))
    with pytest.raises(Unsupported, match="model"):
        shadow_membership_advantage(model)
    with pytest.raises(PetsEvalError, match="shadows"):
        shadow_membership_advantage(again, shadows=2)
    with pytest.raises(PetsEvalError, match="one row"):
        shadow_membership(constant, draw(rng, 5), draw(rng, 2))
    with pytest.raises(PetsEvalError, match="size"):
        shadow_membership(constant, draw(rng, 5), OUTLIER, size=9)
    assert math.isinf(shadow_membership_advantage.spec.range[1])
