"""The ledger: what the events that a release states itself cost together, against what is claimed of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pets_eval.model import Guarantee
from pets_metrics.privacy.accounting.composition import compose
from pets_metrics.privacy.audit.claim import Claim, Finding

_TOLERANCE = 0.01  # by how much two sound accountants may differ by rounding


def ledger_test(items: Iterable[Guarantee | Mapping[str, Any]], claim: Claim) -> Finding:
    """Whether *items*, guarantees or bare events of one release, compose to more than *claim* at its delta.

    Needs no runs: the loss is composed by dp-accounting. A violation is a claim that the release's own events do not
    certify; that they happened as stated is for the other audits to test. `epsilon` is what they certify, no lower
    bound. Raises `compose`'s errors.

    >>> count = {"mechanism": "laplace", "scale": 1.0, "sensitivity": 1.0, "norm": "l1"}
    >>> ledger_test([count], Claim(1.0)).outcome, ledger_test([{**count, "times": 5}], Claim(1.0)).outcome
    ('no violation found', 'violation found')
    """
    found = compose(items, claim.delta, adjacency="" if claim.neighbours == "add-remove" else "replace")
    return Finding(
        check="ledger",
        outcome="violation found" if found.epsilon > claim.epsilon * (1 + _TOLERANCE) else "no violation found",
        epsilon=found.epsilon,
        level=1.0,
        event=f"the stated events compose to epsilon = {found.epsilon:.4g} at delta = {claim.delta:g}",
        note="; ".join(found.notes),
    )
