"""Synthetic records: the distribution that noisy tables give, what MST and AIM spend, and what one person moves."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("opendp")
pytest.importorskip("networkx")

from pets_datasets.tasks.marginals import Marginals
from pets_datasets.tasks.microdata import Microdata
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, Schema, Table
from pets_techniques.curator import published
from pets_techniques.dp import tables
from pets_techniques.dp.contingency import ContingencyAim, ContingencyMst
from pets_techniques.dp.contributions import bounded
from pets_techniques.dp.graph import Noisy, Tree, fit
from pets_techniques.dp.records import sizes, tabulated, values
from pets_techniques.dp.tables import Aim, Mst, Spent, distance, measured, noise_for, total_of

TASK = Marginals(columns=("sex", "region", "children"))
BOTH = [ContingencyMst(), ContingencyAim()]


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def alone(schema, frame):
    table = Table(schema, data=schema.conform(frame, where="test"))
    return Inputs((Party("p"),), {"p": table}, schema)


def counted(codes, shape, columns):
    table = np.zeros([shape[c] for c in columns], dtype=np.int64)
    np.add.at(table, tuple(codes[:, c] for c in columns), 1)
    return table


def chain(rows=20_000, seed=0):
    """Codes of five columns in which each depends on the one before."""
    rng, shape = np.random.default_rng(seed), (3, 4, 5, 4, 3)
    codes = np.zeros((rows, 5), dtype=np.int64)
    codes[:, 0] = rng.integers(0, 3, rows)
    for i in range(1, 5):
        follows = (codes[:, i - 1] * 2 + 1) % shape[i]
        codes[:, i] = np.where(rng.random(rows) < 0.7, follows, rng.integers(0, shape[i], rows))
    return codes, shape


# -- the distribution -----------------------------------------------------------------------------


def exactly(codes, shape, wanted):
    return {c: Noisy(counted(codes, shape, c).astype(float), 1.0) for c in wanted}


def test_exact_tables_along_a_tree_give_the_product_of_conditionals():
    codes, shape = chain(3_000)
    model = fit(shape, exactly(codes, shape, [(0, 1), (1, 2), (2, 3), (4,)]), 3_000.0, 5_000)
    p = {c: counted(codes, shape, c) / 3_000 for c in ((0, 1), (1, 2), (2, 3), (1,), (2,), (4,))}
    joint = np.einsum("ab,bc,cd,b,c,e->abcde", p[0, 1], p[1, 2], p[2, 3], 1 / p[1,], 1 / p[2,], p[4,])
    for wanted in ((0,), (4,), (1, 2), (0, 2), (0, 3), (1, 4), (0, 3, 4), (0, 1, 2), (1, 3)):
        expected = 3_000 * joint.sum(axis=tuple(i for i in range(5) if i not in wanted))
        np.testing.assert_allclose(model.table(wanted), expected, atol=6)  # 0.2 % of the records


def test_cliques_hold_what_was_measured_also_around_a_cycle():
    shape = (2, 3, 2, 3, 4)
    tree = Tree.over(shape, [(0, 1), (1, 2), (2, 3), (0, 3)])
    for table in ((0, 1), (1, 2), (2, 3), (0, 3), (4,)):
        assert tree.home(table) >= 0
    assert all(p < i for i, p in enumerate(tree.parents))
    assert tree.cells == sum(math.prod(shape[c] for c in clique) for clique in tree.cliques)
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=tree.shape(clique)) for clique in tree.cliques]
    joint = np.zeros(shape)
    for clique, logit in zip(tree.cliques, logits):
        joint = joint + logit.reshape(tree.within(clique, tuple(range(5))))
    joint = np.exp(joint) / np.exp(joint).sum()
    for clique, found in zip(tree.cliques, tree.calibrated(logits)):
        np.testing.assert_allclose(found, joint.sum(axis=tuple(i for i in range(5) if i not in clique)), atol=1e-12)


def test_the_fit_is_a_probability_even_where_noisy_counts_are_negative():
    noisy = {(0,): Noisy(np.array([50.0, -30.0]), 100.0), (0, 1): Noisy(np.array([[60.0, -9], [-20, 4]]), 100.0)}
    model = fit((2, 2), noisy, 40.0, 1_000)
    assert (model.table((0, 1)) >= 0).all() and model.table((0, 1)).sum() == pytest.approx(40)
    # by hand: all in the first cell, whose residuals push every other cell to zero
    assert model.table((0, 1))[0, 0] > 38


def test_draws_follow_the_model_and_add_little_chance():
    codes, shape = chain()
    model = fit(shape, exactly(codes, shape, [(0, 1), (1, 2), (2, 3), (3, 4)]), 20_000.0, 1_000)
    drawn = model.draw(20_000, np.random.default_rng(1))
    for pair in itertools.combinations(range(5), 2):
        off = np.abs(counted(drawn, shape, pair) - model.table(pair)).sum() / 2 / 20_000
        assert off < (0.002 if pair[1] == pair[0] + 1 else 0.02)  # independent draws: 0.008 and more
    assert drawn.min() >= 0 and (drawn.max(axis=0) < shape).all()


@pytest.mark.slow  # the peer compiles for half a minute
@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("deviation", [10.0, 60.0])
@pytest.mark.filterwarnings("ignore")
def test_the_fit_is_as_close_as_that_of_mbi(cycle, deviation):
    jax = pytest.importorskip("jax")
    mbi = pytest.importorskip("mbi")
    codes, shape = chain(2_000)
    rng = np.random.default_rng(2)
    wanted = [*((c,) for c in range(5)), (0, 1), (1, 2), (2, 3), (3, 4), *([(0, 4)] if cycle else [])]
    noisy = {
        c: Noisy(m.counts + rng.normal(0, deviation, m.counts.shape), deviation**2)
        for c, m in exactly(codes, shape, wanted).items()
    }
    ours = fit(shape, noisy, 2_000.0, 1_000)

    def missed(table):
        return sum(float(((table(c) - m.counts) ** 2).sum()) / 2 / m.variance for c, m in noisy.items())

    with jax.enable_x64(True):
        domain = mbi.Domain([str(i) for i in range(5)], shape)
        asked = [mbi.LinearMeasurement(m.counts.ravel(), tuple(map(str, c)), deviation) for c, m in noisy.items()]
        theirs = mbi.estimation.MirrorDescent().estimate(domain, asked, known_total=2_000.0, iters=3_000)

        def peer(c):
            return np.asarray(theirs.project(tuple(map(str, c))).datavector(flatten=False))

        assert missed(ours.table) == pytest.approx(missed(peer), rel=0.03)  # ours stops sooner, on purpose
        for pair in itertools.combinations(range(5), 2):
            assert np.abs(ours.table(pair) - peer(pair)).sum() / 2 / 2_000 < 0.05 * deviation / 10


# -- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        Column("categorical", domain=("a", "b", "c"), nullable=True),
        Column("integer", bounds=(2, 7)),
        Column("integer", bounds=(0, 99), nullable=True),
        Column("integer", bounds=(0, 95), bins=(0, 18, 30, 95)),
        Column("real", bounds=(0, 1), bins=(0, 0.1, 1.0), nullable=True),
        Column("real", bounds=(-5e6, 5e6)),
        Column("date", bounds=(18_000, 19_000), nullable=True),
    ],
    ids=lambda c: f"{c.kind} {c.bounds} {c.nullable}",
)
def test_a_drawn_value_lies_in_its_cell(column):
    codes = np.repeat(np.arange(len(column.cells()), dtype=np.int32), 400)
    series = values(column, codes, np.random.default_rng(0))
    schema = Schema({"x": column})
    frame = schema.conform(pd.DataFrame({"x": series}), where="test")
    assert frame["x"].dtype == series.dtype
    assert (column.codes(frame["x"]) == codes).all()
    if column.numeric and column.bounds is not None:
        numbers = column.numbers(frame["x"])
        assert np.nanmin(numbers) >= column.bounds[0] and np.nanmax(numbers) <= column.bounds[1]
        assert len(np.unique(numbers[codes == 0])) > 1 or column.bounds == (2, 7)


@pytest.mark.parametrize("technique", BOTH)
def test_released_records_carry_no_id_and_answer_every_task(technique, context):
    data = toy("horizontal")
    release = technique.run(Microdata(), inputs_of(data), context)
    table = release.value
    assert release.kind == "microdata" and table.schema == published(data.schema)
    assert "person" not in table.schema.columns
    table.schema.conform(table.frame(), where="test")
    assert len(table) >= 1 and release.weight == 1
    assert TASK.answer(release, data.schema, None).values.sum() == pytest.approx(3 * len(table))
    assert {m.label for m in context.messages} == {"table"} and len(context.messages) == 3


@pytest.mark.parametrize("technique", [ContingencyMst(rho=50.0), ContingencyAim(rho=50.0, rounds=20)])
def test_with_a_large_budget_records_are_like_the_people(technique, context):
    codes, shape = chain(5_000)
    schema = Schema({f"c{i}": Column("categorical", domain=tuple(map(str, range(n)))) for i, n in enumerate(shape)})
    inputs = alone(schema, pd.DataFrame({f"c{i}": codes[:, i].astype(str) for i in range(5)}))
    release = technique.run(Microdata(), inputs, context)
    drawn = np.stack([c.codes(release.value.data[n]) for n, c in schema.columns.items()], axis=1)
    assert abs(len(drawn) - 5_000) < 20
    for pair in itertools.combinations(range(5), 2):
        off = np.abs(counted(drawn, shape, pair) / len(drawn) - counted(codes, shape, pair) / 5_000).sum() / 2
        assert off < 0.03
    for i in range(4):  # the pairs that depend are the ones that were chosen
        assert f"c{i} x c{i + 1}" in release.notes[0]
    assert release.guarantee.notion == "zcdp" and release.guarantee.parameters["rho"] <= 50.0


def test_each_release_measures_anew(context):
    data = toy()
    for technique in BOTH:
        one, other = technique.prepare(TASK, data.schema, context).run_many(inputs_of(data), 2)
        assert not one.value.frame().equals(other.value.frame())


# -- privacy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit, rows", [("record", 1), ("person", 3)])
def test_the_parts_of_mst_add_up_to_its_budget(unit, rows, context):
    schema = toy(unit=unit).schema
    guarantee = ContingencyMst(epsilon=2.0, delta=1e-7).prepare(TASK, schema, context).guarantee
    first, chosen, second = guarantee.events
    assert chosen["times"] == 6 and first["sensitivity"] == pytest.approx(rows * math.sqrt(7))
    assert second["sensitivity"] == pytest.approx(rows * math.sqrt(6)) and second["sensitivity"] >= rows * math.sqrt(6)
    by_hand = (
        sum(e["sensitivity"] ** 2 / (2 * e["scale"] ** 2) for e in (first, second)) + 6 * chosen["epsilon"] ** 2 / 8
    )
    stated = guarantee.parameters
    assert stated["rho"] == pytest.approx(by_hand) and stated["delta"] == 1e-7
    assert 1.9999 < stated["epsilon"] <= 2.0 and guarantee.notion == "approx-dp" and guarantee.unit == unit
    events = pytest.importorskip("dp_accounting")
    from dp_accounting.rdp import RdpAccountant

    recomputed = RdpAccountant().compose(events.ZCDpEvent(stated["rho"])).get_epsilon(1e-7)
    assert recomputed == pytest.approx(2.0, rel=0.05)


def test_one_person_moves_every_table_and_every_distance_by_no_more_than_is_stated():
    data = toy(unit="person")
    public, frame = published(data.schema), data.train.frame()
    pairs = list(itertools.combinations(range(len(public.columns)), 2))

    def exact(rows):
        table = replace(data.train, data=rows.reset_index(drop=True))
        return tabulated(bounded(table, list(public.columns), data.schema), pairs, public)

    everybody = exact(frame)
    noisy = {(c,): Noisy(np.full(n, 240 / n), 1.0) for c, n in enumerate(sizes(public))}
    model = fit(sizes(public), noisy, 240.0, 50)
    for person in frame["person"].unique()[:25]:
        rest = exact(frame[frame["person"] != person])
        for pair in pairs:
            assert np.abs(everybody[pair] - rest[pair]).sum() <= 3
            assert abs(distance(everybody[pair], model, pair) - distance(rest[pair], model, pair)) <= 3


@pytest.mark.parametrize("rho", [1e-6, 0.02, 3.0, 100.0])
@pytest.mark.parametrize("rounds", [1, 7, 40])
def test_aim_never_spends_more_than_its_budget_and_no_more_rounds_than_asked(rho, rounds, monkeypatch):
    codes, shape = chain(500)
    algorithm = Aim(shape, 2, rho, 2, rounds, 10_000)
    exact = {t: counted(codes, shape, t) for t in algorithm.candidates}
    kept = []
    monkeypatch.setattr(tables, "Spent", lambda r: kept.append(Spent(r)) or kept[-1])
    model = algorithm.model(exact)
    (spent,) = kept
    assert math.fsum(spent.parts) <= rho and math.fsum(spent.parts) > 0.9999 * rho
    assert (len(spent.parts) - 1) % 2 == 0 and (len(spent.parts) - 1) / 2 <= rounds
    assert len([t for t in model.potentials if len(t) > 1]) <= rounds


def test_a_part_beyond_the_budget_is_refused():
    spent = Spent(1.0)
    spent.charge(0.75)
    with pytest.raises(AssertionError, match="exceed"):
        spent.charge(0.2500001)
    assert spent.parts == [0.75]


def test_a_model_stays_as_small_as_asked():
    codes, shape = chain(2_000)
    algorithm = Aim(shape, 1, 50.0, 3, 30, 60)
    model = algorithm.model({t: counted(codes, shape, t) for t in algorithm.candidates})
    assert model.tree.cells <= 60


def test_noise_on_tables_is_as_wide_as_stated_and_the_total_is_unbiased():
    exact = {(0,): np.full(400, 5, dtype=np.int64), (1,): np.full(100, 20, dtype=np.int64)}
    noise = noise_for(2, 1, 0.05)
    drawn = [measured(exact, [(0,), (1,)], noise) for _ in range(100)]
    errors = np.concatenate([d[t].counts - exact[t] for d in drawn for t in exact])
    assert errors.std() == pytest.approx(noise.deviation, rel=0.03)  # 50,000 draws: nine standard errors
    totals = [total_of(d) for d in drawn]
    # weights 1/400 and 1/100: variance 1 / (1/400 + 1/100) = 80 of one number's; seven standard errors
    assert abs(np.mean(totals) - 2_000) < 7 * noise.deviation * math.sqrt(80 / 100)


# -- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("technique", BOTH)
@pytest.mark.parametrize("values", [[3.0], [None] * 9], ids=["one row", "nulls"])
def test_small_and_empty_columns_give_records(technique, values, context):
    columns = {"g": Column("categorical", domain=("a", "b")), "x": Column("real", bounds=(0, 9), nullable=True)}
    schema = Schema(columns)
    release = technique.run(Microdata(), alone(schema, pd.DataFrame({"g": ["a"] * len(values), "x": values})), context)
    schema.conform(release.value.frame(), where="test")


@pytest.mark.parametrize("technique", BOTH)
def test_a_single_column_is_enough(technique, context):
    schema = Schema({"g": Column("categorical", domain=("a", "b"))})
    mechanism = technique.prepare(Microdata(), schema, context)
    (release,) = mechanism.run_many(alone(schema, pd.DataFrame({"g": ["a"] * 400 + ["b"] * 100})), 1)
    assert 300 < len(release.value) < 700  # a deviation of 6 per count at rho 0.024
    assert mechanism.guarantee.parameters["epsilon"] == pytest.approx(1.0)


@pytest.mark.parametrize("technique", BOTH)
def test_schemas_that_cannot_be_done_are_declined_with_a_reason(technique):
    nothing = Schema({"name": Column("id", roles=("identifier",))})
    assert "no column" in technique.supports(Microdata(), nothing, (Party("p"),))
    wide = Column("categorical", domain=tuple(map(str, range(5_000))))
    assert "coarser bins" in technique.supports(Microdata(), Schema({"a": wide, "b": wide}), (Party("p"),))
    assert technique.supports(Microdata(), toy().schema, toy().parties) is None


def test_mst_and_aim_look_only_at_the_tables_they_say():
    assert Mst((2, 3, 4), 1, 1.0).candidates == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    assert len(Aim((2, 3, 4), 1, 1.0, 3, 5, 1_000).candidates) == 7
