"""Records of real people that stand in the release as they are, or nearly so."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import bounded_mean, difference, proportion
from pets_metrics.rows import Codes, occurrences, same_rows, value_codes
from pets_metrics.tables import align, one_row_each, quasi_identifiers

Mask = NDArray[np.bool_]

_LEVEL = 0.95


@metric(
    axis="privacy",
    goal="min",
    unit="share of unique rows",
    range=(-1, 1),
    source="SDNist report, unique exact matches; Newcombe, Statistics in Medicine 17 (1998), for the difference",
    headline=("difference",),
    cannot_show="That people are protected: copies with slight noise, as in numeric columns, are no exact matches.",
)
def unique_exact_matches(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    columns: Iterable[str] | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """Share of the rows that are unique in *real* and occur in the release with the same values; 0 is best.

    All columns are compared but ids and weights, or those of *columns*; values must be the same, missing ones as well.
    Statistics, each with an interval: "real" (Wilson); with *control* also "control", the same for the held-out rows
    that are equal to no real row and so would be unique among them, and "difference" (Newcombe), the first minus the
    second: what exceeds chance. It is NaN where no row is unique. Of each unit of privacy, one real or control row is
    drawn by *rng*, so that a row is unique where no other person's is the same. Raises `align`'s errors.

    >>> real, control = pd.DataFrame({"a": ["x", "y", "z", "z"]}), pd.DataFrame({"a": ["v", "w"]})
    >>> found = unique_exact_matches(real, pd.DataFrame({"a": ["x", "z", "v"]}), control)
    >>> {name: estimate.value for name, estimate in found.items()}
    {'real': 0.5, 'control': 0.5, 'difference': 0.0}
    """
    rng = np.random.default_rng(0) if rng is None else rng
    real = one_row_each(real, schema, rng)
    control = None if control is None else one_row_each(control, schema, rng)
    t = align(real, synthetic, control, schema, columns=columns)
    rows, released, held = same_rows(t)
    single = occurrences(rows, rows) == 1
    hits = int((occurrences(rows, released)[single] > 0).sum())
    people = int(single.sum())
    found = {"real": proportion(hits, people, _LEVEL, "" if people else "no real row is unique")}
    if held is None:
        return found
    other = occurrences(held, rows) == 0
    chance, others = int((occurrences(held, released)[other] > 0).sum()), int(other.sum())
    found["control"] = proportion(chance, others, _LEVEL, "" if others else "every held-out row is also a real one")
    note = "" if people and others else "there are no unique rows on both sides"
    return found | {"difference": difference(hits, people, chance, others, _LEVEL, note)}


@metric(
    axis="privacy",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Fisher's exact test, one-sided (Fisher, The design of experiments, 1935, section 11)",
    cannot_show="That nobody is copied: only exact copies beyond chance are found, and noisy copies are no exact ones.",
)
def exact_match_test(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    columns: Iterable[str] | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """p-value of the hypothesis that release rows equal real people no more than held-out ones; small is suspicious.

    Among the rows that are unique in *real* and *control* together, those that occur in the release are fixed; if the
    real people were drawn from all these people at random, the number of real ones among them is hypergeometric. So the
    test is exact, however the release was made and however its rows depend on each other; ties make it conservative. It
    is one-sided. People are exchangeable, not their rows: of each unit of privacy, one real or control row is drawn by
    *rng*. Where something matched, `low` is the smallest p-value that these numbers could have given, all matched rows
    being real: with few control rows even copies alone may not make it small. NaN where no row is unique. Raises
    `align`'s errors.

    >>> table = lambda values: pd.DataFrame({"a": list(values)})
    >>> exact_match_test(table("abcd"), table("abcc"), table("wxyz")).value.__round__(4)  # C(4, 3) / C(8, 3)
    0.0714
    """
    rng = np.random.default_rng(0) if rng is None else rng
    real, control = (one_row_each(table, schema, rng) for table in (real, control))
    t = align(real, synthetic, control, schema, columns=columns)
    rows, released, held = same_rows(t)
    assert held is not None
    everyone = np.concatenate([rows, held])
    single = occurrences(everyone, everyone) == 1
    matched = occurrences(everyone, released) > 0
    members = np.arange(len(everyone)) < len(rows)
    total = int(single.sum())
    if not total:
        return Estimate.missing("no row is unique among the real and the held-out ones")
    found, people = int((single & matched).sum()), int((single & members).sum())
    if not found:
        return Estimate.exact(1.0, n=total, note="no unique row is in the release")
    hits = int((single & matched & members).sum())
    chances = scipy.stats.hypergeom.sf([hits - 1, min(found, people) - 1], total, found, people)
    p, least = np.minimum(chances, 1.0).tolist()
    return Estimate(p, low=least, method="hypergeometric", n=total)


@metric(
    axis="privacy",
    goal="min",
    unit="share",
    range=(0, 1),
    source="SDNist report, apparent matches (sdnist/metrics/apparent_match_dist.py)",
    headline=("matched", "matched of control"),
    cannot_show="That people are not found by other columns, or with the help of other data.",
)
def apparent_matches(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    columns: Iterable[str] | None = None,
    agreement: float = 0.9,
) -> list[Score]:
    """Share of people who seem to be found in the release by quasi-identifiers, and how much else agrees; 0 is best.

    Rows that are unique on the quasi-identifiers in *real* and in the release are joined. "matched" is the share of
    the real rows that are so (Wilson), "mean agreement" the mean share of the remaining columns with the same value
    among the matched (Student; Clopper and Pearson where all are alike), and "high agreement" the share of the matched
    with at least *agreement* of them the same (Wilson). 0 is best. With *control*, the same follows with " of control"
    for held-out rows that would be unique among the real rows: that much is chance.

    Quasi-identifiers are *columns*, else those with the role, else all categorical columns. Numbers agree if they are
    the same. Raises `Unsupported` where there are no quasi-identifiers, or no other columns to compare.

    >>> real = pd.DataFrame({"a": ["x", "y", "z", "z"], "b": [1.5, 2.5, 3.5, 3.5]})
    >>> release = pd.DataFrame({"a": ["x", "y", "z"], "b": [1.5, 2.0, 3.5]})
    >>> [(s.statistic, s.estimate.value) for s in apparent_matches(real, release)]
    [('matched', 0.5), ('mean agreement', 0.5), ('high agreement', 0.5)]
    """
    t = align(real, synthetic, control, schema)
    keys = quasi_identifiers(t.schema, columns)
    rest = [n for n in t.names if n not in keys]
    if not rest:
        raise Unsupported("every column is a quasi-identifier; name fewer of them in columns")
    rows, released, held = same_rows(t, keys)
    values = value_codes(t, rest)
    found = _agreements(rows, occurrences(rows, rows) == 1, released, values[0], values[1])
    scores = _matches(found, len(rows), agreement, "")
    if held is not None:
        found = _agreements(held, occurrences(held, rows) == 0, released, values[2], values[1])
        scores += _matches(found, len(held), agreement, " of control")
    return scores


def _agreements(
    rows: Codes, single: Mask, released: Codes, values: Codes, released_values: Codes
) -> NDArray[np.float64]:
    """For each single row that is matched by a row unique in the release: the share of its other values that agree."""
    alone = np.flatnonzero(occurrences(released, released) == 1)
    place = np.full(int(max(rows.max(), released.max())) + 1, -1)
    place[released[alone]] = alone
    mine = np.flatnonzero(single & (place[rows] >= 0))
    shares: NDArray[np.float64] = (values[mine] == released_values[place[rows[mine]]]).mean(axis=1)
    return shares


def _matches(found: NDArray[np.float64], people: int, agreement: float, whose: str) -> list[Score]:
    n = len(found)
    mean = bounded_mean(found, level=_LEVEL, note="" if n else "there are no apparent matches")
    high_share = proportion(int((found >= agreement - 1e-12).sum()), n, _LEVEL, "" if n else mean.note)
    return [
        Score(proportion(n, people, _LEVEL), statistic=f"matched{whose}"),
        Score(mean, statistic=f"mean agreement{whose}"),
        Score(high_share, statistic=f"high agreement{whose}"),
    ]
