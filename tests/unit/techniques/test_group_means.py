"""Noisy group means against the exact ones, and one person's influence against the stated sensitivity."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("opendp")

from pets_datasets.tasks.group_means import GroupMeans as Task
from pets_datasets.tasks.marginals import Marginals
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, Schema, Table
from pets_techniques.dp.contributions import bounded
from pets_techniques.dp.group_means import GroupMeans

TASK = Task(by=("sex",), of=("age", "income"))


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


@pytest.mark.parametrize("noise", ["laplace", "gaussian"])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_counts_and_sums_are_centred_at_the_truth_and_as_wide_as_stated(share, noise, context):
    data = toy()
    mechanism = GroupMeans(epsilon=2.0, count_share=share, noise=noise).prepare(TASK, data.schema, context)
    releases = mechanism.run_many(inputs_of(data), 400)
    truth = TASK.compute(data).table["value"].unstack("statistic")
    tables = [r.value.table for r in releases]
    for statistic in ("count", "sum"):
        drawn = np.array([t["value"].unstack("statistic")[statistic] for t in tables])
        se = tables[0]["se"].unstack("statistic")[statistic].to_numpy()
        off = np.abs(drawn.mean(axis=0) - truth[statistic].to_numpy())
        rounding = 1e-4 * np.abs(truth[statistic].to_numpy())
        assert (off < 7 * se / math.sqrt(400) + rounding).all()  # false alarm below 1e-10
        assert (np.abs(drawn.std(axis=0) / se - 1) < 0.5).all()  # seven standard errors of a Laplace deviation
    high, value = (np.array([t[c].unstack("statistic")["count"] for t in tables]) for c in ("high", "value"))
    covered = np.abs(value - truth["count"].to_numpy()) <= high - value
    assert covered.mean() > 0.90  # 1,600 draws at 0.95


def test_with_a_large_budget_the_means_are_exact_up_to_the_grid(context):
    data = toy()
    release = GroupMeans(epsilon=100.0).run(TASK, inputs_of(data), context)
    found = release.value.table["value"].unstack("statistic")["mean"]
    true = TASK.compute(data).table["value"].unstack("statistic")["mean"]
    np.testing.assert_allclose(found, true, rtol=0.05)


def test_means_stay_within_public_bounds_even_for_empty_groups(context):
    schema = Schema({"g": Column("categorical", domain=("a", "b")), "x": Column("real", bounds=(10, 20))})
    table = Table(schema, data=schema.conform(pd.DataFrame({"g": ["a"], "x": [12.0]}), where="test"))
    mechanism = GroupMeans(epsilon=0.1).prepare(Task(), schema, context)
    releases = mechanism.run_many(Inputs((Party("p"),), {"p": table}, schema), 50)
    means = np.array([r.value.table["value"].unstack("statistic")["mean"] for r in releases])
    assert ((means >= 10) & (means <= 20)).all()


def test_the_budget_is_split_as_asked(context):
    schema = toy().schema
    mechanism = GroupMeans(count_share=0.2).prepare(TASK, schema, context)
    event = mechanism.guarantee.events[0]
    per_count, per_sum = 2 * mechanism.count_step / event["scale"], 2 * 65_536 / event["scale"]
    assert per_count + per_sum == pytest.approx(mechanism.guarantee.parameters["epsilon"])
    assert per_count == pytest.approx(0.2, rel=1e-3)
    assert event["count"] == 2 * 2 * 2 and event["discrete"]


def test_gaussian_noise_spends_rho_on_counts_and_sums_as_asked(context):
    mechanism = GroupMeans(count_share=0.2, noise="gaussian", delta=1e-7).prepare(TASK, toy().schema, context)
    (event,), stated = mechanism.guarantee.events, mechanism.guarantee.parameters
    per_count, per_sum = (2 * step**2 / (2 * event["scale"] ** 2) for step in (mechanism.count_step, 65_536))
    assert per_count + per_sum == pytest.approx(stated["rho"])
    assert per_count / stated["rho"] == pytest.approx(0.2, rel=1e-3)
    assert mechanism.guarantee.notion == "approx-dp" and stated["delta"] == 1e-7 and stated["epsilon"] <= 1.0
    # sums have signs: replacing a person moves the vector twice as far, which costs four times the rho
    assert mechanism.noise.replaced["rho"] == pytest.approx(4 * stated["rho"])


def test_one_person_moves_the_vector_by_no_more_than_the_stated_sensitivity(context):
    data = toy(unit="person")
    mechanism = GroupMeans().prepare(TASK, data.schema, context)
    frame, columns = data.train.frame(), TASK.columns_used(data.schema)
    frame["income"] = frame["income"].where(frame["income"] < 2000, 5000.0)  # at the bound: the largest influence

    def vector(rows):
        table = replace(data.train, data=rows.reset_index(drop=True))
        return mechanism._measure(bounded(table, columns, data.schema))

    everybody = vector(frame)
    largest = max(np.abs(everybody - vector(frame[frame["person"] != p])).sum() for p in frame["person"].unique())
    stated = mechanism.guarantee.events[0]["sensitivity"]
    assert stated == 3 * 2 * 2 * 65_536
    assert 0.7 * stated < largest <= stated


def test_values_beyond_the_bounds_are_clamped(context):
    schema = Schema({"g": Column("categorical", domain=("a",)), "x": Column("real", bounds=(0, 10))})
    mechanism = GroupMeans().prepare(Task(), schema, context)
    frame = schema.conform(pd.DataFrame({"g": ["a", "a", "a"], "x": [1e9, -1e9, 10.0]}), where="test")
    assert mechanism._measure([frame]).ravel().tolist() == [3 * 65_536, 65_536]


def test_missing_numbers_are_no_values_and_their_noise_is_there(context):
    schema = Schema(
        {"g": Column("categorical", domain=("a",), nullable=True), "x": Column("real", bounds=(0, 10), nullable=True)}
    )
    frame = schema.conform(pd.DataFrame({"g": ["a", None, "a"], "x": [None, 10.0, None]}), where="test")
    mechanism = GroupMeans().prepare(Task(), schema, context)
    assert mechanism._measure([frame]).ravel().tolist() == [0, 65_536, 0, 65_536]
    table = Table(schema, data=frame)
    releases = mechanism.run_many(Inputs((Party("p"),), {"p": table}, schema), 50)
    drawn = np.array([r.value.values for r in releases])
    assert np.isfinite(drawn).all() and (drawn.std(axis=0) > 0).all()


@pytest.mark.parametrize("bounds", [(-1.7e308, 1.7e308), (0.0, 5e-324), (1e16, 1e16 + 2)])
def test_extreme_bounds_stay_within_the_sensitivity_and_finite(bounds, context):
    schema = Schema({"g": Column("categorical", domain=("a",)), "x": Column("real", bounds=bounds)})
    mechanism = GroupMeans().prepare(Task(of=("x",)), schema, context)
    for value in (bounds[0], bounds[1], 0.0, 1e300, -1e300):
        frame = schema.conform(pd.DataFrame({"g": ["a"], "x": [value]}), where="test")
        assert abs(int(mechanism._measure([frame])[1].sum())) <= 65_536
    table = Table(schema, data=frame)
    (release,) = mechanism.run_many(Inputs((Party("p"),), {"p": table}, schema), 1)
    means = release.value.table["value"].unstack("statistic")["mean"]
    tiny = np.finfo(float).tiny
    assert bounds[0] - tiny <= means.iloc[0] <= bounds[1] + tiny


def test_other_tasks_are_declined_with_a_reason():
    data = toy()
    assert "marginals" in GroupMeans().supports(Marginals(), data.schema, data.parties)
