"""One number for what many cells say together, learned where the change is large: with several units changed at once.

With one unit changed, the noise of many cells hides which of them move. With eight it does not, and a cell moves by
about an eighth of that. What is learned so chooses and judges nothing: other runs do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pets_metrics.privacy.audit.outcomes import Outcomes, together

Floats = NDArray[np.float64]

MATCHED, RATIO = "matched score", "likelihood score"
_SURE = 4.0  # standard errors that a cell must have moved by
_HUGE = 1e100


def learned(first: Outcomes, far: Outcomes, times: int) -> Callable[[Outcomes], Outcomes]:
    """What adds two scores to outcomes, from runs on the first input and on one changed by *times* units.

    "matched score" weighs cells by how far one unit moves them over their variance: best for Gaussian noise.
    "likelihood score" adds up by how much nearer each cell is to where one unit moves it: best for Laplace noise. Cells
    that did not surely move, or gave no finite number in some run, do not count; if there are none, nothing is added.

    >>> rng = np.random.default_rng(0)
    >>> add = learned(Outcomes.of(rng.laplace(size=(500, 3))), Outcomes.of(rng.laplace(size=(500, 3)) + [8, 0, 0]), 8)
    >>> [round(float(x), 1) for x in add(Outcomes.of(np.array([[5.0, 9.0, 9.0]]))).values[0, 3:]]
    [2.1, 0.9]
    """
    first, far = together(first, far)
    x, y = first.values, far.values
    sure = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0) & (np.abs(x) < _HUGE).all(axis=0)
    x, y = np.where(sure, x, 0.0), np.where(sure, y, 0.0)
    shift = y.mean(axis=0) - x.mean(axis=0)
    error = np.sqrt(x.var(axis=0) / len(x) + y.var(axis=0) / len(y))
    sure &= (np.abs(shift) > _SURE * error) & (x.var(axis=0) > 0)
    places = np.flatnonzero(sure)
    keys = [first.keys[i] for i in places]
    at, move = np.median(x[:, places], axis=0), shift[places] / times
    variance, width = x[:, places].var(axis=0), np.abs(x[:, places] - at).mean(axis=0)

    def add(outcomes: Outcomes) -> Outcomes:
        if not keys:
            return outcomes
        away = np.nan_to_num(outcomes.on(keys).values - at, nan=0.0, posinf=_HUGE, neginf=-_HUGE)
        matched = (away * move / variance).sum(axis=1)
        ratio = ((np.abs(away) - np.abs(away - move)) / width).sum(axis=1)
        values = np.column_stack([outcomes.values, matched, ratio])
        return Outcomes(values, (*outcomes.keys, MATCHED, RATIO), outcomes.labels, outcomes.seconds)

    return add
