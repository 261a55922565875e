"""Linear reconstruction: of random subset sums (Dinur and Nissim) and of released tables."""

import numpy as np
import pandas as pd
import pytest
import scipy

from pets_eval.model import Answer, Column, PetsEvalError, Schema, Unsupported
from pets_eval.registry import make_task
from pets_metrics.privacy.reconstruction import multipliers, reconstruct, reconstruction_rate, shares

PEOPLE = 200


def asked(rng, noise, queries=2_000):
    """Random bits of people, random subsets of them, and the subsets' sums with Gaussian noise."""
    bits = rng.integers(0, 2, PEOPLE)
    matrix = rng.integers(0, 2, (queries, PEOPLE))
    return bits, matrix, matrix @ bits + rng.normal(0, noise, queries)


def found(scores, group=""):
    return {s.statistic: s.estimate for s in scores if s.group == group}


@pytest.mark.parametrize("method", ["least-squares", "l1"])
def test_noise_below_the_square_root_of_n_leaves_the_bits_open_and_large_noise_hides_them(method):
    """Dinur and Nissim: error o(sqrt(n)), here 0.2 sqrt(n), gives nearly all bits away; noise of order n hides them."""
    rng = np.random.default_rng(0)
    bits, matrix, answers = asked(rng, 0.2 * np.sqrt(PEOPLE), 1_000)
    assert (reconstruct(matrix, answers, method=method).round() == bits).mean() > 0.95
    bits, matrix, answers = asked(rng, 100.0 * PEOPLE, 1_000)
    right = (reconstruct(matrix, answers, variance=(100.0 * PEOPLE) ** 2, method=method).round() == bits).mean()
    assert abs(right - 0.5) < 5 * 0.5 / np.sqrt(PEOPLE)  # 5 standard deviations: false alarms below 1e-6


def test_the_solution_is_that_of_scipys_bounded_least_squares():
    rng = np.random.default_rng(1)
    for queries, prior, noise in ((30, 0.5, 0.3), (60, 0.2, 2.0), (8, 0.35, 0.1)):
        sizes = rng.integers(1, 4, 20).astype(float)
        matrix = rng.integers(0, 2, (queries, 20))
        answers = matrix @ rng.binomial(sizes.astype(int), prior) + rng.normal(0, noise, queries)
        variance = rng.uniform(0.1, 3, queries)
        # minimise sum (A S y - b)^2 / v + sum s (y - p)^2 / (p (1 - p)) over y in [0, 1]
        rows = np.vstack([matrix * sizes / np.sqrt(variance)[:, None], np.diag(np.sqrt(sizes / (prior * (1 - prior))))])
        right = np.concatenate([answers / np.sqrt(variance), prior * np.sqrt(sizes / (prior * (1 - prior)))])
        expected = scipy.optimize.lsq_linear(rows, right, bounds=(0, 1), tol=1e-12).x
        np.testing.assert_allclose(reconstruct(matrix, answers, sizes, prior, variance), expected, atol=2e-3)


def test_least_absolute_residuals_are_as_small_as_linear_programming_makes_them():
    rng = np.random.default_rng(2)
    matrix = rng.integers(0, 2, (40, 12))
    bits = rng.integers(0, 2, 12)
    answers = (matrix @ bits).astype(float)
    answers[:6] += 30  # outliers, which the absolute fit passes over
    np.testing.assert_allclose(reconstruct(matrix, answers, method="l1"), bits, atol=1e-7)


def test_what_the_solution_believes_of_others_is_what_it_believes_of_people_in_the_same_queries():
    rng = np.random.default_rng(3)
    matrix = scipy.sparse.csr_array(rng.integers(0, 2, (10, 30)).astype(float))
    answers = matrix @ rng.integers(0, 2, 30)
    believed = reconstruct(matrix, answers, prior=0.4)
    again = shares(matrix.T[[4, 4, 7]], multipliers(matrix, answers, np.ones(30), 0.4), 0.4)
    np.testing.assert_allclose(again, believed[[4, 4, 7]])


def test_bad_arguments_are_refused():
    with pytest.raises(PetsEvalError, match="one finite answer per row"):
        reconstruct(np.ones((2, 3)), [1.0])
    with pytest.raises(PetsEvalError, match="one finite answer per row"):
        reconstruct(np.ones((1, 3)), [np.nan])


SIZES = {"a": 6, "b": 7, "c": 5}


def schema_of(roles=True):
    columns = {
        n: Column("categorical", domain=tuple("0123456"[:k]), roles=("quasi-identifier",) if roles else ())
        for n, k in SIZES.items()
    }
    return Schema({**columns, "sick": Column("categorical", domain=("no", "yes"), roles=("sensitive",))})


def people(rng, n, schema, link=False):
    frame = pd.DataFrame({c: rng.integers(0, k, n).astype(str) for c, k in SIZES.items()})
    share = np.where(frame["a"] < "3", 0.9, 0.1) if link else 0.5
    frame["sick"] = np.where(rng.random(n) < share, "yes", "no")
    return schema.conform(frame, where="test")


def tables(task, frame, schema):
    return Answer.of(task.cells(schema), task.count([frame], schema).astype(float))


def test_exact_three_way_tables_betray_values_that_no_population_knowledge_could():
    schema, rng, task = schema_of(), np.random.default_rng(4), make_task("marginals", {"k": 3})
    real, control = people(rng, 150, schema), people(rng, 2_000, schema)
    truth = tables(task, real, schema)
    all_of_it = found(reconstruction_rate(truth, truth, real, schema, task, control))
    assert all_of_it["attack"].value > 0.8 and abs(all_of_it["control"].value - 0.5) < 0.1
    assert all_of_it["excess"].low > 0.15 and all_of_it["advantage"].low > 0.15
    noisy = Answer.of(truth.table.index, truth.values + rng.laplace(0, 50, len(truth.values)))
    hidden = found(reconstruction_rate(noisy, truth, real, schema, task, control))
    assert hidden["excess"].low < 0 and hidden["attack"].value < 0.7
    informed = Answer.of(truth.table.index, noisy.values, se=np.full(len(truth.values), 50 * np.sqrt(2)))
    assert found(reconstruction_rate(informed, truth, real, schema, task, control))["excess"].low < 0


def test_what_holds_for_the_whole_population_is_no_disclosure():
    schema, rng, task = schema_of(), np.random.default_rng(5), make_task("marginals", {"k": 2})
    real, control = people(rng, 3_000, schema, link=True), people(rng, 3_000, schema, link=True)
    truth = tables(task, real, schema)
    scores = found(reconstruction_rate(truth, truth, real, schema, task, control))
    assert scores["advantage"].low > 0.3  # 0.9 against 0.5
    assert scores["excess"].low < 0.02 and abs(scores["attack"].value - 0.9) < 0.03


def test_a_table_that_names_each_person_gives_everything_away_by_either_method():
    schema, task = schema_of(roles=False), make_task("marginals", {"tables": (("a", "sick"),)})
    frame = pd.DataFrame({"a": list("012345"), "b": "0", "c": "0", "sick": ["yes", "no", "no", "yes", "no", "no"]})
    real = schema.conform(frame, where="test")
    truth = tables(task, real, schema)
    for method in ("least-squares", "l1"):
        scores = found(reconstruction_rate(truth, truth, real, schema, task, real, method=method))
        assert scores["attack"].value == 1 and scores["baseline"].value == pytest.approx(4 / 6)
        assert ("control" in scores) is (method == "least-squares")


def test_open_cells_give_no_equation_but_the_others_still_do():
    schema, task = schema_of(), make_task("marginals", {"tables": (("a", "sick"), ("b", "sick"))})
    real = people(np.random.default_rng(6), 400, schema, link=True)
    truth = tables(task, real, schema)
    values = truth.values.copy()
    values[:12] = np.nan  # all of the first table
    part = Answer.of(truth.table.index, values)
    scores = found(reconstruction_rate(part, truth, real, schema, task))
    whole = found(reconstruction_rate(truth, truth, real, schema, task))
    assert whole["attack"].value > 0.8 > scores["attack"].value
    assert np.isfinite(found(reconstruction_rate(part, truth, real, schema, task, method="l1"))["attack"].value)


def test_the_order_of_rows_does_not_matter_and_columns_have_figures_of_their_own():
    schema, task = schema_of(), make_task("marginals", {"k": 2})
    real = people(np.random.default_rng(7), 100, schema)
    truth = tables(task, real, schema)
    scores = reconstruction_rate(truth, truth, real, schema, task)
    again = reconstruction_rate(truth, truth, real.iloc[::-1].reset_index(drop=True), schema, task)
    assert [s.estimate.value for s in scores] == pytest.approx([s.estimate.value for s in again])
    assert {s.group for s in scores} == {"", "sick"}
    assert all(-1 <= s.estimate.low <= s.estimate.value <= s.estimate.high <= 1 for s in scores)


def test_one_row_and_constant_columns_do_no_harm():
    schema, task = schema_of(), make_task("marginals", {"k": 2})
    real = people(np.random.default_rng(8), 1, schema)
    truth = tables(task, real, schema)
    scores = found(reconstruction_rate(truth, truth, real, schema, task, real))
    assert scores["attack"].value == 1 and scores["baseline"].value == 1


def test_the_column_whose_leak_is_surest_stands_for_all(monkeypatch):
    from pets_eval.model import Estimate, Score
    from pets_metrics.privacy import reconstruction

    schema = schema_of()
    schema = Schema({**schema.columns, "deaf": Column("categorical", domain=("no", "yes"), roles=("sensitive",))})
    known = {"sick": Estimate(0.5, -0.1, 0.9), "deaf": Estimate(0.3, 0.27, 0.33)}
    monkeypatch.setattr(reconstruction, "_attacked", lambda name, *_: [Score(known[name], "", "", name, "advantage")])
    real = people(np.random.default_rng(9), 20, schema_of()).assign(deaf="no")
    real = schema.conform(real, where="test")
    task = make_task("marginals", {"k": 2})
    truth = tables(task, real, schema)
    assert found(reconstruction_rate(truth, truth, real, schema, task))["advantage"].value == 0.3


def test_it_applies_to_tables_with_a_sensitive_column_only():
    schema = schema_of()
    real = people(np.random.default_rng(9), 20, schema)
    task = make_task("marginals", {"columns": ("a", "b"), "k": 2})
    truth = tables(task, real, schema)
    with pytest.raises(Unsupported, match="no sensitive column is tabulated"):
        reconstruction_rate(truth, truth, real, schema, task)
    with pytest.raises(Unsupported, match="no tables of counts"):
        reconstruction_rate(truth, truth, real, schema, object())
