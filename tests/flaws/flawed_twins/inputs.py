"""What the data are let decide: bounds, keys, domains, how much one person counts, and what a missing value does."""

from __future__ import annotations

import numpy as np

from flawed_twins.twins import Check, Generator, Mechanism, Twins, pair
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.outcomes import Event, Outcomes
from pets_metrics.privacy.audit.repeats import repeat_test, same_noise_test

PURE = Claim(1.0)
REPLACED = Claim(1.0, neighbours="replace")
APPROXIMATE = Claim(1.0, 1e-5)
PEOPLE = Claim(1.0, unit="person")
CATEGORIES = 6  # that a person might think of; the last is the canary's

# -- row 5 -------------------------------------------------------------------------------------------------------------


def mean(data: np.ndarray, n: int, rng: Generator, low: float, high: float) -> np.ndarray:
    """The mean of values clipped to bounds, with Laplace noise for one value that is replaced."""
    return np.clip(data, low, high).mean() + rng.laplace(0, (high - low) / len(data), n)


def mean_in_data_bounds(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return mean(data, n, rng, float(data.min()), float(data.max()))


def mean_in_public_bounds(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return mean(data, n, rng, 0.0, 1.0)


INLIERS = np.linspace(0, 1, 101)
OUTLIER = np.append(INLIERS[:-1], 1e6)
FAR_OUT = Event("|value| >= 5", lambda o: np.abs(o.values[:, 0]) >= 5)

# -- rows 6 and 10 -----------------------------------------------------------------------------------------------------


def noisy_counts(keys: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """Counts of all categories with noise, shape (n, CATEGORIES)."""
    return np.bincount(keys, minlength=CATEGORIES) + rng.laplace(0, 1, (n, CATEGORIES))


def every_group(keys: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """A noisy count for each key that occurs, and no more: NaN where it does not."""
    return np.where(np.bincount(keys, minlength=CATEGORIES) > 0, noisy_counts(keys, n, rng), np.nan)


def groups_above_threshold(keys: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """A key that occurs is released where its noisy count is so high that one person rarely gets it there."""
    counts = every_group(keys, n, rng)
    return np.where(counts >= 1 + np.log(1 / (2 * APPROXIMATE.delta)), counts, np.nan)


def synthetic(keys: np.ndarray, domain: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """Synthetic tables of 100 rows, as how often each category of their declared domain occurs; NaN outside it."""
    weights = np.maximum(noisy_counts(keys, n, rng)[:, domain], 1e-9)
    found = np.full((n, CATEGORIES), np.nan)
    found[:, domain] = rng.multinomial(100, weights / weights.sum(axis=1, keepdims=True))
    return found


def with_the_datas_domain(keys: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return synthetic(keys, np.unique(keys), n, rng)


def with_a_public_domain(keys: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return synthetic(keys[keys < CATEGORIES - 1], np.arange(CATEGORIES - 1), n, rng)


COMMON = np.repeat(np.arange(CATEGORIES - 1), 40)
RARE = np.append(COMMON, CATEGORIES - 1)
CANARY_KEY = Event.present(str(CATEGORIES - 1))

# -- rows 11, 12 and 15 ------------------------------------------------------------------------------------------------


def count_of_rows(people: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return len(people) + rng.laplace(0, 1, n)


def count_of_people(people: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return len(np.unique(people)) + rng.laplace(0, 1, n)


ONE_ROW_EACH = np.arange(50)
FIVE_ROWS_MORE = np.append(ONE_ROW_EACH, [50] * 5)


def sum_of_what_was_given(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """The clipped copy is made, and the other one is added up."""
    np.clip(data, 0, 1)
    return data.sum() + rng.laplace(0, 1, n)


def sum_of_clipped(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    clipped = np.clip(data, 0, 1)
    return clipped.sum() + rng.laplace(0, 1, n)


def replayed_on_an_outlier(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """One run on each of two neighbours, one of which has a value far beyond the bounds, with the same noise."""
    seed = int(rng.integers(2**32))
    return same_noise_test(lambda data, g: mechanism(data, 1, g), INLIERS, np.append(INLIERS, 1e3), 1.0, seed=seed)


GROUPS = 1_000
MOST_OF_ONE = Claim(1.0, 1e-5, unit="person")
DEVIATION = 3.7306  # of Gaussian noise for MOST_OF_ONE at sensitivity 1


def truncated(rows: np.ndarray) -> np.ndarray:
    """At most one row for each person and group; of (person, group), shape (rows, 2)."""
    return np.unique(rows, axis=0)


def merged(rows: np.ndarray) -> np.ndarray:
    """All groups made one."""
    return rows * [1, 0]


def merged_after_truncation(rows: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """A count per group would have L2 sensitivity sqrt(GROUPS); the one that is left has GROUPS."""
    return len(merged(truncated(rows))) + rng.normal(0, DEVIATION * np.sqrt(GROUPS), n)


def merged_before_truncation(rows: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return len(truncated(merged(rows))) + rng.normal(0, DEVIATION * np.sqrt(GROUPS), n)


EVERYWHERE = np.column_stack([np.zeros(GROUPS, dtype=int), np.arange(GROUPS)])
NOBODY = EVERYWHERE[:0]

# -- rows 13 and 14 ----------------------------------------------------------------------------------------------------


def sum_of_codes(codes: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return np.clip(codes, 0, 1).sum() + rng.laplace(0, 1, n)


def coded_by_first_appearance(categories: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """The first category that comes along is 0, so that one row may change the code of all the others."""
    _, first, codes = np.unique(categories, return_index=True, return_inverse=True)
    return sum_of_codes(np.argsort(np.argsort(first))[codes], n, rng)


def coded_by_a_public_list(categories: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return sum_of_codes(np.searchsorted(["high", "low"], categories), n, rng)


ALL_LOW = np.array(["low"] * 100)
ONE_HIGH_FIRST = np.concatenate([["high"], ALL_LOW])


def count_without_noise(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    """Nulls are held to be impossible in this column, so that the count is the public length and needs no noise."""
    return np.full(n, np.count_nonzero(~np.isnan(data)))


def count_with_noise(data: np.ndarray, n: int, rng: Generator) -> np.ndarray:
    return np.count_nonzero(~np.isnan(data)) + rng.laplace(0, 1, n)


def with_a_null(mechanism: Mechanism, runs: int, rng: Generator, level: float) -> Finding:
    """Runs with a null and without."""
    seen = (mechanism(np.array(values), runs, rng) for values in ([np.nan, *[1.0] * 15], [1.0] * 16))
    return repeat_test(*map(Outcomes.of, seen), level=level)


TWINS = (
    Twins(
        5,
        "bounds from the data",
        "a mean is clipped to the least and the greatest value that occur, and its noise scaled to them",
        "diffprivlib's warning",
        REPLACED,
        flawed=mean_in_data_bounds,
        sound=mean_in_public_bounds,
        checks=(pair(INLIERS, OUTLIER, REPLACED, FAR_OUT, 12),),
    ),
    Twins(
        6,
        "partition keys leak",
        "every key that occurs is released, with noise on its count only",
        "Korolova 2009, Wilson 2020",
        APPROXIMATE,
        flawed=every_group,
        sound=groups_above_threshold,
        checks=(pair(COMMON, RARE, APPROXIMATE, CANARY_KEY, 12),),
    ),
    Twins(
        10,
        "domain from the data",
        "a synthetic table lists the categories that occur in the real one",
        "Annamalai 2024",
        PURE,
        flawed=with_the_datas_domain,
        sound=with_a_public_domain,
        checks=(pair(COMMON, RARE, PURE, CANARY_KEY, 12),),
    ),
    Twins(
        11,
        "contributions not bounded",
        "a person with five rows counts five times, and the noise is for once",
        "Amin 2019",
        PEOPLE,
        flawed=count_of_rows,
        sound=count_of_people,
        checks=(pair(ONE_ROW_EACH, FIVE_ROWS_MORE, PEOPLE, Event.at_least(52.5), 25),),
    ),
    Twins(
        12,
        "clipped copy ignored",
        "values are clipped into a copy, and the original is added up",
        "smartnoise #622",
        PURE,
        flawed=sum_of_what_was_given,
        sound=sum_of_clipped,
        checks=(Check("replay", 1, replayed_on_an_outlier, seeded=False),),
    ),
    Twins(
        13,
        "transform not row-wise",
        "categories are numbered in the order of their first appearance",
        "OpenDP #2944",
        PURE,
        flawed=coded_by_first_appearance,
        sound=coded_by_a_public_list,
        checks=(pair(ALL_LOW, ONE_HIGH_FIRST, PURE, Event.at_least(50), 12),),
    ),
    Twins(
        14,
        "nulls give output without noise",
        "a count of values is taken for the public length, although values may be missing",
        "OpenDP #2939",
        REPLACED,
        flawed=count_without_noise,
        sound=count_with_noise,
        checks=(Check("repeats", 2, with_a_null),),
    ),
    Twins(
        15,
        "truncation voided later",
        "people are truncated to one row per group, and the groups are merged afterwards",
        "OpenDP #2949",
        MOST_OF_ONE,
        flawed=merged_after_truncation,
        sound=merged_before_truncation,
        checks=(pair(NOBODY, EVERYWHERE, MOST_OF_ONE, Event.at_least(GROUPS / 2), 12),),
    ),
)
