"""A ledger of what was spent on one data set: it refuses what goes past the budget, before it is released.

Unlike `compose`, it holds where the parameters of each release are chosen in the light of what came out before: it is a
filter for fully adaptive composition. docs/accounting.md proves the combination of the two filters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import scipy  # its parts load when they are first asked for

from pets_eval.model import Guarantee, PetsEvalError
from pets_eval.model.record import GuaranteeRow
from pets_metrics.privacy.accounting.mechanisms import parts
from pets_metrics.privacy.accounting.notions import Approx, Pure, Renyi, check_delta
from pets_metrics.privacy.accounting.part import Part
from pets_metrics.privacy.accounting.renyi import ORDERS

SCHEMA = "pets-eval/ledger/1"
_ROUNDING = 1e-9  # a budget that is spent to the last digit is not overspent
Spending = Literal["basic", "renyi"]


class OverBudget(PetsEvalError):
    """A release would go past the budget; nothing was charged."""


@dataclass(frozen=True)
class Budget:
    """At most (`epsilon`, `delta`) for all releases together; `aside` is the part of delta for failures of their own.

    What has a delta of its own (thresholds, guarantees of which only epsilon and delta are known) fails with that
    probability, whatever its noise. Such releases are charged against `aside`; the rest of delta is for the conversion.
    """

    epsilon: float
    delta: float = 0.0
    aside: float = 0.0

    def __post_init__(self) -> None:
        Pure(self.epsilon)
        check_delta(self.delta)
        if not 0 <= self.aside <= self.delta:
            raise PetsEvalError(f"what is set aside must be at least 0 and at most delta, not {self.aside}")

    def order(self) -> float | None:
        """The one order at which Renyi divergences are added up: the best for Gaussian noise; None without delta."""
        left = self.delta - self.aside
        if left <= 0 or self.epsilon == 0:
            return None
        rates = [self.divergence(a, left) / a for a in ORDERS]
        return ORDERS[max(range(len(ORDERS)), key=rates.__getitem__)] if max(rates) > 0 else None

    def divergence(self, order: float, left: float) -> float:
        """The largest divergence of *order* that implies epsilon at delta *left* (Canonne et al. 2020, prop. 12)."""
        return self.epsilon - math.log1p(-1 / order) + math.log(left * order) / (order - 1)


@dataclass(frozen=True)
class Charge:
    """One release that was charged."""

    name: str
    guarantee: Guarantee


@dataclass
class Ledger:
    """What was spent on `dataset`, per `unit` of privacy under `adjacency`, out of a `budget`.

    A charge is admitted while the failures of all releases add up to at most what is set aside, and either their
    epsilons add up to at most the budget's (Rogers, Roth, Ullman and Vadhan, Privacy odometers and filters, 2016,
    theorem 3.6; Whitehouse, Ramdas, Rogers and Wu, Fully adaptive composition in differential privacy, 2023), or their
    Renyi divergences at one order, fixed by the budget alone, to what implies epsilon at the rest of delta (Feldman and
    Zrnic, Individual privacy accounting via a Renyi filter, 2021, theorem 3.1). Parameters of each release may depend
    on earlier outcomes. Nothing is taken to be about different people.

    >>> book = Ledger("survey", Budget(1.0))
    >>> half = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 0.6})
    >>> book.charge(half, "ages").epsilon
    0.6
    >>> book.charge(half, "incomes")
    Traceback (most recent call last):
    pets_metrics.privacy.accounting.ledger.OverBudget: incomes would bring the spending on survey to epsilon = 1.2, ...
    >>> book.remaining.epsilon
    0.4
    """

    dataset: str
    budget: Budget
    unit: str = "record"
    adjacency: str = "add-remove"
    charges: list[Charge] = field(default_factory=list)
    _found: list[list[Part]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        earlier, self.charges = self.charges, []
        for charge in earlier:  # totals are never taken on trust
            self.charge(charge.guarantee, charge.name)

    def charge(self, guarantee: Guarantee, name: str = "a release") -> Approx:
        """Charge *guarantee* and return what is spent now; raises `OverBudget`, and then nothing is charged.

        Raises `PetsEvalError` where it holds for another unit of privacy or adjacency, or is not proven.
        """
        for what, own, other in (
            ("unit of privacy", self.unit, guarantee.unit),
            ("adjacency", self.adjacency, guarantee.adjacency),
        ):
            if own != other:
                raise PetsEvalError(
                    f"{name} has another {what} ({other}) than the ledger of {self.dataset} ({own}): they do not add up"
                )
        found = parts(guarantee)
        after = [*self._found, found]
        failure = _failure(after)
        if failure > self.budget.aside * (1 + _ROUNDING):
            raise OverBudget(
                f"{name} fails by itself with probability {_failure([found]):g}, which would bring such failures to "
                f"{failure:g}, past the {self.budget.aside:g} that the ledger of {self.dataset} has set aside for them"
            )
        if not (self._adds_up(after) or self._diverges_little(after)):
            raise OverBudget(
                f"{name} would bring the spending on {self.dataset} to {self._spent(after)}, past the budget of "
                f"epsilon = {self.budget.epsilon:g}, delta = {self.budget.delta:g}"
            )
        self._found = after
        self.charges.append(Charge(name, guarantee))
        return self.spent

    @property
    def spent(self) -> Approx:
        """What all charges cost together, at the budget's delta."""
        return self._spent(self._found)

    @property
    def remaining(self) -> Approx:
        """The largest pure epsilon that one further release may have, and the failure that is still set aside."""
        failure = max(0.0, self.budget.aside - _failure(self._found))
        added = max(0.0, self.budget.epsilon - _epsilon(self._found))
        order = self.budget.order()
        room = self._room(order) - _divergence(self._found, order) if order is not None else 0.0
        if room <= 0 or order is None:
            return Approx(round(added, 12), failure)

        def over(epsilon: float) -> float:
            return _response(epsilon, order) - room

        best = (
            self.budget.epsilon
            if over(self.budget.epsilon) <= 0
            else scipy.optimize.brentq(over, 0.0, self.budget.epsilon)
        )
        return Approx(round(max(added, float(best)), 12), failure)

    @property
    def remaining_rho(self) -> float:
        """The largest rho of zCDP that one further release may have; 0 where the budget has no delta."""
        order = self.budget.order()
        return 0.0 if order is None else max(0.0, self._room(order) - _divergence(self._found, order)) / order

    def _room(self, order: float) -> float:
        return self.budget.divergence(order, self.budget.delta - self.budget.aside)

    def _adds_up(self, found: list[list[Part]]) -> bool:
        return _epsilon(found) <= self.budget.epsilon * (1 + _ROUNDING)

    def _diverges_little(self, found: list[list[Part]]) -> bool:
        order = self.budget.order()
        return order is not None and _divergence(found, order) <= self._room(order) * (1 + _ROUNDING)

    def _spent(self, found: list[list[Part]]) -> Approx:
        order, epsilon = self.budget.order(), _epsilon(found)
        if order is not None and found:
            total = _divergence(found, order)
            if math.isfinite(total):
                left = self.budget.delta - self.budget.aside
                epsilon = min(epsilon, Renyi((order,), (total,)).epsilon(left))
        return _Spent(epsilon, self.budget.delta)

    # -- on disk --

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        rows = [{"name": c.name, "guarantee": GuaranteeRow.of(c.guarantee).model_dump()} for c in self.charges]
        return {
            "schema": SCHEMA,
            "dataset": self.dataset,
            "unit": self.unit,
            "adjacency": self.adjacency,
            "budget": {"epsilon": self.budget.epsilon, "delta": self.budget.delta, "aside": self.budget.aside},
            "charges": rows,
        }

    @staticmethod
    def from_json(plain: Mapping[str, Any] | str) -> Ledger:
        """From what `to_json` gave, every charge reckoned anew; raises `PetsEvalError` if it is damaged."""
        try:
            read = json.loads(plain) if isinstance(plain, str) else plain
            if read["schema"] != SCHEMA:
                raise PetsEvalError(f"this is no ledger of the form {SCHEMA}")
            rows = [
                Charge(str(r["name"]), GuaranteeRow.model_validate(r["guarantee"]).guarantee()) for r in read["charges"]
            ]
            kept = read["dataset"], Budget(**read["budget"]), read["unit"], read["adjacency"]
        except (KeyError, TypeError, ValueError):
            raise PetsEvalError("the ledger is damaged: a part of it is missing or of the wrong form") from None
        return Ledger(*kept, rows)


class _Spent(Approx):
    """What was spent, which may be infinite."""

    def __post_init__(self) -> None:
        """Anything goes: it was added up from what was checked."""


def _failure(found: list[list[Part]]) -> float:
    return math.fsum(p.times * p.failure for one in found for p in one)


def _epsilon(found: list[list[Part]]) -> float:
    return math.fsum(p.times * p.pure for one in found for p in one if p.times)


def _divergence(found: list[list[Part]], order: float) -> float:
    place = ORDERS.index(order)
    return math.fsum(
        math.inf if p.renyi is None else p.times * float(p.renyi[place]) for one in found for p in one if p.times
    )


def _response(epsilon: float, order: float) -> float:
    from pets_metrics.privacy.accounting.renyi import divergence

    found = divergence(Pure(epsilon))
    return math.inf if found is None else float(found[ORDERS.index(order)])
