"""What releases about the same people cost together: by loss distributions, and once more by Renyi divergences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pets_eval.model import Guarantee, MissingExtra, PetsEvalError
from pets_metrics.privacy.accounting.mechanisms import part, parts
from pets_metrics.privacy.accounting.notions import Approx, Floats, LossDistribution, Renyi, Zcdp, check_delta
from pets_metrics.privacy.accounting.part import Part
from pets_metrics.privacy.accounting.renyi import ORDERS

_INTERVAL = 1e-4  # of the grid of losses, dp-accounting's own choice
_RESOLVED = 200  # steps of the grid in the smallest loss
_CELLS = 2_000_000  # the largest grid; beyond, it is made coarser
_TOLERANCE = 0.01  # by how much two sound accountants may differ by rounding
_FLOAT = 1e-12  # relative: failures that are delta but for the rounding of their sum are delta


@dataclass(frozen=True)
class Composed:
    """What *releases* cost together, at `delta` for one `unit` of privacy under `adjacency`.

    `pld` is the smallest epsilon by the composed loss distribution, or by adding up where that is less; `rdp` by Renyi
    divergences (NaN where they are not known); `basic` the sum of the largest losses (infinite where one has none, or
    where the failures, which add up to `failure`, are more than `delta`). `agree` is False where Renyi divergences,
    which are never tighter, give less than an exact loss distribution does: then one of them is wrong, and neither is
    to be relied on. `exact` is True where every mechanism is accounted exactly, so that no sound accountant finds less;
    `stated` where every one is taken as it is stated, with nothing below to reckon from. `distribution` is the composed
    loss.
    """

    delta: float
    pld: float
    rdp: float
    basic: float
    agree: bool
    exact: bool
    releases: int
    unit: str = "record"
    adjacency: str = "add-remove"
    notes: tuple[str, ...] = ()
    failure: float = 0.0
    stated: bool = False
    distribution: LossDistribution = field(repr=False, compare=False, default=LossDistribution(None))

    @property
    def epsilon(self) -> float:
        """The smallest epsilon that is proven; the larger of both where the accountants contradict each other."""
        if math.isnan(self.rdp):
            return self.pld
        return min(self.pld, self.rdp) if self.agree else max(self.pld, self.rdp)


def compose(items: Iterable[Guarantee | Mapping[str, Any]], delta: float, *, adjacency: str = "") -> Composed:
    """Account *items*, guarantees or events of the same people, together at *delta*; all of them, in any order.

    The mechanisms may have been chosen one after the other in the light of what came before, but not their parameters:
    for these there is `Ledger`. Nothing is taken to be about different people: parallel composition is not assumed.
    *adjacency* is that of bare events (add-remove unless given). Raises `PetsEvalError` where units or adjacencies
    differ or a guarantee is not proven, and `Unsupported` for mechanisms that are not known.

    >>> noise = {"mechanism": "gaussian", "scale": 2.0, "sensitivity": 1.0, "norm": "l2", "times": 4}
    >>> found = compose([noise], 1e-5)
    >>> round(found.pld, 3), round(found.rdp, 3), found.agree
    (4.377, 4.729, True)
    """
    check_delta(delta)
    listed = list(items)
    unit, relation = common(listed, adjacency)
    found = [p for item in listed for p in _parts(item, relation)]
    return composed(found, delta, unit=unit, adjacency=relation, releases=len(listed))


def composed(
    found: Sequence[Part],
    delta: float,
    *,
    unit: str = "record",
    adjacency: str = "add-remove",
    releases: int = 1,
) -> Composed:
    """The same from the mechanisms themselves; one that is listed several times was run as often."""
    grid = interval(found)
    loss = LossDistribution(distribution(found, grid))
    total = added(found)
    left = _left(total.delta, delta)
    basic = total.epsilon if left >= 0 else math.inf
    pld = loss.epsilon(delta)
    if left == 0:
        pld = basic  # of a loss that is reached, free of the grid's rounding
    elif left > 0:
        pld = min(pld, basic)
    rdp = by_renyi(found, delta)
    exact = all(p.tight for p in found)
    agree = not (exact and rdp < pld * (1 - _TOLERANCE) - 10 * grid)
    notes = tuple(dict.fromkeys(f"{p.name}: {p.note}" for p in found if p.note))
    if not agree:
        notes += ("the accountants contradict each other: rely on neither",)
    stated = bool(found) and all(p.stated for p in found)
    return Composed(delta, pld, rdp, basic, agree, exact, releases, unit, adjacency, notes, total.delta, stated, loss)


def common(items: Iterable[Guarantee | Mapping[str, Any]], adjacency: str = "") -> tuple[str, str]:
    """The unit and adjacency that all share; raises `PetsEvalError` where they differ."""
    stated = {(g.unit, g.adjacency) for g in items if isinstance(g, Guarantee)}
    for what, values in (("unit of privacy", {u for u, _ in stated}), ("adjacency", {a for _, a in stated})):
        if len(values) > 1:
            raise PetsEvalError(
                f"guarantees with a different {what} ({' and '.join(sorted(values))}) do not add up: "
                "state all of them for the same one"
            )
    unit, stated_adjacency = next(iter(stated), ("record", adjacency or "add-remove"))
    if adjacency and adjacency != stated_adjacency:
        raise PetsEvalError(f"the guarantees hold for adjacency {stated_adjacency}, not {adjacency}")
    return unit, stated_adjacency


def _parts(item: Guarantee | Mapping[str, Any], adjacency: str) -> list[Part]:
    return parts(item) if isinstance(item, Guarantee) else [part(item, adjacency)]


# -- by loss distributions ------------------------------------------------------------------------


def interval(found: Sequence[Part]) -> float:
    """A grid of losses fine enough for the smallest mechanism, and not too large for all of them."""
    fine = min([p.fine / _RESOLVED for p in found if p.fine > 0] + [_INTERVAL])
    reach = sum(p.reach for p in found)
    return max(fine, 2 * reach / _CELLS)


def distribution(found: Sequence[Part], grid: float) -> Any:
    """dp-accounting's distribution of the sum of all losses, on a grid with that interval, never too small.

    Dominating pairs compose also where a mechanism is chosen in the light of earlier outcomes (Zhu, Dong and Wang,
    Optimal accounting of differential privacy via characteristic function, 2022, theorem 10).
    """
    library = _library()
    total = library.identity(grid)
    concentrated = sum(p.rho for p in found if p.rho is not None)  # adds up exactly
    if concentrated:
        whole = Zcdp(concentrated)
        total = total.compose(_of_profile(whole.profile, whole.reach, grid))
    often = Counter(map(id, found))
    for p in {id(p): p for p in found}.values():
        if p.rho is None and p.times and (p.pure > 0 or p.failure > 0):
            one = built(p, grid)
            total = total.compose(one.self_compose(often[id(p)]) if often[id(p)] > 1 else one)
    return total


def built(p: Part, grid: float) -> Any:
    """The distribution of the loss of all runs of one mechanism."""
    if p.build is not None:
        return p.build(grid)
    one = _of_profile(p.profile, p.pure if math.isfinite(p.pure) else p.reach, grid)
    return one.self_compose(p.times) if p.times > 1 else one


def _of_profile(profile: Any, reach: float, grid: float) -> Any:
    """The smallest distribution on the grid whose deltas are at least those of *profile*, up to *reach*.

    Source: Doroshenko et al., Connect the dots (2022), algorithm 1, in the form of dp-accounting for a grid of equal
    steps. Below 0 the profile follows from symmetry of neighbours: delta(-e) = 1 - e^-e (1 - delta(e)).
    """
    from dp_accounting.pld.pld_pmf import DensePLDPmf

    most = math.ceil(reach / grid - 1e-9)
    losses = np.arange(most + 1) * grid
    above = np.minimum.accumulate(np.clip(profile(losses), 0.0, 1.0))
    below = -np.expm1(-losses[:0:-1]) + np.exp(-losses[:0:-1]) * above[:0:-1]
    deltas = np.minimum.accumulate(np.concatenate([below, above]))
    steps, one = np.diff(deltas), math.expm1(grid)
    mass = np.empty_like(deltas)
    mass[0] = 1 - deltas[0] + (steps[0] / one if most else 0.0)
    mass[1:-1] = (steps[1:] - steps[:-1] * math.exp(grid)) / one
    if most:
        mass[-1] = steps[-1] / math.expm1(-grid)
    loss = DensePLDPmf(grid, -most, np.maximum(mass, 0.0), float(deltas[-1]), True)
    return _library().PrivacyLossDistribution(loss)


def _library() -> Any:
    try:
        from dp_accounting.pld import privacy_loss_distribution
    except ImportError:
        raise MissingExtra("dp-accounting", "dp") from None
    return privacy_loss_distribution


# -- by Renyi divergences and by adding up --------------------------------------------------------


def total_renyi(found: Iterable[Part]) -> Floats | None:
    """The sum of the divergences at `ORDERS`; None where one is not known."""
    total = np.zeros(len(ORDERS))
    for p in found:
        if p.renyi is None:
            return None
        if p.times:
            total = total + p.times * p.renyi
    return total


def by_renyi(found: Sequence[Part], delta: float) -> float:
    """Epsilon at *delta* by adding divergences up, after what fails is taken from *delta*; NaN where unknown.

    Source: Mironov, Renyi differential privacy (2017), proposition 1; Canonne, Kamath and Steinke (2020),
    proposition 12.
    """
    curve = total_renyi(found)
    if curve is None:
        return math.nan
    total = added(found)
    left = _left(total.delta, delta)
    if left < 0 or (left == 0 and any(p.pure == math.inf for p in found)):
        return math.inf
    return min(total.epsilon, Renyi(ORDERS, tuple(curve)).epsilon(left))


def added(found: Sequence[Part]) -> Approx:
    """Basic composition: epsilons and failures add up (Dwork and Roth 2014, theorem 3.16); epsilon may be infinite."""
    epsilon = math.fsum(p.times * p.pure for p in found if p.times)
    return _Sum(epsilon, math.fsum(p.times * p.failure for p in found if p.times))


def _left(failure: float, delta: float) -> float:
    """What is left of *delta* after the failures; 0 where they are equal but for the rounding of a sum."""
    return 0.0 if math.isclose(failure, delta, rel_tol=_FLOAT) else delta - failure


class _Sum(Approx):
    """A sum of guarantees, which may be infinite, and whose failures may add up to more than 1."""

    def __post_init__(self) -> None:
        """Anything goes: it was added up from what was checked."""
