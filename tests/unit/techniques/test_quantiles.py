"""Quantiles by private selection: OpenDP's own scores, the probabilities of each choice, and what one person moves."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

pytest.importorskip("opendp")

from pets_datasets.tasks.group_means import GroupMeans as GroupMeansTask
from pets_datasets.tasks.quantiles import Quantiles as Task
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, Schema, Table
from pets_techniques.dp.choice import choice
from pets_techniques.dp.quantiles import Quantiles, grid_of, selection

FALSE_ALARM = 1e-9


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def alone(schema, frame):
    table = Table(schema, data=schema.conform(frame, where="test"))
    return Inputs((Party("p"),), {"p": table}, schema)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.975, 1.0])
def test_scores_from_counts_are_those_of_the_library(p, context):
    import opendp.prelude as dp

    dp.enable_features("contrib")
    column = Column("real", bounds=(0, 10))
    schema = Schema({"x": column})
    mechanism = Quantiles(candidates=25).prepare(Task(column="x", probabilities=(p,)), schema, context)
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-2, 12, 200), rng.choice(mechanism.candidates, 50)])
    less, more = mechanism._count([pd.DataFrame({"x": x})])
    made = selection(p, 1, 1.0, True)
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.symmetric_distance()
    library = dp.t.make_quantile_score_candidates(*space, candidates=mechanism.candidates.tolist(), alpha=p)
    assert np.abs(made.below * less[0] - made.above * more[0]).tolist() == library(x.tolist())


@pytest.mark.parametrize("pure", [True, False])
def test_each_candidate_is_chosen_as_often_as_the_mechanism_says(pure):
    """Exponential mechanism: exp(score / scale). Permute-and-flip: by its algorithm, over all orders."""
    made = choice(1, 2, 1.0 if pure else 0.125, pure=pure, least=True)
    scores = np.array([0, 1, 3, 4])
    if pure:
        keep, expected = np.exp(-(scores - scores.min()) / 2), np.zeros(4)
        for order in itertools.permutations(range(4)):
            reached = 1.0
            for i in order:
                expected[i] += reached * keep[i] / 24
                reached *= 1 - keep[i]
    else:
        expected = np.exp(-scores / 2)
    drawn = np.bincount([made.of(scores) for _ in range(3_000)], minlength=4)
    assert stats.chisquare(drawn, 3_000 * expected / expected.sum()).pvalue > FALSE_ALARM
    assert made.lost == pytest.approx(1.0 if pure else 0.125, rel=1e-9)
    assert made.replaced == pytest.approx(2.0 if pure else 0.5, rel=1e-9)


def test_with_a_large_budget_the_quantiles_are_those_of_the_task_up_to_the_grid(context):
    data = toy()
    for task in (Task(column="age", by=("sex",)), Task(column="income"), Task(column="seen", by=("sick",))):
        release = Quantiles(epsilon=100.0, candidates=1_000).run(task, inputs_of(data), context)
        low, high = data.schema.columns[task.column].bounds
        # at epsilon 33 for each of 3 quantiles a rank that is off by two is chosen with probability e^-17
        assert np.abs(release.value.values - task.compute(data).values).max() < 0.06 * (high - low)


@pytest.mark.parametrize("unit, rows", [("record", 1), ("person", 3)])
def test_the_budget_is_split_over_the_quantiles_and_grows_with_the_rows_of_a_unit(unit, rows, context):
    schema, task = toy(unit=unit).schema, Task(column="age", by=("sex",), probabilities=(0.1, 0.25, 0.5, 0.9))
    pure = Quantiles(epsilon=2.0).prepare(task, schema, context).guarantee
    assert pure.notion == "pure-dp" and pure.unit == unit
    assert pure.parameters["epsilon"] == pytest.approx(2.0) and pure.parameters["epsilon"] <= 2.0
    assert [e["epsilon"] for e in pure.events] == pytest.approx([0.5] * 4)
    zcdp = Quantiles(accounting="zcdp", delta=1e-7).prepare(task, schema, context).guarantee
    assert zcdp.notion == "approx-dp" and zcdp.parameters["epsilon"] <= 1.0 and zcdp.parameters["delta"] == 1e-7
    # bounded range epsilon is epsilon^2 / 8 in zCDP: Cesar and Rogers 2021, proposition 3.9
    assert sum(e["epsilon"] ** 2 / 8 for e in zcdp.events) == pytest.approx(zcdp.parameters["rho"])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_one_person_moves_every_score_by_no_more_than_is_accounted(p, context):
    import opendp.prelude as dp

    data, task = toy(unit="person"), Task(column="income", by=("sex",), probabilities=(p,))
    mechanism = Quantiles(candidates=50).prepare(task, data.schema, context)
    (made,), inputs, frame = mechanism.selections, inputs_of(data), data.train.frame()
    dp.enable_features("contrib")
    scorer = dp.t.make_quantile_score_candidates(
        dp.vector_domain(dp.atom_domain(T=int)), dp.symmetric_distance(), candidates=[0, 1], alpha=p
    )

    def scores(rows):
        table = replace(data.train, data=rows.reset_index(drop=True))
        less, more = mechanism.exact(replace(inputs, holdings={"agency": table}))
        return np.abs(made.below * less - made.above * more)

    everybody = scores(frame)
    moved = max(np.abs(everybody - scores(frame[frame["person"] != q])).max() for q in frame["person"].unique())
    assert 0 < moved <= scorer.map(3)


def test_counts_do_not_depend_on_the_pieces(monkeypatch, context):
    data, task = toy(), Task(column="age", by=("region",))
    mechanism = Quantiles(candidates=100).prepare(task, data.schema, context)
    whole = mechanism.exact(inputs_of(data))
    batches = Table.batches
    monkeypatch.setattr(Table, "batches", lambda self, columns=None, size=7: batches(self, columns, 7))
    assert (mechanism.exact(inputs_of(data)) == whole).all()
    assert whole.shape == (2, 4, 100)
    assert (whole[0] + whole[1] <= 240).all()


def test_candidates_are_public_lie_within_the_bounds_and_follow_the_bins():
    assert grid_of(Column("integer", bounds=(0, 4)), 500).tolist() == [0, 1, 2, 3, 4]
    assert grid_of(Column("real", bounds=(0, 1)), 11).tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    skewed = grid_of(Column("real", bounds=(0, 5000), bins=(0, 50, 100, 1000, 5000)), 401)
    assert len(skewed) == 401 and (np.diff(skewed) > 0).all() and skewed[[0, -1]].tolist() == [0, 5000]
    assert (skewed <= 50).sum() == 101  # as many within the first bin as within the last
    outside = grid_of(Column("real", bounds=(0, 10), bins=(-5, 5, 20)), 100)
    assert outside.min() == 0 and outside.max() == 10
    days = grid_of(Column("date", bounds=(18_000, 18_100)), 50)
    assert (days == np.rint(days)).all() and days[[0, -1]].tolist() == [18_000, 18_100]


@pytest.mark.parametrize("accounting", ["pure", "zcdp"])
@pytest.mark.parametrize("values", [[3.0], [None] * 5, [1e300, -1e300, 2.0]], ids=["one row", "nulls", "out of bounds"])
def test_any_table_gets_candidates_and_an_empty_group_looks_like_any_other(values, accounting, context):
    columns = {"g": Column("categorical", domain=("a", "b")), "x": Column("real", bounds=(0, 9), nullable=True)}
    schema = Schema(columns)
    mechanism = Quantiles(accounting=accounting, candidates=10).prepare(Task(column="x", by=("g",)), schema, context)
    inputs = alone(schema, pd.DataFrame({"g": ["a"] * len(values), "x": values}))
    drawn = np.array([r.value.values for r in mechanism.run_many(inputs, 40)])
    assert np.isfinite(drawn).all() and (drawn >= 0).all() and (drawn <= 9).all()
    assert len(np.unique(drawn[:, 3:])) > 3  # 120 draws from 10 candidates: fewer with probability below 1e-50


def test_other_tasks_and_too_many_groups_are_declined_with_a_reason():
    data = toy()
    assert "group-means" in Quantiles().supports(GroupMeansTask(), data.schema, data.parties)
    many = Schema(
        {"g": Column("categorical", domain=tuple(map(str, range(50_000)))), "x": Column("real", bounds=(0, 1))}
    )
    assert "too many counts" in Quantiles().supports(Task(column="x", by=("g",)), many, data.parties)
