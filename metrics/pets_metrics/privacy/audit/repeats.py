"""The same again: runs that repeat each other, noise that comes twice, and runs replayed with the same noise.

Randomness is what a claim rests on, so a few runs tell much of it: two on each input find noise that is not there, or
is the same each time; one with the noise held still shows what the data alone moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Finding
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.pair import Runs

_LEVEL = 0.95
_ROUNDING = 1e-9  # relative, of the sensitivity: what floating-point sums are off by
_LAST_BITS = 1e-14  # relative, of the outputs: what adding noise to either input rounds away
_SHUFFLES = 1_999


def repeat_test(
    first: Runs, second: Runs, *, chance: float = 0.0, level: float = _LEVEL, neighbours: str = ""
) -> Finding:
    """Whether every run on each of two neighbours gave one output, a different one for each: there is no noise.

    Two runs on each suffice. *chance* is the probability that two runs of a sound mechanism coincide: 0 for noise
    that is drawn as real numbers, or for many numbers at once; tanh(1 / (2 b)) at most for a whole number with discrete
    Laplace noise of scale b. A constant that does not depend on the input contradicts nothing. Raises `PetsEvalError`
    for fewer than two runs.

    >>> repeat_test([15, 15], [16, 16]).outcome, repeat_test([16, 16], [16, 16]).outcome
    ('violation found', 'no violation found')
    """
    one, other = together(Outcomes.of(first), Outcomes.of(second))
    runs = min(len(one), len(other))
    if runs < 2 or not 0 <= chance < 1:
        raise PetsEvalError("a repeat test needs two runs on each input, and a chance of coincidence from 0 to below 1")
    constant = all(_same(o, o.part(np.zeros(len(o), dtype=np.intp))) for o in (one, other))
    tells = not _same(one.part(slice(0, 1)), other.part(slice(0, 1)))
    p_value = chance ** (len(one) + len(other) - 2) if constant and tells else 1.0
    violated = p_value <= 1 - level
    return Finding(
        check="repeats",
        outcome="violation found" if violated else "no violation found",
        epsilon=math.inf if violated else math.nan,
        level=level,
        p_value=p_value,
        runs=runs,
        event="every run gives the same output, and another on the other input",
        neighbours=neighbours,
    )


def shared_noise_test(
    first: ArrayLike, second: ArrayLike, *, level: float = _LEVEL, rng: np.random.Generator | None = None
) -> Finding:
    """Whether two numbers that are released together, shapes (n,), go up and down together on one and the same input.

    Noise of its own on each makes them independent; noise that is shared cancels when one is taken from the other.
    Pearson's correlation is judged by a permutation test, one-sided, exact whatever the noise is. No bound on epsilon
    comes from it. Raises `PetsEvalError` where there are not two numbers from each of five runs or more.

    >>> rng = np.random.default_rng(0)
    >>> noise, own = rng.laplace(size=39), rng.laplace(size=(2, 39))
    >>> shared_noise_test(noise + own[0], noise + own[1]).outcome, shared_noise_test(*own).outcome
    ('violation found', 'no violation found')
    """
    x, y = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    if len(x) != len(y) or len(x) < 5 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise PetsEvalError("shared noise is judged by two finite numbers from each of five runs or more")
    rng = np.random.default_rng(0) if rng is None else rng
    centred = [v - v.mean() for v in (x, y)]
    seen = float(centred[0] @ centred[1])
    shuffled = rng.permuted(np.broadcast_to(centred[1], (_SHUFFLES, len(y))), axis=1) @ centred[0]
    p_value = float(1 + (shuffled >= seen * (1 - 1e-12)).sum()) / (1 + _SHUFFLES)
    norms = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return Finding(
        check="shared noise",
        outcome="violation found" if norms and p_value <= 1 - level else "no violation found",
        level=level,
        p_value=p_value if norms else 1.0,
        runs=len(x),
        event="two released numbers go up and down together",
        note=f"correlation {seen / norms:.2f}" if norms else "one of the numbers never changes",
    )


def same_noise_test(
    run: Callable[[Any, np.random.Generator], ArrayLike],
    first: Any,
    second: Any,
    sensitivity: float,
    *,
    norm: Literal["l1", "l2"] = "l1",
    seed: int = 0,
    neighbours: str = "",
) -> Finding:
    """Whether neighbours move the output of `run(data, generator)` by more than *sensitivity*, the noise held still.

    Both runs get generators in the same state, so that additive noise cancels and what is left is what the noise must
    hide; no chance is involved, and the finding has no p-value. A *sensitivity* of 0 is that of post-processing: with
    its inputs frozen, nothing may depend on the data. Not measured where the runs draw different amounts of randomness,
    since the noise then does not cancel. Raises `PetsEvalError` for a negative sensitivity or outputs of two shapes.

    >>> total = lambda data, rng: np.sum(data) + rng.laplace()
    >>> same_noise_test(total, [1.0], [1.0, 50.0], 1.0).note
    'declared sensitivity 1, seen 50'
    """
    if not sensitivity >= 0:
        raise PetsEvalError(f"a sensitivity is at least 0, not {sensitivity}")
    generators = [np.random.default_rng(seed) for _ in range(2)]
    one, other = (_numbers(run(data, g)) for data, g in zip((first, second), generators, strict=True))
    event = f"{norm.upper()} distance of runs with the same noise"
    if generators[0].bit_generator.state != generators[1].bit_generator.state:
        return Finding(
            check="replay",
            outcome="not measured",
            runs=1,
            event=event,
            neighbours=neighbours,
            note="the runs drew different amounts of randomness: their noise does not cancel",
        )
    if one.shape != other.shape:
        raise PetsEvalError("the replayed runs give outputs of two shapes; compare outputs of one shape")
    moved = float(np.linalg.norm(other - one, ord=1 if norm == "l1" else 2))
    slack = _ROUNDING * sensitivity + _LAST_BITS * float(np.abs(one).sum() + np.abs(other).sum())
    return Finding(
        check="replay",
        outcome="violation found" if not moved <= sensitivity + slack else "no violation found",
        level=1.0,
        runs=1,
        event=event,
        neighbours=neighbours,
        note=f"declared sensitivity {sensitivity:.6g}, seen {moved:.6g}",
    )


def _same(one: Outcomes, other: Outcomes) -> bool:
    equal = (one.values == other.values) | (np.isnan(one.values) & np.isnan(other.values))
    return bool(equal.all() and (one.labels == other.labels).all())


def _numbers(output: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(output, dtype=np.float64).ravel()
