"""How many released records share their quasi-identifiers, and how alike the others are in what is sensitive.

These were made for tables whose rows are still those of people. A synthetic row is nobody's, so that a class of one in
it accuses nobody, and a large class does not acquit: for synthetic releases read them as facts of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.rows import Codes, distinct_rows, occurrences, same_rows, value_codes
from pets_metrics.tables import Aligned, align, quasi_identifiers

Floats = NDArray[np.float64]

_SYNTHETIC = "That people in synthetic data are safe, or what other data add to the quasi-identifiers."


@metric(
    axis="privacy",
    goal="max",
    unit="records",
    range=(0, np.inf),
    source="Sweeney, k-anonymity, IJUFKS 10 (2002); thresholds 5 and 11 as in US federal statistics",
    headline=("smallest",),
    cannot_show=_SYNTHETIC,
)
def k_anonymity(
    synthetic: pd.DataFrame, schema: Schema | None = None, columns: Iterable[str] | None = None
) -> dict[str, Estimate]:
    """Size of the smallest class of released records with the same quasi-identifiers: k; more is better.

    Statistics: "smallest", in records, and "share in classes of 5" and "share in classes of 11", the shares of
    released records whose class has at least that size. Quasi-identifiers are *columns*, else those with the role,
    else all categorical columns; values must be the same, and a missing value is like another one. The figures are
    facts of the release, so that they have no interval. Raises `Unsupported` where there is no quasi-identifier.

    >>> found = k_anonymity(pd.DataFrame({"sex": list("FFFFFM")}))
    >>> [round(found[s].value, 3) for s in ("smallest", "share in classes of 5", "share in classes of 11")]
    [1.0, 0.833, 0.0]
    """
    t = align(synthetic, synthetic, schema=schema)
    rows = same_rows(t, quasi_identifiers(t.schema, columns))[0]
    size = occurrences(rows, rows)
    n = len(rows)
    found = {"smallest": Estimate.exact(int(size.min()), n=n)}
    return found | {f"share in classes of {k}": Estimate.exact(float((size >= k).mean()), n=n) for k in (5, 11)}


@metric(
    axis="privacy",
    goal="max",
    unit="values",
    range=(1, np.inf),
    source="Machanavajjhala et al., l-diversity, ACM TKDD 1 (2007), definitions 4.1 and 4.2",
    headline=("distinct",),
    cannot_show=_SYNTHETIC + " Many values that mean the same (all of them cancers) are counted as diverse.",
)
def l_diversity(
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    columns: Iterable[str] | None = None,
    sensitive: Iterable[str] | None = None,
) -> list[Score]:
    """Fewest sensitive values in any class of released records with the same quasi-identifiers; more is better.

    Statistics "distinct", the number of different values, and "entropy", the exponential of the entropy of their
    distribution in the class (so in values, too), both the smallest over the classes; one score per sensitive column
    as group, and the smallest over them. Numbers are counted in the schema's public cells, for two incomes that hardly
    differ are not diverse; missing is a value. Quasi-identifiers as in `k_anonymity`; sensitive columns are those of
    *sensitive*, else those with the role, never one that is a quasi-identifier. Exact, as facts of the release are.
    Raises `Unsupported` where there are no sensitive columns or no quasi-identifiers.

    >>> release = pd.DataFrame({"sex": list("FFFFMM"), "ill": ["no", "no", "no", "yes", "no", "yes"]})
    >>> [(s.group, s.statistic, round(s.estimate.value, 3)) for s in l_diversity(release, sensitive=["ill"])][-2:]
    [('', 'distinct', 2.0), ('', 'entropy', 1.755)]
    """
    t, classes, names = _classes(synthetic, schema, columns, sensitive)
    counted = [_diversity(classes, t.schema.columns[n].codes(t.real[n])) for n in names]
    found = {s: {n: c[i] for n, c in zip(names, counted, strict=True)} for i, s in enumerate(("distinct", "entropy"))}
    return _scores(found, min, len(classes))


@metric(
    axis="privacy",
    goal="min",
    unit="distance",
    range=(0, 1),
    source="Li, Li and Venkatasubramanian, t-closeness, ICDE 2007, sections 4 and 5",
    cannot_show=_SYNTHETIC,
)
def t_closeness(
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    columns: Iterable[str] | None = None,
    sensitive: Iterable[str] | None = None,
) -> list[Score]:
    """Largest distance of a class's sensitive values from those of the whole release, over the classes; 0 is best.

    Classes, quasi-identifiers and sensitive columns as in `l_diversity`. For categories the distance is the total
    variation, for numbers and dates the earth mover's distance in steps from one value of the release to the next, over
    the number of steps; there, missing values are left out, and the difference in their share counts where it is
    larger. One score per sensitive column as group, statistic "largest", and the largest over them. Exact. Raises
    `Unsupported` as `l_diversity` does.

    >>> release = pd.DataFrame({"sex": list("FFMM"), "ill": ["no", "yes", "no", "no"]})
    >>> [(s.group, s.estimate.value) for s in t_closeness(release, sensitive=["ill"])]
    [('ill', 0.25), ('', 0.25)]
    """
    t, classes, names = _classes(synthetic, schema, columns, sensitive)
    codes = value_codes(t, names)[0]
    found = {}
    for i, name in enumerate(names):
        column = t.schema.columns[name]
        found[name] = _ordered(classes, codes[:, i]) if column.numeric else _variation(classes, codes[:, i])
    return _scores({"largest": found}, max, len(classes))


@metric(
    axis="privacy",
    goal="min",
    unit="share of released rows",
    range=(0, 1),
    source="Skinner and Elliot, A measure of disclosure risk for microdata, JRSS B 64 (2002)",
    headline=("both",),
    cannot_show=_SYNTHETIC + " The real rows stand for the population, so others who are like them are not seen.",
)
def uniqueness(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None, columns: Iterable[str] | None = None
) -> dict[str, Estimate]:
    """Share of released rows that are alone with their quasi-identifiers, in the release and in the real table; 0 is
    best.

    Statistics: "released", the share of released rows that are unique in the release (sample uniqueness), and "both",
    the share that are so and are equal to exactly one real row, too, which takes the place of the population: an
    attacker who finds such a row points at one person. Quasi-identifiers as in `k_anonymity`. Exact, as facts of both
    tables. Chance matches count: see `apparent_matches` for the control. Raises `Unsupported` where there is no
    quasi-identifier.

    >>> real, release = pd.DataFrame({"town": list("abcc")}), pd.DataFrame({"town": list("acdd")})
    >>> {name: estimate.value for name, estimate in uniqueness(real, release).items()}
    {'released': 0.5, 'both': 0.25}
    """
    t = align(real, synthetic, schema=schema)
    rows, released, _ = same_rows(t, quasi_identifiers(t.schema, columns))
    alone = occurrences(released, released) == 1
    both = alone & (occurrences(released, rows) == 1)
    n = len(released)
    return {"released": Estimate.exact(float(alone.mean()), n=n), "both": Estimate.exact(float(both.mean()), n=n)}


# -- distances in classes --------------------------------------------------------------------------------------------


def _classes(
    synthetic: pd.DataFrame, schema: Schema | None, columns: Iterable[str] | None, sensitive: Iterable[str] | None
) -> tuple[Aligned, Codes, list[str]]:
    """The aligned table, the class of each row, and the sensitive columns."""
    t = align(synthetic, synthetic, schema=schema)
    asked = t.schema.with_role("sensitive") if sensitive is None else list(dict.fromkeys(sensitive))
    for name in asked:
        t.schema.column(name)
    if columns is None and sensitive is not None and not t.schema.with_role("quasi-identifier"):
        keys = [n for n in quasi_identifiers(t.schema) if n not in asked]
    else:
        keys = quasi_identifiers(t.schema, columns)
    names = [n for n in asked if n not in keys]
    if sensitive is not None and len(names) < len(asked):
        raise PetsEvalError("a column cannot be both a quasi-identifier and sensitive")
    if not names:
        raise Unsupported("no column is sensitive; give one the role in the schema, or name some in sensitive")
    if not keys:
        raise Unsupported("no column is a quasi-identifier; give one the role in the schema, or name columns")
    return t, same_rows(t, keys)[0], names


def _scores(found: dict[str, dict[str, float]], worst: Callable[[Iterable[float]], float], n: int) -> list[Score]:
    """One score per statistic and sensitive column, then the worst of each statistic."""
    scores = [
        Score(Estimate.exact(value, n=n), group=name, statistic=statistic)
        for statistic, values in found.items()
        for name, value in values.items()
    ]
    return scores + [
        Score(Estimate.exact(worst(values.values()), n=n), statistic=statistic) for statistic, values in found.items()
    ]


def _pairs(classes: Codes, values: Codes) -> tuple[Codes, Codes, Floats]:
    """Class, value and number of records of each pair of both that occurs, in the order of classes, then values."""
    first, counts, _ = distinct_rows(np.column_stack([classes, values]))
    return classes[first], values[first], counts.astype(np.float64)


def _diversity(classes: Codes, values: Codes) -> tuple[float, float]:
    """The fewest distinct values in a class, and the smallest exponential of the entropy in one."""
    where, _, counts = _pairs(classes, values)
    share = counts / np.bincount(classes)[where]
    entropy = np.bincount(where, -share * np.log(share))
    return float(np.bincount(where).min()), max(1.0, float(np.exp(entropy.min())))


def _variation(classes: Codes, values: Codes) -> float:
    """The largest total variation between the values in a class and those of all rows."""
    where, what, counts = _pairs(classes, values)
    overall = np.bincount(values) / len(values)
    share = counts / np.bincount(classes)[where]
    # values that a class lacks add their overall share, which is what is left of 1
    twice = 1 + np.bincount(where, np.abs(share - overall[what]) - overall[what])
    return float(np.clip(twice.max() / 2, 0, 1))


def _ordered(classes: Codes, values: Codes) -> float:
    """The largest earth mover's distance between the ordered values (0: missing) in a class and those of all rows."""
    missing = values == 0
    sizes = np.bincount(classes)
    gap = np.abs(np.bincount(classes, missing, minlength=len(sizes)) / sizes - missing.mean())
    known, steps = np.unique(values[~missing], return_inverse=True)
    if len(known) < 2:
        return float(gap.max())
    own = np.unique(classes[~missing], return_inverse=True)[1]
    where, what, counts = _pairs(own, steps)
    upto = np.cumsum(np.bincount(steps)) / len(steps)  # the distribution function F of all rows at each step
    area = np.concatenate([[0.0], np.cumsum(upto)])
    # a class's own function is level from each of its values to the next, and 0 before its first
    begins = np.flatnonzero(np.diff(where, prepend=-1))
    total = np.cumsum(counts)
    before = np.concatenate([[0.0], total])[begins]
    inside = (total - np.repeat(before, np.diff(np.append(begins, len(where))))) / np.bincount(own)[where]
    after = np.append(what[1:], 0)
    after[np.append(begins[1:], len(where)) - 1] = len(known)
    first = what[begins]
    level = np.concatenate([inside, np.zeros(len(begins))])
    start, stop = np.concatenate([what, np.zeros_like(first)]), np.concatenate([after, first])
    # the sum of |level - F| over the steps from start to stop: F rises, so it is below the level up to one place
    place = np.clip(np.searchsorted(upto, level), start, stop)
    moved = level * (2 * place - start - stop) + area[start] + area[stop] - 2 * area[place]
    distance = np.bincount(np.concatenate([where, where[begins]]), moved) / (len(known) - 1)
    return float(np.clip(max(distance.max(), gap.max()), 0, 1))
