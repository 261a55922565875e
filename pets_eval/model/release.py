"""What leaves the boundary, and what each party saw on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pets_eval.model.answer import Answer
from pets_eval.model.claims import Guarantee
from pets_eval.model.data import Inputs, Model, Table

PUBLIC = "public"  # the seat of whoever reads the release and nothing else
IDEAL = "sum-only"  # the seat of a server that would see only aggregates; filled by ctx.hold("sum-only", ...)


@dataclass(frozen=True, eq=False)
class Release:
    """The output of a technique: an answer, microdata, or a model; plus its guarantee and attachments.

    `weight`: how many people each released record stands for (1/p for a p-sample).
    `attachments`: named bytes such as a proof or a quote, checked by the technique's `verify`.
    `elsewhere`: it was made by somebody else, so that what it cost is not known, whatever reading it in takes.
    """

    kind: Literal["answer", "microdata", "model"]
    value: Answer | Table | Model
    guarantee: Guarantee | None = None
    weight: float = 1.0
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True)
class Message:
    """One message as it crossed. A large payload may have been cut to its digest and a sample (`complete` False)."""

    sender: str
    receiver: str
    label: str
    nbytes: int
    payload: bytes
    sequence: int
    round: str = ""
    complete: bool = True
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """All that an adversary in *seat* has: the coalition's inputs, what it held and received, and the release."""

    seat: str
    coalition: tuple[str, ...]
    inputs: Inputs | None
    held: Mapping[tuple[str, str], Any]
    received: tuple[Message, ...]
    release: Release | None


@dataclass(frozen=True)
class Verified:
    """What a technique's `verify` found of a statement and its attachment."""

    accepted: bool
    reason: str = ""
