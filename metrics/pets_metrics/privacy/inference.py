"""Inference: whether the release tells an attacker, who knows the rest of a record, what a secret column holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.nearest import Index, coordinates
from pets_metrics.privacy.rates import Attack, Rate, scores, targets
from pets_metrics.tables import align, one_row_each

Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # of a range
_MISSING = -1e8  # coordinates below this are missing values
_SPREAD = [5, 95]  # percentiles of real between which a number's spread is measured


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Giomi et al., A unified framework for quantifying privacy risk in synthetic data, PoPETs 2023, section 4.3",
    headline=("risk",),
    cannot_show="That a learned model, or an attacker who knows other columns, would not infer more.",
)
def inference_risk(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    attacks: int = 2000,
    secrets: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    tolerance: float = 0.05,
) -> list[Score]:
    """How much likelier the nearest release row holds a person's secret than that of one held out; 0 is best.

    Groups: each secret column, and "" for the worst of them. Rows of each: the rate of "attack", "baseline" (the secret
    of a random release row) and "control", and the "risk" (`rates`). Secrets are the columns of *secrets*, by default
    those whose role is sensitive or target, or where there are none, every column in turn. The attacker knows all
    other columns, or those of *known*, and takes the release row that is nearest in them (Gower's distance, numbers
    over the real column's range; among equally near ones a random one).

    A guess is right if it is the true category, or a number at most *tolerance* times the distance between the real
    column's 5th and 95th percentile away (one outlier would stretch the whole range), or if both are missing. This is
    not Anonymeter's measure, which is relative to the guess, so that every negative guess is right.
    The worst of several secrets looks worse than it is by chance: the overall intervals hold for all secrets at once.
    Where the schema names a unit of privacy, one row of each real and held-out person is attacked.

    Tables have shape (rows, columns) and are aligned by `tables.align`. Raises `Unsupported` for a single column and
    `PetsEvalError` for unusable options.

    >>> people = pd.DataFrame({"age": [31.5, 44, 58, 73], "town": list("abcd")})
    >>> others = pd.DataFrame({"age": [36.5, 41, 52, 66], "town": list("dcba")})
    >>> rows = inference_risk(people, people, others, secrets=["town"])
    >>> {r.statistic: r.estimate.value for r in rows if r.group == "town" and r.statistic != "baseline"}
    {'attack': 1.0, 'control': 0.0, 'risk': 1.0}
    """
    if not 0 <= tolerance < 1:
        raise PetsEvalError("tolerance must be a share of a number's spread, in [0, 1)")
    rng = rng or np.random.default_rng(0)
    others = None if control is None else one_row_each(control, schema, rng)
    t = align(one_row_each(real, schema, rng), synthetic, others, schema)
    if len(t.names) < 2:
        raise Unsupported("inference needs a secret column and another one")
    roles = {*t.schema.with_role("sensitive"), *t.schema.with_role("target")}
    asked = _named(secrets, t.names, "secrets") or [n for n in t.names if n in roles] or t.names
    given = _named(known, t.names, "known") or t.names
    frames = [t.real, t.synthetic] + ([] if t.control is None else [t.control])
    points = coordinates(t.schema, *frames, scale=t.real)
    release = points[1][rng.permutation(len(t.synthetic))]  # so that ties fall at random
    people = points[0][targets(len(t.real), attacks, rng)]
    held_out = None if t.control is None else points[2][targets(len(t.control), attacks, rng)]

    played = {}
    for secret in asked:
        at = t.names.index(secret)
        columns = [t.names.index(n) for n in given if n != secret]
        if not columns:
            played[secret] = Attack(failed="the attacker knows no other column")
            continue
        index = Index(release[:, columns])
        near = tolerance * _spread(points[0][:, at]) if t.schema.columns[secret].numeric else 0.0

        def rate(
            rows: Floats, columns: list[int] = columns, index: Index = index, at: int = at, near: float = near
        ) -> Rate:
            return Rate.of(_right(release[index.search(rows[:, columns])[1][:, 0], at], rows[:, at], near))

        drawn = release[rng.integers(len(release), size=len(people)), at]
        baseline = Rate.of(_right(drawn, people[:, at], near))
        played[secret] = Attack(rate(people), baseline, None if held_out is None else rate(held_out))
    return scores(played, "secrets")


def _spread(real: Floats) -> float:
    """Distance between the 5th and the 95th percentile of a column's numbers, in coordinates."""
    known = real[real > _MISSING]
    return float(np.ptp(np.percentile(known, _SPREAD))) if known.size else 0.0


def _right(guess: Floats, truth: Floats, near: float) -> NDArray[np.bool_]:
    """In coordinates, different categories are 2 apart, a missing value is far from all but another."""
    close: NDArray[np.bool_] = np.abs(guess - truth) <= near + _ROUNDING
    return close


def _named(asked: Sequence[str] | None, names: list[str], option: str) -> list[str]:
    if asked is None:
        return []
    unknown = [n for n in asked if n not in names]
    if unknown or not asked:
        what = f"names {unknown[0]!r}, which is not in all tables as a column to compare" if unknown else "is empty"
        raise PetsEvalError(f"{option} {what}")
    return list(dict.fromkeys(asked))
