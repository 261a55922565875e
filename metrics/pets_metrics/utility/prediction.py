"""How well released or learned predictions separate the people who were held out."""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import clopper_pearson

_LEVEL = 0.95


@metric(
    axis="utility",
    goal="max",
    unit="probability",
    range=(0, 1),
    anchored=True,
    source="DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); logit scale: Pepe (2003), chapter 5",
)
def auroc(answer: Answer, truth: Answer) -> Estimate:
    """Area under the ROC curve of the predicted probabilities on held-out people; 1 is best, 0.5 is guessing.

    It is the probability that a random positive is scored above a random negative, ties counting half. The interval
    is made of DeLong's variance on the logit scale, with Student's quantile for Satterthwaite's degrees of freedom:
    the plain one covers far too seldom near 1 and in small classes. Where that variance is 0 (perfect separation, all
    scores alike, a class of one), it is Clopper and Pearson's for as many trials as the smaller class has members.
    People without a true outcome are left out. Raises `Unsupported` unless the task predicts outcomes.

    >>> from pets_eval.model import cell_index
    >>> people = cell_index([("sick", str(i), "probability") for i in range(4)])
    >>> auroc(Answer.of(people, [0.1, 0.4, 0.35, 0.8]), Answer.of(people, [0, 0, 1, 1])).value
    0.75
    """
    if not (truth.table.index.get_level_values("statistic") == "probability").all():
        raise Unsupported("the task predicts no outcomes")
    scores, outcomes = answer.on(truth.table.index).values, truth.values
    known = ~np.isnan(outcomes)
    scores, outcomes = scores[known], outcomes[known] == 1
    if np.isnan(scores).any():
        return Estimate.missing(f"{int(np.isnan(scores).sum())} of {len(scores)} people are not scored")
    positives, negatives = scores[outcomes], scores[~outcomes]
    if not len(positives) or not len(negatives):
        return Estimate.missing("the held-out people are all of one class")
    area, variance, freedom = delong(positives, negatives)
    if variance == 0:
        smaller = min(len(positives), len(negatives))
        low, high = clopper_pearson(round(area * smaller), smaller, _LEVEL)
        return Estimate(area, min(low, area), max(high, area), _LEVEL, "clopper-pearson", len(scores))
    half = float(scipy.stats.t.ppf((1 + _LEVEL) / 2, freedom)) * math.sqrt(variance) / (area * (1 - area))
    low, high = (float(scipy.special.expit(scipy.special.logit(area) + side * half)) for side in (-1, 1))
    return Estimate(area, low, high, _LEVEL, "delong-logit", len(scores))


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
