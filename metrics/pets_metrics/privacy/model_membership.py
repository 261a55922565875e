"""Whether a released model tells who it was trained on, by the loss on each person (Yeom et al. 2018).

A model that fits its training people better than others betrays them to whoever knows their features and label: no
other model is needed, only the released one. Attacks with shadow models are stronger, see `model_shadows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Estimate, Model, PetsEvalError, Release, Schema, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import difference
from pets_metrics.privacy.attack_scores import attack_figures, smallest_test

Floats = NDArray[np.float64]

_LEVEL = 0.95
_SMALLEST = 1e-12  # a probability is taken to be at least this, so that no loss is infinite


@runtime_checkable
class Labelled(Protocol):
    """A task that predicts one yes-or-no outcome per person, such as `classification`."""

    def predicting(self, schema: Schema) -> list[str]:
        """The columns to predict from."""
        ...

    def labels(self, frame: pd.DataFrame, schema: Schema) -> Floats:
        """1.0 for the positive class, 0.0 for the others, NaN where the outcome is missing; shape (rows,)."""
        ...


def label_probabilities(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Probability that a model gives to each person's own label; shape (n,), in [0, 1].

    *probabilities* is what `predict_proba` returned: of the positive class, shape (n,), or of each class, shape (n,
    classes); *labels* are the numbers of the classes, shape (n,). Raises `PetsEvalError` where they do not fit.

    >>> label_probabilities([0.25, 0.5], [0, 1]).tolist()
    [0.75, 0.5]
    >>> label_probabilities([[0.7, 0.2, 0.1]], [2]).tolist()
    [0.1]
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if len(p) != len(y) or p.ndim not in (1, 2) or y.ndim != 1:
        raise PetsEvalError("there must be one label for each row of predicted probabilities")
    if not (np.isfinite(p).all() and np.isin(y, np.arange(2 if p.ndim == 1 else p.shape[1])).all()):
        raise PetsEvalError("probabilities must be finite, and labels the numbers of the classes: 0, 1, ...")
    classes = y.astype(np.int64)
    own: Floats = np.where(classes == 1, p, 1 - p) if p.ndim == 1 else p[np.arange(len(p)), classes]
    return np.clip(own, 0.0, 1.0)


def loss_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Minus the log-loss of each person under the model, in nats, at most 0; higher means "more likely a member".

    Arguments as in `label_probabilities`; a probability below 1e-12 counts as that.
    Source: Yeom et al., "Privacy risk in machine learning" (2018), adversary 2.

    >>> loss_scores([1.0, 0.5], [1, 0]).round(3).tolist()
    [0.0, -0.693]
    """
    return np.log(np.maximum(label_probabilities(probabilities, labels), _SMALLEST))


@metric(
    axis="privacy",
    goal="min",
    unit="see the statistic",
    range=(-1, np.inf),
    source="Yeom et al., Privacy risk in machine learning (2018), adversary 2; Carlini et al. (2022), section 3",
    headline=("auc", "tpr at 1% fpr"),
    cannot_show="That a stronger attack, with shadow models or the model's weights, would not find the members.",
)
def model_membership_advantage(
    release: Release,
    real: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema,
    task: object,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """How well the loss under the released model tells training people from held-out ones; less is better.

    Training people are *real*, held-out ones *control*. The statistics are those of `attack_figures`: the area
    under the curve and the true positive rates are in [0, 1], the advantage in [-1, 1] with 0 for guessing, the
    effective epsilon in [0, inf). People whose label is missing are left out. Rows are taken to be independent. The
    attacker knows the features and the label of each person.
    Raises `Unsupported` where no model is released or the task predicts no single outcome.

    >>> from pets_eval.model import Column
    >>> class Sure:
    ...     def predict_proba(self, features): return features["x"].to_numpy()
    ...     def to_bytes(self): return b""
    >>> class Sick:
    ...     def predicting(self, schema): return ["x"]
    ...     def labels(self, frame, schema): return frame["sick"].to_numpy()
    >>> schema = Schema({n: Column("real", bounds=(0, 1)) for n in ("x", "sick")})
    >>> real, control = pd.DataFrame({"x": [0.9, 0.1], "sick": [1.0, 0.0]}), pd.DataFrame({"x": [0.5], "sick": [1.0]})
    >>> model_membership_advantage(Release("model", Sure()), real, control, schema, Sick())["auc"].value
    1.0
    """
    members, others = (loss_scores(*scored) for scored in asked(release, [real, control], schema, task))
    return attack_figures(members, others, rng or np.random.default_rng(0), _LEVEL)


@metric(
    axis="privacy",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Mann and Whitney (1947); Fisher (1935); scores: Yeom et al., Privacy risk in machine learning (2018)",
    cannot_show="That nobody's membership is told: other attacks, with shadow models, may tell what the loss does not.",
)
def model_membership_test(
    release: Release, real: pd.DataFrame, control: pd.DataFrame, schema: Schema, task: object
) -> Estimate:
    """p-value of the hypothesis that the model's loss is no lower on its training people; small is suspicious.

    Two one-sided tests, the smaller p-value times two (Bonferroni): Mann and Whitney's over everybody, and the number
    of training people among the 1 % of lowest losses (hypergeometric), which sees a few who are fully exposed. Both are
    valid where *control* is a random part of the same people; rows are taken to be people. People whose label is
    missing are left out; NaN where nobody is left on a side. Raises `Unsupported` as `model_membership_advantage` does.

    >>> class Sure:
    ...     def predict_proba(self, features): return features["x"].to_numpy()
    ...     def to_bytes(self): return b""
    >>> class Sick:
    ...     def predicting(self, schema): return ["x"]
    ...     def labels(self, frame, schema): return frame["sick"].to_numpy()
    >>> real, control = (pd.DataFrame({"x": x, "sick": [1.0, 0.0]}) for x in ([0.9, 0.2], [0.7, 0.6]))
    >>> round(model_membership_test(Release("model", Sure()), real, control, Schema({}), Sick()).value, 4)  # 2 / 6
    0.3333
    """
    members, others = (loss_scores(*scored) for scored in asked(release, [real, control], schema, task))
    return smallest_test({"loss": (members, others)})


@metric(
    axis="privacy",
    goal="min",
    unit="difference of accuracies",
    range=(-1, 1),
    source="Yeom et al., Privacy risk in machine learning (2018), section 3: the gap bounds adversary 1 from below",
    cannot_show="That members are safe: a model without any gap can still single out some of them.",
)
def generalisation_gap(
    release: Release, real: pd.DataFrame, control: pd.DataFrame, schema: Schema, task: object
) -> Estimate:
    """Accuracy of the released model on its training people minus that on held-out people; 0 is best.

    A person is classified rightly where the own label has a probability above 0.5. Newcombe's interval. A figure below
    0 is luck. People whose label is missing are left out. Raises `Unsupported` as `model_membership_advantage` does.

    >>> class Sure:
    ...     def predict_proba(self, features): return features["x"].to_numpy()
    ...     def to_bytes(self): return b""
    >>> class Sick:
    ...     def predicting(self, schema): return ["x"]
    ...     def labels(self, frame, schema): return frame["sick"].to_numpy()
    >>> real, control = (pd.DataFrame({"x": [p, 1 - p], "sick": [1.0, 0.0]}) for p in (0.9, 0.4))
    >>> generalisation_gap(Release("model", Sure()), real, control, Schema({}), Sick()).value
    1.0
    """
    right = [label_probabilities(*scored) > 0.5 for scored in asked(release, [real, control], schema, task)]
    return difference(int(right[0].sum()), len(right[0]), int(right[1].sum()), len(right[1]), _LEVEL)


def asked(
    release: Release, tables: Sequence[pd.DataFrame], schema: Schema, task: object
) -> list[tuple[Floats, NDArray[np.int64]]]:
    """Predicted probabilities and labels of the labelled people of each table; raises `Unsupported` without a model."""
    if release.kind != "model" or not isinstance(release.value, Model):
        raise Unsupported("no model is released")
    if not isinstance(task, Labelled):
        raise Unsupported("the task predicts no outcome of single people")
    done = []
    for table in tables:
        labels = task.labels(table, schema)
        known = ~np.isnan(labels)
        features = table.loc[known].drop(columns=schema.with_role("target"), errors="ignore")
        p = np.asarray(release.value.predict_proba(features)) if known.any() else np.empty(0)
        done.append((p, labels[known].astype(np.int64)))
    return done


def logits(probabilities: Floats) -> Floats:
    """log(p / (1 - p)) of probabilities, which are taken to lie at least 1e-12 inside (0, 1).

    >>> logits(np.array([0.5, 0.9])).round(3).tolist()
    [0.0, 2.197]
    """
    done: Floats = scipy.special.logit(np.clip(probabilities, _SMALLEST, 1 - _SMALLEST))
    return done
