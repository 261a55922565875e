"""What a release tells for sure, and rightly, against the definition taken row by row."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.disco import k_disco


def disclosed(people, release, keys, target):
    """DiSCO by its definition (Raab et al. 2024, section 4.2): which people's group is pure, and right."""
    pure = {}
    for key, rows in release.groupby(list(keys), dropna=False):
        if rows[target].nunique(dropna=False) == 1:
            pure[key] = rows[target].iloc[0]
    return np.array([pure.get(tuple(r[c] for c in keys)) == r[target] for _, r in people.iterrows()])


def by_definition(people, release, stable, k):
    """Mean over all choices of columns, and by the column that is asked for."""
    free = [c for c in people if c not in stable]
    shares = {
        target: np.mean(
            [
                disclosed(people, release, [*stable, *known], target).mean()
                for known in itertools.combinations([c for c in free if c != target], k)
            ]
        )
        for target in free
    }
    return np.mean(list(shares.values())), shares


def figures(scores):
    return {(s.group, s.statistic): s.estimate.value for s in scores}


def table(seed, rows, columns=6):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, rows)
    frame = {"c0": first} | {
        f"c{i}": (first * (i % 2) + rng.integers(0, 2 + i, rows)) % (3 + i) for i in range(1, columns)
    }
    return pd.DataFrame(frame).astype(str).map(lambda v: f"v{v}")


@pytest.mark.parametrize(("stable", "k"), [([], 1), ([], 2), (["c0", "c1"], 2), (["c3"], 3)])
def test_it_is_the_definition(stable, k):
    real, control, release = table(0, 80), table(1, 50), table(2, 60)
    found = figures(k_disco(real, release, control, stable=stable, k=k))
    mean, shares = by_definition(real, release, stable, k)
    other, other_shares = by_definition(control, release, stable, k)
    assert found["", "real"] == pytest.approx(mean, abs=1e-12)
    assert found["", "control"] == pytest.approx(other, abs=1e-12)
    assert found["", "difference"] == pytest.approx(mean - other, abs=1e-12)
    for name, share in shares.items():
        assert found[name, "real"] == pytest.approx(share, abs=1e-12)
        assert found[name, "difference"] == pytest.approx(share - other_shares[name], abs=1e-12)


def test_missing_is_a_value():
    real = table(0, 60, 4)
    real = real.mask(np.random.default_rng(0).random(real.shape) < 0.2)
    filled = real.fillna("-")
    assert figures(k_disco(real, real, stable=[])) == pytest.approx(figures(k_disco(filled, filled, stable=[])))


def test_numbers_are_taken_in_public_cells():
    schema = Schema(
        {
            "n": Column("real", bounds=(0, 4), bins=(0, 2, 4)),
            "a": Column("categorical", domain=("x", "y")),
            "b": Column("categorical", domain=("p", "q")),
        }
    )
    real = pd.DataFrame({"n": [0.1, 0.2, 3.1], "a": list("xxy"), "b": list("pqp")})
    found = figures(k_disco(real, real, schema=schema, k=1))
    assert found["a", "real"] == pytest.approx(np.mean([1, 1 / 3]))


def test_copies_say_more_of_their_own_people():
    real, control = table(3, 600, 8), table(4, 400, 8)
    scores = k_disco(real, real, control, k=4, stable=[])
    gap = next(s.estimate for s in scores if not s.group and s.statistic == "difference")
    assert gap.low > 0
    fresh = next(
        s.estimate for s in k_disco(real, table(5, 600, 8), control, k=4, stable=[]) if s.statistic == "difference"
    )
    assert abs(fresh.value) < gap.value / 5


def test_no_hit_is_no_proof_that_nobody_is_disclosed():
    """0 of 20: Clopper and Pearson's interval ends at 1 - 0.025 ** (1 / 20)."""
    real = pd.DataFrame({"a": list("xy") * 10, "b": list("xxyy") * 5, "c": list("xxxxyyyy") * 2 + list("xxyy")})
    release = pd.DataFrame({"a": list("pq"), "b": list("pq"), "c": list("pq")})
    found = {s.statistic: s.estimate for s in k_disco(real, release, real, k=1) if not s.group}
    assert found["real"].value == 0 and found["real"].high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert found["difference"].low < -0.1 and found["difference"].high > 0.1


def test_nists_stable_columns_are_the_default():
    real = table(0, 50, 5).rename(columns={"c0": "SEX", "c3": "RAC1P"})
    assert k_disco(real, real) == k_disco(real, real, stable=["RAC1P", "SEX"])
    only = real.drop(columns="RAC1P")
    assert k_disco(only, only) == k_disco(only, only, stable=[])


def test_of_too_many_questions_some_are_drawn():
    real, release = table(0, 60, 40), table(1, 60, 40)
    assert 40 * 39 * 38 / 2 > 5_000
    drawn = figures(k_disco(real, release))["", "real"]
    assert drawn == figures(k_disco(real, release, rng=np.random.default_rng(0)))["", "real"]
    other = figures(k_disco(real, release, rng=np.random.default_rng(1)))["", "real"]
    assert drawn == pytest.approx(other, abs=0.02)


def test_bad_arguments():
    real = table(0, 20, 3)
    with pytest.raises(Unsupported, match="2 columns are too few"):
        k_disco(real[["c0", "c1"]], real)
    with pytest.raises(PetsEvalError, match="at least 1"):
        k_disco(real, real, k=0)
    with pytest.raises(PetsEvalError, match="no column 'x'"):
        k_disco(real, real, stable=["x"])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x"], "b": [1.5], "c": ["y"]}),
        pd.DataFrame({"a": ["x"] * 9, "b": [1.5] * 9, "c": ["y"] * 9}),
        pd.DataFrame(
            {"a": ["x", None, None], "b": [0.5, None, None], "when": pd.to_datetime(["2020-01-01", None, None])}
        ),
        pd.DataFrame(
            {"c": [f"v{i % 150:03}" for i in range(2000)], "n": np.arange(2000) / 7, "m": np.arange(2000) / 3}
        ),
        pd.DataFrame({"c": [1, "x", 2.5, "x"], "n": [True, False, True, True], "m": list("abab")}),
    ],
)
def test_odd_tables_do_not_crash(frame):
    for score in k_disco(frame, frame, frame):
        assert -1 <= score.estimate.low <= score.estimate.value <= score.estimate.high <= 1
        assert not math.isnan(score.estimate.value)


def test_rows_columns_and_names_of_categories_do_not_matter():
    real, release = table(0, 80), table(1, 90)
    expected = pytest.approx(figures(k_disco(real, release)))
    columns = list(reversed(list(real)))
    assert (
        figures(k_disco(real.sample(frac=1, random_state=0)[columns], release.sample(frac=1, random_state=1)[columns]))
        == expected
    )
    renamed = [f.map(lambda v: f"{99 - int(v[1:])}~{v}") for f in (real, release)]
    assert figures(k_disco(*renamed)) == expected
