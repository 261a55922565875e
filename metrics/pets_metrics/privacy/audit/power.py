"""How strong an audit was: the smallest violation that it would have caught, planted in the mechanism's own outcomes.

A violation of a known size is made from the runs at hand, the pair test chooses its event on a part of them as it would
in earnest, and the probability that so many judging runs contradict the claim by that event is computed exactly.
`pair_floor` is what the best event would reach; this adds what is lost by having to find an event.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError
from pets_metrics.intervals import clopper_pearson
from pets_metrics.privacy.audit.bounds import pair_power, worst_event
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.events import choose
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.pair import choosing, parted

Plant = Callable[[float, np.random.Generator], tuple[Outcomes, Outcomes]]

_MOST = 30.0  # a strength beyond is no smaller than "everything"
_PRECISION = 0.01


def tilted(outcomes: Outcomes, claim: Claim) -> Plant:
    """Violations made of *outcomes* of any kind: those above the middle become more frequent on one input.

    At strength s (an epsilon, or a mu where that is claimed) the two inputs' probabilities of the upper half are those
    of the most telling event of such a mechanism; within the halves nothing changes. The middle is that of the number
    that takes the most values, or, without numbers that vary, splits the labels. Raises `PetsEvalError` where all
    outcomes are alike.

    >>> seen = Outcomes.of(np.arange(1_000.0))
    >>> first, second = tilted(seen, Claim(1.0))(2.0, np.random.default_rng(0))
    >>> [round(float((o.values >= 500).mean()), 1) for o in (first, second)]
    [0.9, 0.1]
    """
    upper = _upper(outcomes)
    high, low = np.flatnonzero(upper), np.flatnonzero(~upper)

    def plant(strength: float, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
        one, other = (
            outcomes.part(
                np.where(rng.random(len(upper)) < p, rng.choice(high, len(upper)), rng.choice(low, len(upper)))
            )
            for p in worst_event(claim, strength)
        )
        return one, other

    return plant


def shifted(first: Outcomes, second: Outcomes, claim: Claim) -> Plant:
    """Violations of a mechanism that adds noise to numbers: what the neighbour changes, enlarged.

    The inputs' median difference is taken for what just keeps *claim*, and multiplied: by two at twice the claim's
    epsilon (or mu). So a floor is one in units of the claim. Raises `PetsEvalError` for a claim of epsilon 0, and where
    the inputs do not differ.

    >>> noise = np.random.default_rng(0).laplace(size=(2, 20_000))
    >>> plant = shifted(Outcomes.of(noise[0]), Outcomes.of(noise[1] + 1), Claim(1.0))
    >>> round(float(np.median(plant(3.0, np.random.default_rng(0))[1].values)))
    3
    """
    one, other = together(first, second)
    moved = np.array([_median(y) - _median(x) for x, y in zip(one.values.T, other.values.T, strict=True)])
    claimed = claim.epsilon if claim.mu is None else claim.mu
    if claimed <= 0 or not np.any(np.nan_to_num(moved)):
        raise PetsEvalError("a shift can be planted only where the inputs' numbers differ and the claim is above 0")

    def plant(strength: float, _: np.random.Generator) -> tuple[Outcomes, Outcomes]:
        values = other.values + (strength / claimed - 1) * np.nan_to_num(moved)
        return one, Outcomes(values, other.keys, other.labels, other.seconds)

    return plant


def planted_power(
    plant: Plant,
    strength: float,
    claim: Claim,
    runs: int,
    *,
    level: float = 0.95,
    tries: int = 8,
    rng: np.random.Generator | None = None,
) -> float:
    """Probability that the pair test on *runs* runs on each input finds a violation of that *strength*.

    The event is chosen *tries* times, each time on other outcomes than those that its probabilities are taken from.

    >>> seen = Outcomes.of(np.random.default_rng(0).laplace(size=5_000))
    >>> planted_power(tilted(seen, Claim(1.0)), 2.0, Claim(1.0), 500) > 0.99
    True
    """
    rng = np.random.default_rng(0) if rng is None else rng
    found = []
    for _ in range(tries):
        pools = plant(strength, rng)
        few = choosing(runs)
        (one, rest_1), (other, rest_2) = (parted(o, min(few, len(o) // 2), rng) for o in pools)
        choice = choose(one, other, (runs - few, runs - few), claim, 1 - level)
        shares = [float(choice.event.holds(o).mean()) for o in (rest_1, rest_2)]
        p, q = shares if choice.first else shares[::-1]
        found.append(pair_power(runs - few, runs - few, p, q, claim, level))
    return float(np.mean(found))


def planted_floor(
    plant: Plant,
    claim: Claim,
    runs: int,
    *,
    level: float = 0.95,
    power: float = 0.95,
    tries: int = 8,
    seed: int = 0,
) -> float:
    """The smallest planted epsilon (at the claim's delta) that *runs* runs on each input find with that *power*.

    "Would have caught a true epsilon of at least" this; infinite where not even an obvious violation is found. To
    about 0.01, and as exact as the outcomes at hand are many.

    >>> seen = Outcomes.of(np.random.default_rng(0).laplace(size=5_000))
    >>> 1.2 < planted_floor(tilted(seen, Claim(1.0)), Claim(1.0), 1_000) < 1.5
    True
    """

    def caught(strength: float) -> bool:
        """With the same draws at every strength, so that more is not caught less often by chance."""
        rng = np.random.default_rng(seed)
        return planted_power(plant, strength, claim, runs, level=level, tries=tries, rng=rng) >= power

    low = claim.epsilon if claim.mu is None else claim.mu
    high = low + 0.25
    while not caught(high):
        low, high = high, low + 2 * (high - low)
        if high > _MOST + claim.epsilon:
            return math.inf
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if caught(middle) else (middle, high)
    return high if claim.mu is None else Claim(mu=high, delta=claim.delta).epsilon


def caught_share(
    test: Callable[[np.random.Generator], Finding], tries: int, *, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Share of *tries* in which any *test* finds a violation, with Clopper and Pearson's interval.

    Of a mechanism that is broken it is the test's power; of one that keeps its claim, the rate of false alarms. The
    test gets a generator of its own for each try.

    >>> claim = Claim(1.0)
    >>> found = caught_share(lambda rng: Finding(check="coin", outcome="no violation found"), 20)
    >>> found.value, round(found.high, 3)
    (0.0, 0.168)
    """
    found = sum(test(rng).violated for rng in np.random.default_rng(seed).spawn(tries))
    low, high = clopper_pearson(found, tries, level)
    return Estimate(found / tries, low, high, level, "clopper-pearson", tries)


def _upper(outcomes: Outcomes) -> NDArray[np.bool_]:
    """Which outcomes belong to the upper half, shape (n,); neither half is empty."""
    variety = [len(np.unique(column[~np.isnan(column)])) for column in outcomes.values.T]
    if variety and max(variety) > 1:
        numbers = outcomes.values[:, int(np.argmax(variety))]
        there = numbers[~np.isnan(numbers)]
        middle = _median(numbers)
        upper: NDArray[np.bool_] = numbers > middle if middle == there.min() else numbers >= middle
        return upper
    names, place = np.unique(outcomes.labels.astype(str), return_inverse=True)
    if len(names) < 2:
        raise PetsEvalError("no violation can be planted in outcomes that are all alike")
    return np.asarray(place >= len(names) // 2)


def _median(numbers: NDArray[np.float64]) -> float:
    there = numbers[~np.isnan(numbers)]
    return float(np.median(there)) if there.size else math.nan
