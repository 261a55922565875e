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
    """The rows of all groups, before them as group "" those of the one with the highest *by*, widened by Bonferroni."""
    plain = {group: rows(_LEVEL) for group, rows in groups.items()}
    measured = [g for g in plain if not math.isnan(plain[g][by].value)] or list(plain)
    worst = max(measured, key=lambda g: plain[g][by].value)
    overall = groups[worst](1 - (1 - _LEVEL) / len(groups))
    scores = [Score(widened(e, f"worst of {len(groups)}: {worst}"), statistic=s) for s, e in overall.items()]
    return scores + [Score(e, group=g, statistic=s) for g, rows in plain.items() for s, e in rows.items()]


def share(successes: int, trials: int, level: float, why_not: str) -> Estimate:
    """`proportion`, or *why_not* it is measured where there are no trials."""
    return proportion(successes, trials, level, "" if trials else why_not)
