"""Noisy marginals: the guarantee they state, the contributions they bound, the noise they add."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

pytest.importorskip("opendp")

from pets_datasets.tasks.group_means import GroupMeans as GroupMeansTask
from pets_datasets.tasks.marginals import Marginals
from pets_datasets.tasks.quantiles import Quantiles
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, PetsEvalError, Schema, Table
from pets_eval.registry import make_technique
from pets_techniques.dp.contributions import bounded
from pets_techniques.dp.group_means import GroupMeans
from pets_techniques.dp.marginals import GaussianMarginals, LaplaceMarginals

TASK = Marginals(columns=("sex", "region", "children"))  # 3 tables, 8 + 10 + 20 cells


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


@pytest.mark.parametrize("technique", [LaplaceMarginals(), GaussianMarginals()])
def test_noise_is_centred_at_the_truth_and_as_wide_as_stated(technique, context):
    data = toy()
    releases = technique.prepare(TASK, data.schema, context).run_many(inputs_of(data), 300)
    noise = np.array([r.value.values for r in releases]) - TASK.compute(data).values
    assert noise.shape == (300, 38)
    se = releases[0].value.table["se"].to_numpy()
    # Means of 300 draws; the largest of 38 exceeds seven standard errors with probability below 1e-10.
    assert (np.abs(noise.mean(axis=0)) < 7 * se / math.sqrt(300)).all()
    assert noise.std() == pytest.approx(se[0], rel=0.15)  # 11,400 draws: more than ten standard errors of the ratio
    table = releases[0].value.table
    covered = np.mean([np.abs(n) <= (table["high"] - table["value"]).to_numpy() for n in noise])
    assert covered > 0.94  # at least 0.95 expected; standard error 0.002


@pytest.mark.parametrize("unit, rows", [("record", 1), ("person", 3)])
def test_the_sensitivity_comes_from_the_schema_and_is_stated(unit, rows, context):
    data = toy(unit=unit)
    laplace = LaplaceMarginals(epsilon=2.0).run(TASK, inputs_of(data), context).guarantee
    event = laplace.events[0]
    assert event["sensitivity"] == rows * 3 and event["norm"] == "l1" and event["count"] == 38
    assert laplace.parameters["epsilon"] == pytest.approx(event["sensitivity"] / event["scale"])
    assert laplace.unit == unit and laplace.adjacency == "add-remove" and laplace.notion == "pure-dp"
    assert f"L1 sensitivity {rows * 3}" in laplace.assumes[0]
    gaussian = GaussianMarginals().run(TASK, inputs_of(data), context).guarantee
    assert gaussian.events[0]["sensitivity"] == pytest.approx(rows * math.sqrt(3))
    assert gaussian.events[0]["sensitivity"] >= rows * math.sqrt(3)


def test_one_person_moves_the_counts_by_no_more_than_the_stated_sensitivity():
    data = toy(unit="person")
    frame = data.train.frame()
    columns = TASK.columns_used(data.schema)

    def counts(rows):
        table = replace(data.train, data=rows.reset_index(drop=True))
        return TASK.count(bounded(table, columns, data.schema), data.schema)

    everybody = counts(frame)
    moves = [np.abs(everybody - counts(frame[frame["person"] != p])) for p in frame["person"].unique()]
    assert max(m.sum() for m in moves) == 9  # three rows in each of three tables: the bound is met, not passed
    assert max(np.sqrt((m**2).sum()) for m in moves) <= 3 * math.sqrt(3) + 1e-9


def test_the_first_rows_of_each_person_are_kept_whatever_the_pieces(monkeypatch):
    data = toy(unit="person")
    expected = data.train.frame().groupby("person", sort=False).head(3)["age"].tolist()
    batches = type(data.train).batches
    monkeypatch.setattr(type(data.train), "batches", lambda self, columns=None, size=7: batches(self, columns, 7))
    pieces = list(bounded(data.train, ["age"], data.schema))
    assert len(pieces) > 30
    assert [age for piece in pieces for age in piece["age"]] == expected


def test_data_dependent_bounds_are_hazards_of_the_columns_used(context):
    data = toy(from_data=True)
    guarantee = LaplaceMarginals().run(Marginals(columns=("sex", "age")), inputs_of(data), context).guarantee
    assert len(guarantee.hazards) == 2
    assert "'sex'" in guarantee.hazards[0] and "'age'" in guarantee.hazards[1]
    assert LaplaceMarginals().run(TASK, inputs_of(toy()), context).guarantee.hazards == ()


def test_a_bound_on_rows_that_was_read_from_the_data_is_a_hazard(context):
    data = toy(unit="person")
    person = replace(data.schema.columns["person"], from_data=True)
    schema = replace(data.schema, columns={**data.schema.columns, "person": person})
    for technique, task in ((LaplaceMarginals(), TASK), (GroupMeans(), GroupMeansTask(by=("sex",), of=("age",)))):
        guarantee = technique.prepare(task, schema, context).guarantee
        assert guarantee.hazards == ("the bound on the rows of one 'person' was read from the data",)
        by_row = technique.prepare(task, replace(schema, unit="record", max_rows_per_unit=1), context).guarantee
        assert by_row.hazards == ()


def test_replacing_one_person_moves_the_counts_by_no_more_than_is_assumed(context):
    """Every person replaced by one with the same number of rows elsewhere, or with as many as are counted."""
    data = toy(unit="person")
    frame, columns = data.train.frame(), TASK.columns_used(data.schema)
    noise = GaussianMarginals().prepare(TASK, data.schema, context).noise
    rng = np.random.default_rng(0)

    def counts(rows):
        table = replace(data.train, data=rows.reset_index(drop=True))
        return TASK.count(bounded(table, columns, data.schema), data.schema)

    everybody, moves = counts(frame), []
    for person in frame["person"].unique():
        other = frame.iloc[[rng.integers(len(frame))] * 5].assign(person="new")
        replaced = pd.concat([frame[frame["person"] != person], other])
        moves.append(np.abs(everybody - counts(replaced.sample(frac=1, random_state=0).sort_index(kind="stable"))))
    assert max((m**2).sum() for m in moves) <= 2 * noise.sensitivity**2
    assert 9 < max(m.sum() for m in moves) <= 18, "L1: more than adding a person does, at most twice as much"


def test_a_missing_value_is_counted_and_gets_noise_like_any_other(context):
    schema = Schema({"x": Column("real", bounds=(0, 9), bins=(0, 9), nullable=True)})
    task = Marginals(columns=("x",), k=1)
    mechanism = LaplaceMarginals().prepare(task, schema, context)
    drawn = {}
    for name, values in {"numbers": [1.0] * 40, "missing": [None] * 40}.items():
        table = Table(schema, data=schema.conform(pd.DataFrame({"x": values}), where="test"))
        releases = mechanism.run_many(Inputs((Party("p"),), {"p": table}, schema), 200)
        drawn[name] = np.array([r.value.values for r in releases])
    assert np.isfinite(drawn["missing"]).all()
    assert abs(drawn["missing"].mean(axis=0) - [0, 40]).max() < 7 * 1.42 / math.sqrt(200)  # false alarm below 1e-10
    assert (drawn["missing"].std(axis=0) > 0.5).all() and (drawn["numbers"].std(axis=0) > 0.5).all()


def test_a_task_that_is_no_vector_of_counts_is_declined_with_a_reason():
    data = toy()
    reason = LaplaceMarginals().supports(Quantiles(), data.schema, data.parties)
    assert reason and "quantiles" in reason


def test_sites_send_their_rows_to_the_curator_once_for_many_releases(context):
    data = toy("horizontal")
    releases = LaplaceMarginals(epsilon=50.0).prepare(TASK, data.schema, context).run_many(inputs_of(data), 5)
    assert len(context.messages) == 3
    assert {phase for phase, _ in context.phases} == {"count", "noise"}
    middle = np.median([r.value.values for r in releases], axis=0)
    # scale 0.06: one value in 1e7 is off by one, and a median of five far less often
    assert stats.mode(np.abs(middle - TASK.compute(data).values)).mode == 0


def test_resolving_exchanges_nothing(context):
    mechanism = GaussianMarginals().prepare(TASK, toy().schema, context)
    assert mechanism.guarantee.parameters["epsilon"] <= 1
    assert context.messages == []


def test_a_budget_in_zcdp_is_spent_as_it_is(context):
    data = toy()
    guarantee = GaussianMarginals(rho=0.125, delta=1e-9).prepare(TASK, data.schema, context).guarantee
    (event,) = guarantee.events
    assert guarantee.notion == "zcdp" and guarantee.parameters["rho"] == pytest.approx(0.125)
    assert guarantee.parameters["rho"] <= 0.125
    assert event["sensitivity"] ** 2 / (2 * event["scale"] ** 2) == pytest.approx(0.125)
    accounting = pytest.importorskip("dp_accounting")
    exact = accounting.get_epsilon_gaussian(event["scale"] / event["sensitivity"], 1e-9)
    assert exact <= guarantee.parameters["epsilon"] <= 1.2 * exact and guarantee.parameters["delta"] == 1e-9


RELEASES = [
    ("dp-laplace-marginals", {}),
    ("dp-laplace-marginals", {"keys": "private"}),
    ("dp-gaussian-marginals", {}),
    ("dp-gaussian-marginals", {"keys": "private"}),
    ("dp-group-means", {}),
    ("dp-group-means", {"noise": "gaussian", "keys": "private"}),
    ("dp-quantiles", {}),
    ("dp-quantiles", {"accounting": "zcdp"}),
    ("dp-contingency-mst", {}),
    ("dp-contingency-aim", {}),
]
NAMES = sorted({name for name, _ in RELEASES})
IDS = [" ".join([name, *params.values()]) for name, params in RELEASES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key, values", [("epsilon", [0, -1, math.nan, 1e9, math.inf]), ("delta", [1, 1.5, 0, -1e-6])])
def test_senseless_budgets_get_one_sentence(name, key, values):
    for value in values:
        with pytest.raises(PetsEvalError, match=f"parameter '{key}' must be") as error:
            make_technique(name, {key: value}, where="here")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "params"), RELEASES, ids=IDS)
@pytest.mark.parametrize("unit", ["record", "person"])
@pytest.mark.parametrize("table", ["no rows", "one row", "nulls"])
def test_tables_with_hardly_anything_in_them_are_released_like_any_other(name, params, unit, table, context):
    data = toy(unit=unit)
    frame = data.train.frame()
    if table == "nulls":
        frame["income"] = np.nan
    else:
        frame = frame.iloc[: 0 if table == "no rows" else 1]
    inputs = replace(inputs_of(data), holdings={"agency": replace(data.train, data=frame)})
    technique = make_technique(name, params)
    tasks = (TASK, GroupMeansTask(by=("sex",), of=("income",)), Quantiles(column="income", by=("sex",)))
    task = next(t for t in tasks if technique.supports(t, data.schema, data.parties) is None)
    release = technique.run(task, inputs, context)
    assert np.isfinite(task.answer(release, data.schema, None).values).all() or release.kind == "microdata"
    assert release.guarantee.parameters["epsilon"] <= 1.0
