"""Success rates of an attack, of guessing, and of the attack on held-out people; the risk that these three show.

The attacks on singling out, linkability and inference (Giomi et al. 2023) all end in these figures. A reported rate is
the plain share of successes, which is unbiased; its interval is Wilson's. Anonymeter reports the middle of Wilson's
interval instead, (s + z^2/2) / (n + z^2), which is drawn towards 1/2: 0 of 500 reads 0.4 % there.

The risk is (attack - control) / (1 - control), the excess over held-out people as a share of what was left to gain.
Its value is made of the plain shares; its interval of Wilson's, as Newcombe's for a difference is. (Anonymeter's
propagated error is too small where nearly every attack on held-out people succeeds.) All three are clipped to [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Score

_LEVEL = 0.95
NO_CONTROL = "needs held-out people (control)"


@dataclass(frozen=True)
class Rate:
    """A share of successes in *trials*; `trials` is infinite where the rate is known and was not counted."""

    value: float
    trials: float

    @staticmethod
    def of(successes: NDArray[np.bool_], trials: float | None = None) -> Rate:
        """The rate of these trials; there must be one. *trials* is how many independent ones they are worth."""
        return Rate(float(successes.mean()), trials or len(successes))

    def interval(self, level: float = _LEVEL) -> tuple[float, float]:
        """Middle and half-width of Wilson's interval at *level*.

        >>> [round(x, 4) for x in Rate(0.0, 500).interval()]
        [0.0038, 0.0038]
        """
        z = _quantile(level)
        share = z * z / self.trials
        spread = math.sqrt(self.value * (1 - self.value) / self.trials + share / (4 * self.trials))
        return (self.value + share / 2) / (1 + share), z * spread / (1 + share)

    def ends(self, level: float = _LEVEL) -> tuple[float, float]:
        """Wilson's interval at *level*, within [0, 1] and around the value."""
        middle, half = self.interval(level)
        return min(max(middle - half, 0.0), self.value), max(min(middle + half, 1.0), self.value)

    def estimate(self, level: float = _LEVEL, note: str = "") -> Estimate:
        """The rate with its interval. Where the interval is wider for several comparisons, it still says 0.95."""
        if math.isinf(self.trials):
            return Estimate.exact(self.value, note=note)
        low, high = self.ends(level)
        return Estimate(self.value, low, high, _LEVEL, _method("wilson", level), round(self.trials), note)


@dataclass(frozen=True)
class Attack:
    """What one attack achieved on real people, by guessing, and on held-out people; *failed* says why it was not run.

    `control` is None where there are no held-out people, or where `unmeasured` says why they do not serve.
    """

    attack: Rate | None = None
    baseline: Rate | None = None
    control: Rate | None = None
    note: str = ""
    failed: str = ""
    unmeasured: str = NO_CONTROL


def residual(attack: Rate, control: Rate, level: float = _LEVEL) -> tuple[float, float, float]:
    """Excess of *attack* over *control* as a share of what was left to gain: value, low and high end, not clipped.

    NaN where both always succeed, for then nothing is left to gain; minus infinity where only the control does. It is 1
    less the ratio of the shares of failures, whose interval is made of Wilson's by the method of variance estimates
    recovery: where it leaves 0 out, so does Newcombe's for the difference.
    Sources: Giomi et al. (2023), section 3.4; Donner and Zou, Closed-form confidence intervals for functions of the
    normal mean and standard deviation, Statistical Methods in Medical Research 21 (2012), ratios.

    >>> [round(x, 3) for x in residual(Rate(0.5, 400), Rate(0.2, 400))]
    [0.375, 0.304, 0.441]
    """
    if control.value >= 1 and attack.value >= 1:
        return math.nan, math.nan, math.nan
    a, c = 1 - attack.value, 1 - control.value
    (a_low, a_high), (c_low, c_high) = (tuple(1 - x for x in r.ends(level)[::-1]) for r in (attack, control))
    a_low, c_low = max(a_low, 0.0), max(c_low, 0.0)
    gained, left = a_low * (2 * a - a_low), a_high * (2 * a - a_high)
    few, many = c_low * (2 * c - c_low), c_high * (2 * c - c_high)
    least = gained / (a * c + math.sqrt(max((a * c) ** 2 - many * gained, 0.0))) if gained > 0 else 0.0
    most = (a * c + math.sqrt(max((a * c) ** 2 - few * left, 0.0))) / few if few > 0 else math.inf
    value = 1 - a / c if c > 0 else -math.inf
    return value, min(1 - most, value), max(1 - least, value)


def scores(attacks: Mapping[str, Attack], kind: str) -> list[Score]:
    """Rows "attack", "baseline", "control" and "risk" of each attack, by group, and those of the worst as group "".

    The worst is the one whose risk is surest: whose interval begins highest. (The highest value would often be that
    with the least to gain, and so the most noise.) The intervals of the overall rows are Bonferroni's: they hold for
    all attacks at once, and so for the one that was chosen. *kind* says in notes what the groups are.
    """
    rows = [row for group, attack in attacks.items() if group for row in _rows(group, attack, _LEVEL)]
    run = {group: attack for group, attack in attacks.items() if attack.attack is not None}
    if not run:
        return [*rows, *_rows("", Attack(failed=next(iter(attacks.values())).failed), _LEVEL)]
    level = 1 - (1 - _LEVEL) / len(run)
    compared = {group: attack for group, attack in run.items() if attack.control is not None} or run
    excess = {group: _excess(attack, level) for group, attack in compared.items()}
    measured = {group: e for group, e in excess.items() if not math.isnan(e[0])} or dict.fromkeys(run, (0.0, 0.0, 0.0))
    worst = max(measured, key=lambda group: (measured[group][1], measured[group][0]))
    note = f"worst of {len(run)} {kind}: {worst}" if len(run) > 1 else worst
    return [*rows, *_rows("", replace(run[worst], note="; ".join(filter(None, [note, run[worst].note]))), level)]


def _rows(group: str, attack: Attack, level: float) -> list[Score]:
    """The four rows of one attack."""
    if attack.attack is None or attack.baseline is None:
        missing = Estimate.missing(attack.failed)
        return [Score(missing, group=group, statistic=s) for s in ("attack", "baseline", "control", "risk")]
    over_guessing = residual(attack.attack, attack.baseline, level)[1]
    weak = "" if over_guessing > 0 else "the attack does not clearly beat guessing: a low risk shows no protection"
    note = "; ".join(filter(None, [attack.note, weak]))
    control = Estimate.missing(attack.unmeasured)
    risk = Estimate.missing(attack.unmeasured)
    if attack.control is not None:
        control = attack.control.estimate(level)
        value, low, high = residual(attack.attack, attack.control, level)
        n = round(attack.attack.trials)
        if math.isnan(value):
            risk = Estimate.missing("the attack always succeeds on held-out people too: nothing is left to gain")
        else:
            drift = "held-out people are hit more often than real ones: they may differ" if high < 0 else ""
            told = "; ".join(filter(None, [note, drift]))
            risk = Estimate(_clip(value), _clip(low), _clip(high), _LEVEL, _method("newcombe", level), n, told)
    shown = {
        "attack": attack.attack.estimate(level, note),
        "baseline": attack.baseline.estimate(level),
        "control": control,
        "risk": risk,
    }
    return [Score(estimate, group=group, statistic=statistic) for statistic, estimate in shown.items()]


def _excess(attack: Attack, level: float) -> tuple[float, float, float]:
    """Excess over held-out people, or where there are none, over guessing."""
    assert attack.attack is not None and attack.baseline is not None
    return residual(attack.attack, attack.control or attack.baseline, level)


def rate_among(people: int, counts: NDArray[np.int64], held_out: int, rng: np.random.Generator) -> Rate:
    """Share of predicates that would select exactly one of *people*, from how many of fewer people each selects.

    Source: Laird, Nonparametric maximum likelihood estimation of a mixing distribution, JASA 73 (1978); by EM.

    >>> rate = rate_among(200, np.repeat([0, 1, 2, 3], [37, 37, 18, 8]), 100, np.random.default_rng(0))
    >>> 0.2 < rate.value < 0.34  # 2 exp(-2) = 0.27 for predicates that select one of 100 on average
    True
    """
    values, times = np.unique(counts, return_counts=True)
    weights = np.concatenate([[0.0], np.geomspace(0.02 / people, min(1.0, (values[-1] + 5) / held_out), 60)])
    likelihood = np.asarray(scipy.stats.binom.pmf(values[:, None], held_out, weights))
    drawn = np.vstack([times, rng.multinomial(len(counts), times / len(counts), size=200)])
    mixture = np.full((len(drawn), len(weights)), 1 / len(weights))
    for _ in range(300):
        fitted = np.maximum(mixture @ likelihood.T, 1e-300)
        mixture *= (drawn / fitted) @ likelihood / len(counts)
    rates = np.clip(mixture @ scipy.stats.binom.pmf(1, people, weights), 0, 1)
    rate, variance = float(rates[0]), float(rates[1:].var(ddof=1))
    trials = rate * (1 - rate) / variance if variance > 0 else np.inf
    return Rate(rate, min(trials, float(len(counts))))


def effective(source: NDArray[np.int64]) -> float:
    """How many independent trials those are worth with these sources: n^2 / sum n_i^2, Kish's number.

    Source: Kish, Survey Sampling (1965), section 8.2; trials of the same source count as if they always agreed.

    >>> effective(np.array([4, 4, 4, 7]))
    1.6
    """
    sizes = np.unique(source, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def targets(rows: int, attacks: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of at most *attacks* of so many rows, drawn at random without replacement."""
    if attacks < 1:
        raise PetsEvalError("attacks must be at least 1")
    return rng.permutation(rows)[:attacks]


def _quantile(level: float) -> float:
    return float(scipy.stats.norm.ppf((1 + level) / 2))


def _method(name: str, level: float) -> str:
    return name if level == _LEVEL else f"{name}-bonferroni"


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
