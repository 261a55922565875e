"""How much hiding among others' reports protects: local reports that a shuffler has put into random order."""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.accounting.notions import Floats, check_delta

_BLOCKS = 4000  # the number of clones is counted in at most as many blocks
_SPREAD = 12.0  # standard deviations of that number that are looked at; the rest counts as failure
_TURNS = 60


def shuffled_epsilon(local_epsilon: float, reports: float, delta: float, *, categories: int | None = None) -> float:
    """Epsilon at *delta*, where one of *reports* shuffled reports is replaced, each *local_epsilon*-DP by itself.

    Holds for any local randomiser, also where each is chosen after having seen the reports before. With *categories*
    the reports are those of randomised response over as many, for which more of the others look alike; the smaller
    of both bounds is given. Never above *local_epsilon*. Raises `PetsEvalError` for parameters that make no sense.

    Source: Feldman, McMillan and Talwar, Hiding among the clones (2021), theorem 3.1 and its numerical bound: each
    other report is with probability e^-local_epsilon a coin between the two that the one could have sent. Under
    randomised response it is so with probability 2 / (e^local_epsilon + k - 1) (the same authors, Stronger privacy
    amplification by shuffling, 2023, whose general theorem an erratum restricts to such randomisers).

    >>> round(shuffled_epsilon(4.0, 10**5, 1e-6), 4)
    0.1698
    """
    _check(local_epsilon, reports, categories)
    check_delta(delta)
    if delta == 0 or reports < 2 or local_epsilon == 0:
        return float(local_epsilon)
    share, chance = 1.0, math.exp(-local_epsilon)
    found = _smallest(local_epsilon, int(reports), delta, share, chance)
    if categories is None:
        return found
    each = 1 / (math.exp(local_epsilon) + categories - 1)  # of reporting one given other category
    share, chance = 1 - (categories - 2) * each, 2 * each
    return min(found, _smallest(local_epsilon, int(reports), delta, share, chance))


def shuffled_delta(local_epsilon: float, reports: float, epsilon: float, *, categories: int | None = None) -> float:
    """Delta at *epsilon* of the same; 0 from *local_epsilon* on."""
    _check(local_epsilon, reports, categories)
    found = _delta(epsilon, local_epsilon, int(reports), 1.0, math.exp(-local_epsilon))
    if categories is None:
        return found
    each = 1 / (math.exp(local_epsilon) + categories - 1)
    return min(found, _delta(epsilon, local_epsilon, int(reports), 1 - (categories - 2) * each, 2 * each))


def _smallest(local_epsilon: float, reports: int, delta: float, share: float, chance: float) -> float:
    """Bisection that ends on the side where *delta* suffices."""
    low, high = 0.0, float(local_epsilon)
    for _ in range(_TURNS):
        middle = (low + high) / 2
        if _delta(middle, local_epsilon, reports, share, chance) <= delta:
            high = middle
        else:
            low = middle
        if high - low < 1e-9 * local_epsilon:
            break
    return high


def _delta(epsilon: float, local_epsilon: float, reports: int, share: float, chance: float) -> float:
    """The hockey-stick divergence with *share* of the one's own report telling, each clone there with *chance*.

    The number of clones C is binomial. Given C, the two reports in question are counted: A of C clones by fair coins,
    plus one more of the first kind with probability e^l / (1 + e^l) in the one world and 1 / (1 + e^l) in the other.
    More clones hide no less (a further coin can be added by whoever looks), so each block counts as its first C.
    """
    if epsilon >= local_epsilon:
        return 0.0
    others = reports - 1
    centre, spread = others * chance, math.sqrt(others * chance * (1 - chance)) * _SPREAD + _SPREAD
    first, last = max(0, math.floor(centre - spread)), min(others, math.ceil(centre + spread))
    starts = np.unique(np.linspace(first, last + 1, min(_BLOCKS, last + 1 - first) + 1).astype(np.int64))
    binomial = scipy.stats.binom(others, chance)
    # mass of each block from the side where it is not lost to rounding
    below, above = binomial.cdf(starts - 1), binomial.sf(starts - 1)
    mass = np.where(starts[:-1] > centre, above[:-1] - above[1:], below[1:] - below[:-1])
    outside = float(below[0] + above[-1])
    return min(1.0, share * (float(mass @ _among(starts[:-1], epsilon, local_epsilon)) + outside))


def _among(clones: NDArray[np.int64], epsilon: float, local_epsilon: float) -> Floats:
    """The divergence given the number of clones: both worlds' counts have a rising likelihood ratio."""
    keep = 1 / (1 + math.exp(-local_epsilon))
    other = math.exp(-local_epsilon) * keep
    more, less = keep - math.exp(epsilon) * other, math.exp(epsilon) * keep - other
    cut = np.ceil((clones + 1) * (less / (more + less)))
    coins = scipy.stats.binom(clones, 0.5)
    found: Floats = np.maximum(coins.sf(cut - 2) * more - coins.sf(cut - 1) * less, 0.0)
    return found


def _check(local_epsilon: float, reports: float, categories: int | None) -> None:
    if not 0 <= local_epsilon <= 50:
        raise PetsEvalError(f"the epsilon of a local report must be at least 0 and at most 50, not {local_epsilon}")
    if not 1 <= reports <= 1e12 or reports != int(reports):
        raise PetsEvalError(f"the number of reports must be a whole number of at least 1, not {reports}")
    if categories is not None and categories < 2:
        raise PetsEvalError(f"randomised response needs at least 2 categories, not {categories}")
