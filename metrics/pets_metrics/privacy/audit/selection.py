"""Exact selection: the probabilities of every choice, and from them the privacy loss, without a single run.

The exponential mechanism and permute-and-flip at the same temperature are both epsilon-DP; only the first also has a
bounded range, for which accountants charge a quarter (rho = epsilon^2 / 8 in zCDP). To account for the one as if it
were the other is an error that no plausible number of runs shows, and an exact computation does.
"""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding

Floats = NDArray[np.float64]

_SUM = 1e-9  # how far from 1 probabilities may add up
_SLACK = 1e-9  # relative: what rounding may add to a claim that is just kept


def exponential_pmf(scores: ArrayLike, temperature: float) -> Floats:
    """Probability of each candidate under the exponential mechanism, in proportion to exp(score / *temperature*).

    *scores* and the result have shape (k,). Source: McSherry and Talwar, "Mechanism design via differential privacy"
    (2007). Raises `PetsEvalError` for no scores, or a temperature that is not positive.

    >>> exponential_pmf([0.0, math.log(3)], 1.0).round(3).tolist()
    [0.25, 0.75]
    """
    pmf: Floats = scipy.special.softmax(_gaps(scores, temperature))
    return pmf


def permute_and_flip_pmf(scores: ArrayLike, temperature: float) -> Floats:
    """Probability of each candidate under permute-and-flip, which is also noisy max with exponential noise.

    *scores* and the result have shape (k,). With p_i = exp((score_i - best) / *temperature*) it is the integral of
    p_i * prod_{j != i} (1 - p_j u) over u from 0 to 1: a polynomial, integrated without error by Gauss and Legendre's
    rule. Source: McKenna and Sheldon, "Permute-and-flip" (2020), proposition 3. Raises as `exponential_pmf`.

    >>> permute_and_flip_pmf([0.0, math.log(2)], 1.0).round(3).tolist()
    [0.25, 0.75]
    """
    flips = np.exp(_gaps(scores, temperature))
    nodes, weights = np.polynomial.legendre.leggauss(len(flips) // 2 + 1)
    kept = 1 - flips[:, None] * (nodes + 1) / 2  # shape (k, nodes), never 0
    pmf: Floats = flips * ((kept.prod(axis=0) / kept) @ (weights / 2))
    return pmf


def pmf_test(first: ArrayLike, second: ArrayLike, claim: Claim, *, times: int = 1, neighbours: str = "") -> Finding:
    """Whether the exact probabilities of the outputs on two neighbours contradict *claim*, composed *times* over.

    *first* and *second*, of shape (k,), are the probabilities of the same k outputs. Their privacy loss, in the worse
    of the two directions, is what it is at delta 0, and otherwise composed as a distribution on a grid, rounded in
    favour of the mechanism so that it is never accused by rounding. Needs no runs; it is exact for these inputs, and
    silent on others. Raises `PetsEvalError` for probabilities that are none.

    >>> pmf_test([0.75, 0.25], [0.25, 0.75], Claim(1.0)).epsilon.__round__(4)
    1.0986
    """
    p, q = (_pmf(values) for values in (first, second))
    if len(p) != len(q):
        raise PetsEvalError(f"the two inputs give {len(p)} and {len(q)} outputs; list the same outputs for both")
    epsilon = max(_loss(p, q, claim.delta, times), _loss(q, p, claim.delta, times))
    return Finding(
        check="exact probabilities",
        outcome="violation found" if epsilon > claim.epsilon * (1 + _SLACK) else "no violation found",
        epsilon=epsilon,
        level=1.0,
        event=f"{len(p)} outputs, composed {times} times",
        neighbours=neighbours,
        note="computed, not sampled: it holds for these two inputs without error",
    )


def _loss(p: Floats, q: Floats, delta: float, times: int) -> float:
    """Smallest epsilon, of outputs more probable under *p*, at *delta*."""
    seen = p > 0
    if delta == 0:
        with np.errstate(divide="ignore"):
            return times * max(0.0, float((np.log(p[seen]) - np.log(q[seen])).max()))
    from dp_accounting.pld.privacy_loss_distribution import from_two_probability_mass_functions

    upper, lower = ({i: math.log(x) for i, x in enumerate(pmf) if x > 0} for pmf in (p, q))
    loss = from_two_probability_mass_functions(lower, upper, pessimistic_estimate=False)
    return max(0.0, float(loss.self_compose(times).get_epsilon_for_delta(delta * (1 + _SLACK))))


def _gaps(scores: ArrayLike, temperature: float) -> Floats:
    """How far each score is below the best one, in temperatures; at most 0."""
    values = np.atleast_1d(np.asarray(scores, dtype=np.float64))
    if not values.size or not np.isfinite(values).all() or not temperature > 0:
        raise PetsEvalError("a selection needs finite scores, one or more, and a temperature above 0")
    gaps: Floats = (values - values.max()) / temperature
    return gaps


def _pmf(values: ArrayLike) -> Floats:
    pmf = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if not ((pmf >= 0).all() and abs(float(pmf.sum()) - 1) <= _SUM):
        raise PetsEvalError("probabilities must be at least 0 and add up to 1")
    return pmf
