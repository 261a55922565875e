"""Splitting off control units and spreading rows over parties: seeded, by unit of privacy, in bounded memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import PetsEvalError
from pets_eval.model.study import DatasetPick, Partition, PartySpec
from pets_eval.registry import make_dataset
from pets_eval.run.data import load_dataset, plan_data, prepare


def ready(tmp_path, *, seed=1, parties=(), rows=2000, **pick):
    chosen = DatasetPick(use="test-people", params={"rows": rows}, **pick)
    source = make_dataset("test-people", chosen.params)
    plan = plan_data(chosen, source, list(parties), seed, "here")
    return load_dataset(prepare(plan, source.fingerprint(tmp_path), tmp_path))


def test_control_is_disjoint_seeded_and_of_the_asked_size(tmp_path):
    dataset = ready(tmp_path, control=0.25)
    train, control = dataset.train.frame(), dataset.control.frame()
    assert set(train["person"]).isdisjoint(control["person"])
    assert len(train) + len(control) == 2000
    # Binomial(2000, 0.25) is within 5 standard deviations but for a chance below 1e-6
    assert abs(len(control) - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5
    again = ready(tmp_path / "again", control=0.25)
    pd.testing.assert_frame_equal(train, again.train.frame())
    other = ready(tmp_path / "other", control=0.25, seed=2)
    assert set(other.control.frame()["person"]) != set(control["person"])


def test_query_hides_the_target(tmp_path):
    query = ready(tmp_path).query()
    assert "ill" not in query.columns and "size" in query.columns


@pytest.mark.parametrize(
    "rule",
    [
        Partition(by="iid", parties=4),
        Partition(by="column", column="colour"),
        Partition(by="dirichlet", parties=3, column="ill", alpha=0.5),
    ],
)
def test_horizontal_parts_make_up_the_whole(tmp_path, rule):
    dataset = ready(tmp_path, partition=rule)
    assert dataset.layout == "horizontal"
    parts = [t.frame() for t in dataset.parts.values()]
    people = pd.concat(parts)["person"]
    assert people.is_unique and set(people) == set(dataset.train.frame()["person"])
    if rule.by == "column":
        assert [set(p["colour"]) for p in parts] == [{name} for name in dataset.parts]
    if rule.by == "dirichlet":
        shares = [float((p["ill"] == "Yes").mean()) for p in parts]
        assert max(shares) - min(shares) > 0.02


def test_unit_is_never_split_between_train_and_control(tmp_path):
    from pets_eval.run.data import DataPlan, _uniform

    source = make_dataset("test-people", {})
    plan = DataPlan(DatasetPick(use="test-people"), source, source.schema(), (), "pooled", 3)
    rows = pd.DataFrame({"person": ["a", "b", "a", "c", "b", "a"]})
    draw = _uniform(plan, rows, 0, "control")
    assert draw[0] == draw[2] == draw[5] and draw[1] == draw[4] and len({*draw}) == 3
    assert (draw == _uniform(plan, rows, 7, "control")).all(), "the batch number must not matter"
    many = _uniform(plan, pd.DataFrame({"person": np.arange(20_000).astype(str)}), 0, "control")
    # Kolmogorov-Smirnov against the uniform: exceeded with probability below 1e-6 at 2.7/sqrt(n)
    assert np.abs(np.sort(many) - (np.arange(20_000) + 0.5) / 20_000).max() < 2.7 / 20_000**0.5


def test_roles(tmp_path):
    dataset = ready(
        tmp_path,
        partition=Partition(by="iid", parties=2),
        parties=[PartySpec(name="bureau", roles=["computing", "result"])],
    )
    assert {p.name: set(p.roles) for p in dataset.parties} == {
        "site-1": {"input"},
        "site-2": {"input"},
        "bureau": {"computing", "result"},
    }


@pytest.mark.parametrize(
    ("pick", "words"),
    [
        ({"partition": Partition(by="column", column="colur")}, "did you mean 'colour'"),
        ({"partition": Partition(by="column", column="income")}, "not categorical"),
        ({"columns": ["sise"]}, "did you mean 'size'"),
        ({"partition": Partition(by="vertical", columns={"a": ["size"], "b": ["nope"]})}, "no column 'nope'"),
    ],
)
def test_mistakes_are_named(tmp_path, pick, words):
    with pytest.raises(PetsEvalError, match=words):
        ready(tmp_path, **pick)
