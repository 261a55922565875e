"""Whether a released model tells who it was trained on, judged by models that were trained like it (shadow models).

Some people are hard to predict for every model, so the loss alone says little of them. Shadow models are trained on
random halves of the people, so that for each person some saw that person and some did not. LiRA (Carlini et al. 2022)
asks which of the two lots the released model is more like; RMIA (Zarifzadeh et al. 2024) whether the person gains more
by the released model than people of the population do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Dataset, Estimate, Inputs, Model, PetsEvalError, Release, Table, Task, Unsupported
from pets_eval.registry import metric
from pets_metrics.privacy.attack_scores import attack_figures
from pets_metrics.privacy.model_membership import Labelled, asked, label_probabilities, logits, loss_scores
from pets_metrics.rows import owners

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = Any  # an array or a DataFrame
Predict = Callable[[Rows], ArrayLike]
Train = Callable[[Rows, NDArray[Any], np.random.Generator], Predict]

_LEVEL = 0.95
_FEW = 64  # with fewer shadow models, a variance of each person's own is too uncertain (Carlini et al., section VI)
_NARROWEST = 1e-3  # least standard deviation of a logit: models that agree exactly would make it 0


@dataclass(frozen=True, eq=False)
class Shadows:
    """What the shadow models say: `keep` and `probabilities` of shape (models, people), `population` (models, others).

    `keep`: whether the person was in the model's training data; probabilities are those of each person's own label.
    """

    keep: Mask
    probabilities: Floats
    population: Floats

    def __post_init__(self) -> None:
        if self.keep.shape != self.probabilities.shape or not (self.keep.any(axis=0) & ~self.keep.all(axis=0)).all():
            raise PetsEvalError("each person must be in the training data of some shadow models, and not of all")


def halves(people: int, models: int, rng: np.random.Generator) -> Mask:
    """Who trains which shadow model, shape (models, people): each person is in exactly half of them, drawn at random.

    Each two models share the people out evenly. Raises `PetsEvalError` unless the number of models is even and not 0.

    >>> halves(4, 2, np.random.default_rng(0)).sum(axis=1).tolist()
    [2, 2]
    """
    if models < 2 or models % 2:
        raise PetsEvalError("shadow models come in pairs, one with each person and one without: ask for an even number")
    first = np.zeros((models // 2, people), dtype=bool)
    first[:, : people // 2] = True
    first = rng.permuted(first, axis=1)
    return np.stack([first, ~first], axis=1).reshape(models, people)


def shadow_scores(
    train: Train,
    features: Rows,
    labels: ArrayLike,
    shadows: int,
    rng: np.random.Generator,
    *,
    population: tuple[Rows, ArrayLike] | None = None,
    batch: int = 1,
) -> Shadows:
    """Train *shadows* models on random halves of the people and ask each about everybody.

    *features* is an array or a DataFrame of shape (people, ...), *labels* the numbers of the classes, shape (people,).
    *train* is called with features, labels and a generator of its own, and returns a `predict_proba`. *population* are
    features and labels of other people, whom no model is trained on: RMIA needs them. *batch* models are trained at a
    time, in threads; only their probabilities are kept, and the result does not depend on it.
    Raises `PetsEvalError` unless *shadows* is even.

    >>> def prior(x, y, rng): return lambda asked: np.full(len(asked), np.mean(y))
    >>> made = shadow_scores(prior, np.zeros((4, 1)), [0, 1, 0, 1], 2, np.random.default_rng(0))
    >>> made.probabilities.shape, made.keep.sum(axis=0).tolist()
    ((2, 4), [1, 1, 1, 1])
    """
    y = np.asarray(labels)
    keep = halves(len(y), shadows, rng)
    generators = rng.spawn(shadows)
    others, classes = (None, y[:0]) if population is None else (population[0], np.asarray(population[1]))

    def one(i: int) -> tuple[Floats, Floats]:
        predict = train(_some(features, keep[i]), y[keep[i]], generators[i])
        known = label_probabilities(predict(features), y)
        return known, label_probabilities(predict(others), classes) if len(classes) else np.empty(0)

    if batch == 1:
        done = [one(i) for i in range(shadows)]
    else:
        with ThreadPoolExecutor(batch) as pool:
            done = list(pool.map(one, range(shadows)))
    return Shadows(keep, np.array([known for known, _ in done]), np.array([other for _, other in done]))


def lira_scores(
    target: ArrayLike, shadows: Shadows, *, online: bool = True, fixed_variance: bool | None = None
) -> Floats:
    """LiRA's score of each person, shape (people,); higher means "more likely a member".

    *target* are the released model's probabilities of each person's own label. Logits of the shadow models with and
    without the person are taken to be normal. Online: log of the ratio of the two densities at the released model's
    logit. Offline: standard deviations above the mean of the models without the person, whose tail probability is the
    p-value. *fixed_variance*: one variance for all people, which is pooled; by default with fewer than 64 models.
    Source: Carlini et al., "Membership inference attacks from first principles" (2022), algorithm 1 and section IV.

    >>> shadows = Shadows(np.array([[True], [False]]), np.array([[0.9], [0.5]]), np.empty((2, 0)))
    >>> bool(lira_scores([0.9], shadows) > lira_scores([0.5], shadows))
    True
    """
    fixed = len(shadows.keep) < _FEW if fixed_variance is None else fixed_variance
    at, seen = logits(np.asarray(target, dtype=np.float64)), logits(shadows.probabilities)
    centre, spread = _normal(seen, ~shadows.keep, fixed)
    if not online:
        away: Floats = (at - centre) / spread
        return away
    middle, width = _normal(seen, shadows.keep, fixed)
    norm = scipy.stats.norm
    return np.asarray(norm.logpdf(at, middle, width) - norm.logpdf(at, centre, spread))


def rmia_scores(
    target: ArrayLike,
    target_population: ArrayLike,
    shadows: Shadows,
    *,
    online: bool = True,
    a: float = 0.3,
    gamma: float = 1.0,
) -> Floats:
    """RMIA's score of each person, in [0, 1], shape (people,); higher means "more likely a member".

    *target* and *target_population* are the released model's probabilities of the own labels of the people, shape
    (people,), and of the population, (others,). The score is the share of the population over whom the person's ratio
    p(x | model) / p(x) exceeds *gamma* times theirs, ties counting half. Online, p(x) is the mean of what shadow models
    with and without the person say, and p(z) the mean of all, as the population is in no training data; offline, both
    are ((1 + a) out + 1 - a) / 2 from the models without. Raises `PetsEvalError` without a population.
    Source: Zarifzadeh, Liu and Shokri, "Low-cost high-power membership inference attacks" (2024), section 3; offline:
    its appendix.

    >>> shadows = Shadows(np.array([[True], [False]]), np.array([[0.9], [0.5]]), np.array([[0.5], [0.5]]))
    >>> rmia_scores([0.9], [0.5], shadows).tolist(), rmia_scores([0.1], [0.5], shadows).tolist()
    ([1.0], [0.0])
    """
    x, z = np.asarray(target, dtype=np.float64), np.asarray(target_population, dtype=np.float64)
    if not len(z) or shadows.population.shape[1] != len(z):
        raise PetsEvalError("RMIA needs a population that the shadow models were asked about, too")
    out = _mean(shadows.probabilities, ~shadows.keep)
    base = (_mean(shadows.probabilities, shadows.keep) + out) / 2 if online else ((1 + a) * out + 1 - a) / 2
    others = shadows.population.mean(axis=0)
    others = others if online else ((1 + a) * others + 1 - a) / 2
    tiny = np.finfo(float).tiny
    gains, theirs = x / np.maximum(base, tiny), np.sort(z / np.maximum(others, tiny))
    below, upto = (np.searchsorted(theirs, gains / gamma, side=side) for side in ("left", "right"))
    return np.asarray((below + upto) / (2 * len(z)))


def _normal(values: Floats, chosen: Mask, fixed: bool) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the *chosen* values of each column, the latter pooled over columns if *fixed*."""
    centre, count = _mean(values, chosen), chosen.sum(axis=0)
    squares = np.where(chosen, (values - centre) ** 2, 0.0).sum(axis=0)
    if fixed:
        variance = np.full(len(centre), squares.sum() / max(1, int((count - 1).sum())))
    else:
        variance = squares / np.maximum(count - 1, 1)
    return centre, np.maximum(np.sqrt(variance), _NARROWEST)


def _mean(values: Floats, chosen: Mask) -> Floats:
    mean: Floats = np.where(chosen, values, 0.0).sum(axis=0) / chosen.sum(axis=0)
    return mean


def _some(rows: Rows, chosen: Mask) -> Rows:
    return rows.loc[chosen] if isinstance(rows, pd.DataFrame) else np.asarray(rows)[chosen]


# -- the attack on a technique that releases a model ------------------------------------------------


@metric(
    axis="privacy",
    goal="min",
    unit="see the statistic",
    range=(-1, np.inf),
    source="Carlini et al., Membership inference attacks from first principles (2022), algorithm 1; Zarifzadeh et al., "
    "Low-cost high-power membership inference attacks (2024)",
    headline=("auc", "tpr at 1% fpr"),
    cannot_show="That more shadow models, or an attacker who chooses the people, would not find more members.",
    effort="train",
)
def shadow_model_advantage(
    rerun: Callable[..., Sequence[Release]],
    release: Release,
    dataset: Dataset,
    task: Task,
    rng: np.random.Generator | None = None,
    shadows: int = 16,
) -> dict[str, Estimate]:
    """How well LiRA and RMIA tell the training people of the released model from held-out ones; less is better.

    The technique is run again on random halves of the training people and three quarters of the held-out ones; the last
    quarter is RMIA's population. The statistics are those of `attack_figures`: by online LiRA under their own names,
    and with "(offline lira)", "(rmia)" and "(loss)" behind them by the other attacks, all against the same people.
    Halves are drawn by unit of privacy, whose score is the mean over its rows. Rows without a label are trained on, not
    scored. The shadow models have fewer training people than the released one, which weakens the attacks somewhat.
    Raises `Unsupported` where no model is released, nobody is held out, or columns are split among parties, and
    `PetsEvalError` unless *shadows* is even.
    """
    if release.kind != "model" or not isinstance(release.value, Model):
        raise Unsupported("no model is released")
    if dataset.control is None:
        raise Unsupported("nobody is held out")
    if dataset.layout == "vertical":
        raise Unsupported("the columns are split among parties, and shadow models would need them joined")
    if not isinstance(task, Labelled):
        raise Unsupported("the task predicts no outcome of single people")
    rng = rng or np.random.default_rng(0)
    schema, real, held = dataset.schema, dataset.train.frame(), dataset.control.frame()
    theirs = owners(held, schema.unit)
    names = rng.permutation(int(theirs.max()) + 1)
    aside = np.isin(theirs, names[: len(names) // 4])
    if not aside.any() or aside.all():
        raise Unsupported("too few people are held out")
    pool = pd.concat([real, held.loc[~aside]], ignore_index=True)
    member = np.arange(len(pool)) < len(real)
    unit = np.concatenate([owners(real, schema.unit), int(1e9) + theirs[~aside]])
    unit = np.unique(unit, return_inverse=True)[1]
    known = ~np.isnan(task.labels(pool, schema))
    tables = [pool, held.loc[aside]]

    def own(model: Release) -> list[Floats]:
        return [label_probabilities(*scored) for scored in asked(model, tables, schema, task)]

    kept = halves(int(unit.max()) + 1, shadows, rng)
    said = []
    for chosen in kept:
        made = rerun(inputs=_inputs(dataset, task, pool.loc[chosen[unit]].reset_index(drop=True), rng))
        said.append(own(made[0]))
    made_of = Shadows(kept[:, unit[known]], np.array([p for p, _ in said]), np.array([z for _, z in said]))
    people, others = own(release)
    attacks = {
        "": lira_scores(people, made_of),
        " (offline lira)": lira_scores(people, made_of, online=False),
        " (rmia)": rmia_scores(people, others, made_of),
        " (loss)": loss_scores(people, np.ones(len(people))),
    }
    figures: dict[str, Estimate] = {}
    for name, scores in attacks.items():
        mean = np.bincount(unit[known], weights=scores) / np.maximum(np.bincount(unit[known]), 1)
        inside = np.zeros(len(mean), dtype=bool)
        inside[unit[known & member]] = True
        there = np.bincount(unit[known], minlength=len(mean)) > 0
        found = attack_figures(mean[there & inside], mean[there & ~inside], rng, _LEVEL)
        figures |= {f"{figure}{name}": estimate for figure, estimate in found.items()}
    return figures


def _inputs(dataset: Dataset, task: Task, frame: pd.DataFrame, rng: np.random.Generator) -> Inputs:
    """What the parties would hold if *frame* were the training table: units go to parties at random, by their sizes."""
    sizes = np.array([len(part) for part in dataset.parts.values()], dtype=np.float64)
    units = owners(frame, dataset.schema.unit)
    place = rng.choice(len(sizes), size=int(units.max()) + 1, p=sizes / sizes.sum())[units]
    parts = {
        name: Table(part.schema, data=frame.loc[place == i].reset_index(drop=True))
        for i, (name, part) in enumerate(dataset.parts.items())
    }
    made = replace(dataset, train=Table(dataset.train.schema, data=frame), parts=parts)
    return task.setup(made, rng)
