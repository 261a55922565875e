"""Whether the error falls on some groups more than on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from pets_eval.model import Answer, Estimate, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import counts


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
)
def group_error_ratio(answer: Answer, truth: Answer, schema: Schema, task: object, least: int = 10) -> list[Score]:
    """How many times larger the error per person is in the worst-served group than on average; 1 is even.

    For each quasi-identifier: over all tables that contain it, a group's error is the sum of |released - true| in the
    group's cells over the people in them; the figure is the largest over the groups of at least *least* people, divided
    by the same for all of them together. A cell that is not answered counts as 0. One score per quasi-identifier (as
    group) and their largest; NaN for an exact release.
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


def _worst(
    name: str,
    blocks: list[list[str]],
    error: np.typing.NDArray[np.float64],
    true: np.typing.NDArray[np.float64],
    schema: Schema,
    least: int,
) -> Estimate:
    """The ratio for the groups that the quasi-identifier *name* forms, from errors and counts in the order of cells."""
    names = schema.column(name).cells()
    errors, people, tables, start = np.zeros(len(names)), np.zeros(len(names)), 0, 0
    for block in blocks:
        shape = [len(schema.column(c).cells()) for c in block]
        stop = start + int(np.prod(shape))
        if name in block:
            axes = tuple(i for i, c in enumerate(block) if c != name)
            errors += error[start:stop].reshape(shape).sum(axis=axes)
            people += true[start:stop].reshape(shape).sum(axis=axes)
            tables += 1
        start = stop
    compared = np.flatnonzero(people >= least * tables)
    if not errors[compared].any():
        return Estimate.missing(f"no group of at least {least} people has any error")
    ratios = errors[compared] / people[compared] / (errors[compared].sum() / people[compared].sum())
    worst = int(ratios.argmax())
    # a category that was read from the rows is not told
    shown = "one of its groups" if schema.column(name).from_data else names[compared[worst]]
    note = f"worst served: {name} = {shown}"
    return Estimate.exact(max(1.0, float(ratios[worst])), n=len(compared), note=note)
