"""Whether a released model tells a sensitive feature of the people it was trained on.

The attacker knows everything of a person but one feature, and the label, too. Each value of that feature is tried, and
the one under which the model finds the label most probable is taken (Fredrikson et al. 2014; Yeom et al. 2018). What
the attack reaches on people who were held out is knowledge of the population; only what it reaches beyond that on the
training people discloses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Column, Model, Release, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import difference, proportion
from pets_metrics.privacy.model_membership import Labelled, label_probabilities

Floats = NDArray[np.float64]
By = Literal["posterior", "loss"]

_LEVEL = 0.95


def inferred_values(
    predict: Callable[[pd.DataFrame], ArrayLike],
    features: pd.DataFrame,
    labels: ArrayLike,
    column: str,
    values: Sequence[Any],
    prior: ArrayLike | None = None,
    by: By = "posterior",
) -> NDArray[np.int64]:
    """Which of *values* the attack takes for each person's *column*, as its number; shape (people,).

    *predict* is a `predict_proba`; *labels* are the numbers of the classes. By the "posterior" the value with the
    largest prior times probability of the label is taken, by the "loss" that with the largest probability alone, where
    the *prior* (the share of people with each value, shape (values,); by default even) only decides ties.
    Each of *values* is a scalar, or a Series of one value per person in the column's own type.
    Source: Fredrikson et al., "Privacy in pharmacogenetics" (2014), model inversion; Yeom et al., "Privacy risk in
    machine learning" (2018), section 4.

    >>> people = pd.DataFrame({"x": [0.0, 0.0]})
    >>> inferred_values(lambda f: f["x"].to_numpy(), people, [0, 1], "x", [0.2, 0.7]).tolist()
    [0, 1]
    """
    y = np.asarray(labels)
    p = np.full(len(values), 1 / len(values)) if prior is None else np.asarray(prior, dtype=np.float64)
    order = np.argsort(-p, kind="stable")  # equally good values: the more common one, which is asked first
    best, found = np.full(len(y), -1.0), np.zeros(len(y), dtype=np.int64)
    for v in order:
        likely = label_probabilities(predict(features.assign(**{column: values[v]})), y)
        weighed = likely * p[v] if by == "posterior" else likely
        better = weighed > best
        best[better], found[better] = weighed[better], v
    return found


@metric(
    axis="privacy",
    goal="min",
    unit="share of people",
    range=(-1, 1),
    source="Yeom et al., Privacy risk in machine learning (2018), section 4; Fredrikson et al. (2014), model inversion",
    headline=("excess",),
    cannot_show="That the model's weights, or several models together, would not tell the feature.",
)
def model_attribute_excess(
    release: Release,
    real: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema,
    task: object,
    column: str = "",
    by: By = "posterior",
) -> list[Score]:
    """How much more often a sensitive feature is inferred rightly for training people than for others; 0 is best.

    For each feature of the task that has the role "sensitive" (or for *column*), over the public cells of the feature;
    numbers are tried at the middle of each cell. Statistics for each column (as group): "attack", the share of training
    people (*real*) for whom the cell is right; "control", the same for held-out people; "baseline", the share of
    training people who have the most common cell; "excess", attack minus control with Newcombe's interval, widened
    after Bonferroni to hold for all columns at once. The row for everybody is the excess of the column where it is
    largest. The prior is the share of each cell among the held-out people. People without a label or with a missing
    feature are left out.
    Raises `Unsupported` where no model is released, the task predicts no single outcome, or no feature is sensitive.

    >>> from pets_eval.model import Column
    >>> class Twice:
    ...     def predict_proba(self, features): return (features["x"] == "b").to_numpy(dtype=float)
    ...     def to_bytes(self): return b""
    >>> class Sick:
    ...     def predicting(self, schema): return ["x"]
    ...     def labels(self, frame, schema): return frame["sick"].to_numpy()
    >>> schema = Schema({"x": Column("categorical", domain=("a", "b"), roles=("sensitive",))})
    >>> def people(x, y): return pd.DataFrame({"x": pd.Categorical(x, categories=["a", "b"]), "sick": y})
    >>> scores = model_attribute_excess(Release("model", Twice()), people(["a", "b"], [0.0, 1.0]),
    ...                                 people(["a", "b"], [0.0, 0.0]), schema, Sick())
    >>> [(s.group, s.statistic, s.estimate.value) for s in scores[-2:]]
    [('x', 'excess', 0.5), ('', 'excess', 0.5)]
    """
    if release.kind != "model" or not isinstance(release.value, Model):
        raise Unsupported("no model is released")
    if not isinstance(task, Labelled):
        raise Unsupported("the task predicts no outcome of single people")
    columns = [column] if column else schema.with_role("sensitive")
    columns = [n for n in task.predicting(schema) if n in columns]
    if not columns:
        raise Unsupported("the model predicts from no sensitive column")
    level = 1 - (1 - _LEVEL) / len(columns)  # so that the largest excess is not accused for being the largest
    scores: list[Score] = []
    for name in columns:
        scores += _of(name, release.value, real, control, schema, task, by, level)
    measured = [s for s in scores if s.statistic == "excess"]
    worst = max(measured, key=lambda s: -2.0 if np.isnan(s.estimate.value) else s.estimate.value)
    note = "; ".join(n for n in (f"most exposed: {worst.group}", worst.estimate.note) if n)
    return [*scores, Score(replace(worst.estimate, note=note), statistic="excess")]


def _of(
    name: str,
    model: Model,
    real: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema,
    task: Labelled,
    by: By,
    level: float,
) -> list[Score]:
    """The statistics of the sensitive feature *name*."""
    feature = schema.column(name)
    values = _candidates(feature)
    people = []
    for table in (real, control):
        outcomes, codes = task.labels(table, schema), feature.codes(table[name])
        there = ~np.isnan(outcomes) & (codes < len(values))
        features = table.loc[there].drop(columns=schema.with_role("target"), errors="ignore")
        people.append((features, outcomes[there].astype(np.int64), codes[there]))
    counted = np.bincount(people[1][2], minlength=len(values))
    prior = (counted + 1 / len(values)) / (counted.sum() + 1)
    right = []
    for features, labels, cells in people:
        typed = [_filled(feature, v, features.index) for v in values]
        hits = 0
        if len(cells):
            guessed = inferred_values(model.predict_proba, features, labels, name, typed, prior, by)
            hits = int((guessed == cells).sum())
        right.append((hits, len(cells)))
    most = int(np.bincount(people[0][2], minlength=1).max())
    return [
        Score(proportion(*right[0], _LEVEL, "nobody can be attacked"), group=name, statistic="attack"),
        Score(proportion(*right[1], _LEVEL, "nobody can be attacked"), group=name, statistic="control"),
        Score(proportion(most, right[0][1], _LEVEL, "nobody can be attacked"), group=name, statistic="baseline"),
        Score(replace(difference(*right[0], *right[1], level), level=_LEVEL), group=name, statistic="excess"),
    ]


def _candidates(column: Column) -> list[Any]:
    """A value for each public cell but the missing one: the category itself, or the middle of the cell."""
    if not column.numeric:
        return list(column.domain)
    edges = np.asarray(column.edges())
    middle = (edges[:-1] + edges[1:]) / 2
    if column.kind in ("integer", "date"):
        middle = np.clip(np.rint(middle), np.ceil(edges[:-1]), np.floor(edges[1:]))
    return [float(m) for m in middle]


def _filled(column: Column, value: Any, index: pd.Index[Any]) -> pd.Series[Any]:
    """*value* for everybody, in the form that a conforming frame has."""
    if column.kind == "categorical":
        codes = np.full(len(index), column.domain.index(value), dtype=np.int64)
        return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(column.domain)), index=index)
    if column.kind == "date":
        days = pd.Timestamp(0) + pd.Timedelta(days=int(value))
        return pd.Series(np.full(len(index), days.to_datetime64()), index=index).astype("datetime64[ns]")
    return pd.Series(float(value), index=index)
