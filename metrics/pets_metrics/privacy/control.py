"""Whether the held-out people are what every comparison with them takes them for: others of the same population.

Most privacy metrics read real people against held-out ones. If these are of another population, what tells the two
apart reads as a leak; if they are the same people in part, a copy of them counts as chance. Nothing here reads a
release: a figure judges the evidence, and with it all metrics that use it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pets_eval.model import Estimate, Release, Schema, Task, Unsupported
from pets_eval.registry import metric
from pets_metrics.fidelity.propensity import two_sample_test
from pets_metrics.intervals import newcombe
from pets_metrics.rows import group_numbers, occurrences, owners, same_rows
from pets_metrics.tables import align, one_row_each

_LEVEL = 0.95


@metric(
    axis="assurance",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Friedman, On multivariate goodness-of-fit and two-sample testing (SLAC 2003); Mann and Whitney (1947)",
    cannot_show="That the held-out people fit: with few of them a shift is not found, and the same people fit best.",
)
def control_fit(
    real: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    task: Task | None = None,
    release: Release | None = None,
) -> Estimate:
    """p-value of the hypothesis that real and held-out people are of one population; small says that they are not.

    A shift between the two reads as leakage: a release that has learned the real population lies nearer to real than to
    held-out people, without knowing anybody. So where this is small, membership and distance figures accuse too much.
    It is `pets_metrics.fidelity.propensity.two_sample_test` of the two tables, one row of each unit of privacy, drawn
    by *rng*: boosted trees that were fitted on one half of the people rank the other. NaN where a table has fewer than
    20 people. Raises `align`'s errors; in a study, `Unsupported` but where records or models are attacked.

    >>> rng = np.random.default_rng(0)
    >>> real, other = (pd.DataFrame({"a": rng.normal(m, 1, 100)}) for m in (0, 9))
    >>> control_fit(real[:50], real[50:]).value > 0.01, control_fit(real, other).value < 1e-9
    (True, True)
    """
    _must_matter(task, release)
    rng = np.random.default_rng(0) if rng is None else rng
    people, others = (one_row_each(table, schema, rng) for table in (real, control))
    return two_sample_test(people, others, schema, rng)


@metric(
    axis="assurance",
    goal="min",
    unit="share",
    range=(0, 1),
    source="Share of equal rows beyond that within one table; Newcombe, Statistics in Medicine 17 (1998)",
    cannot_show="That nobody is in both tables: a person whose values differ in any column is not recognised.",
)
def control_overlap(
    real: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    task: Task | None = None,
    release: Release | None = None,
) -> Estimate:
    """Share of held-out people who equal a real one, beyond what chance gives; 0 is best.

    People who are in both tables hide copies: a release that holds them comes as near to held-out people as to real
    ones, and no comparison of the two accuses it. The figure is the share of control rows that equal a real row over
    all columns but ids and weights, minus the share of real rows that equal another person's real row, at least 0: as
    often would a fresh person of the same population meet a like. If that is the share q, an overlap of s shows as
    s (1 - q), so little is seen where most rows repeat. Of each unit of privacy, one row is compared, drawn with a
    fixed seed, with all real rows. Newcombe's interval, cut at 0, as if people were independent. NaN where every real
    row repeats. Raises `align`'s errors; in a study, `Unsupported` but where records or models are attacked.

    >>> table = lambda values: pd.DataFrame({"a": list(values)})
    >>> control_overlap(table("abcdee"), table("abxy")).value.__round__(4)  # 2 / 4 - 2 / 6
    0.1667
    """
    _must_matter(task, release)
    t = align(real, real, control, schema)
    rows, _, held = same_rows(t)
    assert held is not None
    by_person = schema is not None and schema.unit in real.columns
    person = owners(real, schema.unit if schema is not None and by_person else "record")
    mine = group_numbers(np.column_stack([rows, person]))
    repeated = occurrences(rows, rows) > occurrences(mine, mine)
    if repeated.all():
        return Estimate.missing("every real row repeats, so that nobody would be recognised")
    rng = np.random.default_rng(0)
    people, others = (one_row_each(f.reset_index(drop=True), schema, rng).index for f in (real, control))
    met, chance = int((occurrences(held, rows) > 0)[others].sum()), int(repeated[people].sum())
    low, high = newcombe(met, len(others), chance, len(people), _LEVEL)
    value = met / len(others) - chance / len(people)
    n = len(others) + len(people)
    return Estimate(max(value, 0.0), max(low, 0.0), max(high, 0.0), _LEVEL, "newcombe", n)


def _must_matter(task: Task | None, release: Release | None) -> None:
    """Raise `Unsupported` on a task of a study under which nothing is held against the held-out people."""
    if task is not None and release is not None and release.kind != "model" and not task.wants_records:
        raise Unsupported("records are looked at on the task microdata only")
