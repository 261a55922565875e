"""Which family of criteria a technique falls under."""

from __future__ import annotations

from typing import get_args

from pets_eval.guideline.model import Family
from pets_eval.model.record import Spec

_PREFIXES = frozenset(get_args(Family)) - {"all", "all-output"}
# Where a technique's folder is called otherwise than its family's criteria.
_FOLDERS = {"baselines": "baseline", "synthetic": "synth"}


def family_of(spec: Spec) -> str:
    """The prefix of a technique's name where it is a family, else its folder; "" for neither (criteria for all only).

    >>> family_of(Spec(dataset="d", task="t", technique="psi-sum", label="psi-sum", family="mpc"))
    'psi'
    """
    prefix = spec.technique.partition("-")[0]
    if prefix in _PREFIXES:
        return prefix
    folder = _FOLDERS.get(spec.family, spec.family)
    return folder if folder in _PREFIXES else ""
