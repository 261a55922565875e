"""Many tests on one page: without a correction, twenty sound techniques would see one accused."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; they hold the chance of any false alarm at the level used.

    The i-th smallest of m is multiplied by m - i + 1, made monotone and cut at 1 (Holm 1979, Scandinavian Journal of
    Statistics 6). Values lie in [0, 1]; a NaN must be left out by the caller.

    >>> [round(v, 3) for v in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def bonferroni(p: Sequence[float]) -> list[float]:
    """Bonferroni's adjusted p-values, in the order given: each times how many there are, cut at 1 (Dunn 1961, JASA 56).

    Holm's are never larger and hold the same promise; these can be told of one test without knowing the others.

    >>> bonferroni([0.01, 0.04, 0.5])
    [0.03, 0.12, 1.0]
    """
    return [min(1.0, len(p) * value) for value in p]
