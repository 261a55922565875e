"""Audits from a single run: who of many canaries was in, guessed from one release.

Each of m canaries is put in or left out by a fair coin of its own, a score is computed for each from the release, and r
of them, a number fixed in advance, are guessed: half as in, by the highest scores, half as out, by the lowest. If the
mechanism is private, only so many guesses are right. One run is enough, at a price: the bounds are further from the
truth than those of many runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding

_GUESSED = 0.1  # share of the canaries, unless told otherwise
_MOST_STRENGTH = 60.0  # no number of guesses shows more


def one_run_p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float = 0.0) -> float:
    """Probability at most, under (*epsilon*, *delta*)-DP, that of *guesses* on *canaries* at least *correct* are right.

    Source: Steinke, Nasr and Jagielski, "Privacy auditing with one (1) training run" (2023), theorem 5.2. Raises
    `PetsEvalError` for impossible counts.

    >>> round(one_run_p_value(1_000, 100, 75, 0.0), 9), round(one_run_p_value(1_000, 100, 75, 1.0), 3)
    (2.82e-07, 0.383)
    """
    _check(canaries, guesses, correct)
    q = float(scipy.special.expit(epsilon))
    upper = scipy.stats.binom.sf
    beta = float(upper(correct - 1, guesses, q))
    if delta == 0:
        return beta
    fewer = np.arange(1, correct + 1)
    steepest = np.max((upper(correct - fewer - 1, guesses, q) - beta) / fewer, initial=0.0)
    return min(1.0, beta + 2 * canaries * delta * float(steepest))


def one_run_epsilon(canaries: int, guesses: int, correct: int, delta: float = 0.0, level: float = 0.95) -> float:
    """A lower bound at *level* on epsilon at *delta*: the smallest that so many right guesses do not contradict.

    Source as of `one_run_p_value`; raises `PetsEvalError` for impossible counts.

    >>> round(one_run_epsilon(1_000, 100, 90), 3), one_run_epsilon(1_000, 100, 55)
    (1.631, 0.0)
    """
    return _largest(lambda epsilon: one_run_p_value(canaries, guesses, correct, epsilon, delta) <= 1 - level)


def one_run_mu_p_value(canaries: int, guesses: int, correct: int, mu: float) -> float:
    """The smallest error at which so many right guesses contradict *mu*-GDP; 1 where none does.

    Source: Mahloujifar, Melis and Chaudhuri, "Auditing f-differential privacy in one run" (2025), algorithm 3. Raises
    `PetsEvalError` for impossible counts.

    >>> one_run_mu_p_value(1_000, 100, 90, 0.5) < 0.05 < one_run_mu_p_value(1_000, 100, 90, 1.5)
    True
    """
    _check(canaries, guesses, correct)
    low, high = -300.0, 0.0  # of its logarithm to base 10
    if not _contradicts(canaries, guesses, correct, mu, 1.0):
        return 1.0
    if _contradicts(canaries, guesses, correct, mu, 10**low):
        return float(10**low)
    while high - low > 1e-6:
        middle = (low + high) / 2
        if _contradicts(canaries, guesses, correct, mu, 10**middle):
            high = middle
        else:
            low = middle
    return float(10**high)


def one_run_mu(canaries: int, guesses: int, correct: int, level: float = 0.95) -> float:
    """A lower bound at *level* on mu: the smallest for which so many right guesses do not contradict *mu*-GDP.

    It is tighter than `one_run_epsilon` where the mechanism is Gaussian-like. Source as of `one_run_mu_p_value`;
    raises `PetsEvalError` for impossible counts.

    >>> round(one_run_mu(1_000, 100, 90), 3), one_run_mu(1_000, 100, 50)
    (0.603, 0.0)
    """
    _check(canaries, guesses, correct)
    return _largest(lambda mu: _contradicts(canaries, guesses, correct, mu, 1 - level))


def one_run_test(
    scores: ArrayLike,
    included: ArrayLike,
    claim: Claim,
    *,
    guesses: int | None = None,
    level: float = 0.95,
    neighbours: str = "",
) -> Finding:
    """Whether the *scores* of canaries, shape (m,), tell more of who was *included*, shape (m,), than *claim* admits.

    Each canary must have been included by a fair coin of its own; higher scores speak for inclusion. The highest half
    of *guesses* are guessed in, the lowest half out; the number (a tenth of the canaries) must be fixed in advance. A
    claim of mu is held against the f-DP bound, else against the bound on epsilon at the claim's delta. The floor is not
    applicable: it depends on how well the scores tell. Raises `PetsEvalError` for scores that do not fit.

    >>> rng = np.random.default_rng(0)
    >>> there = rng.random(2_000) < 0.5
    >>> one_run_test(rng.normal(size=2_000) + 5 * there, there, Claim(1.0), guesses=500).outcome
    'violation found'
    """
    score, there = np.asarray(scores, dtype=np.float64).ravel(), np.asarray(included, dtype=bool).ravel()
    if len(score) != len(there) or len(score) < 2 or np.isnan(score).any():
        raise PetsEvalError(
            "one run needs a score for each canary, and whether it was included, for 2 canaries or more"
        )
    if guesses is None:
        guesses = max(2, round(_GUESSED * len(score)))
    if not 2 <= guesses <= len(score):
        raise PetsEvalError(f"the guesses must be 2 to the number of canaries ({len(score)}), not {guesses}")
    order = np.argsort(score, kind="stable")
    as_out = guesses // 2
    as_in = guesses - as_out
    correct = int((~there[order[:as_out]]).sum() + there[order[len(order) - as_in :]].sum())
    if claim.mu is None:
        check = "one run"
        bound = one_run_epsilon(len(score), guesses, correct, claim.delta, level)
        most = one_run_epsilon(len(score), guesses, guesses, claim.delta, level)
        p_value = one_run_p_value(len(score), guesses, correct, claim.epsilon, claim.delta)
        shown = ""
    else:
        check = "one run, f-DP"
        mu, mu_most = (one_run_mu(len(score), guesses, right, level) for right in (correct, guesses))
        bound, most = (Claim(mu=m, delta=claim.delta).epsilon for m in (mu, mu_most))
        p_value = one_run_mu_p_value(len(score), guesses, correct, claim.mu)
        shown = f", mu is {mu:.3g} at least"
    return Finding(
        check=check,
        outcome="violation found" if p_value <= 1 - level else "no violation found",
        epsilon=bound,
        level=level,
        p_value=p_value,
        runs=1,
        event=f"{correct} of {guesses} guesses right",
        neighbours=neighbours,
        ceiling=most,
        note=f"{len(score)} canaries in one run{shown}",
    )


def _contradicts(canaries: int, guesses: int, correct: int, mu: float, error: float) -> bool:
    """Whether so many right guesses contradict mu-GDP at *error* (algorithm 3 with abstentions, in two sums).

    Both sums only grow, so that it is decided as soon as they exceed the share that is guessed, or stand still.
    """
    cdf, quantile = scipy.special.ndtr, scipy.special.ndtri
    right, wrong = error * correct / canaries, error * (guesses - correct) / canaries
    for i in range(correct - 1, -1, -1):
        more = float(cdf(quantile(right) - mu))
        if right + wrong > guesses / canaries or more <= wrong:
            break
        right = min(1.0, right + i / (guesses - i) * (more - wrong))
        wrong = more
    return right + wrong > guesses / canaries


def _largest(contradicted: Callable[[float], bool]) -> float:
    """Where a test that contradicts small strengths stops to do so; 0 where it contradicts none."""
    if not contradicted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while contradicted(high):
        low, high = high, 2 * high
        if low > _MOST_STRENGTH:
            return math.inf
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if contradicted(middle) else (low, middle)
    return low


def _check(canaries: int, guesses: int, correct: int) -> None:
    if not (0 <= correct <= guesses <= canaries and guesses > 0):
        raise PetsEvalError(f"{correct} right of {guesses} guesses on {canaries} canaries are impossible")
