"""Linkability: whether the release tells an attacker that two partial records belong to the same person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.nearest import Index, coordinates
from pets_metrics.privacy.rates import Attack, Rate, scores, targets
from pets_metrics.rows import distinct_rows
from pets_metrics.tables import align, one_row_each

Floats = NDArray[np.float64]
Columns = NDArray[np.int64]
Halves = tuple[Columns, Columns]
Namer = Callable[[Floats], Columns]  # the release rows that each person's half names, shape (people, k)


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Giomi et al., A unified framework for quantifying privacy risk in synthetic data, PoPETs 2023, section 4.2",
    headline=("risk",),
    cannot_show="That no other division of the columns, and no other attacker, could link two records of a person.",
)
def linkability_risk(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    attacks: int = 2000,
    k: int = 1,
    splits: int = 5,
    aux: tuple[Sequence[str], Sequence[str]] | None = None,
) -> list[Score]:
    """How much likelier both halves of a person's record lead to the same release row than of one held out; 0 is best.

    Rows of group "": the rate of "attack", "baseline" (k release rows guessed for each half: computed, not drawn) and
    "control", and the "risk" (`rates`). The columns are divided at random into two halves, *splits* times, and each
    person is attacked with one of these divisions; or *aux* names the columns of both sides. A person is linked if a
    release row is among the *k* nearest of both halves (Gower's distance, numbers over the real column's range).

    Few columns leave many release rows equally near. Each half names *k* of these at random, independently of the other
    half: a common order of the rows would make links where none are known. But real and held-out people draw the same:
    all who share a half name the same rows, and whether these meet is one lucky draw for many people, which must not
    count for one side alone. Rows of the release that are the same in all columns are one row, so that a copied copy is
    no protection. Where the schema names a unit of privacy, one row of each real and held-out person is attacked.

    Tables have shape (rows, columns) and are aligned by `tables.align`. Raises `Unsupported` for a single column and
    `PetsEvalError` for unusable options.

    >>> people = pd.DataFrame({"age": [31.5, 44, 58, 73], "town": list("abcd")})
    >>> others = pd.DataFrame({"age": [32.5, 45, 57, 72], "town": list("dcba")})
    >>> {r.statistic: r.estimate.value for r in linkability_risk(people, people, others)}
    {'attack': 1.0, 'baseline': 0.25, 'control': 0.0, 'risk': 1.0}
    """
    if k < 1 or splits < 1:
        raise PetsEvalError("k and splits must be at least 1")
    rng = rng or np.random.default_rng(0)
    others = None if control is None else one_row_each(control, schema, rng)
    t = align(one_row_each(real, schema, rng), synthetic, others, schema)
    halves = _halves(t.names, aux, splits, rng)
    frames = [t.real, t.synthetic] + ([] if t.control is None else [t.control])
    points = coordinates(t.schema, *frames, scale=t.real)
    release = points[1][distinct_rows(points[1]).first]
    k = min(k, len(release))
    named = namers(release, halves, k, rng)

    def rate(people: Floats) -> Rate:
        return Rate.of(linked(people[targets(len(people), attacks, rng)], named))

    guess = Rate(guessed(len(release), k), np.inf)
    return scores({"": Attack(rate(points[0]), guess, rate(points[2]) if t.control is not None else None)}, "")


def namers(release: Floats, halves: Sequence[Halves], k: int, rng: np.random.Generator) -> list[tuple[Namer, Namer]]:
    """What names the *k* nearest rows of *release*, for each of the *halves*; among equally near rows by one draw."""

    def namer(columns: Columns) -> Namer:
        shuffled = rng.permutation(len(release))
        index = Index(release[np.ix_(shuffled, columns)])  # of equally near rows it names the first
        return lambda people: shuffled[index.search(people[:, columns], k)[1]]

    return [(namer(one), namer(other)) for one, other in halves]


def linked(people: Floats, named: Sequence[tuple[Namer, Namer]]) -> NDArray[np.bool_]:
    """Whether both halves of each of *people* name a common row; coordinates, shape (people, columns).

    The people are dealt to the pairs of `namers` in turn.
    """
    done = np.zeros(len(people), dtype=bool)
    for i, (one, other) in enumerate(named):
        mine = people[i :: len(named)]
        if len(mine):
            done[i :: len(named)] = (one(mine)[:, :, None] == other(mine)[:, None, :]).any(axis=(1, 2))
    return done


def guessed(rows: int, k: int) -> float:
    """Probability that two random sets of *k* of *rows* release rows have one in common.

    >>> guessed(4, 1), round(guessed(10, 2), 3)
    (0.25, 0.378)
    """
    return float(1 - scipy.stats.hypergeom.pmf(0, rows, k, k))


def _halves(
    names: list[str], aux: tuple[Sequence[str], Sequence[str]] | None, splits: int, rng: np.random.Generator
) -> list[Halves]:
    if len(names) < 2:
        raise Unsupported("linking needs two columns")
    if aux is None:
        dealt = [rng.permutation(len(names)) for _ in range(splits)]
        return [(np.sort(d[: len(d) // 2]), np.sort(d[len(d) // 2 :])) for d in dealt]
    one, other = (list(dict.fromkeys(side)) for side in aux)
    if not one or not other or set(one) & set(other):
        raise PetsEvalError("aux must name two sets of columns that have none in common")
    unknown = [n for n in (*one, *other) if n not in names]
    if unknown:
        raise PetsEvalError(f"column {unknown[0]!r} of aux is not in all tables as one that can be compared")
    first, second = (np.array([names.index(n) for n in side]) for side in (one, other))
    return [(first, second)]
