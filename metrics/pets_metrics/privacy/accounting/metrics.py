"""Metrics of what a release claims: its privacy loss reckoned anew, and what the loss means to a reader."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from pets_eval.model import Estimate, Guarantee, PetsEvalError, Unsupported
from pets_eval.registry import metric
from pets_metrics.privacy.accounting.attacker import risk
from pets_metrics.privacy.accounting.comparing import recompute

T = TypeVar("T")

_STATED = "every event is taken as stated, nothing was reckoned anew but their sum: it confirms no mechanism"


@metric(
    axis="privacy",
    goal="min",
    unit="nats",
    source="Doroshenko et al., Connect the dots (PETS 2022), and Mironov, Renyi differential privacy (CSF 2017), both "
    "by dp-accounting",
    headline=("pld", "excess"),
    cannot_show="That the mechanisms ran as they are described: it is the arithmetic of the claim that is checked.",
    extra="dp",
    uses=("dp_accounting.pld.privacy_loss_distribution", "dp_accounting.rdp"),
)
def recomputed_epsilon(guarantee: Guarantee) -> dict[str, Estimate]:
    """Epsilon reckoned anew from the described mechanisms, and by how much it exceeds the claim; smaller is stronger.

    "pld" is from privacy loss distributions, "rdp" from Renyi divergences, both at the delta that is claimed; "claimed"
    is the claim and "excess" is "pld" minus it: below 0 the claim is cautious. Above 0 it is refuted where the account
    is exact, which "proven excess" tells; where it is not, that is 0, and the claim needs a proof of its own. Where
    every event is taken as it is stated, the note of "pld" says so: an excess of 0 is then no confirmation.
    Raises `Unsupported` where no mechanism is described, or none that can be accounted.

    >>> event = {"mechanism": "gaussian", "scale": 1.0, "sensitivity": 1.0, "norm": "l2"}
    >>> claim = Guarantee(
    ...     notion="approx-dp",
    ...     unit="record",
    ...     adjacency="add-remove",
    ...     parameters={"epsilon": 4.728, "delta": 1e-5},
    ...     events=(event,),
    ... )
    >>> {name: round(found.value, 3) for name, found in recomputed_epsilon(claim).items()}
    {'pld': 4.377, 'rdp': 4.729, 'claimed': 4.728, 'excess': -0.351, 'proven excess': -0.351}
    """
    found = _applied(recompute, guarantee)
    at = f"at delta = {found.composed.delta:g} per {guarantee.unit}, {guarantee.adjacency}"
    anew = (_STATED,) if found.composed.stated else ()
    notes = "; ".join((f"dp-accounting {at}", *found.composed.notes, *anew))
    if math.isnan(found.claimed):
        claimed = excess = proven = Estimate.missing(f"the guarantee ({guarantee.notion}) states no epsilon")
    else:
        claimed = Estimate.exact(found.claimed, note=f"claimed {at}")
        excess = _excess(found.excess, found.optimistic, found.contested)
        proven = Estimate.exact(found.excess if found.composed.exact else min(found.excess, 0.0))
    return {
        "pld": Estimate.exact(found.composed.pld, note=notes),
        "rdp": _known(found.composed.rdp, "Renyi divergences of a mechanism are not known"),
        "claimed": claimed,
        "excess": excess,
        "proven excess": proven,
    }


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Kulynych et al., Attack-aware noise calibration for differential privacy (2024), by riskcal",
    headline=("advantage", "tpr at 0.1% fpr", "posterior from 1%"),
    cannot_show="What an actual attack reaches, which is often far less; nor that the claim holds.",
    extra="dp",
    uses=("dp_accounting.pld.privacy_loss_distribution", "riskcal.analysis"),
)
def implied_risk(guarantee: Guarantee) -> dict[str, Estimate]:
    """The most that any attack on one person's membership can reach if the claim holds; smaller is stronger.

    "advantage": largest true minus false positive rate; "tpr at ...": largest true positive rate where that share of
    people is accused wrongly; "posterior from ...": how certain an attacker who accuses one in 1,000 wrongly can be of
    whom he accuses, if that was his certainty before. Raises `Unsupported` where nothing is proven.

    >>> claim = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 1.0})
    >>> {name: round(found.value, 4) for name, found in implied_risk(claim).items()}
    {'advantage': 0.4621, 'tpr at 1% fpr': 0.0272, 'tpr at 0.1% fpr': 0.0027, 'posterior from 50%': 0.7311,
     'posterior from 1%': 0.0267}
    """
    found = _applied(risk, guarantee)
    note = f"from {found.source}; per {guarantee.unit}, {guarantee.adjacency}"
    values = {
        "advantage": found.advantage,
        "tpr at 1% fpr": found.tpr_1,
        "tpr at 0.1% fpr": found.tpr_01,
        "posterior from 50%": found.posterior(0.5),
        "posterior from 1%": found.posterior(0.01),
    }
    return {name: Estimate.exact(value, note=note) for name, value in values.items()}


def _applied(question: Callable[[Guarantee], T], guarantee: Guarantee) -> T:
    """The answer; a guarantee that is none, or promises nothing, is one that the question does not apply to."""
    try:
        return question(guarantee)
    except PetsEvalError as reason:
        raise Unsupported(str(reason)) from None


def _known(value: float, lacking: str) -> Estimate:
    return Estimate.missing(lacking) if math.isnan(value) else Estimate.exact(value)


def _excess(value: float, optimistic: bool, contested: bool) -> Estimate:
    if optimistic:
        note = "the claim is below an exact account of its mechanisms: it does not hold for them"
    elif contested:
        note = "the claim is below the account, which is not exact for these mechanisms: it needs a proof of its own"
    else:
        note = ""
    return Estimate.exact(value, note=note)
