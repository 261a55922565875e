"""Audits of Gaussian differential privacy: the whole curve of a mechanism from how often one run outranks another.

Under mu-GDP no attack tells two inputs apart better than one draw of N(0, 1) from one of N(mu, 1). The mu-test compares
all pairs of runs: it needs few of them, and turns mu into an epsilon at any delta, but only if the mechanism is
Gaussian-like. The curve test assumes nothing: it looks for one event that the claimed curve does not admit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.pair import Runs, pair_test, parted
from pets_metrics.privacy.audit.projections import projections

Floats = NDArray[np.float64]

_MOST_MU = 30.0  # no number of runs shows more
_PRECISION = 1e-6
_LEAST = 8  # runs on each input
_LEARNING = 0.2  # share of the runs that several numbers are projected by


def mu_test(
    first: Runs,
    second: Runs,
    claim: Claim,
    *,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    neighbours: str = "",
) -> Finding:
    """Whether runs of a Gaussian-like mechanism on two neighbouring inputs contradict *claim*.

    *first* and *second* are what n runs gave, as in `pair_test`; of runs that gave several numbers, a fifth teaches a
    projection. The share of pairs of runs in which the one on the first input is greater gives the lower bound on mu,
    and mu the one on epsilon at the claim's delta. The share is bounded by the normal law, so there should be tens of
    runs. That mu-GDP bounds it holds of any mechanism; that this mu gives epsilon, of one that is Gaussian-like. Not
    measured where the claim is of epsilon without a delta, which no Gaussian mechanism keeps.

    Source: Dong, Roth and Su (2022); the area under their curve G_mu is Phi(mu / sqrt(2)).

    >>> rng = np.random.default_rng(0)
    >>> found = mu_test(rng.normal(0, 1, 2_000), rng.normal(1, 1, 2_000), Claim(mu=0.5, delta=1e-5))
    >>> found.outcome, found.note
    ('violation found', 'mu is at least 0.96 if the mechanism is Gaussian-like')
    """
    if claim.delta == 0 and claim.mu is None and claim.epsilon > 0:
        return Finding(
            check="mu-test", outcome="not measured", note="a claim without delta is of no Gaussian mechanism"
        )
    x, y, name = _compared(*together(Outcomes.of(first), Outcomes.of(second)), rng)
    area = Area.of(x, y)
    mu = area.mu_lower(1 - level)
    p_value = area.p_value(claimed_mu(claim))
    return Finding(
        check="mu-test",
        outcome="violation found" if p_value <= 1 - level else "no violation found",
        epsilon=Claim(mu=mu, delta=claim.delta).epsilon if claim.delta else math.nan,
        level=level,
        p_value=p_value,
        runs=min(len(x), len(y)),
        event=f"{name} is greater on the {'first' if area.share >= 0.5 else 'second'} input",
        neighbours=neighbours,
        ceiling=Claim(mu=replace(area, share=1.0).mu_lower(1 - level), delta=claim.delta).epsilon,
        note=f"mu is at least {mu:.2f} if the mechanism is Gaussian-like",
    )


def curve_test(
    first: Runs,
    second: Runs,
    claim: Claim,
    *,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    neighbours: str = "",
) -> Finding:
    """Whether one event contradicts the curve that *claim* admits, whatever the mechanism is.

    It is the pair test, where the event is chosen for the claim's curve and rejected beyond it: where the least
    probability of the event on one input exceeds Phi(Phi^-1(q) + mu), q being the greatest on the other, or, for
    (epsilon, delta), the two lines of that claim. Epsilon is what the event shows at the claim's delta.

    >>> rng = np.random.default_rng(0)
    >>> curve_test(rng.normal(0, 1, 2_000), rng.normal(1, 1, 2_000), Claim(mu=0.5, delta=1e-5)).outcome
    'violation found'
    """
    found = pair_test(first, second, claim, level=level, rng=rng, neighbours=neighbours)
    return replace(found, check="curve test")


@dataclass(frozen=True)
class Area:
    """In which *share* of all pairs of runs the one on the first input is greater (the area under the ROC curve).

    Ties count half; `spread` is DeLong's estimate of the share's standard error, of so many `runs` on each input.
    """

    share: float
    spread: float
    runs: tuple[int, int]

    @staticmethod
    def of(x: Floats, y: Floats) -> Area:
        """From numbers of shapes (n,) and (m,). Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).

        >>> Area.of(np.array([1.0, 3.0]), np.array([0.0, 2.0])).share
        0.75
        """
        n, m = len(x), len(y)
        rank = scipy.stats.rankdata
        everywhere = rank(np.concatenate([x, y]))
        beaten = (everywhere[:n] - rank(x)) / m  # share of the y below each x
        beating = 1 - (everywhere[n:] - rank(y)) / n
        variance = beaten.var(ddof=1) / n + beating.var(ddof=1) / m if min(n, m) > 1 else 0.25
        return Area(float(beaten.mean()), math.sqrt(variance), (n, m))

    def p_value(self, mu: float) -> float:
        """Probability, under *mu*-GDP, of a share that is so far from a half on either side, by the normal law.

        Its standard error is the greater one of DeLong's and that of two Gaussians *mu* apart, which does not vanish
        where the runs are told apart by chance.

        >>> round(Area(0.76, 0.005, (5_000, 5_000)).p_value(1.0), 2), Area(0.5, 0.005, (5_000, 5_000)).p_value(0.0)
        (0.52, 1.0)
        """
        normal = scipy.special.ndtr
        centre = mu / math.sqrt(2)
        area = float(normal(centre))
        both = area - 2 * float(scipy.special.owens_t(centre, 1 / math.sqrt(3)))  # of two pairs that share a run
        n, m = self.runs
        variance = (area * (1 - area) + (n + m - 2) * (both - area**2)) / (n * m)
        error = max(self.spread, math.sqrt(max(variance, 0.0)))
        share = max(self.share, 1 - self.share)
        if error == 0:
            return 0.0 if share > area else 1.0
        return min(1.0, float(normal((area - share) / error) + normal((1 - area - share) / error)))

    def mu_lower(self, alpha: float) -> float:
        """The smallest mu that is not contradicted at error *alpha*, 0 where none is.

        >>> area = Area(0.76, 0.005, (5_000, 5_000))
        >>> round(area.mu_lower(0.05), 2), round(area.mu_lower(0.5), 2)
        (0.96, 1.0)
        """
        if self.p_value(0.0) > alpha:
            return 0.0
        low, high = 0.0, _MOST_MU
        while high - low > _PRECISION:
            middle = (low + high) / 2
            low, high = (low, middle) if self.p_value(middle) > alpha else (middle, high)
        return low


def claimed_mu(claim: Claim) -> float:
    """The mu of the Gaussian mechanism that just keeps *claim*, of (epsilon, delta) or of mu.

    >>> round(claimed_mu(Claim(1.0, 1e-5)), 3), claimed_mu(Claim(mu=0.5))
    (0.268, 0.5)
    """
    if claim.mu is not None:
        return claim.mu
    if claim.delta == 0:
        return 0.0
    most = 2 * _MOST_MU + claim.epsilon
    return float(scipy.optimize.brentq(lambda mu: Claim(mu=mu).delta_at(claim.epsilon) - claim.delta, 0.0, most))


def _compared(first: Outcomes, second: Outcomes, rng: np.random.Generator | None) -> tuple[Floats, Floats, str]:
    """The numbers that are compared, of the runs that judge, and their name."""
    runs = min(len(first), len(second))
    if runs < _LEAST:
        raise PetsEvalError(f"a mu-test needs at least {_LEAST} runs on each input, not {runs}")
    if len(first.keys) == 1 and not (np.isnan(first.values).any() or np.isnan(second.values).any()):
        return first.values[:, 0], second.values[:, 0], first.keys[0]
    rng = np.random.default_rng(0) if rng is None else rng
    (one, judge_1), (other, judge_2) = (parted(o, max(_LEAST, round(_LEARNING * len(o))), rng) for o in (first, second))
    learned = list(projections(one, other))
    if not learned or not len(judge_1) or not len(judge_2):
        raise PetsEvalError(f"a mu-test of so few runs ({runs} on each input) needs one number from each")
    best = max(learned, key=lambda p: abs(Area.of(*p.held_out).share - 0.5))
    return best.of(judge_1), best.of(judge_2), best.name
