"""Can a learner tell released rows from real ones? The closer it is to guessing, the more alike are the tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema
from pets_eval.registry import metric
from pets_metrics.fidelity.pooled import Pooled, pooled
from pets_metrics.rows import group_numbers
from pets_metrics.tables import align
from pets_metrics.utility.prediction import area_under_curve

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_LEVEL = 0.95
_ROWS = 50_000  # of each table at most, from which is learned
_TOGETHER = 10  # equal rows, up to which they are copies of one person more likely than a common kind of person
_LEAST = 20  # rows of each table, below which nothing is learned and tested
_FOLDS = 5
_STEPS = 50  # of Newton's method; a column that tells the tables apart needs the most
_SNOKE = "Snoke, Raab, Nowok, Dibben and Slavkovic, J. R. Stat. Soc. A 181 (2018), section 3"
_IN_SAMPLE = "That the tables agree in what the learner cannot express, or that the release is private: a copy is best."


@metric(
    axis="fidelity",
    goal="min",
    unit="squared probability",
    range=(0, 0.25),
    source="Woo, Reiter, Oganian and Karr, J. Privacy and Confidentiality 1 (2009); the tree: NIST, SDNist 2.4",
    cannot_show=_IN_SAMPLE,
)
def propensity_mse(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = _ROWS,
) -> dict[str, Estimate]:
    """Mean squared distance of each row's probability of being a released one from the released share; 0 is best.

    "logistic": logistic regression without penalty on the main effects of all columns, categories as indicators.
    "tree": NIST's decision tree of depth 6. It takes categories in the order of a public domain, else by how frequent
    they are, and a missing value as the lowest. Both are in sample, so that two samples of the same people are above 0,
    under the tree more so; `standardised_propensity_mse` says what is to be expected. The worst figure is c (1 - c),
    where c is the released share. At most *rows* of each table are used; a column's categories beyond the 100 most
    frequent count as one. No interval: the figures describe these two tables, and they do not tell how much a release
    from these very rows would vary.

    NIST's report puts a missing PINCP and POVPIP above all others and cuts the decimals of DENSITY: on columns so
    encoded the tree gives its figure.

    >>> scores = propensity_mse(pd.DataFrame({"a": list("xxyy")}), pd.DataFrame({"a": list("xyyy")}))
    >>> round(scores["logistic"].value, 6), round(scores["tree"].value, 6)
    (0.016667, 0.016667)
    """
    rng = rng or np.random.default_rng(0)
    data = pooled(align(real, synthetic, schema=schema), rows, rng)
    return {
        "logistic": Estimate.exact(_logistic(data)[0], n=len(data.released)),
        "tree": Estimate.exact(_tree(data), n=len(data.released)),
    }


@metric(axis="fidelity", goal="min", unit="ratio", range=(0, math.inf), source=_SNOKE, cannot_show=_IN_SAMPLE)
def propensity_mse_ratio(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = _ROWS,
) -> Estimate:
    """The logistic `propensity_mse` over what rows drawn afresh from the real ones would have on average; 0 is a copy.

    About 1 for rows drawn with replacement from the real table, and 1 / (1 - c), that is 2 for tables of one size, for
    a fresh sample of the same people; c is the released share. The mean is (k - 1) (1 - c)^2 c / N with k coefficients
    and N rows. No interval: see `propensity_mse`.

    >>> frame = pd.DataFrame({"a": list("xxyy")})
    >>> round(propensity_mse_ratio(frame, pd.DataFrame({"a": list("xyyy")})).value, 4)
    1.0667
    """
    rng = rng or np.random.default_rng(0)
    data = pooled(align(real, synthetic, schema=schema), rows, rng)
    pmse, mean, _ = _logistic(data)
    if mean == 0:
        return Estimate.missing("no column varies")
    return Estimate.exact(pmse / mean, n=len(data.released))


@metric(axis="fidelity", goal="min", unit="standard deviations", source=_SNOKE, cannot_show=_IN_SAMPLE)
def standardised_propensity_mse(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = _ROWS,
) -> Estimate:
    """How many deviations the logistic `propensity_mse` is above that of rows drawn from the real ones; less is better.

    (pMSE - mean) / deviation, with the mean that `propensity_mse_ratio` names and the deviation
    sqrt(2 (k - 1)) (1 - c)^2 c / N. About 0 with a spread of 1 for rows drawn with replacement; a copy has the lowest
    figure, -sqrt((k - 1) / 2). It grows with the number of rows. No interval: see `propensity_mse`.

    >>> frame = pd.DataFrame({"a": list("xxyy")})
    >>> round(standardised_propensity_mse(frame, frame).value, 4)
    -0.7071
    """
    rng = rng or np.random.default_rng(0)
    data = pooled(align(real, synthetic, schema=schema), rows, rng)
    pmse, mean, deviation = _logistic(data)
    if deviation == 0:
        return Estimate.missing("no column varies")
    return Estimate.exact((pmse - mean) / deviation, n=len(data.released))


@metric(
    axis="fidelity",
    goal="min",
    unit="probability",
    range=(0.5, 1),
    source="Lopez-Paz and Oquab, Revisiting classifier two-sample tests (ICLR 2017); interval: as of auroc",
    cannot_show="That the tables are alike in what these trees cannot learn, or that the release is private.",
)
def two_sample_auc(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = _ROWS,
) -> Estimate:
    """Probability that boosted trees rank a released row above a real one, out of sample; 0.5 is indistinguishable.

    Each row is ranked by a model that was fitted on the other four fifths. A real row and its copies are in one fifth,
    or else the model would learn from the one what the others are. An area below 0.5 tells nothing apart and counts as
    0.5. The interval is that of `auroc`, cut at 0.5, and takes the scores as independent. At most *rows* of each table
    are used. Not measured on fewer than 20 rows in a table.

    >>> rng = np.random.default_rng(0)
    >>> real, far = (pd.DataFrame({"a": rng.normal(m, 1, 100)}) for m in (0, 9))
    >>> two_sample_auc(real, real).value, round(two_sample_auc(real, far).value, 2)
    (0.5, 1.0)
    """
    rng = rng or np.random.default_rng(0)
    data = pooled(align(real, synthetic, schema=schema), rows, rng)
    if data.least < _LEAST:
        return Estimate.missing(f"a table has fewer than {_LEAST} rows")
    folds = _folds(data, _FOLDS, rng)
    scores = np.empty(len(folds))
    for fold in range(_FOLDS):
        scores[folds == fold] = _scores(data, folds != fold, folds == fold)
    found = area_under_curve(scores[data.released], scores[~data.released], _LEVEL)
    note = f"the area is {found.value:.3f}: below guessing" if found.value < 0.5 else ""
    value, low, high = (max(x, 0.5) for x in (found.value, found.low, found.high))
    return replace(found, value=value, low=low, high=high, note=note)


@metric(
    axis="fidelity",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Friedman, On multivariate goodness-of-fit and two-sample testing (SLAC 2003); Mann and Whitney (1947)",
    cannot_show="That the tables are alike: with few rows, or unsuitable trees, no difference is found.",
)
def two_sample_test(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    rows: int = _ROWS,
) -> Estimate:
    """p-value of the hypothesis that both tables are samples of the same people; small says that they differ.

    Boosted trees are fitted on one half of the rows and rank the other half; the ranks of its real and released rows
    are compared by Mann and Whitney's two-sided test, in its normal approximation with ties. The model has not seen the
    half on which it is tested, so the p-value is valid whatever it learned; copies of a row are in one half. With many
    rows even a good release is told apart: read it beside `two_sample_auc`. Not measured on fewer than 20 rows in
    a table.

    >>> rng = np.random.default_rng(0)
    >>> real, far = (pd.DataFrame({"a": rng.normal(m, 1, 100)}) for m in (0, 9))
    >>> two_sample_test(real, real).value, two_sample_test(real, far).value < 1e-9
    (1.0, True)
    """
    rng = rng or np.random.default_rng(0)
    data = pooled(align(real, synthetic, schema=schema), rows, rng)
    if data.least < _LEAST:
        return Estimate.missing(f"a table has fewer than {_LEAST} rows")
    tested = _folds(data, 2, rng) == 1
    scores, released = _scores(data, ~tested, tested), data.released[tested]
    if np.ptp(scores) == 0 or released.all() or not released.any():
        return Estimate.exact(1.0, n=len(scores), note="the trees learned nothing")
    p = scipy.stats.mannwhitneyu(scores[released], scores[~released], method="asymptotic").pvalue
    return Estimate.exact(float(p), n=len(scores))


# -- the learners --------------------------------------------------------------------------------------------------


def _folds(data: Pooled, count: int, rng: np.random.Generator) -> Indices:
    """The fold of each row, shape (rows,).

    Equal rows are in one fold, or else a copy would be foretold from its like. Those of a common kind are spread, the
    first real with the first released one and so on, or else nothing would be known of a kind when it is asked for.
    """
    row = group_numbers(data.codes)
    order = np.lexsort((data.released, row))
    block = row[order] * 2 + data.released[order]
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row)) - np.repeat(starts, np.diff(np.append(starts, len(row))))
    place[np.bincount(row)[row] <= _TOGETHER] = 0
    folds: Indices = (rng.permutation(int(row.max()) + 1)[row] + place) % count
    return folds


def _scores(data: Pooled, fitted: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Floats:
    """How likely boosted trees that are fitted on some rows take others for released ones, shape (asked rows,)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    released = data.released[fitted]
    filled = ~np.isnan(data.codes[fitted]).all(axis=0)  # nothing is learned from the other columns
    if released.all() or not released.any() or not filled.any():
        return np.zeros(int(asked.sum()))
    codes, categorical = data.codes[:, filled], ~data.numeric[filled]
    model = HistGradientBoostingClassifier(early_stopping=False, categorical_features=categorical, random_state=0)
    with threadpool_limits(1, user_api="openmp"):  # its threads wait for each other, for long on a busy machine
        scores: Floats = model.fit(codes[fitted], released).predict_proba(codes[asked])[:, 1]
    return scores


def _tree(data: Pooled) -> float:
    from sklearn.tree import DecisionTreeClassifier

    low = np.nanmin(np.where(np.isnan(data.codes), np.inf, data.codes), axis=0)
    codes = np.where(np.isnan(data.codes), np.where(np.isfinite(low), np.minimum(low, 0) - 1, -1), data.codes)
    model = DecisionTreeClassifier(max_depth=6, random_state=0).fit(codes, data.released)
    if data.released.all() or not data.released.any():
        return 0.0
    return float(np.mean((model.predict_proba(codes)[:, 1] - data.released.mean()) ** 2))


def _logistic(data: Pooled) -> tuple[float, float, float]:
    """pMSE of the logistic model, and its mean and deviation over rows drawn from the real ones."""
    y, c, n = data.released.astype(float), float(data.released.mean()), len(data.released)
    design = data.design()
    design -= design.mean(axis=0)
    values, vectors = np.linalg.eigh(design.T @ design)
    kept = values > 1e-9 * max(float(values[-1]), 1e-300) * len(values)
    if values[-1] <= 1e-12:
        return 0.0, 0.0, 0.0
    basis = design @ (vectors[:, kept] / np.sqrt(values[kept] / n))
    null = (1 - c) ** 2 * c / n
    effects = basis.shape[1]
    return float(np.mean((_fitted(basis, y) - c) ** 2)), effects * null, math.sqrt(2 * effects) * null


def _fitted(basis: Floats, y: Floats) -> Floats:
    """Probabilities of a logistic model with an intercept by Newton's method; *basis* has orthonormal columns."""
    x = np.hstack([np.ones((len(y), 1)), basis])
    weights = np.zeros(x.shape[1])
    weights[0] = scipy.special.logit(y.mean())
    p, loss = np.full(len(y), y.mean()), math.inf
    for _ in range(_STEPS):
        curvature = (x * (p * (1 - p))[:, None]).T @ x
        step = np.linalg.lstsq(curvature, x.T @ (y - p), rcond=1e-10)[0]
        size = 1.0
        while True:  # a full step, or a half, until the fit is no worse
            z = x @ (weights + size * step)
            new = float(np.logaddexp(0, np.where(y > 0, -z, z)).sum())
            if new <= loss or size < 1e-3:
                break
            size /= 2
        weights = weights + size * step
        p = scipy.special.expit(z)
        if loss - new < 1e-9 * max(1.0, new):
            break
        loss = new
    return p
