"""One number in place of many: projections of outcomes along which two sets of runs are learned to differ.

A *linear* one is Fisher's discriminant, with variances only where there are too few runs for covariances. A *log-ratio*
one adds up, over all numbers, the log of how much more frequent the number's bin is on the first input: it finds what
no line separates, such as another spread. Both are learned on one half of the runs, and shown on the other half, so
that no cut is placed by runs that the projection has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_metrics.privacy.audit.outcomes import Outcomes

Floats = NDArray[np.float64]

_BINS = 16  # of each number, beside the one for its absence
_RUNS_PER_NUMBER = 5  # fewer tell nothing of covariances
_MOST_NUMBERS = 200  # whose covariances are learned


@dataclass(frozen=True)
class Projection:
    """A number that is taken from outcomes, and its values on the runs that did not teach it."""

    name: str
    of: Callable[[Outcomes], Floats]
    held_out: tuple[Floats, Floats]


def projections(first: Outcomes, second: Outcomes) -> Iterator[Projection]:
    """The projections learned from these runs, which have the same keys; none from fewer than 8 runs on each input."""
    half = min(len(first), len(second)) // 2
    if half < 4 or not first.keys:
        return
    teach = first.values[: len(first) // 2], second.values[: len(second) // 2]
    rest = first.part(slice(len(first) // 2, None)), second.part(slice(len(second) // 2, None))
    for name, of in _learned(*teach, first.keys):
        yield Projection(name, of, (of(rest[0]), of(rest[1])))


def _learned(x: Floats, y: Floats, keys: tuple[str, ...]) -> Iterator[tuple[str, Callable[[Outcomes], Floats]]]:
    if len(keys) > 1:
        centre, weights = _linear(x, y)
        yield "linear", lambda o: (np.nan_to_num(o.on(keys).values - centre, nan=0, posinf=0, neginf=0)) @ weights
    edges, ratios = _log_ratios(x, y)

    def log_ratio(o: Outcomes) -> Floats:
        total = np.zeros(len(o))
        for column, numbers in enumerate(o.on(keys).values.T):
            total += ratios[column][_bins(numbers, edges[column])]
        return total

    yield "log-ratio", log_ratio


def _linear(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Centre and weights, shapes (k,), of the discriminant; a number that does not vary weighs nothing."""
    both = np.concatenate([x, y])
    both = np.where(np.isfinite(both), both, np.nan)
    centre = np.array([np.nan if np.isnan(c).all() else np.nanmedian(c) for c in both.T])
    centre = np.nan_to_num(centre)
    filled = np.nan_to_num(both - centre, nan=0.0)
    left, right = filled[: len(x)], filled[len(x) :]
    shift = left.mean(axis=0) - right.mean(axis=0)
    spread = (left.var(axis=0) + right.var(axis=0)) / 2
    moves = spread > 0
    weights = np.zeros(len(shift))
    count = int(moves.sum())
    if 1 < count <= _MOST_NUMBERS and len(both) > _RUNS_PER_NUMBER * count:
        within = (np.cov(left[:, moves], rowvar=False) + np.cov(right[:, moves], rowvar=False)) / 2
        within += 1e-6 * np.diag(np.diag(within))
        weights[moves] = scipy.linalg.lstsq(within, shift[moves])[0]
    else:
        weights[moves] = shift[moves] / spread[moves]
    return centre, weights


def _log_ratios(x: Floats, y: Floats) -> tuple[list[Floats], list[Floats]]:
    """Of each number, the edges of its bins and the log-ratio of each bin; the last is of an absent number."""
    edges, ratios = [], []
    for left, right in zip(x.T, y.T, strict=True):
        pooled = np.sort(np.concatenate([left[~np.isnan(left)], right[~np.isnan(right)]]))
        inner = np.unique(pooled[(np.arange(1, _BINS) * len(pooled)) // _BINS]) if pooled.size else np.empty(0)
        counts = [np.bincount(_bins(z, inner), minlength=len(inner) + 2) + 1.0 for z in (left, right)]
        edges.append(inner)
        ratios.append(np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum()))
    return edges, ratios


def _bins(numbers: Floats, edges: Floats) -> NDArray[np.intp]:
    """The bin of each number; absent ones are in the last."""
    places = np.searchsorted(edges, numbers, "right")
    places[np.isnan(numbers)] = len(edges) + 1
    return places
