"""The local model: what one report can tell, by exact probabilities; counts against the true ones.

OpenDP and the operating system draw, so these tests cannot be seeded: each states its false-alarm rate.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.linalg import hadamard as sylvester

pytest.importorskip("opendp")

from pets_datasets.tasks.marginals import Marginals
from pets_datasets.tasks.quantiles import Quantiles
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, PetsEvalError, Schema, Table, build
from pets_techniques.dp.coins import response, uniform
from pets_techniques.dp.hadamard import LocalHadamard, hadamard
from pets_techniques.dp.local import LocalRandomisedResponse, Retold
from pets_techniques.dp.survey import survey, truths

TASK = Marginals(columns=("sex", "region", "children"))  # 3 tables: 8, 10 and 20 cells
TECHNIQUES = [LocalRandomisedResponse, LocalHadamard]
FALSE_ALARM = 1e-9


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def held(values, schema):
    """The rows of `x` at one party, each with a `y` of 0; a table without rows is what others leave of it."""
    frame = pd.DataFrame({"x": pd.Series([*values, None], dtype=object), "y": 0})
    return Inputs((Party("p"),), {"p": Table(schema, data=schema.conform(frame, where="test").iloc[:-1])}, schema)


def retold(categories, epsilon):
    return Retold(response(categories, epsilon))


def chances(randomiser):
    """Probability of each report under each true answer, written down from the papers; shape (answers, reports)."""
    epsilon, k = randomiser.response.epsilon, randomiser.categories
    if isinstance(randomiser, Retold):
        table = np.ones((k, k)) + (math.exp(epsilon) - 1) * np.eye(k)
    else:  # Acharya et al. 2019, section 5: e^epsilon times as likely where the row of the answer is +1
        half = sylvester(randomiser.order)[1:]
        plus = np.kron(np.eye(randomiser.blocks), half)[:k] > 0
        table = np.where(plus, math.exp(epsilon), 1.0)
    return table / table.sum(axis=1, keepdims=True)


CASES = [(make, k, e) for make in (retold, hadamard) for k, e in [(2, 1.0), (5, 0.3), (7, 2.0), (20, 4.0), (3, 6.0)]]


@pytest.mark.parametrize("make, k, epsilon", CASES)
def test_no_report_tells_more_than_epsilon_and_one_tells_all_of_it(make, k, epsilon):
    table = chances(make(k, epsilon))
    ratio = np.log(table.max(axis=0) / table.min(axis=0)).max()
    assert ratio <= epsilon * (1 + 1e-12)
    assert ratio == pytest.approx(epsilon, rel=1e-9)


@pytest.mark.parametrize("make, k, epsilon", CASES)
def test_reports_follow_those_probabilities(make, k, epsilon):
    randomiser, draws = make(k, epsilon), 6000
    table = chances(randomiser)
    for answer in {0, k // 2, k - 1}:
        drawn = np.bincount(randomiser.report(np.full(draws, answer)), minlength=table.shape[1])
        expected = table[answer] * draws
        rare = expected < 10
        observed, wanted = drawn[~rare], expected[~rare]
        if rare.any():
            observed, wanted = np.append(observed, drawn[rare].sum()), np.append(wanted, expected[rare].sum())
        assert stats.chisquare(observed, wanted).pvalue > FALSE_ALARM


@pytest.mark.parametrize("make, k, epsilon", CASES)
def test_estimates_are_unbiased_and_their_moments_exact(make, k, epsilon):
    """By enumeration of all reports, nothing drawn: `counts` is linear, so one report at a time says it all."""
    randomiser = make(k, epsilon)
    table = chances(randomiser)
    one = np.array([randomiser.counts(row) for row in np.eye(randomiser.reports)])  # (reports, answers)
    np.testing.assert_allclose(table @ one, np.eye(k), atol=1e-9)
    second = table @ one**2
    inside, outside = randomiser.second
    beside = np.array([randomiser.beside(row) for row in table])
    np.testing.assert_allclose(beside + np.eye(k), np.rint(beside + np.eye(k)), atol=1e-9)
    np.testing.assert_allclose(second, np.where(beside + np.eye(k) > 0.5, inside, outside), rtol=1e-6)


def test_the_variance_of_randomised_response_is_the_closed_form():
    """n q (1 - q) / (p - q)^2 + c (1 - p - q) / (p - q): Wang et al., USENIX Security 2017."""
    plan = replace_sizes(retold(5, 1.0), 5)
    sent = np.array([[[0, cell]] for cell, many in enumerate([50, 30, 10, 5, 5]) for _ in range(many)], dtype=np.int32)
    found = plan.estimate(sent)
    p = math.e / (math.e + 4)
    q = (1 - p) / 4
    count = np.clip(found.value, 0, 100)
    expected = 100 * q * (1 - q) / (p - q) ** 2 + count * (1 - p - q) / (p - q)
    np.testing.assert_allclose(found.se**2, expected, rtol=1e-9)
    np.testing.assert_allclose(found.value, (np.array([50, 30, 10, 5, 5]) - 100 * q) / (p - q))


def test_the_variance_of_hadamard_response_is_that_of_the_paper():
    """Section 4: p(x) = 2 (e^eps + 1) / (e^eps - 1) * (share in C_x - 1/2), a share of n independent reports."""
    epsilon, n = 0.6, 400
    randomiser = hadamard(6, epsilon)
    assert (randomiser.blocks, randomiser.order) == (1, 8)
    plan = replace_sizes(randomiser, 6)
    sent = np.array([[[0, i % 8]] for i in range(n)], dtype=np.int32)
    factor = 2 * (math.exp(epsilon) + 1) / (math.exp(epsilon) - 1)
    found = plan.estimate(sent)
    np.testing.assert_allclose(found.value, 0, atol=1e-9)
    np.testing.assert_allclose(found.se**2, n * factor**2 * 0.25, rtol=1e-9)  # nobody in the cell: a share of 1/2
    inside = math.exp(epsilon) / (math.exp(epsilon) + 1)
    assert randomiser.second[0] - 1 == pytest.approx(factor**2 * inside * (1 - inside))  # everybody in it


def replace_sizes(randomiser, size):
    task = Marginals(columns=("x",), k=1)
    schema = Schema({"x": Column("integer", bounds=(0, size - 1))})
    return survey(task, schema, 1.0, lambda k, e: randomiser)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("unit", ["record", "person"])
def test_counts_are_centred_at_the_truth_and_as_wide_as_stated(technique, unit, context):
    data = toy(unit=unit)
    frame = data.train.frame()
    kept = frame if unit == "record" else frame.groupby("person", sort=False).head(3)
    truth = TASK.count([kept], data.schema)
    mechanism = technique(epsilon=3.0).prepare(TASK, data.schema, context)
    tables = [r.value.table for r in mechanism.run_many(inputs_of(data), 200)]
    drawn = np.array([t["value"] for t in tables])
    se = np.sqrt(np.mean([t["se"] ** 2 for t in tables], axis=0))
    assert (np.abs(drawn.mean(axis=0) - truth) < 7 * se / math.sqrt(200)).all()  # 38 cells: below 1e-10
    assert (np.abs(drawn.std(axis=0) / se - 1) < 0.45).all()  # nine standard errors and more
    covered = np.mean([(t["low"] <= truth) & (truth <= t["high"]) for t in tables])
    assert 0.93 < covered < 0.98  # 7,600 draws at 0.95: eight standard errors were they independent


def test_the_vector_tells_the_truth_as_often_as_the_library_s_own_response():
    from opendp.domains import bitvector_domain
    from opendp.measurements import make_randomized_response, make_randomized_response_bitvec
    from opendp.metrics import discrete_distance

    for k, epsilon in [(2, 1.0), (9, 0.5), (9, 4.0)]:
        mine = response(k, epsilon)
        theirs = make_randomized_response(list(range(k)), mine.truth)
        assert mine.epsilon == theirs.map(1) <= epsilon
        draws = [3000, 30_000]
        told = [sum(theirs(1) == 1 for _ in range(draws[0])), int((mine.draw(np.ones(draws[1], int)) == 1).sum())]
        for times, number in zip(draws, told):
            assert stats.binomtest(number, times, mine.truth).pvalue > FALSE_ALARM
    bit = response(2, 1.0)
    flips = make_randomized_response_bitvec(bitvector_domain(max_weight=1), discrete_distance(), f=2 * (1 - bit.truth))
    assert flips.map(1) == pytest.approx(2 * bit.epsilon)  # two bits of a vector with a single 1 may change


def test_uniform_numbers_are_equally_likely_and_fresh():
    drawn = uniform(60_000, 7)
    assert stats.chisquare(np.bincount(drawn, minlength=7)).pvalue > FALSE_ALARM
    assert not np.array_equal(drawn, uniform(60_000, 7))
    assert uniform(0, 5).shape == (0,) and (uniform(10, 1) == 0).all()
    assert uniform(1000, 2**62).max() > 2**61  # false alarm 2^-1000


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_all_that_one_person_sends_costs_no_more_than_epsilon(technique, context):
    for unit in ("record", "person"):
        for epsilon in (0.5, 2.0, 20.0):
            mechanism = technique(epsilon=epsilon).prepare(TASK, toy(unit=unit).schema, context)
            plan, stated = mechanism.survey, mechanism.guarantee
            parts = [plan.randomisers[i % 3].response.epsilon for i in range(plan.questions)]
            spent = sum(parts) if plan.everything else max(parts)
            assert spent <= epsilon * (1 + 1e-15) and stated.parameters["epsilon"] <= epsilon
            assert stated.parameters["epsilon"] == pytest.approx(spent)
            assert stated.adjacency == "replace" and stated.notion == "pure-dp" and stated.unit == unit


def test_events_say_what_one_person_sends(context):
    schema = toy(unit="person").schema
    (single,) = LocalRandomisedResponse(epsilon=1.0).prepare(TASK, schema, context).guarantee.events
    assert single["count"] == 1 and single["categories"] == 9  # sex x region has 8 cells, and "no row"
    p, k = single["truth"], single["categories"]
    assert math.log(p * (k - 1) / (1 - p)) == pytest.approx(1.0)
    task = Marginals(tables=(("sex",), ("sick",), ("region",)))
    events = LocalRandomisedResponse(epsilon=20.0).prepare(task, toy().schema, context).guarantee.events
    assert [(e["categories"], e["count"]) for e in events] == [(2, 2), (4, 1)]
    total = sum(e["count"] * math.log(e["truth"] * (e["categories"] - 1) / (1 - e["truth"])) for e in events)
    assert total == pytest.approx(20.0)
    (event,) = LocalHadamard(epsilon=1.0).prepare(TASK, schema, context).guarantee.events
    assert event["mechanism"] == "hadamard-response" and event["epsilon"] == pytest.approx(1.0)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_of_asking_everything_and_asking_one_the_better_is_taken(technique):
    schema = toy().schema
    task = Marginals(tables=(("sex",), ("sick",)))
    make = technique().randomiser
    assert not survey(task, schema, 0.5, make).everything
    assert survey(task, schema, 12.0, make).everything
    plan = survey(task, schema, 0.5, make)
    both = replace(plan, randomisers=tuple(make(2, 0.25) for _ in range(2)), everything=True)
    assert plan.variance() < both.variance()
    # the expected error is what the estimates state, where cells are equally full
    codes = np.array([[i % 2, i // 2 % 2] for i in range(4000)], dtype=np.int32)
    for each in (plan, both):
        stated = (each.estimate(each.answer(codes)).se ** 2).sum() / 4000
        assert stated == pytest.approx(each.variance(), rel=0.02)


def test_the_server_sees_the_reports_and_nothing_else(context):
    data = toy("horizontal")
    release = LocalRandomisedResponse(epsilon=2.0).run(TASK, inputs_of(data), context)
    assert [(m.sender, m.receiver, m.label) for m in context.messages] == [
        (f"site-{i}", "office", "reports") for i in range(3)
    ]
    assert [m.nbytes for m in context.messages] == [8 * len(t) for t in data.parts.values()]
    plan = LocalRandomisedResponse(epsilon=2.0).prepare(TASK, data.schema, context).survey
    seen = np.frombuffer(b"".join(m.payload for m in context.messages), dtype="<i4").reshape(-1, 1, 2)
    np.testing.assert_array_equal(plan.estimate(seen).value, release.value.values)


def test_how_many_rows_a_person_has_does_not_show_in_what_is_sent(context):
    data = toy(unit="person")
    frame = data.train.frame()
    people = frame["person"].nunique()
    answers = np.concatenate(list(truths(data.train, TASK, data.schema)))
    assert answers.shape == (people, 9)
    rows = frame.groupby("person", sort=False).size().clip(upper=3).to_numpy()
    sizes = np.array([8, 10, 20])
    there = (answers.reshape(people, 3, 3) < sizes).all(axis=2)
    np.testing.assert_array_equal(there.sum(axis=1), rows)  # absent rows have a code of their own
    LocalRandomisedResponse().run(TASK, inputs_of(data), context)
    assert context.messages[0].nbytes == 8 * people


def test_true_answers_are_the_cells_of_the_task():
    data = toy()
    answers = np.concatenate(list(truths(data.train, TASK, data.schema)))
    counted = [np.bincount(answers[:, i], minlength=size) for i, size in enumerate((8, 10, 20))]
    np.testing.assert_array_equal(np.concatenate(counted), TASK.compute(data).values)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_empty_tables_single_rows_and_columns_of_nulls_are_answered(technique, context):
    one, two = Column("integer", bounds=(0, 0.5)), Column("categorical", domain=("a", "b"), nullable=True)
    schema = Schema({"x": two, "y": one})
    task = Marginals(columns=("x", "y"), k=1)
    mechanism = technique(epsilon=5.0).prepare(task, schema, context)
    for values, truth in [([], [0, 0, 0, 0]), (["b"], [0, 1, 0, 1]), ([None] * 30, [0, 0, 30, 30])]:
        tables = [r.value.table for r in mechanism.run_many(held(values, schema), 60)]
        drawn = np.array([t["value"] for t in tables])
        assert np.isfinite(drawn).all()
        spread = np.array([t["se"] for t in tables]).mean(axis=0)
        assert (np.abs(drawn.mean(axis=0) - truth) <= 9 * spread / math.sqrt(60)).all()
        assert all((t["low"] <= t["value"] + 1e-9).all() and (t["value"] <= t["high"] + 1e-9).all() for t in tables)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("epsilon", [0, -1, math.nan, 1e9, math.inf])
def test_budgets_that_make_no_sense_get_one_sentence(technique, epsilon):
    with pytest.raises(PetsEvalError, match="'epsilon' must be"):
        build(technique, {"epsilon": epsilon})


def test_rows_split_by_column_are_refused(context):
    data = toy()
    with pytest.raises(PetsEvalError, match="hold them together"):
        LocalHadamard().run(TASK, replace(inputs_of(data), layout="vertical"), context)


def test_false_reports_are_left_out_and_cut_ones_refused(context):
    data = toy()
    mechanism = LocalRandomisedResponse().prepare(TASK, data.schema, context)
    server, index = data.parties[0], TASK.cells(data.schema)
    good = np.array([[[0, 3]], [[1, 2]]], dtype="<i4")
    bad = np.array([[[0, 99]], [[7, 0]], [[0, -1]]], dtype="<i4")
    with_bad = mechanism.estimate(mechanism.whole([good.tobytes(), bad.tobytes()]), server, index)
    np.testing.assert_array_equal(with_bad.values, mechanism.estimate(good, server, index).values)
    with pytest.raises(PetsEvalError, match="cut off"):
        mechanism.whole([good.tobytes(), good.tobytes()[:-3]])


def test_domains_read_from_the_data_are_hazards_and_other_tasks_are_declined(context):
    data = toy(from_data=True)
    assert len(LocalHadamard().prepare(TASK, data.schema, context).guarantee.hazards) == 3
    assert "quantiles" in LocalHadamard().supports(Quantiles(), data.schema, data.parties)
    claims = LocalHadamard().claims()
    assert claims.trust_model == "local" and claims.protects == {"input-privacy", "output-privacy"}


def test_people_who_answer_at_several_parties_are_a_hazard(context):
    data = toy("horizontal", unit="person")
    torn = LocalHadamard().run(TASK, inputs_of(data), context).guarantee
    assert len(torn.hazards) == 1 and "held by several parties" in torn.hazards[0]
    frame = data.train.frame()
    half = frame["person"] < "t5"
    parts = {
        name: Table(data.schema, data=frame[rows].reset_index(drop=True))
        for name, rows in (("site-0", half), ("site-1", ~half))
    }
    whole = LocalHadamard().run(TASK, replace(inputs_of(data), holdings=parts), context).guarantee
    assert whole.hazards == ()
