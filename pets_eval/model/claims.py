"""What a technique says of itself. A claim is evidence of nothing but the claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Protects = Literal["input-privacy", "output-privacy"]
Adversary = Literal["none", "honest-but-curious", "covert", "malicious", "unknown"]
TrustModel = Literal["none", "central", "local", "shuffle", "distributed", "hardware", "unknown"]
Objective = Literal["predictability", "manageability", "disassociability", "storage", "security", "confidentiality"]
Status = Literal["proven", "heuristic", "none"]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The static claims of a technique with given parameters.

    `covers` and `leaves` are plain words for the scorecard: what it protects against whom, and what it does NOT.
    `deterministic` means: the same inputs give the same release, whatever the seed.
    `seeded` means: all randomness comes from the context's generator, so a rerun with the same seed is identical.
    """

    protects: frozenset[Protects]
    trust_model: TrustModel
    adversary: Adversary
    objectives: tuple[Objective, ...]
    covers: str
    leaves: str
    deterministic: bool = False
    seeded: bool = False
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """The formal guarantee that came with one release.

    `notion` names the definition ("pure-dp", "approx-dp", "zcdp", "k-anonymity", "none"); `parameters` its numbers
    (epsilon, delta, rho, k); `events` the mechanisms' native description, from which a metric recomputes the loss by
    itself, such as {"mechanism": "laplace", "scale": 2.0, "sensitivity": 1.0, "count": 300};
    `assumes` what must hold for it, and `hazards` what weakens it here (bounds that were read from the data).
    """

    notion: str
    unit: str
    adjacency: str
    parameters: Mapping[str, float]
    events: tuple[Mapping[str, Any], ...] = ()
    status: Status = "proven"
    assumes: tuple[str, ...] = ()
    hazards: tuple[str, ...] = field(default=())
