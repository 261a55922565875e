"""Nearest records over mixed types, exactly, in bounded memory.

Every column becomes one coordinate in which a difference of 1 or more counts as 1: a number over its range, a category
as twice its code, a missing value as a number far from all others. The distance of two records is then the sum over
the columns of min(|a - b|, 1), and Gower's distance is that over the number of columns.

The references are laid out in tiles of alike records. A tile whose bounding box is farther away than the best record so
far is skipped, which loses nothing. With numba (extra `fast`) the rest is a compiled loop, else numpy does it. Both
add up a distance in the same order, and of equally near records name the first, so that both name the same.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Schema

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FAR = -1e9  # the coordinate of a missing value: at distance 1 from every other, at 0 from itself
_TILE = 256
_CHUNK = 4096  # most queries of one piece of work


def coordinates(schema: Schema, *frames: pd.DataFrame, scale: pd.DataFrame | None = None) -> list[Floats]:
    """Tables of `tables.Aligned` as coordinates, one array (rows, columns) per frame; see the module's docstring.

    Numbers are counted from their smallest value in *scale* (by default the first frame) in units of their range there;
    a constant column tells equal from different.

    >>> from pets_metrics.tables import align
    >>> t = align(pd.DataFrame({"a": ["x", "y"], "b": [0.5, 4.5]}), pd.DataFrame({"a": ["y"], "b": [None]}))
    >>> coordinates(t.schema, t.real)[0].tolist()
    [[0.0, 0.0], [2.0, 1.0]]
    """
    scale = frames[0] if scale is None else scale
    done = [np.empty((len(f), len(schema.columns))) for f in frames]
    for i, (name, column) in enumerate(schema.columns.items()):
        if column.numeric:
            known = column.numbers(scale[name])
            known = known[~np.isnan(known)]
            low, spread = (float(known.min()), float(np.ptp(known))) if known.size else (0.0, 0.0)
            for out, frame in zip(done, frames, strict=True):
                x = column.numbers(frame[name]) - low
                out[:, i] = np.where(np.isnan(x), _FAR, x / spread if spread > 0 else np.sign(x) * 2)
        else:
            for out, frame in zip(done, frames, strict=True):
                codes = frame[name].cat.codes.to_numpy()
                out[:, i] = np.where(codes < 0, _FAR, codes * 2.0)
    return done


def nearest(queries: Floats, references: Floats, k: int = 1) -> tuple[Floats, Indices]:
    """The *k* nearest references of each query: distances and row numbers, both of shape (queries, k), nearest first.

    Both arrays hold coordinates, shape (rows, columns). The distance is Gower's, in [0, 1]. Among equally near
    references those that come first are named. Exact; memory is about that of the inputs. Raises `ValueError` where
    there are fewer than *k* references.

    >>> distances, rows = nearest(np.array([[0.0, 0.2]]), np.array([[0.0, 0.9], [0.0, 0.1], [2.0, 0.2]]), k=2)
    >>> distances.round(2).tolist(), rows.tolist()
    ([[0.05, 0.35]], [[1, 0]])
    """
    return Index(references).search(queries, k)


class Index:
    """References laid out for many searches; see `nearest`."""

    def __init__(self, references: Floats) -> None:
        order, cuts = _tiles(references)
        for a, b in cuts:
            order[a:b].sort()
        rows = references[order]
        boxes = [(rows[a:b].min(axis=0), rows[a:b].max(axis=0)) for a, b in cuts]
        low, high = (np.array([box[end] for box in boxes]).T.copy() for end in (0, 1))
        self._tiles = _Tiles(np.ascontiguousarray(rows.T), order, cuts, low, high)

    def search(self, queries: Floats, k: int = 1, threads: int | None = None) -> tuple[Floats, Indices]:
        """The *k* nearest references of each query; see `nearest`."""
        columns, count = self._tiles.rows.shape
        if not 1 <= k <= count:
            raise ValueError(f"{k} neighbours were asked for among {count} records")
        threads = threads or _cores()
        size = max(_TILE, min(_CHUNK, -(-len(queries) // threads)))
        order, _ = _tiles(queries, size)  # alike queries go together: they visit the same tiles
        distances = np.full((len(queries), k), np.inf)
        found = np.zeros((len(queries), k), dtype=np.int64)
        search = _compiled() or _vectorised

        def piece(start: int) -> None:
            chosen = order[start : start + size]
            near, at = np.full((len(chosen), k), np.inf), np.full((len(chosen), k), count)
            t = self._tiles
            search(np.ascontiguousarray(queries[chosen]), t.rows, t.order, t.cuts, t.low, t.high, near, at)
            distances[chosen], found[chosen] = near, at

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(piece, range(0, len(queries), size)))
        return distances / columns, found


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Coordinates, shape (columns, rows), and each row's number, which grows within a tile; where each tile begins and
    ends, and its box, shapes (columns, tiles)."""

    rows: Floats
    order: Indices
    cuts: Indices
    low: Floats
    high: Floats


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _tiles(points: Floats, size: int = _TILE) -> tuple[Indices, Indices]:
    """An order of the rows in which at most *size* consecutive ones are alike, and where each such run begins and ends.

    Runs are halved in the column that spreads most around its median.
    """
    order = np.arange(len(points))
    waiting, cuts = [(0, len(points))], []
    while waiting:
        a, b = waiting.pop()
        rows = order[a:b]
        left = _half(points[rows]) if b - a > size else None
        if left is None:
            cuts += [(start, min(start + size, b)) for start in range(a, b, size)]
            continue
        order[a:b] = np.concatenate([rows[left], rows[~left]])
        middle = a + int(left.sum())
        waiting += [(middle, b), (a, middle)]
    return order, np.array(sorted(cuts), dtype=np.int64).reshape(-1, 2)


def _half(points: Floats) -> NDArray[np.bool_] | None:
    """Which rows go left where the widest column is cut near its median; None if all rows are the same."""
    sample = points[:: max(1, len(points) // _CHUNK)]
    spread = np.minimum(np.abs(sample - np.median(sample, axis=0)), 1).mean(axis=0)
    if not spread.any():
        spread = np.minimum(np.ptp(points, axis=0), 1)
        if not spread.any():
            return None
    column = points[:, int(spread.argmax())]
    middle = np.partition(column, len(column) // 2)[len(column) // 2]
    sides = [s for s in (column < middle, column <= middle) if 0 < s.sum() < len(s)]
    best: NDArray[np.bool_] = min(sides, key=lambda s: abs(float(s.mean()) - 0.5))
    return best


# -- the search: fills distances (sums over the columns) and row numbers --------------------------------------------

Search = Callable[[Floats, Floats, Indices, Indices, Floats, Floats, Floats, Indices], None]


def _vectorised(
    q: Floats, rows: Floats, order: Indices, cuts: Indices, low: Floats, high: Floats, near: Floats, at: Indices
) -> None:
    size = 256
    k = near.shape[1]
    for start in range(0, len(q), size):
        some, best, where = q[start : start + size], near[start : start + size], at[start : start + size]
        bound = np.zeros((len(some), len(cuts)))
        for c in range(q.shape[1]):
            x = some[:, c, None]
            bound += np.clip(np.maximum(low[c] - x, x - high[c]), 0, 1)
        for tile in np.argsort(bound.min(axis=0)):
            a, b = cuts[tile]
            here, worst = bound[:, tile], best[:, -1]  # a tie is won by a smaller row number, if the tile has one
            asked = np.flatnonzero((here < worst) | ((here == worst) & (order[a] < where[:, -1])))
            if not len(asked):
                continue
            sums = np.zeros((len(asked), b - a))
            for c in range(q.shape[1]):
                gap = some[asked, c, None] - rows[c, a:b]
                np.abs(gap, out=gap)
                np.minimum(gap, 1, out=gap)
                sums += gap
            all_near = np.hstack([best[asked], sums])
            all_at = np.hstack([where[asked], np.broadcast_to(order[a:b], sums.shape)])
            first = _first(all_near, all_at, k)
            best[asked] = np.take_along_axis(all_near, first, 1)
            where[asked] = np.take_along_axis(all_at, first, 1)


def _first(near: Floats, at: Indices, k: int) -> Indices:
    """The places of the *k* smallest of each line, by distance and then by row number."""
    chosen = np.argpartition(near, k - 1, axis=1)[:, :k]
    farthest = np.take_along_axis(near, chosen, 1).max(axis=1)
    tied = np.flatnonzero((near <= farthest[:, None]).sum(axis=1) > k)
    chosen[tied] = np.lexsort((at[tied], near[tied]), axis=1)[:, :k]
    ranked = np.lexsort((np.take_along_axis(at, chosen, 1), np.take_along_axis(near, chosen, 1)), axis=1)
    return np.take_along_axis(chosen, ranked, 1)


def _loops(q: Any, rows: Any, order: Any, cuts: Any, low: Any, high: Any, near: Any, at: Any) -> None:
    columns, tiles, k = q.shape[1], len(cuts), near.shape[1]
    bound = np.empty(tiles)
    sums = np.empty(_TILE)
    for i in range(len(q)):
        for t in range(tiles):
            bound[t] = 0.0
        for c in range(columns):
            x, below, above = q[i, c], low[c], high[c]
            for t in range(tiles):
                bound[t] += min(max(max(below[t] - x, x - above[t]), 0.0), 1.0)
        first = int(np.argmin(bound))
        for step in range(tiles + 1):
            t = first if step == 0 else step - 1
            a = cuts[t, 0]
            if (step > 0 and t == first) or bound[t] > near[i, k - 1]:
                continue
            if bound[t] == near[i, k - 1] and order[a] > at[i, k - 1]:
                continue
            size = cuts[t, 1] - a
            for j in range(size):
                sums[j] = 0.0
            for c in range(columns):
                x, values = q[i, c], rows[c, a : a + size]  # a slice, so that the loop becomes vector instructions
                for j in range(size):
                    sums[j] += min(abs(values[j] - x), 1.0)
            for j in range(size):
                if sums[j] <= near[i, k - 1]:
                    s, row = sums[j], order[a + j]
                    place = k
                    while place > 0 and (
                        s < near[i, place - 1] or (s == near[i, place - 1] and row < at[i, place - 1])
                    ):
                        if place < k:
                            near[i, place], at[i, place] = near[i, place - 1], at[i, place - 1]
                        place -= 1
                    if place < k:
                        near[i, place], at[i, place] = s, row


@functools.cache
def _compiled() -> Search | None:
    """The loops as machine code; None without numba."""
    if importlib.util.find_spec("numba") is None:
        return None
    import numba

    options: dict[str, Any] = {"nogil": True, "fastmath": {"nnan", "nsz"}}
    try:
        made: Search = numba.njit(cache=True, **options)(_loops)
    except RuntimeError:  # nowhere to keep the machine code
        made = numba.njit(**options)(_loops)
    return made
