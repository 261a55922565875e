"""Classes of records with the same quasi-identifiers, by hand and against the definitions."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pets_eval.model import Column, PetsEvalError, Schema, Unsupported
from pets_metrics.privacy.anonymity import k_anonymity, l_diversity, t_closeness, uniqueness

# Li, Li and Venkatasubramanian (2007), tables 3 and 5: three classes of three
PATIENTS = pd.DataFrame(
    {
        "zip": ["476**"] * 3 + ["4790*"] * 3 + ["476xx"] * 3,
        "salary": [3000.0, 4000, 5000, 6000, 11000, 8000, 7000, 9000, 10000],
        "disease": [
            *("gastric ulcer", "gastritis", "stomach cancer"),
            *("gastritis", "flu", "bronchitis"),
            *("bronchitis", "pneumonia", "stomach cancer"),
        ],
    }
)
SCHEMA = Schema(
    {
        "zip": Column("categorical", domain=("476**", "4790*", "476xx"), roles=("quasi-identifier",)),
        "salary": Column("real", bounds=(0, 20_000), roles=("sensitive",)),
        "disease": Column("categorical", domain=tuple(sorted(set(PATIENTS["disease"]))), roles=("sensitive",)),
    }
)


def figures(scores):
    return {(s.group, s.statistic): s.estimate.value for s in scores}


def test_classes_by_hand():
    release = pd.DataFrame({"a": list("xxxxxxxxxxxyyyyyzz"), "n": np.arange(18) / 7})
    found = {name: e.value for name, e in k_anonymity(release).items()}
    assert found == {"smallest": 2, "share in classes of 5": 16 / 18, "share in classes of 11": 11 / 18}
    assert k_anonymity(release, columns=["a", "n"])["smallest"].value == 1
    assert k_anonymity(PATIENTS, SCHEMA)["smallest"].value == 3


def test_a_missing_value_is_like_another_one():
    assert k_anonymity(pd.DataFrame({"a": ["x", "x", None, None, None]}))["smallest"].value == 2


def test_closeness_of_the_paper():
    """The paper's section 5.2: the salaries of {3k, 4k, 5k} are at 0.375, those of {6k, 8k, 11k} at 0.167."""
    found = figures(t_closeness(PATIENTS, SCHEMA))
    assert found["salary", "largest"] == pytest.approx(0.375)
    second = PATIENTS.assign(zip=["476**" if z == "4790*" else "4790*" for z in PATIENTS["zip"]])
    own = [0.375, 1 / 6]
    for rows, expected in zip((slice(0, 3), slice(3, 6)), own, strict=True):
        values = np.sort(PATIENTS["salary"].to_numpy())
        steps = np.searchsorted(values, PATIENTS["salary"].to_numpy()[rows])
        assert scipy.stats.wasserstein_distance(steps, np.arange(9)) / 8 == pytest.approx(expected)
    assert figures(t_closeness(second, SCHEMA))["salary", "largest"] <= 0.375
    # diseases of the first class: three of six, of which two stand once and two twice in nine rows
    assert found["disease", "largest"] == pytest.approx(1 - (1 + 2 + 2) / 9)
    assert found["", "largest"] == pytest.approx(max(0.375, 4 / 9))


@pytest.mark.parametrize("seed", range(5))
def test_closeness_and_diversity_class_by_class(seed):
    rng = np.random.default_rng(seed)
    n = 400
    release = pd.DataFrame(
        {
            "key": rng.choice(list("abcdefghijklmnop"), n),
            "pay": rng.choice([1.5, 2.5, 7.5, 11.5, 30.5, np.nan], n),
            "ill": rng.choice(["no", "flu", "cold", None], n),
        }
    )
    release.loc[release["key"] == "c", "pay"] = np.nan
    cells = Schema(
        {
            "key": Column("categorical", domain=tuple("abcdefghijklmnop"), roles=("quasi-identifier",)),
            "pay": Column("real", bounds=(0, 40), bins=(0, 2, 10, 40), nullable=True, roles=("sensitive",)),
            "ill": Column("categorical", domain=("no", "flu", "cold"), nullable=True, roles=("sensitive",)),
        }
    )
    close, diverse = figures(t_closeness(release, cells)), figures(l_diversity(release, cells))
    classes = [rows for _, rows in release.groupby("key")]
    whole = release["ill"].fillna("-").value_counts(normalize=True)
    parts = [rows["ill"].fillna("-").value_counts(normalize=True) for rows in classes]
    far = [p.reindex(whole.index, fill_value=0).sub(whole).abs().sum() / 2 for p in parts]
    assert close["ill", "largest"] == pytest.approx(max(far))
    assert diverse["ill", "distinct"] == min(map(len, parts))
    assert diverse["ill", "entropy"] == pytest.approx(min(np.exp(scipy.stats.entropy(p)) for p in parts))
    values = np.unique(release["pay"].dropna())
    steps = [np.searchsorted(values, rows["pay"].dropna()) for rows in classes]
    every = np.searchsorted(values, release["pay"].dropna())
    moved = [scipy.stats.wasserstein_distance(s, every) / (len(values) - 1) for s in steps if len(s)]
    gaps = [abs(rows["pay"].isna().mean() - release["pay"].isna().mean()) for rows in classes]
    assert close["pay", "largest"] == pytest.approx(max(*moved, *gaps))
    binned = [pd.cut(rows["pay"], [0, 2, 10, 40], right=False).astype(str).nunique() for rows in classes]
    assert diverse["pay", "distinct"] == min(binned)
    assert diverse["", "distinct"] == min(diverse["pay", "distinct"], diverse["ill", "distinct"])


def test_diversity_by_hand():
    found = figures(l_diversity(PATIENTS, SCHEMA))
    assert found["disease", "distinct"] == 3 and found["disease", "entropy"] == pytest.approx(3)
    assert found["salary", "distinct"] == 2, "3,000 is in one public cell, 4,000 and 5,000 in another"
    assert found["", "distinct"] == 2
    assert found["", "entropy"] == pytest.approx(np.exp(scipy.stats.entropy([1, 2])))


def test_a_class_of_one_value_is_as_bad_as_can_be():
    release = pd.DataFrame({"key": list("xxyy"), "ill": ["flu", "flu", "no", "no"]})
    assert figures(l_diversity(release, sensitive=["ill"]))["", "distinct"] == 1
    assert figures(l_diversity(release, sensitive=["ill"]))["", "entropy"] == 1
    assert figures(t_closeness(release, sensitive=["ill"]))["", "largest"] == 0.5


def test_one_class_is_perfectly_close():
    release = pd.DataFrame({"key": ["x"] * 4, "ill": ["flu", "no", "no", "no"], "pay": [0.5, 1.5, 2.5, 9.5]})
    assert figures(t_closeness(release, columns=["key"], sensitive=["ill", "pay"])) == {
        ("ill", "largest"): 0,
        ("pay", "largest"): 0,
        ("", "largest"): 0,
    }


def test_who_is_alone_by_hand():
    real = pd.DataFrame({"a": list("pqqrst")})
    release = pd.DataFrame({"a": list("pqssuu")})
    found = {name: e.value for name, e in uniqueness(real, release).items()}
    assert found == {"released": 2 / 6, "both": 1 / 6}, "p and q are alone in the release, p in the real table, too"
    assert uniqueness(real, real)["both"].value == 4 / 6


def test_roles_are_needed():
    release = pd.DataFrame({"a": ["x", "y"], "b": [0.5, 1.5]})
    with pytest.raises(Unsupported, match="no column is sensitive"):
        l_diversity(release)
    with pytest.raises(Unsupported, match="no column is sensitive"):
        t_closeness(release)
    with pytest.raises(Unsupported, match="no column is a quasi-identifier"):
        k_anonymity(release[["b"]])
    with pytest.raises(Unsupported, match="no column is a quasi-identifier"):
        l_diversity(release[["a"]], sensitive=["a"])
    with pytest.raises(PetsEvalError, match="cannot be both"):
        l_diversity(release, columns=["a"], sensitive=["a"])
    with pytest.raises(PetsEvalError, match="no column 'c'"):
        t_closeness(release, sensitive=["c"])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x"], "b": [1.5]}),
        pd.DataFrame({"a": ["x"] * 9, "b": [1.5] * 9}),
        pd.DataFrame({"a": ["x"] * 9, "b": [0.5, None] * 4 + [1.5], "c": list("xy") * 4 + ["z"]}),
        pd.DataFrame({"b": pd.to_datetime(["2020-01-01", None, "2021-05-05"]), "c": list("xyx")}),
        pd.DataFrame({"c": [f"v{i % 150:03}" for i in range(2000)], "b": np.arange(2000) / 7}),
        pd.DataFrame({"c": [1, "x", 2.5, "x"], "b": [True, False, True, True]}),
    ],
)
def test_odd_tables_do_not_crash(frame):
    found = [*k_anonymity(frame).values(), *uniqueness(frame, frame).values()]
    found += [s.estimate for s in (*l_diversity(frame, sensitive=["b"]), *t_closeness(frame, sensitive=["b"]))]
    assert all(e.value >= 0 and not math.isnan(e.value) for e in found)
    assert all(s.estimate.value <= 1 for s in t_closeness(frame, sensitive=["b"]))


def test_rows_columns_and_names_of_categories_do_not_matter():
    turned = PATIENTS.sample(frac=1, random_state=0)[["disease", "zip", "salary"]]
    renamed = turned.assign(zip=turned["zip"].map({"476**": "u", "4790*": "a", "476xx": "m"}))
    for metric in (l_diversity, t_closeness):
        expected = pytest.approx(figures(metric(PATIENTS, SCHEMA)))
        assert figures(metric(turned, SCHEMA)) == expected
        assert figures(metric(renamed, SCHEMA)) == expected
    assert k_anonymity(renamed, SCHEMA) == k_anonymity(PATIENTS, SCHEMA)
