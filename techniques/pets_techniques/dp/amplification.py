"""How much privacy shuffling adds to what each person's own randomiser gives."""

from __future__ import annotations

import math

BOUND = "feldman-2021"


def widest(reports: int, delta: float) -> float:
    """The largest local epsilon for which the bound of `amplified` holds with that many *reports*.

    log(n / (16 log(2/delta))); at or below 0 there are too few reports for any amplification by this bound.

    >>> round(widest(10_000, 1e-6), 6)
    3.763006
    """
    return math.log(reports / (16 * math.log(2 / delta)))


def amplified(local: float, reports: int, delta: float) -> float:
    """The epsilon for which shuffled reports are (epsilon, *delta*)-private, where each is *local*-private.

    For *reports* people who all use the same randomiser, of any kind, and neighbours that differ in what one of them
    has. Beyond `widest` nothing is gained: the result is *local* itself, as it is where the bound is larger. Source:
    Feldman, McMillan and Talwar, Hiding among the clones (FOCS 2021; arXiv:2012.12803), theorem 3.1.

    >>> round(amplified(2.0, 10_000, 1e-6), 6)
    0.50092
    >>> amplified(5.0, 10_000, 1e-6)
    5.0
    """
    if local > widest(reports, delta):
        return local
    clones = 8 * math.sqrt(math.exp(local) * math.log(4 / delta) / reports) + 8 * math.exp(local) / reports
    return min(local, math.log1p(math.tanh(local / 2) * clones))  # tanh(x/2) = (e^x - 1) / (e^x + 1)


def local_epsilon(epsilon: float, reports: int, delta: float) -> float:
    """The largest local epsilon with which shuffled reports are known to be (*epsilon*, *delta*)-private.

    Never less than *epsilon*, since shuffling takes nothing away. The bound rises with the local epsilon, so that
    halving the interval finds it.

    >>> round(local_epsilon(1.0, 10_000, 1e-6), 6)
    3.503714
    >>> local_epsilon(1.0, 100, 1e-6)
    1.0
    """
    low, high = epsilon, widest(reports, delta)
    if high <= low:
        return epsilon
    if amplified(high, reports, delta) <= epsilon:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if amplified(middle, reports, delta) <= epsilon else (low, middle)
    return low
