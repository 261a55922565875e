"""Epsilon that does not add up: budgets, tuning, sparse vectors, selection, and an accountant that is too kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flawed_twins.twins import Check, Generator, Mechanism, Twins, pair
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.ledger import ledger_test
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.selection import exponential_pmf, permute_and_flip_pmf, pmf_test

PURE = Claim(1.0)
NONE, ONE = np.empty(0), np.ones(1)


@dataclass(frozen=True)
class Release:
    """A mechanism that keeps a ledger: `events` is what it says itself that it did."""

    mechanism: Mechanism
    events: tuple[Mapping[str, Any], ...]

    def __call__(self, data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
        return self.mechanism(data, n, rng)


def laplace_event(scale: float, times: int = 1) -> dict[str, Any]:
    return {"mechanism": "laplace", "scale": scale, "sensitivity": 1.0, "norm": "l1", "count": 1, "times": times}


# -- rows 7 and 8 ------------------------------------------------------------------------------------------------------

TABLES = 5


def five_counts(scale: float) -> Release:
    """A person is counted in each of five tables."""
    return Release(
        lambda data, n, rng: len(data) + rng.laplace(0, scale, (n, TABLES)), (laplace_event(scale, times=TABLES),)
    )


EVIDENCE = Event(  # what each table says, added up: the logarithm of how much more likely it is with the person
    "sum of log-ratios >= 1.5",
    lambda o: np.clip(np.abs(o.values) - np.abs(o.values - 1), -1, 1).sum(axis=1) >= 1.5,
)

CANDIDATES = 5


def best_of_five(scale: float) -> Release:
    """The best noisy score of five settings that were tried; a person may raise all scores by 1."""
    return Release(
        lambda data, n, rng: (len(data) + rng.laplace(0, scale, (n, CANDIDATES))).max(axis=1),
        (laplace_event(scale, times=CANDIDATES),),
    )


ALL_LOW = Event.at_least(-np.log(2 * 0.23)).negated()  # a score is so low with probability 0.77

# -- row 16 ------------------------------------------------------------------------------------------------------------


def sparse_vector(query_scale: float) -> Mechanism:
    """Which of two answers is the first above a noisy threshold of 0: 1 or 0 for each, NaN once one was."""

    def run(answers: np.ndarray, n: int, rng: Generator) -> np.ndarray:
        threshold = rng.laplace(0, 2, (n, 1))
        above = (answers + query_scale * rng.laplace(0, 1, (n, 2)) >= threshold).astype(float)
        above[above[:, 0] == 1, 1] = np.nan
        return above

    return run


FIRST_NOT_SECOND = Event("below, then above", lambda o: (o.values[:, 0] == 0) & (o.values[:, 1] == 1))

# -- row 17 ------------------------------------------------------------------------------------------------------------

SELECTIONS, EACH = 20, 0.1
RHO = SELECTIONS * EACH**2 / 8  # of the exponential mechanism, by its bounded range
DELTA = 1e-6
SELECTED = Claim(RHO + 2 * np.sqrt(RHO * np.log(1 / DELTA)), DELTA)


def exact_probabilities(pmf: Callable[..., np.ndarray], runs: int, rng: Generator, level: float) -> Finding:
    """Two candidates with equal scores, of which a person raises one and lowers the other."""
    temperature = 2 / EACH  # for scores of sensitivity 1
    return pmf_test(pmf([0, 0], temperature), pmf([1, -1], temperature), SELECTED, times=SELECTIONS)


# -- row 21 ------------------------------------------------------------------------------------------------------------

RATE, NOISE, STEPS = 0.01, 1.1, 10_000


def central_limit_claim(delta: float = 1e-5) -> Claim:
    """What the central limit theorem of GDP says of so many steps (Bu et al. 2020, corollary 4)."""
    return Claim(Claim(mu=RATE * np.sqrt(STEPS * np.expm1(NOISE**-2)), delta=delta).epsilon, delta)


def training(noise: float) -> Release:
    event = {"mechanism": "subsampled-gaussian", "noise_multiplier": noise, "sampling_rate": RATE, "steps": STEPS}
    return Release(lambda data, n, rng: rng.normal(0, noise, n), ({**event, "sampling": "poisson"},))


def ledger(claim: Claim) -> Check:
    """What the release's own events compose to."""
    return Check("ledger", 0, lambda release, runs, rng, level: ledger_test(release.events, claim), seeded=False)


OPTIMISTIC = central_limit_claim()

TWINS = (
    Twins(
        7,
        "budget not composed",
        "five tables are released at epsilon = 1 each, and 1 is claimed of all",
        "Tang 2017",
        PURE,
        flawed=five_counts(1.0),
        sound=five_counts(5.0),
        checks=(ledger(PURE), pair(NONE, ONE, PURE, EVIDENCE, 90)),
    ),
    Twins(
        8,
        "tuning outside the budget",
        "five settings are tried at epsilon = 1 each, and the best is released as if it were the only one",
        "Papernot and Steinke 2022",
        PURE,
        flawed=best_of_five(1.0),
        sound=best_of_five(5.0),
        checks=(ledger(PURE), pair(NONE, ONE, PURE, ALL_LOW, 152, more_likely="first")),
    ),
    Twins(
        16,
        "broken sparse vector",
        "the threshold is noisy and the answers are not",
        "Lyu 2017",
        PURE,
        flawed=sparse_vector(0.0),
        sound=sparse_vector(4.0),
        checks=(pair(np.array([1.0, 0.0]), np.array([0.0, 1.0]), PURE, FIRST_NOT_SECOND, 507),),
    ),
    Twins(
        17,
        "selection accounted by another's range",
        "permute-and-flip is accounted as if it had the bounded range of the exponential mechanism",
        "OpenDP #2911",
        SELECTED,
        flawed=permute_and_flip_pmf,
        sound=exponential_pmf,
        checks=(Check("exact probabilities", 0, exact_probabilities, seeded=False),),
    ),
    Twins(
        21,
        "optimistic accountant",
        "epsilon of 10,000 training steps is taken from the central limit theorem",
        "GDP-CLT",
        OPTIMISTIC,
        flawed=training(NOISE),
        sound=training(1.13),
        checks=(ledger(OPTIMISTIC),),
    ),
)
