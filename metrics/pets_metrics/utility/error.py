"""Distance of released numbers from the true ones, for each statistic by itself, and for each column in its own unit.

Errors of one release are exact figures over all public cells, so each estimate has low = value = high; how much they
vary from release to release shows in a study's repeats. Bias and order have an interval over cells, beside that.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Estimate
from pets_eval.registry import metric
from pets_metrics.cells import Floats, by_statistic, summarised
from pets_metrics.intervals import t_interval

_FLOOR_SHARE = 0.01
_LEVEL = 0.95
_ROUNDING = 1e-12


@metric(
    axis="utility",
    goal="min",
    unit="as the statistic",
    range=(0, np.inf),
    anchored=True,
    source="Hyndman and Koehler, International Journal of Forecasting 22 (2006), section 2.1 (MAE)",
    cannot_show="Whether the error is small beside the numbers themselves, or falls on a few cells.",
)
def mean_absolute_error(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Mean over the cells of |released - true|, for each statistic; 0 is best, in the statistic's own unit.

    All counts are taken together; where several columns are summed or averaged, whose units differ, each has a figure
    of its own ("mean of income by sex"). Cells without a true value (the mean of an empty group) are left out; cells
    that the release does not answer are counted in the note. Raises `Unsupported` for predictions of single people.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> mean_absolute_error(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value
    2.0
    """
    return {name: summarised(np.abs(a - t), np.mean) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="min",
    unit="as the statistic",
    range=(0, np.inf),
    anchored=True,
    source="the largest norm of the error, as in Hardt, Ligett and McSherry (2012), section 2",
    cannot_show="How the other cells fare: it is the error of one cell, and grows with the number of cells.",
)
def max_absolute_error(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Largest |released - true| over the cells, for each statistic; 0 is best, in the statistic's own unit.

    Statistics, and cells that are left out, as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> max_absolute_error(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value
    3.0
    """
    return {name: summarised(np.abs(a - t), np.max) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="min",
    unit="ratio",
    range=(0, np.inf),
    anchored=True,
    source="sanity bound of Xiao, Wang and Gehrke, Differential privacy via wavelet transforms (2011); our own floor",
    cannot_show="What the relative error of cells below the floor is: theirs is divided by the floor instead.",
)
def mean_relative_error(answer: Answer, truth: Answer, floor: float | None = None) -> dict[str, Estimate]:
    """Mean over the cells of |released - true| / max(|true|, *floor*), for each statistic; 0 is best.

    The floor keeps empty cells from being infinitely wrong: by default one person for counts, else one hundredth of
    the mean absolute true value of that statistic and column. A cell below the floor is as wrong as its error is large
    beside the floor: with many empty cells and the floor of one person, the figure is mostly the absolute error of
    those cells, and a higher *floor* says more of the cells that people read. Statistics, and cells that are left out,
    as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> mean_relative_error(Answer.of(cells, [11, 2]), Answer.of(cells, [10, 0]))["count"].value
    1.05
    """
    scores = {}
    for name, a, t in by_statistic(answer, truth):
        usual = 1.0 if name == "count" else _FLOOR_SHARE * float(np.abs(t).mean() if t.size else 1.0)
        least = usual if floor is None else floor
        if least <= 0 and not np.abs(t).all():
            scores[name] = Estimate.missing("all true values are zero, so no error is relative to them")
        else:
            scores[name] = summarised(np.abs(a - t) / np.maximum(np.abs(t), least), np.mean)
    return scores


@metric(
    axis="utility",
    goal="min",
    unit="as the statistic",
    range=(0, np.inf),
    anchored=True,
    source="Hyndman and Koehler, International Journal of Forecasting 22 (2006), section 2.1 (RMSE)",
    cannot_show="Whether it comes from many small errors or a few large ones, which weigh most.",
)
def root_mean_square_error(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Square root of the mean over the cells of (released - true)^2, for each statistic; 0 is best, in its own unit.

    Statistics, and cells that are left out, as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> round(root_mean_square_error(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value, 4)
    2.2361
    """
    return {name: summarised(np.abs(a - t), _quadratic_mean) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="none",
    unit="as the statistic",
    source="mean error; interval: Student, Biometrika 6 (1908)",
    cannot_show="That single cells are right: errors upwards and downwards cancel.",
)
def bias(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Mean over the cells of released - true, for each statistic; 0 is best, in the statistic's own unit.

    Statistics, and cells that are left out, as in `mean_absolute_error`. The interval is Student's over the cells,
    as if their errors were independent draws: that holds for noise added to each cell, and hardly for counts made
    from microdata, where one misplaced person is an error in several cells. One cell has no interval.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("sex", "F", "count"), ("sex", "M", "count")])
    >>> bias(Answer.of(cells, [11, 7]), Answer.of(cells, [10, 10]))["count"].value
    -1.0
    """
    return {name: _mean_error(a - t) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="sign test: Arbuthnott (1710); Conover, Practical nonparametric statistics (1999), section 3.4",
    cannot_show="That there is no bias: with few cells even a strong one is not found.",
)
def bias_sign_test(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """p-value of the hypothesis that cells are released too high as often as too low; small speaks for a bias.

    The exact two-sided binomial test of the cells with released > true among those that differ, for each statistic.
    It treats the cells as independent, and a skewed error without any bias of the mean is found, too: counts that are
    never negative can only err upwards where the truth is 0. Where no cell differs, the p-value is 1. Statistics, and
    cells that are left out, as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("age", str(i), "count") for i in range(6)])
    >>> bias_sign_test(Answer.of(cells, [4, 5, 6, 7, 8, 9]), Answer.of(cells, [4, 4, 4, 4, 4, 4]))["count"].value
    0.0625
    """
    return {name: _sign_test(a, t) for name, a, t in by_statistic(answer, truth)}


@metric(
    axis="utility",
    goal="max",
    unit="correlation",
    range=(-1, 1),
    source="Kendall, Biometrika 33 (1945), tau-b; jackknife: Arvesen, Annals of Mathematical Statistics 40 (1969)",
    cannot_show="Whether the numbers are right: doubled ones are in the same order.",
)
def rank_agreement(answer: Answer, truth: Answer) -> dict[str, Estimate]:
    """Kendall's tau-b between released and true values over the cells, for each statistic; 1 is the same order.

    It is the excess of pairs of cells in the true order over pairs in the opposite one, with ties allowed for; 0 is
    no relation, -1 the reverse order. The interval is made of the jackknife variance over cells on Fisher's scale,
    with Student's quantile, as if the cells were drawn at random; where no pair is out of order it has no width. Not
    measured for fewer than three cells and for numbers that are all alike. Statistics, and cells that are left out,
    as in `mean_absolute_error`.

    >>> from pets_eval.model import cell_index
    >>> cells = cell_index([("age", str(i), "count") for i in range(4)])
    >>> round(rank_agreement(Answer.of(cells, [1, 3, 2, 4]), Answer.of(cells, [1, 2, 3, 4]))["count"].value, 4)
    0.6667
    """
    return {name: _tau(a, t) for name, a, t in by_statistic(answer, truth)}


def _quadratic_mean(errors: Floats) -> float:
    largest = float(errors.max())
    if largest == 0 or np.isinf(largest):
        return largest
    return largest * float(np.sqrt(np.mean((errors / largest) ** 2)))  # squares of large errors would overflow


def _mean_error(errors: Floats) -> Estimate:
    found = summarised(errors, lambda e: 0.0)  # how many cells are answered
    if np.isnan(found.value):
        return found
    there = errors[~np.isnan(errors)]
    if np.isinf(there).any():
        return Estimate.missing("a released number is infinite")
    low, high = t_interval(there, _LEVEL)
    return Estimate(float(there.mean()), low, high, _LEVEL, "t", found.n, found.note)


def _sign_test(released: Floats, true: Floats) -> Estimate:
    found = summarised(released - true, lambda e: 0.0)
    if np.isnan(found.value):
        return found
    higher, lower = int((released > true).sum()), int((released < true).sum())
    unequal = higher + lower
    if not unequal:
        return Estimate.exact(1.0, n=found.n, note="no cell differs from the truth")
    p = min(1.0, float(scipy.stats.binomtest(higher, unequal).pvalue))
    return Estimate.exact(p, n=unequal, note=found.note)


def _tau(released: Floats, true: Floats) -> Estimate:
    found = summarised(released - true, lambda e: 0.0)
    if np.isnan(found.value):
        return found
    there = ~np.isnan(released)
    a, t = (np.unique(x[there], return_inverse=True)[1] for x in (released, true))
    if a.size < 3:
        return Estimate.missing("fewer than three cells have no order to speak of")
    if not a.any() or not t.any():
        return Estimate.missing(f"the {'true' if a.any() else 'released'} values are all alike")
    excess, untied_a, untied_t = concordance(a, t), a.size - np.bincount(a)[a], a.size - np.bincount(t)[t]
    tau = float(excess.sum() / np.sqrt(float(untied_a.sum()) * float(untied_t.sum())))
    # tau without each cell in turn: every pair is counted from both of its cells
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt((untied_a.sum() - 2.0 * untied_a) * (untied_t.sum() - 2.0 * untied_t))
        without = (excess.sum() - 2.0 * excess) / scale
    without = without[np.isfinite(without)]
    tau = min(1.0, max(-1.0, tau))
    if 1 - abs(tau) < _ROUNDING:
        return Estimate(round(tau), round(tau), round(tau), _LEVEL, "jackknife", a.size, found.note)
    spread = float(np.sqrt((without.size - 1) * without.var())) / (1 - tau**2)
    half = float(scipy.stats.t.ppf((1 + _LEVEL) / 2, a.size - 1)) * spread
    low, high = (float(np.tanh(np.arctanh(tau) + side * half)) for side in (-1, 1))
    return Estimate(tau, min(low, tau), max(high, tau), _LEVEL, "jackknife", a.size, found.note)


def concordance(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many more others are ordered alike than oppositely by *a* and *b*, for each; shapes (n,), of whole ranks.

    Time and memory are those of sorting, not of comparing all pairs.

    >>> concordance(np.array([0, 1, 2]), np.array([0, 2, 1])).tolist()
    [2, 0, 0]
    """
    n = a.size
    order = np.argsort(a, kind="stable")
    upto_a, below_a = (np.searchsorted(a[order], a, side=side) for side in ("right", "left"))
    sorted_b = np.sort(b)
    upto_b, below_b = (np.searchsorted(sorted_b, b, side=side) for side in ("right", "left"))
    first, least = np.concatenate([upto_a, below_a, upto_a, below_a]), np.concatenate([b + 1, b + 1, b, b])
    both, less_a, less_b, less = np.split(_smaller(b[order], first, least), 4)
    alike = less + (n - upto_a - upto_b + both)
    opposite = (below_a - less_a) + (below_b - less_b)
    return np.asarray(alike - opposite, dtype=np.int64)


def _smaller(values: NDArray[np.int64], first: NDArray[np.int64], than: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the *first* so many *values* are smaller *than* that, for each question: a wavelet matrix."""
    start, stop = np.zeros_like(first), first.copy()
    found = np.zeros_like(first)
    for bit in reversed(range(int(values.max() + 1).bit_length())):
        one = (values >> bit & 1).astype(bool)
        zeros = np.concatenate([[0], np.cumsum(~one)])
        higher = (than >> bit & 1).astype(bool)
        from_zero, to_zero = zeros[start], zeros[stop]
        found += np.where(higher, to_zero - from_zero, 0)
        start = np.where(higher, zeros[-1] + start - from_zero, from_zero)
        stop = np.where(higher, zeros[-1] + stop - to_zero, to_zero)
        values = np.concatenate([values[~one], values[one]])
    return found
