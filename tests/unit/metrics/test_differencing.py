"""Small groups reached by combining tables, and what homogeneous cells tell."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy
from statsmodels.stats.proportion import proportion_confint

from pets_eval.model import Answer, Column, PetsEvalError, Schema, Unsupported
from pets_eval.registry import make_task
from pets_metrics.privacy.differencing import (
    bounds,
    count_tables,
    differencing_disclosure,
    small_cell_attribute_disclosure,
)

ROLES = {"sick": ("sensitive",)}


def schema_of(**sizes):
    return Schema(
        {n: Column("categorical", domain=tuple("01234567"[:k]), roles=ROLES.get(n, ())) for n, k in sizes.items()}
    )


def released(task, frame, schema):
    return Answer.of(task.cells(schema), task.count([frame], schema).astype(float))


def drawn(rng, n, schema, skew=0.0):
    weights = {c: rng.dirichlet(np.full(len(schema.column(c).domain), 1 / (1 + skew))) for c in schema.columns}
    frame = pd.DataFrame({c: rng.choice(schema.column(c).domain, n, p=w) for c, w in weights.items()})
    return schema.conform(frame, where="test")


def found(scores, group=""):
    return {s.statistic: s.estimate for s in scores if s.group == group}


def changed(answer, values):
    return Answer.of(answer.table.index, values)


def test_a_homogeneous_margin_tells_the_joint_cells_by_hand():
    """All with a = 0 have b = 0. So the one of them with c = 1 is alone in (0, 0, 1); of a = 1 nothing is certain."""
    schema, task = schema_of(a=2, b=2, c=2), make_task("marginals", {"tables": (("a", "b"), ("a", "c"))})
    rows = ["000"] * 30 + ["001"] + ["100"] * 20 + ["111"] * 20 + ["101"] * 20 + ["110"] * 4
    real = schema.conform(pd.DataFrame([list(r) for r in rows], columns=list("abc")), where="test")
    truth = released(task, real, schema)
    low, high = bounds(("a", "b", "c"), count_tables(truth, truth, schema, task), schema)
    assert low[0].tolist() == high[0].tolist() == [[30, 1], [0, 0]]
    assert (low[1] < high[1]).all()
    scores = found(differencing_disclosure(truth, truth, real, schema, task))
    assert (scores["recovered"].value, scores["recovered"].n) == (0.5, 2)  # of the groups of 1 and of 4
    assert (scores["right"].value, scores["right"].n) == (1.0, 1)
    expected = proportion_confint(1, 2, method="wilson")
    assert (scores["recovered"].low, scores["recovered"].high) == pytest.approx(expected)


def test_bounds_hold_and_are_no_tighter_than_linear_programming_allows():
    rng = np.random.default_rng(0)
    schema, task = schema_of(a=2, b=3, c=2), make_task("marginals", {"k": 2})
    for _ in range(5):
        real = drawn(rng, 12, schema)
        truth = released(task, real, schema)
        low, high = bounds(("a", "b", "c"), count_tables(truth, truth, schema, task), schema)
        joint = np.zeros((2, 3, 2))
        np.add.at(joint, tuple(real[c].cat.codes.to_numpy() for c in "abc"), 1)
        assert (low <= joint).all() and (joint <= high).all()
        places = list(itertools.product(range(2), range(3), range(2)))
        rows = [
            [float(tuple(p[i] for i in kept) == cell) for p in places]
            for kept in itertools.combinations(range(3), 2)
            for cell in itertools.product(*(range((2, 3, 2)[i]) for i in kept))
        ]
        sums = np.array(rows) @ joint.ravel()
        for i, place in enumerate(places):
            for sign, bound in ((1, low), (-1, high)):
                best = scipy.optimize.linprog(sign * np.eye(12)[i], A_eq=rows, b_eq=sums, method="highs").fun * sign
                assert sign * (best - bound[place]) > -1e-6  # linear programming is at least as tight


def test_a_suppressed_cell_is_found_from_the_margin_of_another_table():
    """The margin of a = 1 has 12 people, 9 of whom are shown: 3 are hidden."""
    schema, task = schema_of(a=2, b=3, c=2), make_task("marginals", {"tables": (("a", "b"), ("a", "c"))})
    rows = ["100"] * 5 + ["110"] * 3 + ["121"] * 4 + ["000"] * 20 + ["010"] * 20 + ["021"] * 20
    real = schema.conform(pd.DataFrame([list(r) for r in rows], columns=list("abc")), where="test")
    truth = released(task, real, schema)
    values = truth.values.copy()
    assert values[4] == 3
    values[4] = np.nan
    own = found(differencing_disclosure(changed(truth, values), truth, real, schema, task), "suppressed cells")
    assert own["recovered"].value == own["right"].value == 1 and own["recovered"].n == own["right"].n == 1
    values[6:] = np.nan  # without the second table, nobody knows how many have a = 1
    alone = found(differencing_disclosure(changed(truth, values), truth, real, schema, task), "suppressed cells")
    assert alone["recovered"].value == 0 and np.isnan(alone["right"].value)


def test_what_is_derived_from_exact_tables_is_always_right_and_noise_protects():
    schema, rng, task = schema_of(a=5, b=6, c=4, d=3), np.random.default_rng(2), make_task("marginals", {"k": 2})
    real = drawn(rng, 150, schema, skew=3)
    truth = released(task, real, schema)
    exact = found(differencing_disclosure(truth, truth, real, schema, task))
    assert exact["right"].value == 1 and exact["recovered"].value > 0.1
    noisy = changed(truth, np.rint(truth.values + rng.laplace(0, 8, len(truth.values))))
    hidden = found(differencing_disclosure(noisy, truth, real, schema, task))
    assert hidden["recovered"].value < 0.1 * exact["recovered"].value + 0.02
    other = released(task, drawn(rng, 150, schema, skew=3), schema)
    assert found(differencing_disclosure(other, truth, real, schema, task))["recovered"].value < 0.05


def test_a_table_that_is_released_anyway_is_not_derived():
    schema, task = schema_of(a=2, b=2, c=2), make_task("marginals", {"k": 3})
    real = drawn(np.random.default_rng(3), 20, schema)
    truth = released(task, real, schema)
    with pytest.raises(Unsupported, match="no two tables can be combined"):
        differencing_disclosure(truth, truth, real, schema, task)
    with pytest.raises(Unsupported, match="no tables of counts"):
        differencing_disclosure(truth, truth, real, schema, object())


def test_answers_of_another_task_are_refused():
    schema = schema_of(a=2, b=2, c=2)
    real = drawn(np.random.default_rng(4), 20, schema)
    truth = released(make_task("marginals", {"k": 2}), real, schema)
    with pytest.raises(PetsEvalError, match="not those of the task's tables"):
        count_tables(truth, truth, schema, make_task("marginals", {"k": 1}))


def test_rows_and_columns_may_come_in_any_order():
    schema, task = schema_of(a=3, b=4, c=3), make_task("marginals", {"tables": (("b", "a"), ("c", "b"), ("a", "c"))})
    plain = make_task("marginals", {"tables": (("a", "b"), ("b", "c"), ("a", "c"))})
    real = drawn(np.random.default_rng(5), 60, schema, skew=2)
    one = differencing_disclosure(
        *[released(task, real, schema)] * 2, real.sample(frac=1, random_state=0), schema, task
    )
    other = differencing_disclosure(*[released(plain, real, schema)] * 2, real, schema, plain)
    assert [(s.estimate.value, s.estimate.n) for s in one] == [(s.estimate.value, s.estimate.n) for s in other]


def test_homogeneous_cells_by_hand():
    """Groups by a: one value (right), one value told of two, two values, one value of too many, nobody."""
    schema, task = schema_of(a=5, sick=2), make_task("marginals", {"k": 2})
    frame = pd.DataFrame({"a": [*"0001122", *"3" * 12], "sick": [*"1110101", *"0" * 12]})
    real = schema.conform(frame, where="test")
    truth = released(task, real, schema)
    scores = small_cell_attribute_disclosure(truth, truth, schema, task)
    assert {s.group for s in scores} == {"sick", ""}
    assert (found(scores)["disclosed"].value, found(scores)["disclosed"].n) == (1.0, 1)
    told = changed(truth, [0, 2, 1, 0, 1.4, 0.3, 12, 0, 0, 1])
    scores = found(small_cell_attribute_disclosure(told, truth, schema, task))
    assert scores["disclosed"].value == 1  # the group of three, for two
    assert (scores["right"].value, scores["right"].n) == (0.25, 4)
    silent = changed(truth, np.where(truth.values <= 3, np.nan, truth.values))
    scores = found(small_cell_attribute_disclosure(silent, truth, schema, task))
    assert scores["disclosed"].value == 0 and np.isnan(scores["right"].value) and scores["right"].note


def test_a_missing_value_is_no_disclosed_one_and_columns_without_roles_take_turns():
    column = Column("categorical", domain=("0", "1"), nullable=True)
    schema, task = Schema({"a": column, "b": column}), make_task("marginals", {"k": 2})
    real = schema.conform(pd.DataFrame({"a": ["0", "1"], "b": [None, "1"]}), where="test")
    truth = released(task, real, schema)
    scores = small_cell_attribute_disclosure(truth, truth, schema, task)
    assert found(scores, "b")["disclosed"].n == 1 and found(scores, "a")["disclosed"].n == 2
    assert found(scores)["disclosed"].n == 3
    with pytest.raises(Unsupported, match="no sensitive column"):
        small_cell_attribute_disclosure(truth, truth, schema, task, column="c")
