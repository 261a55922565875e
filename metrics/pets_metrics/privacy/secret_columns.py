"""Which columns of people are secrets that an attacker guesses, what he knows of them, and the worst he does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pets_eval.model import Estimate, Score, Unsupported
from pets_metrics.intervals import proportion
from pets_metrics.privacy.attack_scores import widened
from pets_metrics.tables import Aligned

Rows = Callable[[float], dict[str, Estimate]]  # the figures of one group at a level of confidence

NOBODY = "nobody of them has the secret"
CANNOT = (
    "That nothing can be inferred about people: what holds for the whole population is inferred about everybody, and "
    "only the excess over people who were not in the data is counted as leakage."
)
_LEVEL = 0.95


def secret_columns(t: Aligned, asked: Sequence[str]) -> list[str]:
    """The columns that are *asked* for, else the sensitive ones, else the targets, else all.

    Raises `Unsupported` where there is no other column to infer from, and `PetsEvalError` for one that is not there.
    """
    for name in asked:
        t.schema.column(name)
    if len(t.names) < 2:
        raise Unsupported("there is no other column to infer a secret from")
    return list(asked) or t.schema.with_role("sensitive") or t.schema.with_role("target") or t.names


def known_columns(t: Aligned, secret: str) -> list[str]:
    """The quasi-identifiers, or without any all columns; never the secret itself."""
    others = [n for n in t.names if n != secret]
    return [n for n in t.schema.with_role("quasi-identifier") if n != secret] or others


def worst_first(groups: Mapping[str, Rows], by: str) -> list[Score]:
    """The rows of all groups, before them as group "" those of the one whose *by* is surest, widened by Bonferroni.

    The surest is the one whose interval begins highest: the highest value would often be that of the fewest people.
    """
    plain = {group: rows(_LEVEL) for group, rows in groups.items()}
    wide = {group: rows(1 - (1 - _LEVEL) / len(groups)) for group, rows in groups.items()}
    worst = max(wide, key=lambda g: surest(wide[g][by]))
    scores = [Score(widened(e, f"worst of {len(groups)}: {worst}"), statistic=s) for s, e in wide[worst].items()]
    return scores + [Score(e, group=g, statistic=s) for g, rows in plain.items() for s, e in rows.items()]


def surest(estimate: Estimate) -> tuple[float, float]:
    """By what the worst of several is found: the low end, then the value; one that was not measured comes last."""
    low, value = (-math.inf if math.isnan(x) else x for x in (estimate.low, estimate.value))
    return low, value


def mean_difference(first: Estimate, second: Estimate) -> Estimate:
    """The mean *first* minus the mean *second*, from their intervals as Newcombe joins those of two proportions."""
    if math.isnan(first.value) or math.isnan(second.value):
        return Estimate.missing(first.note or second.note)
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, max(low, -1.0), min(high, 1.0), first.level, "newcombe", first.n + second.n)


def share(successes: int, trials: int, level: float, why_not: str) -> Estimate:
    """`proportion`, or *why_not* it is measured where there are no trials."""
    return proportion(successes, trials, level, "" if trials else why_not)
