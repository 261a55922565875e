"""What a shadow-model attacker looks at in a release: summary features, from the point of view of one person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Answer, Release, Schema, Table, Unsupported
from pets_metrics.nearest import coordinates
from pets_metrics.tables import align, cell_codes

Floats = NDArray[np.float64]
Features = dict[str, list[Floats]]  # by feature set, one vector per release

_RANKS = (1, 2, 3, 5, 10)  # nearest released records whose distances are looked at


def summaries(release: pd.DataFrame, target: pd.DataFrame, people: pd.DataFrame, schema: Schema) -> dict[str, Floats]:
    """The features of a released table by set, from the target's point of view (see `shadow.shadow_membership`).

    *people*, a table of `Aligned`, give the scale of distances. The vectors are as long for every release: a category
    that *schema* does not name counts as missing.
    """
    t = align(target, release, None, schema)
    first, frame = t.real, t.synthetic
    codes, own = cell_codes(frame, t.schema)[0], cell_codes(first, t.schema)[0][0]
    naive: list[float] = []
    histogram: list[Floats] = []
    views: list[Floats] = []
    for i, (name, column) in enumerate(t.schema.columns.items()):
        width = len(schema.columns[name].cells())
        known = len(column.domain or column.edges()[1:])
        cells = np.where(codes[:, i] < min(width, known), codes[:, i], width)
        shares = np.bincount(cells, minlength=width + 1) / len(frame)
        histogram.append(shares)
        if column.numeric:
            x = column.numbers(frame[name])
            there = x[~np.isnan(x)]
            naive += [there.mean(), np.median(there), there.var()] if there.size else [0.0, 0.0, 0.0]
            naive.append(1 - there.size / len(x))
            views.append(np.where(np.isnan(x), there.mean() if there.size else 0.0, x))
        else:
            alike = codes[:, i] == own[i]
            naive += [float((shares > 0).sum()), shares.max(), alike.mean()]
            views.append(alike.astype(np.float64))
    at, points = coordinates(t.schema, first, frame, scale=people)
    distances = np.minimum(np.abs(points - at), 1).mean(axis=1)  # one search only: an index would not pay
    places = np.minimum(_RANKS, len(points)) - 1
    distances = np.partition(distances, places)[places]
    return {
        "naive": np.array(naive),
        "histogram": np.concatenate(histogram),
        "correlations": _correlations(np.array(views)),
        "nearest": np.log(distances + 1e-6),
    }


def _correlations(views: Floats) -> Floats:
    """Pearson's correlation of each pair of *views*, shape (columns, rows); 0 where one is constant."""
    centred = views - views.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = centred / np.where(norms > 0, norms, 1)
    pairs: Floats = np.einsum("ir,jr->ij", unit, unit)[np.triu_indices(len(views), 1)]
    return pairs


def watched(
    releases: Iterator[Release], target: pd.DataFrame, people: pd.DataFrame, schema: Schema
) -> Iterator[dict[str, Floats]]:
    """The features of each release, whatever its kind."""
    for release in releases:
        if isinstance(release.value, Table):
            yield summaries(release.value.frame(), target, people, schema)
        elif isinstance(release.value, Answer):
            yield {"answer": np.nan_to_num(release.value.values, posinf=0.0, neginf=0.0)}
        else:
            raise Unsupported("a released model is attacked by the metrics for models")


def gathered(each: Iterator[dict[str, Floats]]) -> Features:
    """The features of many releases, by set."""
    features: Features = {}
    for found in each:
        for name, vector in found.items():
            features.setdefault(name, []).append(vector)
    return features
