"""Accounting of privacy loss: native guarantees, conversions, composition, ledgers, and what they mean to a reader.

    from pets_metrics.privacy.accounting import Ledger, Budget, compose, risk
    compose([first.guarantee, second.guarantee], delta=1e-6).epsilon

Names are imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pets_metrics.privacy.accounting.attacker import Risk, risk
    from pets_metrics.privacy.accounting.comparing import Recomputed, compare, recompute
    from pets_metrics.privacy.accounting.composition import Composed, compose
    from pets_metrics.privacy.accounting.conversions import (
        Converted,
        to_approx,
        to_distribution,
        to_gdp,
        to_renyi,
        to_zcdp,
    )
    from pets_metrics.privacy.accounting.ledger import Budget, Ledger, OverBudget
    from pets_metrics.privacy.accounting.notions import (
        Approx,
        BoundedRange,
        Gdp,
        LossDistribution,
        Notion,
        Pure,
        Renyi,
        Zcdp,
        epsilon_at,
        native,
    )
    from pets_metrics.privacy.accounting.shuffling import shuffled_delta, shuffled_epsilon

__all__ = [
    "Approx",
    "BoundedRange",
    "Budget",
    "Composed",
    "Converted",
    "Gdp",
    "Ledger",
    "LossDistribution",
    "Notion",
    "OverBudget",
    "Pure",
    "Recomputed",
    "Renyi",
    "Risk",
    "Zcdp",
    "compare",
    "compose",
    "epsilon_at",
    "native",
    "recompute",
    "risk",
    "shuffled_delta",
    "shuffled_epsilon",
    "to_approx",
    "to_distribution",
    "to_gdp",
    "to_renyi",
    "to_zcdp",
]
_MODULES = ("notions", "shuffling", "conversions", "composition", "ledger", "comparing", "attacker")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
