"""From the events of a guarantee to what accountants reckon with: one `Part` for each mechanism that was run.

An event is the native description of a mechanism, as a plain mapping; docs/accounting.md lists them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy  # its parts load when they are first asked for

from pets_eval.model import Guarantee, PetsEvalError, Unsupported
from pets_metrics.privacy.accounting.noise import gaussian, laplace, sampled_gaussian
from pets_metrics.privacy.accounting.notions import (
    Approx,
    BoundedRange,
    Floats,
    Notion,
    Pure,
    Zcdp,
    native,
    need_proven,
)
from pets_metrics.privacy.accounting.part import Part, number, of_notion, opaque, whole
from pets_metrics.privacy.accounting.renyi import ORDERS
from pets_metrics.privacy.accounting.shuffling import shuffled_epsilon


def parts(guarantee: Guarantee) -> list[Part]:
    """The mechanisms of *guarantee*; where it names none, its own parameters stand for one that is not known.

    Raises `PetsEvalError` where it is no proven guarantee or an event's figures make no sense, and `Unsupported` for a
    mechanism that no accountant here knows.
    """
    need_proven(guarantee)
    if not guarantee.events:
        return [of_notion(native(guarantee))]
    return [part(event, guarantee.adjacency) for event in guarantee.events]


def part(event: Mapping[str, Any], adjacency: str = "add-remove") -> Part:
    """The mechanism of one *event*; *adjacency*, add-remove or replace, matters for sampling and for local reports.

    Raises `Unsupported` for another adjacency or mechanism, and `PetsEvalError` where its figures make no sense.
    """
    if adjacency != "add-remove" and not adjacency.startswith("replace"):
        raise Unsupported(f"the adjacency {adjacency[:40]!r} is not known to the accountants: add-remove or replace is")
    name = str(event.get("mechanism", ""))
    if name not in _KNOWN:
        raise Unsupported(f"the mechanism {name[:40]!r} is not known to the accountants")
    return _KNOWN[name](event, whole(event, "times", 1), adjacency)


def _randomised_response(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    """A value that is kept with probability `truth`, else replaced by one of the others: `count` such reports."""
    _need_replaced("randomised response", adjacency)
    categories, truth = whole(event, "categories", 2), number(event, "truth")
    reports = whole(event, "count", 1) * times
    if categories < 2 or not 0 < truth < 1:
        raise PetsEvalError("randomised response needs at least 2 categories and a truth strictly between 0 and 1")
    lie = (1 - truth) / (categories - 1)
    epsilon = Pure(abs(math.log(truth / lie))).epsilon
    rest = max(0.0, 1 - truth - lie)
    gap = abs(truth - lie) / -math.expm1(-epsilon) if epsilon else 0.0

    def profile(e: Floats) -> Floats:
        return -np.expm1(np.minimum(e - epsilon, 0.0)) * gap  # of the one answer that tells

    logs = np.array([math.log(truth), math.log(lie)])
    a = np.array(ORDERS)[:, None]
    weights = np.concatenate([a * logs + (1 - a) * logs[::-1], np.full_like(a, math.log(rest) if rest else -np.inf)], 1)
    renyi = np.maximum(scipy.special.logsumexp(weights, axis=1), 0.0) / (np.array(ORDERS) - 1)
    return Part("randomised-response", reports, profile, epsilon, renyi, reports * epsilon, epsilon, tight=True)


def _shuffled(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    """Local reports in random order: epsilon is reckoned anew at the event's delta, whatever it states."""
    _need_replaced("a shuffled report", adjacency)
    delta = number(event, "delta")
    categories = whole(event, "categories", 0) or None
    found = shuffled_epsilon(number(event, "local_epsilon"), number(event, "reports"), delta, categories=categories)
    return opaque(Approx(found, delta), "shuffled", times, note="epsilon by the bound of Hiding among the clones")


def _hadamard_response(event: Mapping[str, Any], times: int, adjacency: str) -> Part:
    _need_replaced("Hadamard response", adjacency)
    return opaque(Pure(number(event, "epsilon")), "hadamard-response", times)


def _need_replaced(what: str, adjacency: str) -> None:
    if not adjacency.startswith("replace"):
        raise Unsupported(f"{what} hides what is answered, not who answers: its adjacency is replace")


# -- the vocabulary -------------------------------------------------------------------------------


def _by(notion: Callable[[Mapping[str, Any]], Notion]) -> Callable[[Mapping[str, Any], int, str], Part]:
    return lambda event, times, adjacency: opaque(notion(event), str(event["mechanism"]), times)


_KNOWN: dict[str, Callable[[Mapping[str, Any], int, str], Part]] = {
    "laplace": laplace,
    "gaussian": gaussian,
    "subsampled-gaussian": sampled_gaussian,
    "randomised-response": _randomised_response,
    "shuffled": _shuffled,
    "hadamard-response": _hadamard_response,
    "pure": _by(lambda e: Pure(number(e, "epsilon"))),
    "exponential": _by(lambda e: BoundedRange(number(e, "epsilon"))),
    "approx": _by(lambda e: Approx(number(e, "epsilon"), number(e, "delta"))),
    "threshold": _by(lambda e: Approx(0.0, number(e, "delta"))),
    "zcdp": _by(lambda e: Zcdp(number(e, "rho"))),
}
