"""Released rows that cannot exist: those that break an edit constraint of the schema."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pets_eval.model import Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import proportion
from pets_metrics.tables import align


@metric(
    axis="fidelity",
    goal="min",
    unit="share of rows",
    range=(0, 1),
    source="Fellegi and Holt, A systematic approach to automatic edit and imputation, JASA 71 (1976)",
    headline=("release",),
    cannot_show="That the rows are plausible: only the rules that the schema lists are checked.",
)
def constraint_violations(real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> list[Score]:
    """Share of the released rows that break at least one edit constraint, and that break each; 0 is best.

    Beside each stands the same share of the real rows (statistic "real"): a rule that the real rows break as often says
    nothing against the release. A missing value breaks no rule. Rules over columns that are not compared (weights, ids,
    columns that a table lacks) are left out. Intervals are Wilson's. Raises `Unsupported` without a rule to check.

    >>> from pets_eval.model import Column
    >>> from pets_eval.model.schema import Rule
    >>> rule = Rule("no married child", {"age": (0, 14), "married": ("yes",)})
    >>> columns = {"age": Column("integer", bounds=(0, 99)), "married": Column("categorical", domain=("yes", "no"))}
    >>> real = pd.DataFrame({"age": [4, 40], "married": ["no", "yes"]})
    >>> release = pd.DataFrame({"age": [4, 40], "married": ["yes", "yes"]})
    >>> scores = constraint_violations(real, release, Schema(columns, constraints=(rule,)))
    >>> [(s.group, s.statistic, s.estimate.value) for s in scores][:2]
    [('', 'release', 0.5), ('', 'real', 0.0)]
    """
    if schema is None or not schema.constraints:
        raise Unsupported("the schema has no edit constraints")
    tables = align(real, synthetic, schema=schema)
    rules = tables.schema.constraints
    if not rules:
        raise Unsupported("each edit constraint is about a column that is not compared")
    scores: list[Score] = []
    for statistic, frame in (("release", tables.synthetic), ("real", tables.real)):
        broken = np.array([rule.broken(frame, tables.schema) for rule in rules])
        scores.append(Score(proportion(int(broken.any(axis=0).sum()), len(frame)), statistic=statistic))
        scores += [
            Score(proportion(int(hit.sum()), len(frame)), group=rule.name, statistic=statistic)
            for rule, hit in zip(rules, broken, strict=True)
        ]
    return sorted(scores, key=lambda s: s.group != "")
