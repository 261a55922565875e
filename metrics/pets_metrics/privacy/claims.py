"""What the release itself claims. A claim is compared with what attacks find, and never passes for a measurement."""

from __future__ import annotations

import math

from pets_eval.model import Estimate, Guarantee, Unsupported
from pets_eval.registry import metric


@metric(
    axis="privacy",
    goal="min",
    unit="nats",
    range=(0, math.inf),
    source="Dwork and Roth, The algorithmic foundations of differential privacy (2014), definition 2.4",
    cannot_show="That the claim is true. It is what the release says of itself.",
)
def claimed_epsilon(guarantee: Guarantee) -> Estimate:
    """The claimed privacy loss epsilon of the whole release, for its stated unit of privacy; smaller is stronger.

    Infinite if the guarantee says so. Raises `Unsupported` if it states none.

    >>> g = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 0.5})
    >>> claimed_epsilon(g).value
    0.5
    """
    return _claimed(guarantee, "epsilon", None)


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Dwork and Roth, The algorithmic foundations of differential privacy (2014), definition 2.4",
    cannot_show="That the claim is true. It is what the release says of itself.",
)
def claimed_delta(guarantee: Guarantee) -> Estimate:
    """The claimed probability delta that the loss exceeds epsilon; 0 for pure differential privacy, smaller is better.

    Raises `Unsupported` if the guarantee states none.

    >>> g = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 0.5})
    >>> claimed_delta(g).value
    0.0
    """
    return _claimed(guarantee, "delta", 0.0 if guarantee.notion == "pure-dp" else None)


def _claimed(guarantee: Guarantee, name: str, default: float | None) -> Estimate:
    value = guarantee.parameters.get(name, default)
    if value is None:
        raise Unsupported(f"the guarantee ({guarantee.notion}) states no {name}")
    return Estimate.exact(value, note=f"claimed per {guarantee.unit}, {guarantee.adjacency}")
