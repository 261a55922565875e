"""Amplification by shuffling, against the authors' published figures and the whole distribution of small crowds."""

import itertools
import math

import numpy as np
import pytest

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.accounting import shuffled_delta, shuffled_epsilon, shuffling


def test_it_lies_between_the_authors_published_bounds():
    """The README of apple/ml-shuffling-amplification, the reference implementation: its lower and its upper bound."""
    assert 0.1675385583317841 <= shuffled_epsilon(4.0, 10**5, 1e-6) <= 0.172790550755978


@pytest.mark.parametrize(("local", "reports", "delta"), [(4.0, 10**5, 1e-6), (1.0, 10**4, 1e-8), (2.0, 10**6, 1e-6)])
def test_it_is_below_the_closed_form(local, reports, delta):
    """Feldman, McMillan and Talwar (2021), theorem 3.1."""
    log = math.log(4 / delta)
    assert local <= math.log(reports / (16 * log))
    inner = 8 * math.sqrt(math.exp(local) * log) / math.sqrt(reports) + 8 * math.exp(local) / reports
    closed = math.log1p((math.exp(local) - 1) / (math.exp(local) + 1) * inner)
    assert shuffled_epsilon(local, reports, delta) < closed


@pytest.mark.parametrize(("local", "reports"), [(0.5, 4), (1.0, 9), (3.0, 12)])
def test_the_clones_are_counted_rightly(local, reports):
    """Both worlds written out: C clones, A of them of the first kind, and the one report in question."""
    keep, chance = math.exp(local) / (1 + math.exp(local)), math.exp(-local)
    worlds = np.zeros((2, reports + 2, reports + 2))
    for clones in range(reports):
        p = math.comb(reports - 1, clones) * chance**clones * (1 - chance) ** (reports - 1 - clones)
        for first in range(clones + 1):
            mass = p * math.comb(clones, first) / 2**clones
            for world, more in ((0, keep), (1, 1 - keep)):
                worlds[world, first + 1, clones - first] += mass * more
                worlds[world, first, clones - first + 1] += mass * (1 - more)
    for epsilon in (0.0, 0.2, 0.4 * local, 0.9 * local):
        true = np.maximum(worlds[0] - math.exp(epsilon) * worlds[1], 0).sum()
        assert shuffled_delta(local, reports, epsilon) == pytest.approx(true, abs=1e-12)


def answers(truth, categories, people):
    """The distribution of the histogram of shuffled answers by randomised response, by convolution."""
    lie = (1 - truth) / (categories - 1)
    total = {(0,) * categories: 1.0}
    for person in people:
        grown: dict = {}
        for histogram, mass in total.items():
            for said in range(categories):
                new = tuple(n + (i == said) for i, n in enumerate(histogram))
                grown[new] = grown.get(new, 0.0) + mass * (truth if said == person else lie)
        total = grown
    return total


@pytest.mark.parametrize("categories", [2, 3, 4])
@pytest.mark.parametrize("local", [0.5, 2.0])
def test_no_small_crowd_does_worse_than_the_bound(categories, local):
    """Every composition of four others, with one whose answer changes: the true delta is at most ours."""
    truth = math.exp(local) / (math.exp(local) + categories - 1)
    worst = dict.fromkeys((0.0, 0.3 * local, 0.8 * local), 0.0)
    for others in itertools.combinations_with_replacement(range(categories), 4):
        one, two = (answers(truth, categories, (mine, *others)) for mine in (0, 1))
        for e in worst:
            worst[e] = max(worst[e], sum(max(0.0, p - math.exp(e) * two.get(h, 0.0)) for h, p in one.items()))
    for e, delta in worst.items():
        assert delta <= shuffled_delta(local, 5, e, categories=categories) + 1e-12
        assert shuffled_delta(local, 5, e, categories=categories) <= shuffled_delta(local, 5, e) + 1e-15
    if categories == 2:  # two answers hide best among answers drawn evenly: the bound is then nearly what happens
        assert max(worst.values()) >= 0.5 * shuffled_delta(local, 5, 0.0, categories=2)


def test_it_never_hurts_and_more_people_hide_more():
    local = [shuffled_epsilon(3.0, n, 1e-6) for n in (1, 2, 10, 1000, 10**6)]
    assert local[0] == 3.0 and max(local) <= 3.0
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(local))
    assert shuffled_epsilon(0.0, 1000, 1e-6) == 0.0
    assert shuffled_epsilon(2.0, 1000, 0.0) == 2.0


@pytest.mark.slow
def test_blocks_of_clones_make_it_hardly_larger(monkeypatch):
    """At 10^9 people many numbers of clones share a block; more blocks give less, by under a ten-thousandth."""
    coarse = shuffled_epsilon(2.0, 10**9, 1e-6)
    monkeypatch.setattr(shuffling, "_BLOCKS", 16_000)
    fine = shuffled_epsilon(2.0, 10**9, 1e-6)
    assert fine <= coarse <= fine * 1.0001


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1.0, 10, 0.1), "epsilon of a local report"),
        ((math.nan, 10, 0.1), "epsilon of a local report"),
        ((1e9, 10, 0.1), "epsilon of a local report"),
        ((1.0, 0, 0.1), "number of reports"),
        ((1.0, 2.5, 0.1), "number of reports"),
        ((1.0, 10, 1.0), "delta must be"),
    ],
)
def test_nonsense_is_one_sentence(arguments, said):
    with pytest.raises(PetsEvalError, match=said):
        shuffled_epsilon(*arguments)
    with pytest.raises(PetsEvalError, match="at least 2 categories"):
        shuffled_epsilon(1.0, 10, 0.1, categories=1)
