"""Generators and training: copied rows, gradients clipped in parts, batches that are no Poisson samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from flawed_twins.scale import MU, SIGMA
from flawed_twins.twins import Check, Generator, Mechanism, Twins, pair
from pets_metrics.privacy.audit.batches import poisson_batches_test
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.gaussian import mu_test
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.copies import exact_match_test

# -- row 9 -------------------------------------------------------------------------------------------------------------

ROWS, COLUMNS, VALUES = 1_000, 6, 50
COPIED = 0.01


def people(rng: Generator) -> np.ndarray:
    """So many columns that hardly two people are alike by chance."""
    return rng.integers(0, VALUES, (ROWS, COLUMNS))


def independent_columns(train: np.ndarray, rng: Generator) -> np.ndarray:
    return rng.permuted(train, axis=0)


def with_copies(train: np.ndarray, rng: Generator) -> np.ndarray:
    """One row in a hundred is a person's."""
    made = independent_columns(train, rng)
    copied = rng.random(ROWS) < COPIED
    made[copied] = train[copied]
    return made


def matched_more_than_held_out(
    generate: Callable[[np.ndarray, Generator], np.ndarray], runs: int, rng: Generator, level: float
) -> Finding:
    """Rows that equal one of the training rows, against those that equal one of as many held-out ones."""
    train, holdout = people(rng), people(rng)
    tables = [pd.DataFrame(rows).add_prefix("c") for rows in (train, generate(train, rng), holdout)]
    found = exact_match_test(*tables, rng=rng)
    violated = found.value <= 1 - level
    return Finding(
        check="exact-match test",
        outcome="violation found" if violated else "no violation found",
        level=level,
        p_value=found.value,
        runs=1,
        event="more rows equal training rows than held-out ones",
    )


# -- row 18 ------------------------------------------------------------------------------------------------------------

LAYERS, PER_LAYER = 4, 8
CANARY = np.full((1, LAYERS, PER_LAYER), 10.0)


def as_one_vector(gradient: np.ndarray) -> np.ndarray:
    """Clipped to norm 1, whatever its layers."""
    return gradient / max(1.0, float(np.linalg.norm(gradient)))


def layer_by_layer(gradient: np.ndarray) -> np.ndarray:
    """Each layer clipped to norm 1 by itself, so that the whole has norm 2."""
    return gradient / np.maximum(1.0, np.linalg.norm(gradient, axis=1, keepdims=True))


def noisy_gradients(clip: Callable[[np.ndarray], np.ndarray]) -> Mechanism:
    """Steps of DP-SGD: gradients of shape (records, LAYERS, PER_LAYER), clipped and summed, with Gaussian noise."""

    def steps(gradients: np.ndarray, n: int, rng: Generator) -> np.ndarray:
        total = sum((clip(gradient) for gradient in gradients), np.zeros((LAYERS, PER_LAYER)))
        return total + rng.normal(0, SIGMA, (n, LAYERS, PER_LAYER))

    return steps


def along_the_canary(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """Steps without the canary and with it, as an attacker sees them who knows its gradient."""
    direction = CANARY[0] / np.linalg.norm(CANARY[0])
    steps = ((mechanism(data, runs, rng) * direction).sum(axis=(1, 2)) for data in (CANARY[:0], CANARY))
    return mu_test(*steps, MU, level=level, rng=rng)


# -- row 19 ------------------------------------------------------------------------------------------------------------

RECORDS, BATCH = 1_000, 100


def shuffled(rng: Generator) -> list[np.ndarray]:
    """One epoch of a loader that shuffles."""
    return np.split(rng.permutation(RECORDS), RECORDS // BATCH)


def poisson(rng: Generator) -> list[np.ndarray]:
    """One epoch of a loader that tosses a coin for each record and batch."""
    return [np.flatnonzero(row) for row in rng.random((RECORDS // BATCH, RECORDS)) < BATCH / RECORDS]


def loader_inspected(
    loader: Callable[[Generator], list[np.ndarray]], runs: int, rng: Generator, level: float
) -> Finding:
    return poisson_batches_test(loader(rng), RECORDS, BATCH / RECORDS, level=level)


# -- row 20 ------------------------------------------------------------------------------------------------------------

STEP = Claim(1.0, 1e-5)
RATE = 0.5


def mean_gradient(batch: float | None) -> Mechanism:
    """The sum of clipped gradients with noise, divided by a public batch size, or by the one expected of these data."""

    def steps(gradients: np.ndarray, n: int, rng: Generator) -> np.ndarray:
        divisor = RATE * len(gradients) if batch is None else batch
        return (np.clip(gradients, -1, 1).sum() + rng.normal(0, SIGMA, n)) / divisor

    return steps


WIDE = Event("a wide step", lambda o: np.abs(o.values[:, 0]) >= 1.34 * SIGMA / RATE)

TWINS = (
    Twins(
        9,
        "generator copies rows",
        "one row in a hundred of a synthetic table is a real one",
        "Stadler 2022",
        Claim(0.0),
        flawed=with_copies,
        sound=independent_columns,
        checks=(Check("exact-match test", 1, matched_more_than_held_out),),
    ),
    Twins(
        18,
        "gradient clipped in parts",
        "each of four layers is clipped to norm 1, and the noise of a step is for norm 1 in all",
        "Tramer 2022",
        MU,
        flawed=noisy_gradients(layer_by_layer),
        sound=noisy_gradients(as_one_vector),
        checks=(Check("mu-test", 887, along_the_canary),),
    ),
    Twins(
        19,
        "shuffling accounted as Poisson sampling",
        "records are shuffled into batches of one size, and epsilon is that of Poisson samples",
        "Chua 2024",
        STEP,
        flawed=shuffled,
        sound=poisson,
        checks=(Check("Poisson batches", 0, loader_inspected),),
    ),
    Twins(
        20,
        "batch size leaks the number of records",
        "noisy gradients are divided by a batch size that depends on how many records there are",
        "Opacus #571",
        STEP,
        flawed=mean_gradient(None),
        sound=mean_gradient(1.0),
        checks=(pair(np.zeros(1), np.zeros(2), STEP, WIDE, 240, more_likely="first"),),
    ),
)
