"""Probes for single flaws: last bits, repeated noise, the time a run takes, errors, and canaries of every kind.

Each takes what it looks at (a callable, or any target), a pair of neighbours and a claim, and gives a finding. Whatever
is computed from an output, and an output's bits and duration are, must keep the claim as the output does.
"""

from __future__ import annotations

import math
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
from pets_metrics.privacy.audit.target import Data, Target, from_scratch, of_callable

Floats = NDArray[np.float64]
Probed = Target | Callable[[Any], Any]

_LEVEL = 0.95
_BLOCK, _BLOCKS = 8, 8  # runs on one input and the other in turn
_NUMBERS = 20  # of an output, whose noise is compared
_SHUFFLES = 100_000  # at most; enough for an error of 1e-5
_AT_ONCE, _ENOUGH = 1_000, 20
# Eight independent runs that are not all alike come out with a probability of at most that of seven times one output
# and once another, p^7 (1 - p) <= 7^7 / 8^8 = 0.05, whatever the mechanism; that seven further calls give just these
# eight has the seventh power of that, 7e-10, at most.
_COINCIDENCE = ((_BLOCK - 1) ** (_BLOCK - 1) / _BLOCK**_BLOCK) ** (_BLOCKS - 1)


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
    """`last_bits` on runs that were already made; not measured unless each gives a number on both inputs."""
    first, second = together(first, second)
    there = [bool(np.isfinite(o.values[:, j]).all()) for j in range(len(first.keys)) for o in (first, second)]
    keys = [k for j, k in enumerate(first.keys) if all(there[2 * j : 2 * j + 2])]
    if not keys:
        note = "no number comes out each time on both inputs"
        return Finding(check="last bits", outcome="not measured", level=level, neighbours=neighbours, note=note)
    bits = [
        Outcomes(lowest_bit(o.on(keys).values), tuple(f"lowest bit of {k}" for k in keys), np.full(len(o), "", object))
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
    independent, so that the runs on one input may be put in any order: the largest Spearman correlation of the i-th
    runs, over the numbers of an output, is judged by a permutation test, exact whatever the noise is (which cannot
    accuse at an error below 1e-5). A number that is the same in more than half of the runs is not compared. Reused
    noise cancels when two releases are subtracted. No bound on epsilon comes from that: the claim does not survive a
    second release. Sources: Westfall and Young, "Resampling-based multiple testing" (1993), section 2.3; of the flaw,
    Garfinkel and Leclerc, "Randomness concerns when deploying differential privacy" (2020).
    """

    def calls(target: Target) -> list[list[Outcomes]]:
        return [[target.run_many(data, _BLOCK) for data in (pair.first, pair.second)] for _ in range(_BLOCKS)]

    blocks = from_scratch(as_target(probed), calls)
    repeated = sum(_repeats([b[i] for b in blocks]) for i in (0, 1))
    first, second = together(*(concatenated([b[i] for b in blocks]) for i in (0, 1)))
    if repeated:
        p_value = _COINCIDENCE**2 if repeated == 2 else 2 * _COINCIDENCE
    else:  # both ways of accusing share the error
        p_value = min(1.0, _correlated(first.values, second.values, level) + 2 * _COINCIDENCE)
    violated = p_value <= 1 - level
    return Finding(
        check="reused noise",
        outcome="violation found" if violated else "no violation found",
        level=level,
        p_value=p_value,
        runs=len(first),
        event="noise that repeats, or is shared by runs on both inputs",
        neighbours=pair.name,
        note="" if not violated else "calls repeat each other" if repeated else "outputs go up and down together",
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


def _correlated(first: Floats, second: Floats, level: float) -> float:
    """The p-value of the largest rank correlation between the columns of the one and of the other, shapes (runs, k).

    Shuffling ends as soon as as large a one came up `_ENOUGH` times, which keeps the p-value valid. Source: Besag and
    Clifford, "Sequential Monte Carlo p-values" (1991), section 2.
    """
    spread = [j for j in range(first.shape[1]) if _spreads(first[:, j]) and _spreads(second[:, j])][:_NUMBERS]
    if not spread:
        return 1.0
    one, other = (_standard_ranks(values[:, spread]) for values in (first, second))
    seen = np.abs((one * other).sum(axis=0)).max() * (1 - 1e-12)
    shuffles, rng = min(_SHUFFLES, math.ceil(20 / (1 - level))), np.random.default_rng(0)
    reached = 0  # shuffles that correlate as much
    for start in range(0, shuffles, _AT_ONCE):
        size = min(_AT_ONCE, shuffles - start)
        order = rng.permuted(np.broadcast_to(np.arange(len(other)), (size, len(other))), axis=1)
        most = np.zeros(size)
        for x, y in zip(one.T, other.T):
            np.maximum(most, np.abs(y[order] @ x), out=most)
        places = np.flatnonzero(most >= seen)
        if reached + len(places) >= _ENOUGH:
            return _ENOUGH / float(start + places[_ENOUGH - reached - 1] + 1)
        reached += len(places)
    return (1 + reached) / (1 + shuffles)


def _spreads(numbers: Floats) -> bool:
    """Whether no value makes up more than half: a few odd ones meet by chance too often to show anything."""
    return _varies(numbers) and 2 * int(np.unique(numbers, return_counts=True)[1].max()) <= len(numbers)


def _standard_ranks(values: Floats) -> Floats:
    """The ranks in each column, with mean 0 and length 1, so that products of columns are Spearman's correlations."""
    ranks = scipy.stats.rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    standard: Floats = ranks / np.linalg.norm(ranks, axis=0)
    return standard


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
    return from_scratch(as_target(probed), lambda t: (t.run_many(pair.first, runs), t.run_many(pair.second, runs)))
