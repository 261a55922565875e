"""What a guarantee means to a reader: the most that any attack on one person's membership can reach under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pets_eval.model import Guarantee, MissingExtra, PetsEvalError
from pets_metrics.privacy.accounting.composition import Composed, composed
from pets_metrics.privacy.accounting.mechanisms import parts
from pets_metrics.privacy.accounting.notions import (
    Approx,
    Floats,
    Gdp,
    LossDistribution,
    Notion,
    Pure,
    Zcdp,
    native,
)

RARELY = 1e-3  # how often an attack may accuse wrongly whose posterior is given
_UNLIKELY = 1e-9
_CERTAIN = 700.0  # e to more is no double; nothing is hidden long before


@dataclass(frozen=True)
class Risk:
    """The most that any attack can reach which tells whether one person's data were used.

    `advantage` is the largest true minus false positive rate; `tpr_1` and `tpr_01` the largest true positive rate at a
    false positive rate of 1 % and 0.1 %; `source` says what of the guarantee it was taken from.
    """

    advantage: float
    tpr_1: float
    tpr_01: float
    source: str

    def posterior(self, prior: float) -> float:
        """How likely it is that whom the attack accuses was in the data, if it was with *prior* before.

        Of an attack that wrongly accuses one in 1,000. Under pure differential privacy this is the bound on every
        posterior, prior e^epsilon / (1 - prior + prior e^epsilon), up to epsilon = 6.9 (Wood et al., Differential
        privacy: a primer for a non-technical audience, 2018, section IV.C).

        >>> round(risk(Pure(1.0)).posterior(0.5), 4)
        0.7311
        """
        if not 0 <= prior <= 1:
            raise PetsEvalError(f"the prior must be a probability from 0 to 1, not {prior}")
        right, wrong = prior * self.tpr_01, (1 - prior) * RARELY
        return right / (right + wrong) if right else 0.0


def risk(of: Guarantee | Notion | Composed) -> Risk:
    """The risk under a guarantee, a notion, or what several releases cost together.

    A guarantee's events are taken where it names them, since they say more than (epsilon, delta); else its parameters.
    The trade-off between both error rates comes from riskcal (Kulynych et al., Attack-aware noise calibration for
    differential privacy, 2024). Raises `PetsEvalError` where nothing is proven, and `MissingExtra` without riskcal.

    >>> found = risk(Gdp(1.0))
    >>> round(found.advantage, 4), round(found.tpr_1, 4)
    (0.3829, 0.0924)
    """
    notion, source = _seen(of)
    alphas = np.array([RARELY, 0.01])
    advantage, misses = _trade_off(notion, alphas)
    reached = np.clip(1 - misses, alphas, 1.0)  # who guesses reaches as much
    return Risk(min(max(float(advantage), 0.0), 1.0), float(reached[1]), float(reached[0]), source)


def _seen(of: Guarantee | Notion | Composed) -> tuple[Notion, str]:
    if isinstance(of, Composed):
        return of.distribution, "the composed loss distribution"
    if not isinstance(of, Guarantee):
        return of, str(of)
    if not of.events:
        notion = native(of)
        return notion, f"the claim, {notion}"
    found = parts(of)
    rhos = [p.rho for p in found if p.rho is not None]
    if len(rhos) == len(found):
        return Zcdp(sum(rhos)), f"its events, rho = {sum(rhos):g}"
    if len(found) == 1 and found[0].name in ("pure", "hadamard-response") and found[0].times == 1:
        return Pure(found[0].pure), f"its events, epsilon = {found[0].pure:g}"
    return composed(found, 0.0).distribution, "its events, by their loss distribution"


def _trade_off(notion: Notion, alphas: Floats) -> tuple[float, Floats]:
    """Largest advantage, and false negative rates at the false positive rates *alphas*."""
    analysis = _riskcal()
    if isinstance(notion, (Pure, Approx)):
        epsilon, delta = min(notion.epsilon, _CERTAIN), getattr(notion, "delta", 0.0)
        misses = analysis.get_beta_from_adp(epsilon, delta, alphas)
        return analysis.get_advantage_from_adp(epsilon, delta), misses
    if isinstance(notion, Gdp):
        return analysis.get_advantage_from_gdp(notion.mu), analysis.get_beta_from_gdp(notion.mu, alphas)
    if isinstance(notion, Zcdp):
        if notion.rho == 0:
            return 0.0, 1 - alphas
        # delta at epsilon 0 bounds the advantage as well, and is the smaller one where rho is small
        known = float(notion.profile(np.float64(0.0)))  # type: ignore[arg-type]
        return min(known, analysis.get_advantage_from_zcdp(notion.rho)), analysis.get_beta_from_zcdp(notion.rho, alphas)
    if isinstance(notion, LossDistribution):
        # riskcal pairs both directions of neighbours, which are rounded apart; the profile bounds either
        misses = np.minimum(analysis.get_beta_from_pld(notion.pld, alphas), _dual(notion, alphas))
        return analysis.get_advantage_from_pld(notion.pld), misses
    return float(notion.profile(np.zeros(1))[0]), _dual(notion, alphas)


def _dual(notion: Notion, alphas: Floats) -> Floats:
    """The false negative rates that follow from a profile: the largest of 1 - delta(e) - e^e alpha and of its mirror.

    Source: Dong, Roth and Su, Gaussian differential privacy (2022), proposition 6.
    """
    reach = _reach(notion.pld) if isinstance(notion, LossDistribution) else notion.reach
    grid = np.linspace(0.0, min(reach, _CERTAIN), 4_001)  # a bound holds at each point: few make it no less sound
    deltas = notion.profile(grid)
    first = 1 - deltas[:, None] - np.exp(grid)[:, None] * alphas
    second = np.exp(-grid)[:, None] * (1 - deltas[:, None] - alphas)
    best: Floats = np.maximum(np.maximum(first, second).max(axis=0), 0.0)
    return best


def _reach(pld: Any) -> float:
    """The loss that is hardly ever exceeded by a finite one."""
    failure = float(pld.get_delta_for_epsilon(1e9))
    return float(pld.get_epsilon_for_delta(failure * (1 + _UNLIKELY) + _UNLIKELY))


def _riskcal() -> Any:
    try:
        from riskcal import analysis
    except ImportError:
        raise MissingExtra("riskcal", "dp") from None
    return analysis
