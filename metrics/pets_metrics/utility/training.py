"""Whether a predictor learned from the release works on real people as well as one learned from the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import Floats
from pets_metrics.tables import Aligned, align, features

_LEVEL = 0.95
_ROWS = 20_000  # more rows hardly change either learner, and take their time
_CLASSES = 20
_CATEGORIES = 50
_FAR = 10.0  # standard deviations: beyond, a number is taken to lie there
_TREES = 50
_RESAMPLES = 1_000
_CHUNK = 50  # resamples at a time
_SPLITS = ("real", "synthetic")


@metric(
    axis="utility",
    goal="min",
    unit="AUROC or R squared",
    source="Esteban, Hyland and Raetsch, Real-valued (medical) time series generation (2017), section 4.2 (TSTR)",
    headline=("gap",),
    cannot_show="How other targets or learners would fare. No gap says little where nothing can be predicted.",
)
def synthetic_training_gap(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    target: str = "",
    rows: int = _ROWS,
) -> list[Score]:
    """What is lost on held-out people by learning from *synthetic* instead of *real* rows; 0 is best, below 0 a gain.

    Predicted is the schema's first target, or the column *target*, from all columns that are no targets. Two learners
    are trained on both tables and tested on *control*: L2-regularised regression ("logistic", or "ridge" for numbers;
    penalty 1 on standardised columns) and gradient boosting ("boosting", scikit-learn's histogram version with 50
    steps at the rate 0.2, fewer for many classes). The score of a categorical target is the area under the ROC curve,
    averaged over the classes against the rest that control people belong to; that of a numeric one is R squared.
    Statistics per learner (as group): "real" and "synthetic", the scores (1 is best), and "gap", real minus synthetic;
    the row without a group has the larger gap. A learner that is shown one class only predicts the same for all
    (area 0.5), and the note says so.

    At most *rows* rows of each table are used, drawn with *rng*, and the same ones where tables are equally long.
    Categories beyond the 50 (of the target: 20) most frequent among the real rows are taken together; numbers are cut
    at 10 standard deviations. Rows without a target value are left out. The interval is the percentile bootstrap over
    control people, paired over all four predictors; areas are resampled by DeLong's placements. It does not tell how
    much the gap varies with the drawing of the training rows. Raises `Unsupported` without a target, without a column
    to predict it from, and without held-out people.

    >>> people = pd.DataFrame({"smokes": ["no", "yes"] * 20, "ill": ["a", "b"] * 20})
    >>> swapped = people.assign(ill=["b", "a"] * 20)
    >>> scores = synthetic_training_gap(people, swapped, people, target="ill")
    >>> [(s.group, s.statistic, s.estimate.value) for s in scores][:3]
    [('logistic', 'real', 1.0), ('logistic', 'synthetic', 0.0), ('logistic', 'gap', 1.0)]
    """
    if control is None:
        raise Unsupported("nobody is held out to be predicted")
    if rows < 1:
        raise PetsEvalError("'rows' must be at least 1")
    t = align(real, synthetic, control, schema)
    label = _target(t.schema, target)
    names = [n for n in t.names if n != label and "target" not in t.schema.columns[n].roles]
    if not names:
        raise Unsupported("there is no column to predict the target from")
    rng = rng or np.random.default_rng(0)
    tables = _tables(t, label, names, rows, rng)
    missing = next((f"no {name} row has a target value" for name, (_, y) in tables.items() if not len(y)), "")
    categorical = not t.schema.columns[label].numeric
    learners = _classifiers(len(np.unique(tables["real"][1]))) if categorical else _regressors()
    if missing:
        return _unmeasured(list(learners), missing)
    forms, y = tables["control"]
    classes = np.unique(np.concatenate([y for _, y in tables.values()]))
    predicted = []
    for form, make in zip(forms, learners.values(), strict=True):
        for inputs, known in (tables[split] for split in _SPLITS):
            ask = _probabilities if categorical else _numbers
            predicted.append(ask(make, inputs[form], known, forms[form], classes))
    scored = _areas(np.array(predicted), y, classes) if categorical else _explained(np.array(predicted), y)
    if scored is None:
        return _unmeasured(list(learners), "the held-out people are all alike in the target")
    note = ""
    if categorical:
        alone = [split for split in _SPLITS if len(np.unique(tables[split][1])) == 1]
        note = "; ".join(f"the {split} rows are all of one class, so their predictions are constant" for split in alone)
    drawn = np.vstack([scored.value, *_resampled(scored, len(y), rng)])
    return _scores(list(learners), drawn, len(y), note, (0.0, 1.0) if categorical else (-np.inf, 1.0))


def _target(schema: Schema, asked: str) -> str:
    if asked and asked not in schema.columns:
        raise PetsEvalError(f"the target {asked!r} is not a column that all tables share")
    named = [asked] if asked else schema.with_role("target")
    if not named:
        raise Unsupported("no column has the role target; name one under 'target'")
    return named[0]


def _tables(
    t: Aligned, label: str, names: list[str], rows: int, rng: np.random.Generator
) -> dict[str, tuple[dict[str, Any], NDArray[Any]]]:
    """Inputs, as a line and as trees take them, and target of the rows in use that have one; by table."""
    seed = int(rng.integers(2**63))
    assert t.control is not None
    frames = {}
    for name, frame in (("real", t.real), ("synthetic", t.synthetic), ("control", t.control)):
        known = frame[frame[label].notna()]
        if len(known) > rows:
            known = known.iloc[np.random.default_rng(seed).choice(len(known), rows, replace=False)]
        frames[name] = known.reset_index(drop=True)
    column = t.schema.columns[label]
    if column.numeric:
        targets: list[NDArray[Any]] = [column.numbers(f[label]) for f in frames.values()]
    else:
        targets = [f[label].cat.codes.to_numpy().astype(np.int64) for f in _lumped(frames, [label], _CLASSES)]
    columns = _lumped(frames, names, _CATEGORIES)
    lines = [np.clip(x, -_FAR, _FAR) for x in features(t.schema, *columns, names=names)]
    inputs = [{"line": x, "trees": _coded(f, t.schema)} for x, f in zip(lines, columns, strict=True)]
    return dict(zip(frames, zip(inputs, targets, strict=True), strict=True))


def _coded(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Columns as trees take them: numbers as they are, categories as categoricals; an empty column is a constant."""
    coded: dict[str, Any] = {}
    for name in frame.columns:
        values, column = frame[name], schema.columns[name]
        coded[name] = column.numbers(values) if column.numeric else values
        if values.isna().all():  # the learner takes no column without any value
            coded[name] = 0.0 if column.numeric else values.fillna(values.cat.categories[0])
    return pd.DataFrame(coded, index=frame.index)


def _lumped(frames: dict[str, pd.DataFrame], names: list[str], most: int) -> list[pd.DataFrame]:
    """Tables with only these columns, in which categories beyond the *most* frequent real ones are one."""
    done = [f[names].copy() for f in frames.values()]
    merged = pd.CategoricalDtype([str(i) for i in range(most + 1)])
    for name in names:
        if not isinstance(done[0][name].dtype, pd.CategoricalDtype) or len(done[0][name].cat.categories) <= most:
            continue
        codes = [f[name].cat.codes.to_numpy() for f in done]
        size = len(done[0][name].cat.categories)
        frequent = np.argsort(-np.bincount(codes[0][codes[0] >= 0], minlength=size), kind="stable")[:most]
        new = np.full(size + 1, most)
        new[frequent], new[-1] = np.arange(most), -1  # a missing value has the code -1, the last place
        for f, c in zip(done, codes, strict=True):
            f[name] = pd.Series(pd.Categorical.from_codes(new[c], dtype=merged), index=f.index)
    return done


def _classifiers(classes: int) -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    trees = max(10, _TREES * 2 // max(classes, 2))
    shape = {"max_iter": trees, "learning_rate": 0.2, "early_stopping": False, "random_state": 0}
    return {
        "logistic": lambda: LogisticRegression(max_iter=200, tol=1e-3),
        "boosting": lambda: HistGradientBoostingClassifier(**shape),
    }


def _regressors() -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    shape = {"max_iter": _TREES, "learning_rate": 0.2, "early_stopping": False, "random_state": 0}
    return {
        "ridge": lambda: Ridge(),
        "boosting": lambda: HistGradientBoostingRegressor(**shape),
    }


def _probabilities(make: Callable[[], Any], x: Any, y: NDArray[Any], asked: Any, classes: NDArray[Any]) -> Floats:
    """Probability of each of *classes*, shape (asked, classes), from a learner trained on *x* and *y*."""
    found = np.zeros((len(asked), len(classes)))
    known = np.unique(y)
    columns = np.searchsorted(classes, known)
    found[:, columns] = _fitted(make, x, y).predict_proba(asked) if len(known) > 1 else 1.0
    return found


def _numbers(make: Callable[[], Any], x: Any, y: NDArray[Any], asked: Any, _: NDArray[Any]) -> Floats:
    return cast("Floats", _fitted(make, x, y).predict(asked))


def _fitted(make: Callable[[], Any], x: Any, y: NDArray[Any]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):  # waiting threads would slow busy machines
        warnings.simplefilter("ignore", ConvergenceWarning)  # a score hardly depends on the last steps
        return make().fit(x, y)


@dataclass(frozen=True)
class _Scored:
    """The scores of predictors, shape (predictors,), and how they follow from sums over the control people.

    `parts` has a row per person; `score` makes scores, shape (resamples, predictors), of weighted sums of the rows.
    """

    value: Floats
    parts: Floats
    score: Callable[[Floats], Floats]


def _areas(predicted: Floats, y: NDArray[Any], classes: NDArray[Any]) -> _Scored | None:
    """Mean area of the classes against the rest; *predicted* has shape (predictors, people, classes)."""
    there = [k for k, c in enumerate(classes) if 0 < np.count_nonzero(y == c) < len(y)]
    if len(there) == 2 and len(classes) == 2:
        there = there[1:]  # the other class has the same area
    if not there:
        return None
    parts, areas = [], np.empty((len(there), len(predicted)))
    for i, k in enumerate(there):
        positive = y == classes[k]
        parts += [positive, ~positive]
        for j, scores in enumerate(predicted[:, :, k]):
            placed = placements(scores, positive)
            areas[i, j] = placed[positive].mean()
            parts += [placed * positive, placed * ~positive]

    def score(sums: Floats) -> Floats:
        by_class = sums.reshape(len(sums), len(there), 1 + len(predicted), 2)
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample without a class says nothing of it
            means = by_class[:, :, 1:] / by_class[:, :, :1]
        return _mean_known(means.sum(axis=-1) - areas)

    return _Scored(areas.mean(axis=0), np.array(parts, dtype=np.float64).T, score)


def placements(scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Share of the other class that each person is rightly ordered with, ties counting half; shape (people,).

    >>> placements(np.array([3.0, 1.0, 2.0]), np.array([True, False, True])).tolist()
    [1.0, 1.0, 1.0]
    """
    ranks: Floats = scipy.stats.rankdata(scores)
    own = np.empty(len(scores))
    own[positive], own[~positive] = (scipy.stats.rankdata(scores[those]) for those in (positive, ~positive))
    others = ranks - own  # how many of the other class are below
    return np.where(positive, others / max(int((~positive).sum()), 1), 1 - others / max(int(positive.sum()), 1))


def _explained(predicted: Floats, y: Floats) -> _Scored | None:
    """R squared; *predicted* has shape (predictors, people)."""
    centred = y - y.mean()
    if not (centred**2).sum() > 0:
        return None
    errors = (predicted - y) ** 2

    def score(sums: Floats) -> Floats:
        total = sums[:, 1] - sums[:, 0] ** 2 / len(y)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total[:, None] > 0, 1 - sums[:, 2:] / total[:, None], np.nan)

    value = 1 - errors.sum(axis=1) / (centred**2).sum()
    return _Scored(value, np.vstack([centred, centred**2, errors]).T, score)


def _resampled(scored: _Scored, n: int, rng: np.random.Generator) -> list[Floats]:
    """Scores of all predictors on the same resamples of the control people."""
    found = []
    for _ in range(_RESAMPLES // _CHUNK):
        weights = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(_CHUNK)])
        found.append(scored.score(weights.astype(np.float64) @ scored.parts))
    return found


def _mean_known(by_class: Floats) -> Floats:
    known = ~np.isnan(by_class)
    with np.errstate(invalid="ignore"):
        return cast("Floats", np.where(known, by_class, 0).sum(axis=1) / known.sum(axis=1))


def _scores(learners: list[str], drawn: Floats, n: int, note: str, span: tuple[float, float]) -> list[Score]:
    """Rows of every learner, then the larger gap; *drawn* has the figures themselves first, then those of resamples."""
    rows, gaps = [], []
    for i, learner in enumerate(learners):
        real, synthetic = np.clip(drawn[:, 2 * i : 2 * i + 2], *span).T
        gaps.append(_estimate(real - synthetic, n, note))
        figures = {"real": _estimate(real, n, ""), "synthetic": _estimate(synthetic, n, note), "gap": gaps[-1]}
        rows += [Score(e, group=learner, statistic=name) for name, e in figures.items()]
    return [*rows, Score(max(gaps, key=lambda e: e.value), statistic="gap")]


def _estimate(drawn: Floats, n: int, note: str) -> Estimate:
    value = float(drawn[0])
    known = drawn[1:][~np.isnan(drawn[1:])]
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) if known.size else (np.nan, np.nan)
    return Estimate(value, min(float(low), value), max(float(high), value), _LEVEL, "paired bootstrap", n, note)


def _unmeasured(learners: list[str], reason: str) -> list[Score]:
    missing = Estimate.missing(reason)
    return [*(Score(missing, group=name, statistic="gap") for name in learners), Score(missing, statistic="gap")]
