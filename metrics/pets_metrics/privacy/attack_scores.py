"""How well an attacker's scores tell members from non-members, whatever attack made them.

Every membership attack, against microdata, aggregates or models, ends in two lists: a score for each person who was in
the data and for each who was not, higher meaning "more likely in". All figures are made from these lists by the same
rules, so that attacks can be compared. The people are taken to be independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Estimate, PetsEvalError
from pets_metrics.intervals import clopper_pearson, difference
from pets_metrics.utility.prediction import area_under_curve

Floats = NDArray[np.float64]

FIGURES = ("auc", "tpr at 1% fpr", "tpr at 0.1% fpr", "advantage", "effective epsilon")
_LEVEL = 0.95
_THRESHOLDS = 256  # candidates for a threshold: quantiles of the scores, where there are more scores


def attack_figures(
    members: ArrayLike, nonmembers: ArrayLike, rng: np.random.Generator, level: float = 0.95
) -> dict[str, Estimate]:
    """The figures of one attack, by name (`FIGURES`), from the scores of members, shape (m,), and non-members, (n,).

    A higher score means "more likely a member"; infinite scores are allowed. *rng* draws the halves in which a
    threshold is chosen and measured (see `advantage`, `effective_epsilon`). Not measured where either side is empty.
    Raises `PetsEvalError` for scores that are NaN or not one-dimensional.

    >>> scores = attack_figures([3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0], np.random.default_rng(0))
    >>> scores["auc"].value
    0.875
    """
    return {
        "auc": auc(members, nonmembers, level),
        "tpr at 1% fpr": tpr_at_fpr(members, nonmembers, 0.01, level),
        "tpr at 0.1% fpr": tpr_at_fpr(members, nonmembers, 0.001, level),
        "advantage": advantage(members, nonmembers, rng, level),
        "effective epsilon": effective_epsilon(members, nonmembers, rng, level),
    }


def attack_test(members: ArrayLike, nonmembers: ArrayLike) -> Estimate:
    """One-sided p-value of the hypothesis that members are not scored above non-members; small means that they are.

    Mann and Whitney's test: exact for few people without ties, else normal with the correction for ties. Valid if the
    labels are exchangeable, as they are where members and non-members are samples of the same people and the release
    does not depend on which of them were in. Scores and errors as in `attack_figures`.
    Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947).

    >>> attack_test([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]).value
    0.05
    """
    x, y = _scores(members), _scores(nonmembers)
    if not len(x) or not len(y):
        return _nobody()
    if min(x.min(), y.min()) == max(x.max(), y.max()):
        return Estimate(1.0, 1.0, 1.0, method="mann-whitney", n=len(x) + len(y), note="all scores are alike")
    ranks = scipy.stats.rankdata(np.concatenate([x, y]))  # so that infinite scores are welcome
    p = float(scipy.stats.mannwhitneyu(ranks[: len(x)], ranks[len(x) :], alternative="greater").pvalue)
    return Estimate(p, p, p, method="mann-whitney", n=len(x) + len(y))


def tail_test(members: ArrayLike, nonmembers: ArrayLike, share: float = 0.01) -> Estimate:
    """One-sided p-value of the hypothesis that the highest scores are no more often members'; small means they are.

    Of all people together, the *share* with the highest scores is taken (with all that tie with the last of them); the
    number of members among them is hypergeometric if labels are exchangeable, so the test is exact. It sees a few
    people who are fully exposed, whom `attack_test` drowns among the many. `low` is the least that so many people and
    names could give, all that can be being members. Scores and errors as in `attack_figures`.
    Source: Fisher, "The design of experiments" (1935), section 2.

    >>> round(tail_test([4.0, 5.0, 6.0], [1.0, 2.0, 3.0], share=0.5).value, 3)
    0.05
    """
    x, y = _scores(members), _scores(nonmembers)
    if not len(x) or not len(y):
        return _nobody()
    both = np.sort(np.concatenate([x, y]))[::-1]
    last = both[max(1, math.ceil(share * len(both))) - 1]
    hits, named = int((x >= last).sum()), int((both >= last).sum())
    p, least = (float(scipy.stats.hypergeom.sf(k - 1, len(both), len(x), named)) for k in (hits, min(named, len(x))))
    return Estimate(p, low=least, method="hypergeometric", n=len(both))


def smallest_test(scores: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Estimate:
    """p-value of the hypothesis that no attack tells members, whether all of them or a few; small means that one does.

    *scores* has the scores of (members, non-members) by the attack's name. Each is tested by `attack_test` and by
    `tail_test`, and the smallest p-value times their number is given (Bonferroni), at most 1. Errors as there.

    >>> smallest_test({"loss": ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])}).value
    0.1
    """
    found = [(name, test(*pair)) for name, pair in scores.items() for test in (attack_test, tail_test)]
    measured = [(name, estimate) for name, estimate in found if not math.isnan(estimate.value)]
    if not measured:
        return _nobody()
    name, smallest = min(measured, key=lambda item: item[1].value)
    p = min(1.0, smallest.value * len(found))
    note = f"smallest of {len(found)} tests: {name}, {smallest.method}"
    return Estimate(p, p, p, method="bonferroni", n=smallest.n, note=note)


def auc(members: ArrayLike, nonmembers: ArrayLike, level: float = 0.95) -> Estimate:
    """Area under the attack's ROC curve: probability that a member is scored above a non-member, ties counting half.

    In [0, 1]; 0.5 is guessing. The interval is that of `pets_metrics.utility.prediction.area_under_curve`.

    >>> auc([2.0, 3.0], [1.0, 2.0]).value
    0.875
    """
    x, y = _scores(members), _scores(nonmembers)
    if not len(x) or not len(y):
        return _nobody()
    return area_under_curve(x, y, level)


def tpr_at_fpr(members: ArrayLike, nonmembers: ArrayLike, fpr: float, level: float = 0.95) -> Estimate:
    """Share of members whom the attack names while it names at most the share *fpr* of the non-members; in [0, 1].

    Members are named whose score exceeds the (k + 1)-th highest of the n non-members, k = floor(fpr n). The interval
    allows for that threshold being an estimate: half of the error goes to the threshold, which lies between two of the
    non-members' scores because their number above it is binomial, and half to Clopper and Pearson's interval for the
    members above each end. So it covers at least *level*, and is wide where few non-members lie in the tail.
    With fewer than 1 / *fpr* non-members the rate cannot be resolved: no non-member is then named, and the note says
    so. Source of the figure: Carlini et al., "Membership inference attacks from first principles" (2022), section 3.

    >>> estimate = tpr_at_fpr([1.0, 2.0, 9.0], list(range(8)), 0.2)
    >>> round(estimate.value, 3), estimate.note
    (0.333, '')
    """
    x, y = _scores(members), _scores(nonmembers)
    if not len(x) or not len(y):
        return _nobody()
    highest = np.sort(y)[::-1]
    tail = (1 - level) / 4
    fewest, most = (int(scipy.stats.binom.ppf(p, len(y), fpr)) for p in (tail, 1 - tail))
    allowed = math.floor(fpr * len(y) + 1e-9)
    named = [_above(x, highest, place) for place in (fewest - 1, allowed, most)]
    half = (1 + level) / 2
    low, high = clopper_pearson(named[0], len(x), half)[0], clopper_pearson(named[2], len(x), half)[1]
    value = named[1] / len(x)
    note = ""
    if allowed == 0:
        note = f"{len(y)} non-members cannot resolve a rate of {fpr:g}: measured where none of them is named"
    return Estimate(value, min(low, value), max(high, value), level, "order statistics, clopper-pearson", len(x), note)


def advantage(members: ArrayLike, nonmembers: ArrayLike, rng: np.random.Generator, level: float = 0.95) -> Estimate:
    """True minus false positive rate of the attack, in [-1, 1]; 0 is guessing, 1 names everybody rightly.

    The largest difference over all thresholds is above 0 even for a guesser. So the threshold that is best on a random
    half of both sides is used on the other half, and the other way round; the counts of both halves together give the
    figure, with Newcombe's interval. A guesser has 0 on average, and a negative figure is luck.
    Source: Yeom et al., "Privacy risk in machine learning" (2018), definition 4; halves: ours.

    >>> advantage(np.arange(100, 200), np.arange(100), np.random.default_rng(0)).value > 0.9
    True
    """
    x, y = _scores(members), _scores(nonmembers)
    if min(len(x), len(y)) < 2:
        return _nobody()
    right = wrong = 0
    a, b = _halves(x, y, rng)
    for seen, measured in ((a, b), (b, a)):
        thresholds = _thresholds(*seen)
        tp, fp = (_named(side, thresholds) / len(side) for side in seen)
        best = thresholds[int((tp - fp).argmax())]
        right += int((measured[0] > best).sum())
        wrong += int((measured[1] > best).sum())
    return difference(right, len(x), wrong, len(y), level)


def effective_epsilon(
    members: ArrayLike, nonmembers: ArrayLike, rng: np.random.Generator, level: float = 0.95
) -> Estimate:
    """Privacy loss that the attack shows: max(log(TP / FP), log((1 - FP) / (1 - TP))), in [0, inf); 0 shows nothing.

    The threshold, and which side of it is named, are chosen on a random half of both sides, where the lower confidence
    bound is largest, and measured on the other half. `low` is that bound from Clopper and Pearson's intervals for both
    rates and holds at *level*; no attack bounds the loss from above, so `high` is infinite. The value has half a person
    added to each count, which keeps it finite. Where members and non-members differ in more than one person's data, it
    is a loss against this attack, not the epsilon of a differential privacy guarantee.
    Source: Houssiau et al., "TAPAS" (2022), section 4; Jagielski et al., "Auditing DP machine learning" (2020).

    >>> estimate = effective_epsilon(np.arange(100, 200), np.arange(100), np.random.default_rng(0))
    >>> round(estimate.low, 2), estimate.value > 4
    (2.57, True)
    """
    x, y = _scores(members), _scores(nonmembers)
    if min(len(x), len(y)) < 2:
        return _nobody()
    seen, measured = _halves(x, y, rng)
    thresholds = _thresholds(*seen)
    bounds = np.array([_loss_bounds(seen, thresholds, level, above) for above in (True, False)])
    above, place = np.unravel_index(int(bounds.argmax()), bounds.shape)
    counts = [int(_named(side, thresholds[place : place + 1])[0]) for side in measured]
    sizes = [len(side) for side in measured]
    if above == 1:  # the second direction: those at or below the threshold are named as non-members
        counts = [size - count for size, count in zip(sizes, counts, strict=True)][::-1]
        sizes = sizes[::-1]
    value, low = privacy_loss(counts[0], sizes[0], counts[1], sizes[1], level)
    return Estimate(value, low, math.inf, level, "clopper-pearson", sum(sizes))


def privacy_loss(hits: int, members: int, misses: int, nonmembers: int, level: float) -> tuple[float, float]:
    """log(hit rate / rate of false alarms), at least 0, and its lower bound at *level* (see `effective_epsilon`).

    >>> privacy_loss(50, 100, 50, 100, 0.95)
    (0.0, 0.0)
    """
    value = math.log((hits + 0.5) / (members + 1)) - math.log((misses + 0.5) / (nonmembers + 1))
    sure, most = clopper_pearson(hits, members, level)[0], clopper_pearson(misses, nonmembers, level)[1]
    low = max(0.0, math.log(sure / most)) if sure > 0 else 0.0
    return max(value, low), low


def widened(estimate: Estimate, note: str) -> Estimate:
    """An estimate whose interval was widened by Bonferroni, at the level that then holds for all comparisons at once.

    The *note* is put before its own; one that was not measured stays as it is.
    """
    if math.isnan(estimate.value):
        return estimate
    note = "; ".join(filter(None, [note, estimate.note]))
    return replace(estimate, level=_LEVEL, method=f"{estimate.method}-bonferroni", note=note)


def _scores(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or np.isnan(x).any():
        raise PetsEvalError("an attack must give each person one score that is a number")
    return x


def _nobody() -> Estimate:
    return Estimate.missing("there are too few members or non-members")


def _above(x: Floats, highest: Floats, place: int) -> int:
    """How many of *x* exceed the score at *place* of *highest*; none before its begin, all beyond its end."""
    if place < 0:
        return 0
    return len(x) if place >= len(highest) else int((x > highest[place]).sum())


def _halves(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Both sides cut into random halves; sorted first, so that the order of the people does not matter."""
    x, y = rng.permutation(np.sort(x)), rng.permutation(np.sort(y))
    m, n = len(x) // 2, len(y) // 2
    return (x[:m], y[:n]), (x[m:], y[n:])


def _thresholds(x: Floats, y: Floats) -> Floats:
    every = np.unique(np.concatenate([x, y]))
    return every[np.linspace(0, len(every) - 1, min(len(every), _THRESHOLDS)).astype(np.int64)]


def _named(scores: Floats, thresholds: Floats) -> NDArray[np.int64]:
    """How many of *scores* exceed each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="right")


def _loss_bounds(seen: tuple[Floats, Floats], thresholds: Floats, level: float, above: bool) -> Floats:
    """Lower bound of the privacy loss at each threshold, where the scores above it are named, or those below."""
    (hits, m), (misses, n) = ((_named(side, thresholds), len(side)) for side in seen)
    if not above:
        hits, m, misses, n = n - misses, n, m - hits, m
    tail = (1 - level) / 2
    sure = np.where(hits == 0, 0.0, scipy.stats.beta.ppf(tail, np.maximum(hits, 1), m - hits + 1))
    most = np.where(misses == n, 1.0, scipy.stats.beta.ppf(1 - tail, misses + 1, np.maximum(n - misses, 1)))
    bounds: Floats = np.log(np.maximum(sure, 1e-300)) - np.log(most)
    return bounds
