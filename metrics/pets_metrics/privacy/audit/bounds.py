"""What two counts show: a lower bound on epsilon, a p-value of a claim, and what so many runs can show at all.

An event was seen `hits` times in `runs` runs on one input and `misses` times in `others` runs on its neighbour. Clopper
and Pearson's limits, each at half of the allowed error, give the least probability of the event on the one input and
the greatest on the other that the counts leave possible. A claim admits only so much of the first where the second is
given; beyond, it is violated. The same two limits bound the complement as well, at no price: they fail together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim

Floats = NDArray[np.float64]

_LEAST = 1e-300  # p-values below are no longer told apart
_MOST_EPSILON = 60.0  # no number of runs shows more


def limits(
    hits: ArrayLike, runs: ArrayLike, misses: ArrayLike, others: ArrayLike, alpha: ArrayLike = 0.05
) -> tuple[Floats, Floats]:
    """Least probability of the event behind *hits* / *runs* and greatest behind *misses* / *others*, elementwise.

    Both hold together with probability 1 - *alpha* or more. Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> low, high = limits(100, 100, 0, 100)
    >>> round(float(low), 4), round(float(high), 4)
    (0.9638, 0.0362)
    """
    k, n, j, m = (np.asarray(a, dtype=np.float64) for a in (hits, runs, misses, others))
    half = np.asarray(alpha, dtype=np.float64) / 2
    least = np.where(k > 0, scipy.special.betaincinv(np.maximum(k, 1), n - np.maximum(k, 1) + 1, half), 0.0)
    spare = np.where(j < m, scipy.special.betaincinv(np.maximum(m - j, 1), np.minimum(j, m - 1) + 1, half), 0.0)
    low, gap = (np.nan_to_num(limit, nan=0.0) for limit in (least, spare))  # NaN where it underflows: next to nothing
    return low, 1 - gap


def shown(low: ArrayLike, high: ArrayLike, delta: float = 0.0) -> Floats:
    """The epsilon at *delta* that two probabilities of an event need at least, elementwise; -inf where none.

    Of the event itself, ln((low - delta) / high), or of its complement, ln((1 - high - delta) / (1 - low)).

    >>> float(shown(0.5, 0.25)), float(shown(0.75, 0.5))
    (0.6931471805599453, 0.6931471805599453)
    """
    p, q = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        itself = np.log(np.maximum(p - delta, 0)) - np.log(q)
        complement = np.log(np.maximum(1 - q - delta, 0)) - np.log(1 - p)
    found: Floats = np.fmax(np.where(np.isnan(itself), -np.inf, itself), complement)
    return found


def admitted(claim: Claim, probability: ArrayLike) -> Floats:
    """The greatest probability of an event that *claim* admits where it has *probability* on the neighbour.

    Of (epsilon, delta), the two lines of Wasserman and Zhou (2010); of mu, the Gaussian curve of Dong, Roth and Su
    (2022), definition 2.6.

    >>> float(admitted(Claim(math.log(2)), 0.25)), round(float(admitted(Claim(mu=1.0, delta=1e-5), 0.5)), 3)
    (0.5, 0.841)
    """
    q = np.asarray(probability, dtype=np.float64)
    if claim.mu is not None:
        curve: Floats = scipy.special.ndtr(scipy.special.ndtri(q) + claim.mu)
        return curve
    steep = math.exp(min(claim.epsilon, 700.0))
    lines: Floats = np.clip(np.minimum(steep * q + claim.delta, 1 - (1 - q - claim.delta) / steep), 0, 1)
    return lines


def epsilon_lower(hits: int, runs: int, misses: int, others: int, delta: float = 0.0, level: float = 0.95) -> float:
    """A lower bound at *level* on the epsilon (at *delta*) of a mechanism, 0 where the counts show nothing.

    The event was seen *hits* times in *runs* runs on one input, *misses* times in *others* runs on its neighbour. It
    counts as evidence where it is more frequent on the first; the event must have been chosen without these runs.
    Source: Clopper and Pearson (1934); Jagielski, Ullman and Oprea, "Auditing differentially private machine learning"
    (2020), section 4. Raises `PetsEvalError` for impossible counts.

    >>> round(epsilon_lower(100, 100, 0, 100), 2), epsilon_lower(50, 100, 50, 100)
    (3.28, 0.0)
    """
    _check(hits, runs, misses, others, level)
    return max(0.0, float(shown(*limits(hits, runs, misses, others, 1 - level), delta)))


def mu_lower(hits: int, runs: int, misses: int, others: int, level: float = 0.95) -> float:
    """A lower bound at *level* on the mu of a mechanism that is Gaussian-like, 0 where the counts show nothing.

    Source: Nasr et al., "Tight auditing of differentially private machine learning" (2023), section 4.2.

    >>> round(mu_lower(84, 100, 50, 100), 2)
    0.43
    """
    _check(hits, runs, misses, others, level)
    low, high = limits(hits, runs, misses, others, 1 - level)
    ndtri = scipy.special.ndtri
    return max(0.0, float(ndtri(low) - ndtri(high))) if low > 0 and high < 1 else 0.0


def pair_p_value(hits: int, runs: int, misses: int, others: int, claim: Claim) -> float:
    """The smallest error at which these counts contradict *claim*: 1 where they never do, 1e-300 at least.

    Raises `PetsEvalError` for impossible counts.

    >>> pair_p_value(50, 100, 50, 100, Claim(1.0)), pair_p_value(100, 100, 0, 100, Claim(1.0)) < 1e-13
    (1.0, True)
    """
    _check(hits, runs, misses, others, 0.95)

    def excess(log_alpha: float) -> float:
        low, high = limits(hits, runs, misses, others, math.exp(log_alpha))
        return float(low - admitted(claim, high))

    if excess(0.0) <= 0:
        return 1.0
    least = math.log(_LEAST)
    if excess(least) > 0:
        return _LEAST
    return math.exp(float(scipy.optimize.brentq(excess, least, 0.0, xtol=1e-9)))


def epsilon_ceiling(runs: int, delta: float = 0.0, level: float = 0.95) -> float:
    """The largest lower bound that *runs* runs on each input can give at all: of an event that tells them apart.

    >>> [round(epsilon_ceiling(n), 1) for n in (100, 1_000, 10_000)]
    [3.3, 5.6, 7.9]
    """
    return epsilon_lower(runs, runs, 0, runs, delta, level)


def pair_power(runs: int, others: int, p: float, q: float, claim: Claim, level: float = 0.95) -> float:
    """Probability that an event of probability *p* on one input and *q* on the other is found against *claim*.

    Exact for a fixed event and direction, up to outcomes of probability 1e-12.

    >>> round(pair_power(66, 66, *worst_event(Claim(1.0), 2.0), Claim(1.0)), 3)
    0.955
    """
    binom = scipy.stats.binom
    seen = np.arange(max(0, int(binom.ppf(1e-12, others, q))), int(binom.isf(1e-12, others, q)) + 1)
    _, high = limits(0, runs, seen, others, 1 - level)
    bar = admitted(claim, high)  # the counts' lower limit must exceed this
    needed = binom.isf((1 - level) / 2, runs, bar) + 1
    return float(np.sum(binom.pmf(seen, others, q) * binom.sf(needed - 1, runs, p)))


@lru_cache(maxsize=1024)
def pair_floor(runs: int, claim: Claim, level: float = 0.95, power: float = 0.95) -> float:
    """Smallest true epsilon (at the claim's delta) that *runs* runs on each input find against *claim*, at best.

    That is for a mechanism whose one event shows all of its epsilon: randomised response, which no other is easier to
    catch than (for a claim of mu, the Gaussian mechanism cut in the middle), and for the event known in advance. Found
    with probability *power*; infinite where so few runs find nothing.

    >>> round(pair_floor(1_000, Claim(1.0)), 2), pair_floor(5, Claim(1.0))
    (1.22, inf)
    """

    def missed(strength: float) -> float:
        return power - pair_power(runs, runs, *worst_event(claim, strength), claim, level)

    start = claim.mu if claim.mu is not None else claim.epsilon
    high = start + 0.1
    while missed(high) > 0:
        high = 2 * high
        if high > _MOST_EPSILON:
            return math.inf
    strength = float(scipy.optimize.brentq(missed, start, high, xtol=1e-4))
    return Claim(mu=strength, delta=claim.delta).epsilon if claim.mu is not None else strength


def worst_event(claim: Claim, strength: float) -> tuple[float, float]:
    """Probabilities, on the two inputs, of the most telling event of a mechanism with epsilon (or mu) *strength*.

    >>> [round(p, 3) for p in worst_event(Claim(1.0), 1.0)]
    [0.731, 0.269]
    """
    if claim.mu is not None:
        return float(scipy.special.ndtr(strength / 2)), float(scipy.special.ndtr(-strength / 2))
    kept = 1 - claim.delta
    return claim.delta + kept * float(scipy.special.expit(strength)), kept * float(scipy.special.expit(-strength))


def _check(hits: Any, runs: Any, misses: Any, others: Any, level: float) -> None:
    if not (0 <= hits <= runs and 0 <= misses <= others and runs > 0 and others > 0):
        raise PetsEvalError(f"{hits} of {runs} and {misses} of {others} runs cannot have shown an event")
    if not 0 < level < 1:
        raise PetsEvalError(f"level must lie strictly between 0 and 1, not {level}")
