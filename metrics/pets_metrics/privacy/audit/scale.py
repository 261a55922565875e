"""The noise-scale test: noise narrower than a claim needs, seen in a few outputs around a known truth.

Where the auditor knows what the mechanism would release without noise, the width of the noise alone contradicts a claim
long before an event does: 14 outputs find a Gaussian of half the width, against 23,700 by the pair test.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding

Shape = Literal["gaussian", "laplace"]


def scale_test(
    outputs: ArrayLike,
    expected: ArrayLike,
    claim: Claim,
    *,
    noise: Shape,
    sensitivity: float = 1.0,
    level: float = 0.95,
) -> Finding:
    """Whether independent *noise* around *expected* is too narrow for *claim* at this *sensitivity*.

    *outputs* are numbers of any shape that *expected* broadcasts to; each has noise of its own. Under the claim the
    scale is at least `needed_scale`, so that the sum of squares over sigma^2 is chi-squared with n degrees of freedom,
    and twice the sum of absolute values over b chi-squared with 2n, or larger: the test is one-sided, and exact if the
    noise has the stated shape. The bound on epsilon is that of the widest scale that the outputs leave possible.
    Raises `PetsEvalError` for no outputs, or ones that are no numbers, and for a claim that no such noise gives.

    >>> narrow = np.random.default_rng(0).laplace(0, 0.25, 20)
    >>> found = scale_test(narrow, 0.0, Claim(1.0), noise="laplace")
    >>> found.outcome, 1 < found.epsilon < 4
    ('violation found', True)
    """
    noises = np.asarray(outputs, dtype=np.float64) - np.asarray(expected, dtype=np.float64)
    if not noises.size or not np.isfinite(noises).all():
        raise PetsEvalError("the noise-scale test needs at least one output, and all of them finite numbers")
    needed = needed_scale(claim, noise, sensitivity)
    chi2 = scipy.stats.chi2
    if noise == "gaussian":
        total, freedom = float((noises**2).sum()), noises.size
        p_value, widest = float(chi2.cdf(total / needed**2, freedom)), math.sqrt(total / chi2.ppf(1 - level, freedom))
    else:
        total, freedom = 2 * float(np.abs(noises).sum()), 2 * noises.size
        p_value, widest = float(chi2.cdf(total / needed, freedom)), total / float(chi2.ppf(1 - level, freedom))
    return Finding(
        check="noise scale",
        outcome="violation found" if p_value <= 1 - level else "no violation found",
        epsilon=_epsilon(claim, noise, sensitivity / widest if widest else math.inf),
        level=level,
        p_value=p_value,
        runs=noises.size,
        event=f"{noise} noise is narrower than {needed:.6g}",
        note=f"with {level:.0%} confidence the scale is at most {widest:.6g}",
    )


def needed_scale(claim: Claim, noise: Shape, sensitivity: float = 1.0) -> float:
    """The smallest scale with which *noise* keeps *claim*: standard deviation, or b of the Laplace distribution.

    Of the Laplace mechanism sensitivity / epsilon (Dwork et al. 2006), the claim's delta unused; of the Gaussian
    sensitivity / mu, with the largest mu that the claim admits (Balle and Wang 2018, theorem 8; Dong, Roth and Su 2022,
    corollary 1). Raises `PetsEvalError` where no such noise keeps the claim.

    >>> needed_scale(Claim(0.5), "laplace", 2.0), round(needed_scale(Claim(1.0, 1e-5), "gaussian"), 4)
    (4.0, 3.7306)
    """
    strength = claim.epsilon if noise == "laplace" else _mu(claim)
    if not 0 < strength < math.inf:
        raise PetsEvalError(f"no {noise} noise of finite scale keeps the claim {claim}; claim something else of it")
    return sensitivity / strength


def _mu(claim: Claim) -> float:
    """The largest mu whose Gaussian mechanism keeps the claim."""
    if claim.mu is not None:
        return claim.mu
    if claim.delta == 0:
        return 0.0
    high = 1.0
    while Claim(mu=high).delta_at(claim.epsilon) < claim.delta:
        high *= 2
    return float(
        scipy.optimize.brentq(lambda m: Claim(mu=m).delta_at(claim.epsilon) - claim.delta, 0.0, high, xtol=1e-14)
    )


def _epsilon(claim: Claim, noise: Shape, strength: float) -> float:
    """The epsilon, at the claim's delta, of noise of which *strength* is sensitivity over scale."""
    if noise == "laplace" or not strength < 1e4:
        return strength
    return Claim(mu=strength, delta=claim.delta).epsilon
