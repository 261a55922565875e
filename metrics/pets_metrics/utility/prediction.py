"""How well released or learned predictions separate the people who were held out, and whether they mean what they say.

The answer has the statistic "probability" with one cell per held-out person; the truth is 1, 0 or, where the outcome is
not known, not a number. People without a true outcome are left out of every figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import Floats
from pets_metrics.intervals import clopper_pearson, t_interval, wilson

_LEVEL = 0.95
_FEW = 100  # members of the smaller class, from which on DeLong's variance is trusted more and more by itself
_BINS = 10
_RESAMPLES = 1_000
_EDGE = 1e-9


@metric(
    axis="utility",
    goal="max",
    unit="probability",
    range=(0, 1),
    anchored=True,
    source="DeLong et al., Biometrics 44 (1988); Newcombe, Statistics in Medicine 25 (2006), method 5",
    cannot_show="Whether the probabilities are right in themselves: only their order counts (see calibration_error).",
)
def auroc(answer: Answer, truth: Answer) -> Estimate:
    """Area under the ROC curve of the predicted probabilities on held-out people; 1 is best, 0.5 is guessing.

    It is the probability that a random positive is scored above a random negative, ties counting half; the interval
    is that of `area_under_curve`. Raises `Unsupported` unless the task predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> auroc(Answer.of(people, [0.1, 0.4, 0.35, 0.8]), Answer.of(people, [0, 0, 1, 1])).value
    0.75
    """
    found = _people(answer, truth, both=True)
    if isinstance(found, Estimate):
        return found
    scores, outcomes = found
    return area_under_curve(scores[outcomes], scores[~outcomes])


@metric(
    axis="utility",
    goal="max",
    unit="precision",
    range=(0, 1),
    anchored=True,
    source="Su, Yuan and Zhu, A relationship between the average precision and the area under the ROC curve (2015)",
    cannot_show="How data sets compare: guessing scores as much as there are positives, which the note tells.",
)
def average_precision(answer: Answer, truth: Answer, rng: np.random.Generator | None = None) -> Estimate:
    """Precision averaged over the positives among held-out people, by falling probability; 1 is best.

    At each distinct probability, from the highest, precision is the share of positives among the people at or above
    it; each is weighted by its part of the positives, without interpolation. Guessing comes to the share of positives.
    The interval is the percentile bootstrap over people. Raises `Unsupported` unless the task predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> round(average_precision(Answer.of(people, [0.1, 0.4, 0.35, 0.8]), Answer.of(people, [0, 0, 1, 1])).value, 4)
    0.8333
    """
    found = _people(answer, truth, both=True)
    if isinstance(found, Estimate):
        return found
    scores, outcomes = found
    order = np.argsort(-scores, kind="stable")
    hit = outcomes[order].astype(np.float64)
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # the last person of each distinct probability

    def area(weights: Floats) -> float:
        found, seen = np.cumsum(weights * hit)[ends], np.cumsum(weights)[ends]
        steps = np.diff(found, prepend=0.0)
        return float((steps * found / np.maximum(seen, 1)).sum() / found[-1]) if found[-1] else math.nan

    value = area(np.ones(len(hit)))
    low, high = _quantiles(_resampled(len(hit), area, rng))
    note = f"guessing would come to {hit.mean():.3g}"
    return Estimate(value, min(low, value), max(high, value), _LEVEL, "bootstrap", len(hit), note)


@metric(
    axis="utility",
    goal="max",
    unit="F1",
    range=(0, 1),
    source="van Rijsbergen (1979), chapter 7; interval: Hand, Christen and Kirielle, Machine Learning 110 (2021)",
    cannot_show="How well negatives are told: those that are rightly predicted do not enter it.",
)
def f1(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Harmonic mean of precision and recall on held-out people, at two thresholds; 1 is best, 0 finds no positive.

    Statistics: "at 0.5" predicts the positive class from the probability 0.5 on; "at prevalence" predicts it for as
    many people as are positive, those with the highest probabilities (and all with the same one as the last of them).
    F1 = 2J / (1 + J), where J is the share of true positives among the people who are positive, or predicted to be: the
    interval is Wilson's for J, brought to F1, and takes the threshold as given. Raises `Unsupported` unless the task
    predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> scores = f1(Answer.of(people, [0.1, 0.4, 0.35, 0.8]), Answer.of(people, [0, 0, 1, 1]))
    >>> round(scores["at 0.5"].value, 4), scores["at prevalence"].value
    (0.6667, 0.5)
    """
    found = _people(answer, truth)
    if isinstance(found, Estimate):
        return {"at 0.5": found, "at prevalence": found}
    scores, outcomes = found
    positives = int(outcomes.sum())
    if not positives:
        return dict.fromkeys(("at 0.5", "at prevalence"), Estimate.missing("none of the held-out people is positive"))
    matched = np.partition(scores, len(scores) - positives)[len(scores) - positives]
    return {"at 0.5": _f1(scores >= 0.5, outcomes), "at prevalence": _f1(scores >= matched, outcomes)}


@metric(
    axis="utility",
    goal="min",
    unit="squared probability",
    range=(0, 1),
    anchored=True,
    source="Brier, Monthly Weather Review 78 (1950), for two classes, halved",
    cannot_show="Whether people are told apart: with rare outcomes, predicting the same for all scores well.",
)
def brier(answer: Answer, truth: Answer) -> Estimate:
    """Mean of (probability - outcome)^2 over held-out people; 0 is best, 0.25 is to say 0.5 for everybody.

    The interval is Student's, kept within [0, 1]. Not measured where a prediction is no probability. Raises
    `Unsupported` unless the task predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(2)])
    >>> brier(Answer.of(people, [0.5, 0.9]), Answer.of(people, [0, 1])).value
    0.13
    """
    found = _people(answer, truth, probabilities=True)
    if isinstance(found, Estimate):
        return found
    scores, outcomes = found
    losses = (scores - outcomes) ** 2
    low, high = t_interval(losses, _LEVEL)
    return Estimate(float(losses.mean()), max(low, 0.0), min(high, 1.0), _LEVEL, "t", len(losses))


@metric(
    axis="utility",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Guo et al., On calibration of modern neural networks (2017), section 2; null: Bröcker and Smith (2007)",
    cannot_show="Whether people are told apart: saying the prevalence for everybody is perfectly calibrated.",
)
def calibration_error(
    answer: Answer, truth: Answer, bins: int = _BINS, rng: np.random.Generator | None = None
) -> Estimate:
    """Mean distance of predicted probability from the frequency of the outcome, in bins of people; 0 is best.

    People are cut at the *bins*-quantiles of their probability (equal ones stay together, so there may be fewer bins);
    within each bin the mean probability is compared with the share of positives, weighted by the people in it. It is
    biased upwards, as chance alone makes a distance: by up to about 0.4 sqrt(bins / people) where predictions are
    right. The interval is the basic bootstrap over people with the bins kept, which takes that bias back, so the figure
    may lie at its upper end; it reaches down to 0 where outcomes drawn by the predicted probabilities themselves are as
    far off as the true ones in 5 % of draws. Raises `Unsupported` unless the task predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> predicted = Answer.of(people, [0.2, 0.2, 0.9, 0.9])
    >>> round(calibration_error(predicted, Answer.of(people, [0, 1, 1, 1])).value, 4)
    0.2
    """
    found = _people(answer, truth, probabilities=True)
    if isinstance(found, Estimate):
        return found
    scores, outcomes = found
    cuts = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="inverted_cdf"))
    bin_of, excess = np.searchsorted(cuts, scores), scores - outcomes

    def off(excess: Floats) -> float:
        return float(np.abs(np.bincount(bin_of, excess)).sum() / len(scores))

    rng = rng or np.random.default_rng(0)
    value = off(excess)
    low, high = _quantiles(_resampled(len(scores), lambda weights: off(weights * excess), rng))
    low, high = min(max(2 * value - high, 0.0), value), max(min(2 * value - low, 1.0), value)
    by_chance = [off(scores - (rng.random(len(scores)) < scores)) for _ in range(_RESAMPLES)]
    if value <= np.quantile(by_chance, _LEVEL):
        low = 0.0
    return Estimate(value, low, high, _LEVEL, "basic bootstrap", len(scores))


def area_under_curve(positives: Floats, negatives: Floats, level: float = _LEVEL) -> Estimate:
    """Area under the ROC curve of the scores of both classes, shapes (m,) and (n,), with a score interval.

    The interval holds the areas from which the one found is less than Student's quantile times their own standard
    error away. That is Hanley and McNeil's in Newcombe's fifth form, which depends on the area alone, times DeLong's
    variance over theirs where that ratio is above a floor: 1 in small classes, less from 100 in the smaller class on.
    So few positives that happen to lie apart do not make it too short: intervals around the DeLong variance alone cover
    0.73 to 0.95 with 20 positives, 400 negatives and an area of 0.98, by the shape of the scores, and this one 0.95 and
    more. With a class of one it is Clopper and Pearson's for one trial.

    >>> found = area_under_curve(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.875, 0.09, 1.0)
    """
    m, n = len(positives), len(negatives)
    area, variance, freedom = delong(positives, negatives)
    if min(m, n) < 2:
        low, high = clopper_pearson(round(area), 1, level)
        return Estimate(area, min(low, area), max(high, area), level, "clopper-pearson", m + n)
    quantile = float(scipy.stats.t.ppf((1 + level) / 2, freedom) if variance else scipy.stats.norm.ppf((1 + level) / 2))
    inner = min(max(area, _EDGE), 1 - _EDGE)
    ratio = max(variance / _newcombe(inner, m, n), min(1.0, _FEW / min(m, n))) if variance else 1.0

    def beyond(candidate: float) -> float:
        return (inner - candidate) ** 2 - quantile**2 * ratio * _newcombe(candidate, m, n)

    low = float(scipy.optimize.brentq(beyond, 0.0, inner)) if area > 0 else 0.0
    high = float(scipy.optimize.brentq(beyond, inner, 1.0)) if area < 1 else 1.0
    return Estimate(area, min(low, area), max(high, area), level, "newcombe-delong", m + n)


def _newcombe(area: float, m: int, n: int) -> float:
    """Variance of an estimate of *area* from *m* and *n* scores by Newcombe's method 5."""
    pairs = (m + n) / 2 - 1
    return area * (1 - area) * (1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)) / (m * n)


def delong(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area under the ROC curve, DeLong's variance of it and that variance's degrees of freedom (Satterthwaite).

    From the scores of both classes, shapes (m,) and (n,), by mid-ranks in O((m + n) log(m + n)): Sun and Xu, IEEE
    Signal Processing Letters 21 (2014). The variance is 0 where a class has one member.

    >>> delong(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    (0.875, 0.03125, 2.0)
    """
    m, n = len(positives), len(negatives)
    ranks = scipy.stats.rankdata(np.concatenate([positives, negatives]))
    above = (ranks[:m] - scipy.stats.rankdata(positives)) / n  # share of negatives below each positive
    below = 1 - (ranks[m:] - scipy.stats.rankdata(negatives)) / m  # share of positives above each negative
    area = float(above.mean())
    if m < 2 or n < 2:
        return area, 0.0, math.nan
    one, other = float(above.var(ddof=1) / m), float(below.var(ddof=1) / n)
    if one + other == 0:
        return area, 0.0, math.nan
    return area, one + other, (one + other) ** 2 / (one**2 / (m - 1) + other**2 / (n - 1))


def _people(
    answer: Answer, truth: Answer, *, both: bool = False, probabilities: bool = False
) -> tuple[Floats, NDArray[np.bool_]] | Estimate:
    """Scores and outcomes of the people whose outcome is known, or why a figure that needs them is missing."""
    if not (truth.table.index.get_level_values("statistic") == "probability").all():
        raise Unsupported("the task predicts no outcomes")
    scores, outcomes = answer.on(truth.table.index).values, truth.values
    known = ~np.isnan(outcomes)
    scores, positive = scores[known], outcomes[known] == 1
    if not len(scores):
        return Estimate.missing("the outcome of none of the held-out people is known")
    if np.isnan(scores).any():
        return Estimate.missing(f"{int(np.isnan(scores).sum())} of {len(scores)} people are not scored")
    if both and (positive.all() or not positive.any()):
        return Estimate.missing("the held-out people are all of one class")
    if probabilities and (scores.min() < 0 or scores.max() > 1):
        return Estimate.missing("some predictions are no probabilities: they lie outside 0 to 1")
    return scores, positive


def _f1(predicted: NDArray[np.bool_], outcomes: NDArray[np.bool_]) -> Estimate:
    both, either = int((predicted & outcomes).sum()), int((predicted | outcomes).sum())
    value, low, high = (2 * j / (1 + j) for j in (both / either, *wilson(both, either, _LEVEL)))
    return Estimate(value, min(low, value), max(high, value), _LEVEL, "wilson", len(outcomes))


def _resampled(n: int, statistic: Callable[[Floats], float], rng: np.random.Generator | None) -> Floats:
    """*statistic* of how often each of *n* people is drawn, in resamples with replacement."""
    rng = rng or np.random.default_rng(0)
    drawn = (np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64) for _ in range(_RESAMPLES))
    return np.array([statistic(weights) for weights in drawn])


def _quantiles(drawn: Floats) -> tuple[float, float]:
    low, high = np.nanquantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)
