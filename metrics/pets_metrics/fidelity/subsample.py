"""What share of the real rows, drawn at random, would be as far from the truth as the release is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema
from pets_eval.registry import metric
from pets_metrics.fidelity.marginals import Codes, Subset, compact, distances, subsets
from pets_metrics.tables import align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_SMALLEST = 0.001  # the smallest share that is tried
_STEPS = 24
_LARGE = (0.8, 0.9, 0.95, 0.98, 0.99)  # shares tried beside the even steps, for the curve is steep there


@metric(
    axis="fidelity",
    goal="max",
    unit="share of the real rows",
    range=(0, 1),
    source="NIST SDNist 2.5, report/score/utility/interfaces/kmarginal/subsample_score.py",
    cannot_show="That the release holds no bias, which a random sample would not have, or that anybody is protected.",
)
def equivalent_subsample(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    repeats: int = 20,
    most: int = 300,
) -> Estimate:
    """The share p of the real rows such that a random sample of it has the k-marginal error of the release; 1 is best.

    It reads as "as good as a p sample". Random samples without replacement of 0.1 % to 100 % of the real rows are
    compared with all of them in the tables over every two columns (`k_marginal_error`; a fixed random *most* of them
    where there are more), *repeats* times; the mean curve, made monotone, is read backwards at the error of the
    release, linearly in sqrt((1 - p) / p), with which the error of a sample grows. A copy gives 1; a fresh sample of as
    many people about 1/3, for the chance in it adds to that in the real rows. A release worse than the smallest sample
    gives that share, which the note tells.

    The interval is Student's for the share that another random sample of equal error would be, from the spread of the
    repeats. Raises `PetsEvalError` for fewer than 2 *repeats*, or *most* below 1.

    >>> real = pd.DataFrame({"a": ["x", "y"] * 50, "b": ["u", "u", "v", "v"] * 25})
    >>> equivalent_subsample(real, real).value
    1.0
    """
    if repeats < 2 or most < 1:
        raise PetsEvalError("repeats must be at least 2, and most at least 1")
    rng = rng or np.random.default_rng(0)
    t = align(real, synthetic, schema=schema)
    names = sorted(t.names)
    (true, sizes), (made, _) = (compact(frame, t.schema, names) for frame in (t.real, t.synthetic))
    sets = subsets(len(names), min(2, len(names)), most)
    error = float(distances(true, made, sizes, sets)[0].mean())
    rows = len(t.real)
    if rows < 2:
        return Estimate.exact(1.0) if error == 0 else Estimate.missing("a single real row has no smaller sample")
    taken = _sample_sizes(rows)
    curves = np.maximum.accumulate(_sample_errors(true, sizes, sets, taken, repeats, rng), axis=1)
    scale = np.sqrt(rows / taken - 1)  # sqrt((1 - p) / p): 0 for all rows, growing
    mean = curves.mean(axis=0)
    found = _read_back(mean, scale, error)
    each = np.array([_read_back(curve, scale, error) for curve in curves])
    half = float(scipy.stats.t.ppf((1 + _LEVEL) / 2, repeats - 1) * each.std(ddof=1) * math.sqrt(1 + 1 / repeats))
    low, high = _share(min(found + half, float(scale[-1]))), _share(max(0.0, found - half))
    note = f"worse than the smallest sample tried, {taken[-1]:,} rows" if error > mean[-1] else ""
    return Estimate(_share(found), low, high, _LEVEL, "resampling", rows, note)


def _read_back(curve: Floats, scale: Floats, error: float) -> float:
    """The smallest scale at which the rising *curve* reaches *error*, or the last one."""
    i = int(np.searchsorted(curve, error))
    if i == 0 or i == len(curve):
        return float(scale[min(i, len(scale) - 1)])
    return float(scale[i - 1] + (scale[i] - scale[i - 1]) * (error - curve[i - 1]) / (curve[i] - curve[i - 1]))


def _share(scale: float) -> float:
    return 1 / (1 + scale * scale)


def _sample_sizes(rows: int) -> NDArray[np.int64]:
    """Numbers of rows to draw, from all of them downwards."""
    shares = np.concatenate([np.geomspace(max(_SMALLEST, 1 / rows), 1, _STEPS), _LARGE])
    return np.unique(np.maximum(1, np.rint(shares * rows)).astype(np.int64))[::-1]


def _sample_errors(
    real: Codes, sizes: list[int], sets: list[Subset], taken: NDArray[np.int64], repeats: int, rng: np.random.Generator
) -> Floats:
    """Mean total variation distance of samples to the whole, shape (repeats, sample sizes); each repeat is nested.

    Rows are numbered by the smallest sample that they are in, so that one count per table and repeat gives all samples.
    """
    rows, steps = len(real[0]), len(taken)
    first_in = np.empty((repeats, rows), dtype=np.int64)
    steps_up = np.repeat(np.arange(steps), np.diff(taken[::-1], prepend=0))  # smallest sample first
    for row in first_in:
        row[rng.permutation(rows)] = steps_up
    errors = np.zeros((repeats, steps))
    for chosen in sets:
        keys, cells = _used_cells([real[c] for c in chosen], [sizes[c] for c in chosen])
        shares = np.bincount(keys, minlength=cells) / rows
        for errors_of_one, step in zip(errors, first_in, strict=True):
            counts = np.bincount(step * cells + keys, minlength=cells * steps).reshape(steps, cells)
            sampled = counts.cumsum(axis=0) / taken[::-1, None]
            errors_of_one += np.abs(sampled - shares).sum(axis=1)[::-1] / 2
    return errors / len(sets)


def _used_cells(codes: Codes, sizes: list[int]) -> tuple[NDArray[np.int64], int]:
    """The joint cell of each row, numbered anew where most cells are empty, and the number of cells."""
    keys = codes[0].astype(np.int64)
    for column, size in zip(codes[1:], sizes[1:], strict=True):
        keys = keys * size + column
    cells = math.prod(sizes)
    if cells <= 256:
        return keys, cells
    used, keys = np.unique(keys, return_inverse=True)
    return keys, len(used)
