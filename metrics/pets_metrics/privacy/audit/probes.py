"""Probes for single flaws: last bits, repeated noise, the time a run takes, errors, and canaries of every kind.

Each takes what it looks at (a callable, or any target), a pair of neighbours and a claim, and gives a finding. Whatever
is computed from an output, and an output's bits and duration are, must keep the claim as the output does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_metrics.privacy.attack_scores import auc
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.neighbours import Pair
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.pair import pair_test
from pets_metrics.privacy.audit.repeats import repeat_test
from pets_metrics.privacy.audit.sampling import concatenated
from pets_metrics.privacy.audit.target import Data, Target, of_callable

Floats = NDArray[np.float64]
Probed = Target | Callable[[Any], Any]

_LEVEL = 0.95
_BLOCK, _BLOCKS = 8, 8  # runs on one input and the other in turn
_NUMBERS = 20  # of an output, whose noise is compared


def canary(probed: Probed, pair: Pair, claim: Claim, runs: int = 400, *, level: float = _LEVEL) -> Finding:
    """Whether the outputs on one *pair* of neighbours contradict the claim: the pair test on fresh runs.

    The pair is the canary: a missing value, a rare key, a category outside the domain, an outlier, a person with many
    rows (see `neighbours`). That something is raised, or not a number, is an outcome like any other.

    >>> from pets_metrics.privacy.audit.neighbours import of_bounds
    >>> rng = np.random.default_rng(0)
    >>> missing = next(p for p in of_bounds(0, 1) if p.name == "a missing value")
    >>> canary(lambda x: x.sum() + rng.laplace(), missing, Claim(1.0)).outcome
    'violation found'
    >>> canary(lambda x: np.nansum(np.clip(x, 0, 1)) + rng.laplace(), missing, Claim(1.0)).outcome
    'no violation found'
    """
    first, second = _both(probed, pair, runs)
    return replace(pair_test(first, second, claim, level=level, neighbours=pair.name), check="canary")


def last_bits(probed: Probed, pair: Pair, claim: Claim, runs: int = 2_000, *, level: float = _LEVEL) -> Finding:
    """Whether the last bits of the outputs tell the inputs apart: floating-point noise shows what it was added to.

    The sum of a value and textbook noise lies on a coarser grid the larger the value: near 0, only a value of 0 leaves
    bits below 2^-53. So the pair test is made on the place of the lowest bit that is set. Take a pair on whose first
    input the exact result is 0. Source: Mironov, "On significance of the least significant bits for differential
    privacy" (2012), section 4; Haney et al., "Precision-based attacks" (2022).

    >>> from pets_metrics.privacy.audit.neighbours import of_bounds
    >>> rng = np.random.default_rng(0)
    >>> last_bits(lambda x: x.sum() + rng.laplace(), of_bounds(0, 1)[0], Claim(1.0)).violated
    True
    >>> whole = lambda x: round(x.sum()) + rng.geometric(0.6) - rng.geometric(0.6)
    >>> last_bits(whole, of_bounds(0, 1)[0], Claim(1.0)).violated
    False
    """
    return last_bits_test(*_both(probed, pair, runs), claim, level=level, neighbours=pair.name)


def last_bits_test(
    first: Outcomes, second: Outcomes, claim: Claim, *, level: float = _LEVEL, neighbours: str = ""
) -> Finding:
    """`last_bits` on runs that were already made."""
    bits = [
        replace(o, values=lowest_bit(o.values), keys=tuple(f"lowest bit of {k}" for k in o.keys))
        for o in (first, second)
    ]
    found = pair_test(bits[0], bits[1], claim, level=level, neighbours=neighbours)
    note = "noise is drawn as floating-point numbers; use a library that rounds or draws whole numbers; " + found.note
    return replace(found, check="last bits", note=note if found.violated else found.note)


def lowest_bit(values: Floats) -> Floats:
    """The exponent of the lowest bit that is set in each float: 0 for odd numbers, -53 for 1 + 2^-53; NaN stays.

    Zero, which is on every grid, has 1024.

    >>> lowest_bit(np.array([3.0, 12.0, 0.5, 0.0])).tolist()
    [0.0, 2.0, -1.0, 1024.0]
    """
    mantissa, exponent = np.frexp(np.where(np.isfinite(values), values, 0.0))
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    lowest = np.log2(np.maximum(whole & -whole, 1)) + exponent - 53
    done: Floats = np.where(np.isnan(values), np.nan, np.where(whole == 0, 1024.0, lowest))
    return done


def same_output(probed: Probed, pair: Pair, runs: int = 40, *, level: float = _LEVEL) -> Finding:
    """Whether each input always gives one output, and not the same: no noise, or the same each time.

    A constant that does not depend on the input contradicts nothing.
    """
    first, second = _both(probed, pair, runs)
    return replace(repeat_test(first, second, level=level, neighbours=pair.name), check="same output")


def reused_noise(probed: Probed, pair: Pair, claim: Claim, *, level: float = _LEVEL) -> Finding:
    """Whether noise comes again: runs on one input repeat earlier ones, or go up and down with those on the other.

    Eight calls on each input in turn ask for eight runs each. Noise that is drawn afresh makes their outputs
    independent, so that Spearman's correlation of the i-th runs is 0; reused noise cancels when two releases are
    subtracted. No bound on epsilon comes from that: the claim does not survive a second release. Source of the flaw:
    Garfinkel and Leclerc, "Randomness concerns when deploying differential privacy" (2020).
    """
    target = as_target(probed)
    blocks = [[target.run_many(data, _BLOCK) for data in (pair.first, pair.second)] for _ in range(_BLOCKS)]
    repeated = _repeats([b[0] for b in blocks]) or _repeats([b[1] for b in blocks])
    first, second = together(*(concatenated([b[i] for b in blocks]) for i in (0, 1)))
    keys = [j for j in range(len(first.keys)) if _varies(first.values[:, j]) and _varies(second.values[:, j])][
        :_NUMBERS
    ]
    p_values = [float(scipy.stats.spearmanr(first.values[:, j], second.values[:, j]).pvalue) for j in keys]
    p_value = min(1.0, min(p_values, default=1.0) * max(1, len(keys)))
    violated = repeated or p_value <= 1 - level
    return Finding(
        check="reused noise",
        outcome="violation found" if violated else "no violation found",
        level=level,
        p_value=0.0 if repeated else p_value,
        runs=len(first),
        event="noise that repeats, or is shared by runs on both inputs",
        neighbours=pair.name,
        note="calls repeat each other" if repeated else "outputs go up and down together" if violated else "",
    )


def _repeats(blocks: list[Outcomes]) -> bool:
    """Whether all calls on one input gave the same runs, which differ among themselves."""
    start = blocks[0]
    varies = any(_varies(column) for column in start.values.T)
    return varies and all(
        b.keys == start.keys and np.array_equal(b.values, start.values, equal_nan=True) for b in blocks[1:]
    )


def _varies(numbers: Floats) -> bool:
    return bool(np.isfinite(numbers).all() and numbers.min() < numbers.max())


def error_channel(probed: Probed, pair: Pair, claim: Claim, runs: int = 400, *, level: float = _LEVEL) -> Finding:
    """Whether how a run ends (a number, nothing, which error, which exit code) tells the inputs apart."""
    first, second = _both(probed, pair, runs)
    ends = [Outcomes(np.empty((len(o), 0)), (), o.labels) for o in (first, second)]
    return replace(pair_test(ends[0], ends[1], claim, level=level, neighbours=pair.name), check="error channel")


def timing_channel(
    probed: Probed,
    pair: Pair,
    claim: Claim,
    runs: int = 200,
    *,
    level: float = _LEVEL,
    rng: np.random.Generator | None = None,
) -> Finding:
    """Whether the time that a run takes tells the inputs apart, by the pair test on seconds.

    Runs on both inputs take turns in random order, so that a machine that grows busy slows both alike. The note has
    the area under the ROC curve of an attacker with a clock, with its interval: 0.5 is guessing. Who cannot see the
    clock learns nothing from it. Source of the flaw: Haeberlen, Pierce and Narayan, "Differential privacy under fire"
    (2011); Jin et al., "Are we there yet? Timing and floating-point attacks" (2022).
    """
    target = as_target(probed)
    seconds = clocked(target, pair, runs, np.random.default_rng() if rng is None else rng)
    timed = [Outcomes(s[:, None], ("seconds",), np.full(len(s), "", dtype=object)) for s in seconds]
    found = pair_test(timed[0], timed[1], claim, level=level, neighbours=pair.name)
    area = auc(seconds[1], seconds[0], level)
    note = f"area under the curve {area.value:.3f} ({area.low:.3f} to {area.high:.3f}); {found.note}"
    return replace(found, check="timing channel", note=note)


def clocked(target: Target, pair: Pair, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Seconds of *runs* runs on the first and the second input, in turn, after two of each that are not counted."""
    taken: tuple[list[float], list[float]] = ([], [])
    for i in range(runs + 2):
        for side in rng.permutation(2):
            spent = _seconds(target, (pair.first, pair.second)[side])
            if i >= 2:
                taken[side].append(spent)
    return np.array(taken[0]), np.array(taken[1])


def _seconds(target: Target, data: Data) -> float:
    start = time.perf_counter()
    found = target.run_many(data, 1)
    return float(found.seconds[0]) if found.seconds is not None else time.perf_counter() - start


def as_target(probed: Probed) -> Target:
    """*probed* itself if it is a target, else the target that calls it."""
    if hasattr(probed, "run_many") and hasattr(probed, "name"):
        return probed
    return of_callable(cast(Callable[..., Any], probed))


def _both(probed: Probed, pair: Pair, runs: int) -> tuple[Outcomes, Outcomes]:
    target = as_target(probed)
    return target.run_many(pair.first, runs), target.run_many(pair.second, runs)
