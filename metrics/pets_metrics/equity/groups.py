"""Whether the error falls on some groups more than on others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Schema, Score, Unsupported
from pets_eval.model.multiplicity import holm
from pets_eval.registry import metric
from pets_metrics.cells import counts

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ALPHA = 0.05
_ENOUGH = 10  # cells of a group below which their spread is not known well enough for a test


@runtime_checkable
class Tables(Protocol):
    """A task that asks for tables of counts over known columns, such as `marginals`."""

    def blocks(self, schema: Schema) -> Sequence[Sequence[str]]:
        """The columns of each table, in the order of the answer's blocks; the last column varies fastest."""
        ...


@metric(
    axis="equity",
    goal="min",
    unit="ratio",
    range=(1, np.inf),
    source="NIST SP 800-226 (2025), bias: error relative to group size",
    cannot_show="That the error is small, or that groups which nobody tabulates are served as well.",
)
def group_error_ratio(answer: Answer, truth: Answer, schema: Schema, task: object, least: int = 10) -> list[Score]:
    """How many times larger the error per person is in the worst-served group than on average; 1 is even.

    For each quasi-identifier: over all tables that contain it, a group's error is the sum of |released - true| in the
    group's cells over the people in them; the figure is the largest over the groups of at least *least* people, divided
    by the same for all of them together. A cell that is not answered counts as 0. One score per quasi-identifier (as
    group) and their largest; NaN for an exact release. The figure is that of this release, without sampling error.
    Where every group has at least ten cells, the note says whether its worst group stands out beyond chance (Welch's
    test on the ratio of error to people over cells taken as independent, Holm-corrected over the groups).
    Raises `Unsupported` unless the task tabulates a quasi-identifier.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",))})
    >>> class OneTable:
    ...     def blocks(self, schema): return [("sex",)]
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> scores = group_error_ratio(Answer.of(cells, [92, 18]), Answer.of(cells, [90, 10]), schema, OneTable())
    >>> scores[0].group, scores[0].estimate.value, scores[0].estimate.note
    ('sex', 8.0, 'worst served: sex = M')
    """
    if not isinstance(task, Tables):
        raise Unsupported("the task asks for no tables of counts")
    released, true = counts(answer, truth)
    error = np.abs(np.where(np.isfinite(released), released, 0.0) - true)
    quasi = schema.with_role("quasi-identifier")
    blocks = [list(b) for b in task.blocks(schema)]
    scores = [
        Score(_worst(name, blocks, error, true, schema, least), group=name)
        for name in quasi
        if any(name in block for block in blocks)
    ]
    if not scores:
        raise Unsupported("no quasi-identifier is tabulated")
    finite = [s for s in scores if not np.isnan(s.estimate.value)]
    worst = max(finite, key=lambda s: s.estimate.value) if finite else scores[0]
    return [*scores, Score(worst.estimate, statistic="max")]


def _worst(name: str, blocks: list[list[str]], error: Floats, true: Floats, schema: Schema, least: int) -> Estimate:
    """The ratio for the groups that the quasi-identifier *name* forms, from errors and counts in the order of cells."""
    names = schema.column(name).cells()
    chosen, group, tables = _cells_of(name, blocks, schema)
    error, true = error[chosen], true[chosen]
    errors, people = (np.bincount(group, weights=x, minlength=len(names)) for x in (error, true))
    compared = np.flatnonzero(people >= least * tables)
    if not errors[compared].any():
        return Estimate.missing(f"no group of at least {least} people has any error")
    ratios = errors[compared] / people[compared] / (errors[compared].sum() / people[compared].sum())
    worst = int(ratios.argmax())
    note = f"worst served: {told(schema, name, int(compared[worst]))}"
    kept = np.isin(group, compared)
    p = _by_chance(np.searchsorted(compared, group[kept]), error[kept], true[kept], len(compared))
    if p is not None:
        note += f"; {beyond(p[worst])} (Holm-corrected p = {p[worst]:.2g} over {len(p)} groups, cells as independent)"
    return Estimate.exact(max(1.0, float(ratios[worst])), n=len(compared), note=note)


def told(schema: Schema, name: str, cell: int) -> str:
    """A group by its public name; a category that was read from the rows is not told."""
    column = schema.column(name)
    return f"{name} = {'one of its groups' if column.from_data else column.cells()[cell]}"


def beyond(p: float) -> str:
    """What a corrected p-value says in words."""
    return "beyond chance" if p < ALPHA else "perhaps by chance"


def _cells_of(name: str, blocks: list[list[str]], schema: Schema) -> tuple[Indices, Indices, int]:
    """Places of the cells in tables that contain *name*, the group that each belongs to, and how many tables."""
    chosen, group, start = [], [], 0
    for block in blocks:
        shape = [len(schema.column(c).cells()) for c in block]
        if name in block:
            chosen.append(np.arange(start, start + math.prod(shape)))
            group.append(np.indices(shape)[block.index(name)].ravel())
        start += math.prod(shape)
    return np.concatenate(chosen), np.concatenate(group), len(chosen)


def _by_chance(group: Indices, error: Floats, true: Floats, groups: int) -> list[float] | None:
    """Holm-corrected p-values of "no more error per person than in the other groups"; None where cells are too few.

    One-sided Welch test of the group's ratio of error to people against that of all the other cells, each with the
    variance of a ratio (Cochran 1977, section 6.3).
    """
    size = np.bincount(group, minlength=groups)
    if groups < 2 or size.min() < _ENOUGH:
        return None
    products = (error, true, error**2, error * true, true**2)
    own = np.array([np.bincount(group, weights=x, minlength=groups) for x in (np.ones(len(group)), *products)])
    rest = own.sum(axis=1, keepdims=True) - own
    (r, v), (q, u) = _ratio(own), _ratio(rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (v + u) ** 2 / (v**2 / (own[0] - 1) + u**2 / (rest[0] - 1))
        p = scipy.stats.t.sf((r - q) / np.sqrt(v + u), freedom)
    return holm(np.where(v + u > 0, p, np.where(r > q, 0.0, 1.0)).tolist())


def _ratio(sums: Floats) -> tuple[Floats, Floats]:
    """sum(error) / sum(true) and its variance for each group, from n and the sums of e, t, e^2, e t and t^2."""
    n, e, t, ee, et, tt = sums
    left = np.maximum(ee - 2 * e / t * et + (e / t) ** 2 * tt, 0)
    return e / t, left * n / (n - 1) / t**2
