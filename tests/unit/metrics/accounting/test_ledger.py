"""Ledgers: what they admit, what they refuse, and that they refuse before it is too late."""

import json
import math

import numpy as np
import pytest

from pets_eval.model import Guarantee, PetsEvalError
from pets_metrics.privacy.accounting import Approx, Budget, Gdp, Ledger, OverBudget, Zcdp, compose, epsilon_at

pytest.importorskip("dp_accounting")


def release(*events, unit="record", adjacency="add-remove", notion="approx-dp", status="proven", **parameters):
    return Guarantee(notion=notion, unit=unit, adjacency=adjacency, parameters=parameters, events=events, status=status)


def pure(epsilon):
    return release(notion="pure-dp", epsilon=epsilon)


def noise(mu):
    return release({"mechanism": "gaussian", "scale": 1.0, "sensitivity": mu, "norm": "l2"})


def test_pure_epsilons_add_up_to_the_budget_and_no_further():
    book = Ledger("survey", Budget(1.0))
    for i in range(10):
        assert book.charge(pure(0.1), f"table {i}").epsilon == pytest.approx(0.1 * (i + 1))
    assert book.remaining == Approx(0.0, 0.0)
    with pytest.raises(OverBudget, match=r"one more would bring the spending on survey to epsilon = 1\.001, delta = 0"):
        book.charge(pure(0.001), "one more")
    assert len(book.charges) == 10 and book.spent.epsilon == pytest.approx(1.0)


def test_nothing_is_charged_where_it_refuses():
    book = Ledger("survey", Budget(1.0, 1e-6))
    book.charge(noise(0.1), "first")
    before = book.to_json(), book.spent, book.remaining
    for bad in (pure(2.0), noise(3.0), release(notion="approx-dp", epsilon=0.1, delta=1e-7)):
        with pytest.raises(OverBudget):
            book.charge(bad, "too much")
    assert (book.to_json(), book.spent, book.remaining) == before


def test_a_budget_that_fits_exactly_is_not_overspent():
    """One Gaussian release calibrated by zCDP to (1, 1e-6), and one of pure epsilon 1: each fits by itself."""
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_at(Zcdp(middle), 1e-6) <= 1.0 else (low, middle)
    Ledger("a", Budget(1.0, 1e-6)).charge(release(notion="zcdp", rho=low * 0.9999))
    Ledger("a", Budget(1.0, 1e-6)).charge(noise(math.sqrt(2 * low * 0.9999)))
    Ledger("a", Budget(1.0, 1e-6)).charge(pure(1.0))
    with pytest.raises(OverBudget):
        Ledger("a", Budget(1.0, 1e-6)).charge(release(notion="zcdp", rho=low * 1.001))


def test_many_small_releases_are_worth_more_than_their_sum():
    """100 Laplace releases of epsilon 0.05: 5 by adding up, about 2.4 by divergences, never below the exact cost."""
    event = {"mechanism": "laplace", "scale": 20.0, "sensitivity": 1.0, "norm": "l1"}
    book = Ledger("survey", Budget(3.0, 1e-6))
    for _ in range(100):
        book.charge(release(event))
    exact = compose([release({**event, "times": 100})], 1e-6)
    assert exact.pld < book.spent.epsilon < 3.0 < exact.basic
    assert book.remaining.epsilon > 0


def test_what_is_spent_and_left_is_what_fits():
    book = Ledger("survey", Budget(2.0, 1e-6))
    book.charge(noise(0.2))
    book.charge(pure(0.1))
    left, rho = book.remaining.epsilon, book.remaining_rho
    assert left > 0.1 and rho > 0
    for fits, fails in ((pure(left * 0.999), pure(left * 1.01)), (release(notion="zcdp", rho=rho * 0.999),
                                                                  release(notion="zcdp", rho=rho * 1.01))):  # fmt: skip
        copy = Ledger.from_json(book.to_json())
        copy.charge(fits)
        copy = Ledger.from_json(book.to_json())
        with pytest.raises(OverBudget):
            copy.charge(fails)


@pytest.mark.parametrize("seed", range(5))
def test_what_it_admits_never_costs_more_than_the_budget(seed):
    """Random releases until it refuses: the exact cost of what was admitted is within the budget."""
    rng = np.random.default_rng(seed)
    budget = Budget(float(rng.uniform(0.5, 5)), 1e-5, aside=float(rng.choice([0.0, 3e-6])))
    book, admitted = Ledger("survey", budget), []
    for _ in range(25):
        kind = rng.integers(3)
        g = [pure(float(rng.uniform(0.01, 0.5))), noise(float(rng.uniform(0.01, 0.6))),
             release(notion="approx-dp", epsilon=float(rng.uniform(0.01, 0.2)), delta=1e-6)][kind]  # fmt: skip
        try:
            book.charge(g)
            admitted.append(g)
        except OverBudget:
            continue
    assert admitted
    total = compose(admitted, budget.delta)
    assert total.epsilon <= budget.epsilon * 1.001
    assert book.spent.epsilon <= budget.epsilon * (1 + 1e-6)


def test_the_order_of_divergence_is_fixed_by_the_budget_alone():
    """The best order for Gaussian noise of the whole budget, by search over a fine grid of orders."""
    budget = Budget(1.0, 1e-6)
    orders = np.linspace(1.5, 200, 20_000)
    room = budget.epsilon - np.log1p(-1 / orders) + np.log(1e-6 * orders) / (orders - 1)
    best = orders[np.argmax(room / orders)]
    assert budget.order() == pytest.approx(best, rel=0.12)
    rho = budget.divergence(budget.order(), 1e-6) / budget.order()
    assert epsilon_at(Zcdp(rho), 1e-6) == pytest.approx(1.0, rel=2e-3)
    assert Budget(1.0).order() is None and Budget(0.0, 1e-6).order() is None


def test_failures_of_their_own_need_something_set_aside():
    threshold = release({"mechanism": "threshold", "delta": 4e-7}, {"mechanism": "pure", "epsilon": 0.1})
    with pytest.raises(OverBudget, match=r"keys fails by itself with probability 4e-07, .* past the 0 that"):
        Ledger("survey", Budget(1.0, 1e-6)).charge(threshold, "keys")
    book = Ledger("survey", Budget(1.0, 1e-6, aside=1e-6))
    book.charge(threshold)
    book.charge(threshold)
    assert book.remaining.delta == pytest.approx(2e-7)
    with pytest.raises(OverBudget, match=r"would bring such failures to 1\.2e-06"):
        book.charge(threshold)


def test_unlike_guarantees_are_refused_with_the_reason():
    book = Ledger("survey", Budget(1.0), unit="person")
    for g, said in (
        (release(notion="pure-dp", epsilon=0.1), "ages has another unit of privacy .record. than the ledger of survey"),
        (release(unit="person", adjacency="replace", notion="pure-dp", epsilon=0.1), "another adjacency .replace."),
        (release(unit="person", notion="k-anonymity", k=5), "k-anonymity is no guarantee"),
        (release(unit="person", notion="pure-dp", epsilon=0.1, status="none"), "not proven"),
        (release(unit="person", notion="pure-dp", epsilon=math.nan), "epsilon must be"),
    ):
        with pytest.raises(PetsEvalError, match=said):
            book.charge(g, "ages")
    assert not book.charges and book.spent.epsilon == 0


def test_unknown_divergences_are_added_up_only():
    """Poisson samples under replacement have no Renyi bound here: such a release is refused, not waved through."""
    step = {"mechanism": "subsampled-gaussian", "noise_multiplier": 5.0, "sampling_rate": 0.01, "steps": 10}
    book = Ledger("survey", Budget(5.0, 1e-6), adjacency="replace")
    with pytest.raises(OverBudget, match="epsilon = inf"):
        book.charge(release(step, adjacency="replace"))
    Ledger("survey", Budget(5.0, 1e-6)).charge(release(step))


def test_it_is_written_and_read_back():
    book = Ledger("survey", Budget(2.0, 1e-6, aside=1e-7), unit="person")
    book.charge(release({"mechanism": "zcdp", "rho": 0.01}, unit="person", notion="zcdp", rho=0.01), "first")
    book.charge(release(unit="person", notion="pure-dp", epsilon=0.2), "second")
    text = json.dumps(book.to_json())
    again = Ledger.from_json(text)
    assert again.to_json() == book.to_json() and again.spent == book.spent and again.remaining == book.remaining
    assert [c.name for c in again.charges] == ["first", "second"]


def test_a_ledger_that_was_tampered_with_is_not_believed():
    book = Ledger("survey", Budget(1.0))
    book.charge(pure(0.9))
    plain = book.to_json()
    plain["budget"]["epsilon"] = 0.5
    with pytest.raises(OverBudget):
        Ledger.from_json(plain)
    for broken in ("{}", "[]", "not json", {**plain, "schema": "other"}, {**plain, "charges": [{}]}):
        with pytest.raises(PetsEvalError, match="ledger"):
            Ledger.from_json(broken)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1.0,), "epsilon must be"),
        ((math.nan,), "epsilon must be"),
        ((math.inf,), "epsilon must be"),
        ((1e9,), "epsilon must be"),
        ((1.0, 1.0), "delta must be"),
        ((1.0, 1e-6, 1e-5), "set aside must be at least 0 and at most delta"),
    ],
)
def test_budgets_that_make_no_sense_are_one_sentence(arguments, said):
    with pytest.raises(PetsEvalError, match=said):
        Budget(*arguments)


def test_a_budget_of_nothing_admits_only_what_loses_nothing():
    book = Ledger("survey", Budget(0.0, 1e-6))
    book.charge(pure(0.0))
    with pytest.raises(OverBudget):
        book.charge(pure(1e-6))
    assert book.spent.epsilon == 0 and book.remaining == Approx(0.0, 0.0) and book.remaining_rho == 0


def test_gaussian_noise_without_delta_is_refused():
    with pytest.raises(OverBudget, match="epsilon = inf"):
        Ledger("survey", Budget(1.0)).charge(noise(0.01))
    assert epsilon_at(Gdp(0.01), 0.0) == math.inf
