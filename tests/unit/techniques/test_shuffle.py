"""The shuffle model: the bound against the authors' code and exact computations, and who sees what."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("opendp")

from pets_datasets.tasks.marginals import Marginals
from pets_datasets.tasks.quantiles import Quantiles
from pets_eval.checks import toy
from pets_eval.model import Inputs, Party, PetsEvalError, build
from pets_techniques.dp.amplification import amplified, local_epsilon, widest
from pets_techniques.dp.shuffle import ShuffleCounts, shuffler

TASK = Marginals(columns=("sex", "region", "children"))  # 3 tables: 8, 10 and 20 cells


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


@pytest.mark.parametrize(
    "reports, local, delta, published",
    [
        # `closedformanalysis` of github.com/apple/ml-shuffling-amplification, the authors' own code
        (10_000, 2.0, 1e-6, 0.5235509772345485),
        (10_000, 0.5, 1e-6, 0.10468237511990537),
        (100_000, 4.0, 1e-6, 0.5378040242374512),
        (1_000_000, 1.0, 1e-9, 0.02871172452798762),
        (1_000, 0.1, 1e-5, 0.06091124233021838),
    ],
)
def test_the_bound_is_that_of_the_authors_to_what_their_code_rounds_up(reports, local, delta, published):
    """Their code has e^(-local - log(1 + clones)) where the theorem has e^-local, which makes it a little larger."""
    clones = 8 * math.sqrt(math.exp(local) * math.log(4 / delta) / reports) + 8 * math.exp(local) / reports
    theirs = math.expm1(published) * (1 + math.exp(-local) / (1 + clones)) / (1 + math.exp(-local))
    assert math.expm1(amplified(local, reports, delta)) == pytest.approx(theirs, rel=1e-12)
    assert amplified(local, reports, delta) < published < 1.35 * amplified(local, reports, delta)


def test_the_accounting_finds_no_more_than_is_claimed():
    accounting = pytest.importorskip("pets_metrics.privacy.accounting")
    for reports, local, delta in [(1_000, 0.5, 1e-3), (10_000, 2.0, 1e-6), (10_000, 3.7, 1e-6), (10**6, 6.0, 1e-9)]:
        claimed = amplified(local, reports, delta)
        assert claimed / 10 < accounting.shuffled_epsilon(local, reports, delta) <= claimed < local


def clones_delta(local, reports, epsilon):
    """The exact delta of the pair of distributions that theorem 3.1 bounds (its section 3), by full enumeration."""
    worst = [0.0, 0.0]
    alpha = math.exp(local) / (1 + math.exp(local))
    clones = np.arange(reports)
    for c, weight in zip(clones, stats.binom.pmf(clones, reports - 1, math.exp(-local))):
        if weight < 1e-18:
            continue
        a = stats.binom.pmf(np.arange(c + 2), c, 0.5)  # 0 at c + 1
        b = np.append(0.0, a[:-1])
        p, q = alpha * a + (1 - alpha) * b, (1 - alpha) * a + alpha * b
        worst[0] += weight * np.maximum(p - math.exp(epsilon) * q, 0).sum()
        worst[1] += weight * np.maximum(q - math.exp(epsilon) * p, 0).sum()
    return max(worst)


def response_delta(local, reports, epsilon, ones):
    """The exact delta of shuffled binary randomised response where *ones* others have a 1 and one person differs."""
    p = math.exp(local) / (1 + math.exp(local))
    some = np.arange(reports)
    crowd = np.convolve(stats.binom.pmf(some, ones, p), stats.binom.pmf(some, reports - 1 - ones, 1 - p))[:reports]
    zero, one = np.append(crowd, 0.0), np.append(0.0, crowd)
    first, second = p * zero + (1 - p) * one, (1 - p) * zero + p * one
    pairs = ((first, second), (second, first))
    return max(np.maximum(x - math.exp(epsilon) * y, 0).sum() for x, y in pairs)


@pytest.mark.parametrize("reports, delta", [(300, 1e-2), (600, 1e-3), (1500, 1e-4)])
@pytest.mark.parametrize("part", [0.3, 0.7, 1.0])
def test_the_bound_holds_for_what_can_be_computed_exactly(reports, delta, part):
    local = part * widest(reports, delta)
    epsilon = amplified(local, reports, delta)
    assert 0 < epsilon < local
    assert clones_delta(local, reports, epsilon) <= delta
    for ones in (0, reports // 2, reports - 1):
        assert response_delta(local, reports, epsilon, ones) <= delta


@pytest.mark.parametrize("reports", [500, 10_000, 10**6])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 5.0])
def test_the_local_epsilon_is_the_largest_that_gives_the_central_one(reports, epsilon):
    local = local_epsilon(epsilon, reports, 1e-6)
    assert local >= epsilon
    assert amplified(local, reports, 1e-6) <= epsilon
    assert amplified(local * (1 + 1e-6), reports, 1e-6) > epsilon


def test_the_guarantee_says_what_amplifies_it(context):
    data = toy()
    schema = replace(data.schema, rows=20_000)
    mechanism = ShuffleCounts(epsilon=0.5, delta=1e-7).prepare(TASK, schema, context)
    stated, (event,) = mechanism.guarantee, mechanism.guarantee.events
    assert (stated.notion, stated.adjacency, stated.unit) == ("approx-dp", "replace", "record")
    assert stated.parameters == {"epsilon": event["epsilon"], "delta": 1e-7}
    assert stated.parameters["epsilon"] <= 0.5 == pytest.approx(stated.parameters["epsilon"])
    assert event["bound"] == "feldman-2021" and event["reports"] == 20_000
    assert amplified(event["local_epsilon"], 20_000, 1e-7) == event["epsilon"]
    assert mechanism.survey.epsilon == event["local_epsilon"] > 0.5


def test_too_few_people_for_the_bound_get_the_local_guarantee(context):
    mechanism = ShuffleCounts(epsilon=0.5).prepare(TASK, toy().schema, context)
    assert mechanism.guarantee.notion == "pure-dp" and "delta" not in mechanism.guarantee.parameters
    assert mechanism.guarantee.parameters["epsilon"] == pytest.approx(0.5)
    assert mechanism.guarantee.events[0]["mechanism"] == "randomised-response"


def test_it_is_public_how_many_people_take_part_or_it_is_declined(context):
    data = toy(unit="person")
    assert "set 'people'" in ShuffleCounts().supports(TASK, data.schema, data.parties)
    with pytest.raises(PetsEvalError, match="set 'people'"):
        ShuffleCounts().run(TASK, inputs_of(data), context)
    stated = ShuffleCounts(people=60)
    assert stated.supports(TASK, data.schema, data.parties) is None
    assert stated.run(TASK, inputs_of(data), context).guarantee.unit == "person"
    with pytest.raises(PetsEvalError, match="fewer than 1,000 people"):
        ShuffleCounts(people=1000).run(TASK, inputs_of(data), context)
    assert "quantiles" in ShuffleCounts().supports(Quantiles(), data.schema, data.parties)


def test_the_receiver_sees_all_reports_in_an_order_that_tells_nothing(context):
    data = toy("horizontal")
    third = Party("mixer", frozenset({"computing"}))
    inputs = Inputs((*data.parties, third), data.parts, data.schema, data.layout)
    release = ShuffleCounts(epsilon=2.0).run(TASK, inputs, context)
    *sent, mixed = context.messages
    assert [(m.sender, m.receiver) for m in sent] == [(f"site-{i}", "mixer") for i in range(3)]
    assert (mixed.sender, mixed.receiver, mixed.label) == ("mixer", "office", "shuffled reports")
    pairs = [tuple(p) for m in sent for p in np.frombuffer(m.payload, dtype="<i4").reshape(-1, 2)]
    assert sorted(pairs) == [tuple(p) for p in np.frombuffer(mixed.payload, dtype="<i4").reshape(-1, 2)]
    assert len(pairs) == 240 and release.guarantee.hazards == ()
    mechanism = ShuffleCounts(epsilon=2.0).prepare(TASK, data.schema, context)
    assert mechanism.shuffled(np.array(pairs, dtype="<i4")[::-1]) == mixed.payload


def test_the_shuffler_is_whoever_knows_least():
    data = toy("horizontal")
    assert shuffler(inputs_of(data)).name == "site-0"  # the office receives the result
    third = Party("mixer", frozenset({"computing"}))
    assert shuffler(replace(inputs_of(data), parties=(*data.parties, third))).name == "mixer"


def test_a_party_that_shuffles_and_receives_is_a_hazard(context):
    release = ShuffleCounts().run(TASK, inputs_of(toy()), context)
    assert any("who sent what" in hazard for hazard in release.guarantee.hazards)


def test_counts_are_centred_at_the_truth_and_as_wide_as_stated(context):
    data = toy()
    truth = TASK.compute(data).values
    mechanism = ShuffleCounts(epsilon=4.0).prepare(TASK, data.schema, context)
    tables = [r.value.table for r in mechanism.run_many(inputs_of(data), 150)]
    drawn, se = np.array([t["value"] for t in tables]), np.array([t["se"] for t in tables])
    se = np.sqrt((se**2).mean(axis=0))
    assert (np.abs(drawn.mean(axis=0) - truth) < 7 * se / math.sqrt(150)).all()  # 38 cells: below 1e-10
    assert (np.abs(drawn.std(axis=0) / se - 1) < 0.5).all()


@pytest.mark.parametrize(
    "values", [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": math.nan}, {"epsilon": 1e9}, {"delta": 1}, {"delta": 2.5}]
)
def test_budgets_that_make_no_sense_get_one_sentence(values):
    with pytest.raises(PetsEvalError, match=f"'{next(iter(values))}' must be"):
        build(ShuffleCounts, values)
