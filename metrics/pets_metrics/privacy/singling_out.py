"""Singling out: whether the release tells an attacker how to describe exactly one real person.

A predicate is a conjunction of conditions on single columns, such as "age >= 93 and county == 17". Values are replaced
by their ranks, so that every condition is an interval of ranks and a predicate is a box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError, Schema, Score
from pets_eval.registry import metric
from pets_metrics.privacy.rates import NO_CONTROL, Attack, Rate, effective, rate_among, scores
from pets_metrics.rows import distinct_rows
from pets_metrics.tables import align

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]

_PIECE = 1 << 19  # candidate rows looked at together
_BATCH = 8192  # predicates drawn together
_TRIES = 200  # predicates drawn at most for each one that is asked for
_GLANCE = 2048  # release rows on which most predicates are seen to select several
_FEWEST = 0.2  # held-out people per real one


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(0, 1),
    source="Giomi et al., A unified framework for quantifying privacy risk in synthetic data, PoPETs 2023, section 4.1;"
    " Cohen and Nissim, Towards formalizing the GDPR's notion of singling out, PNAS 117 (2020)",
    headline=("risk",),
    cannot_show="That no other predicate singles somebody out: only those drawn from values of the release are tried.",
)
def singling_out_risk(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    attacks: int = 2000,
    width: int = 4,
) -> list[Score]:
    """How much likelier a predicate from the release selects exactly one real person than one held out; 0 is best.

    The predicates are those drawn from the release that select exactly one of its rows. Groups: "univariate" (values
    that occur once, the lowest and the highest; the columns take turns, so that one with many values does not crowd out
    the others), "multivariate" (the values of a random release row in *width* random columns, numbers as "at least"
    above the median and "at most" below it) and "", the worse of both. Rows of each: the rate of "attack", "baseline"
    (random conditions on values of the release) and "control", and the "risk" (`rates`). At most *attacks* different
    predicates are tried; rates are shares of those that were really made. Where every predicate selects several release
    rows, identical rows count as one.

    A predicate selects exactly one of n people by luck with probability n w (1 - w)^(n - 1), w being its weight: the
    number of people matters. So from a larger control as many people as there are real ones are drawn. A smaller
    control is not met by drawing fewer real people, for then a full copy would seem safe: the distribution of the
    weights is estimated from how many held-out people each predicate selects (the nonparametric maximum likelihood
    mixture of binomials) and gives the rate among n; its error is that of 200 bootstrap resamples of the predicates.
    Below a fifth of the real people, control and risk are not measured, nor are they without control.

    Predicates made of the same release row mostly select the same person or nobody: n and the intervals are those of
    Kish's effective number of predicates by row. It is about records: where people have several, each counts.

    Tables have shape (rows, columns) and are aligned by `tables.align`. Raises `PetsEvalError` for unusable options.

    >>> people = pd.DataFrame({"age": [31.5, 44, 58, 73], "town": list("abcd")})
    >>> others = pd.DataFrame({"age": [36.5, 41, 52, 66], "town": list("aabb")})
    >>> rows = singling_out_risk(people, people, others)
    >>> {r.statistic: round(r.estimate.value, 2) for r in rows if r.group == "univariate"}["attack"]
    1.0
    """
    if attacks < 1 or width < 2:
        raise PetsEvalError("attacks must be at least 1 and width at least 2")
    rng = rng or np.random.default_rng(0)
    t = align(real, synthetic, control, schema)
    frames = [t.real, t.synthetic] + ([] if t.control is None else [t.control])
    codes, top = ranks(t.schema, *frames)
    numeric = np.array([c.numeric for c in t.schema.columns.values()])
    people = Index(codes[0], top)
    held_out, unmeasured = None, NO_CONTROL
    if t.control is not None:
        if len(t.control) < _FEWEST * len(t.real):
            unmeasured = "there are fewer held-out people than a fifth of the real ones"
        else:
            held_out = Index(codes[2][:, rng.permutation(len(t.control))[: len(t.real)]], top)

    def attack(make: Callable[[Codes], Boxes], columns: int) -> Attack:
        rows, note = codes[1], ""
        made = make(rows)
        if not len(made):
            rows, note = np.unique(rows, axis=1), "identical release rows counted as one"
            made = make(rows)
        if not len(made):
            return Attack(failed="no predicate selects exactly one row of the release")
        if len(made) < attacks:
            note = "; ".join(filter(None, [note, f"{len(made)} of {attacks} predicates could be made"]))
        guesses = random_boxes(codes[1], top, numeric, columns, attacks, rng)
        worth = effective(Index(rows, top).sources(made))
        control_rate = None if held_out is None else _control(held_out, made, people.rows, worth, rng)
        hits, luck = Rate.of(people.count(made) == 1, worth), Rate.of(people.count(guesses) == 1)
        return Attack(hits, luck, control_rate, note, "", unmeasured)

    played = {"univariate": attack(lambda c: lone_values(c, top, numeric, attacks, rng), 1)}
    if len(top) > 1:
        several = min(width, len(top))
        played["multivariate"] = attack(lambda c: lone_rows(c, top, numeric, several, attacks, rng), several)
    return scores(played, "kinds of predicate")


# -- tables and predicates as ranks -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Boxes:
    """Predicates: in each of *columns*, shape (predicates, width), the rank lies in [low, high]."""

    columns: Codes
    low: Codes
    high: Codes

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, chosen: NDArray[np.bool_] | Counts | slice) -> Boxes:
        return Boxes(self.columns[chosen], self.low[chosen], self.high[chosen])

    def distinct(self) -> Boxes:
        """Each predicate once, where it came first."""
        first = distinct_rows(np.hstack([self.columns, self.low, self.high])).first
        return self[np.sort(first)]

    def __add__(self, other: Boxes) -> Boxes:
        pairs = ((self.columns, other.columns), (self.low, other.low), (self.high, other.high))
        return Boxes(*(np.concatenate(pair) for pair in pairs))


def ranks(schema: Schema, *frames: pd.DataFrame) -> tuple[list[Codes], Codes]:
    """Values as ranks among those of all tables, 0 for a missing one: (columns, rows) each; and each column's highest.

    >>> t = align(pd.DataFrame({"a": [3.5, None]}), pd.DataFrame({"a": [7.5, 3.5]}))
    >>> ranks(t.schema, t.real, t.synthetic)[0][1].tolist()
    [[2, 1]]
    """
    done = [np.empty((len(schema.columns), len(f)), dtype=np.int32) for f in frames]
    top = np.empty(len(schema.columns), dtype=np.int32)
    for i, (name, column) in enumerate(schema.columns.items()):
        if column.numeric:
            numbers = [column.numbers(f[name]) for f in frames]
            known = np.unique(np.concatenate(numbers))
            known = known[~np.isnan(known)]
            top[i] = len(known)
            for out, x in zip(done, numbers, strict=True):
                out[i] = np.where(np.isnan(x), 0, np.searchsorted(known, x) + 1)
        else:
            top[i] = len(column.domain)
            for out, frame in zip(done, frames, strict=True):
                out[i] = frame[name].cat.codes.to_numpy().astype(np.int32) + 1
    return done, top


class Index:
    """Rows sorted in each column, so that those which meet a condition need no scan."""

    def __init__(self, codes: Codes, top: Codes) -> None:
        self.rows = codes.shape[1]
        self._codes = codes
        self._order = np.argsort(codes, axis=1, kind="stable").astype(np.int32)
        held = [np.bincount(c, minlength=k + 1) for c, k in zip(codes, top, strict=True)]
        self._starts = np.concatenate([np.concatenate([[0], np.cumsum(h)]) for h in held])
        self._first = np.concatenate([[0], np.cumsum(top[:-1].astype(np.int64) + 2)])

    def count(self, boxes: Boxes) -> Counts:
        """How many rows each predicate selects."""
        return self._selected(boxes)[0]

    def sources(self, boxes: Boxes) -> Counts:
        """The row that each predicate selects, where that is one alone."""
        return self._selected(boxes)[1]

    def _selected(self, boxes: Boxes) -> tuple[Counts, Counts]:
        """Number of rows, and the sum of their places: the rows of the rarest condition are checked for the others."""
        at = self._first[boxes.columns]
        start = self._starts[at + boxes.low]
        size = self._starts[at + boxes.high + 1] - start
        rarest = np.argsort(size, axis=1)
        columns, low, high = (np.take_along_axis(x, rarest, 1) for x in (boxes.columns, boxes.low, boxes.high))
        start, size = (np.take_along_axis(x, rarest[:, :1], 1)[:, 0] for x in (start, size))
        ends = np.cumsum(size)
        counts, places = np.zeros((2, len(boxes)), dtype=np.int64)
        a = 0
        while a < len(boxes):
            before = ends[a] - size[a]
            b = max(a + 1, int(np.searchsorted(ends, before + _PIECE, side="right")))
            owner = np.repeat(np.arange(a, b), size[a:b])
            place = np.arange(before, ends[b - 1]) - (ends - size)[owner] + start[owner]
            rows = self._order[columns[owner, 0], place]
            for j in range(1, columns.shape[1]):
                value = self._codes[columns[owner, j], rows]
                kept = (value >= low[owner, j]) & (value <= high[owner, j])
                owner, rows = owner[kept], rows[kept]
            counts[a:b] = np.bincount(owner - a, minlength=b - a)
            places[a:b] = np.bincount(owner - a, rows, minlength=b - a)
            a = b
        return counts, places


class Glance:
    """A few rows as bits: for each column the sets of the rows with the 0, 1, 2, ... lowest ranks."""

    def __init__(self, codes: Codes) -> None:
        columns, n = codes.shape
        order = np.argsort(codes, axis=1)
        self._sorted = np.take_along_axis(codes, order, 1)
        self._sets = np.zeros((columns, n + 1, n // 64 + 1), dtype=np.uint64)
        bit = np.left_shift(np.uint64(1), (order % 64).astype(np.uint64))
        self._sets[np.arange(columns)[:, None], np.arange(1, n + 1), order // 64] = bit
        np.bitwise_or.accumulate(self._sets, axis=1, out=self._sets)

    def several(self, boxes: Boxes) -> NDArray[np.bool_]:
        """Which predicates select two or more of the rows."""
        below, upto = np.empty_like(boxes.low), np.empty_like(boxes.high)
        for i, values in enumerate(self._sorted):
            here = boxes.columns == i
            below[here] = np.searchsorted(values, boxes.low[here], side="left")
            upto[here] = np.searchsorted(values, boxes.high[here], side="right")
        selected = ~self._sets[boxes.columns[:, 0], below[:, 0]]
        for j in range(boxes.columns.shape[1]):
            selected &= self._sets[boxes.columns[:, j], upto[:, j]]
            selected &= ~self._sets[boxes.columns[:, j], below[:, j]]
        twice = np.any(selected & (selected - np.uint64(1)), axis=1)
        found: NDArray[np.bool_] = twice | (np.count_nonzero(selected, axis=1) > 1)
        return found


# -- predicates of the attacker -----------------------------------------------------------------------------------


def lone_values(codes: Codes, top: Codes, numeric: NDArray[np.bool_], attacks: int, rng: np.random.Generator) -> Boxes:
    """Conditions on one column that select one row of *codes*, shape (columns, rows): the columns take turns."""
    found = []
    for i, column in enumerate(codes):
        held = np.bincount(column, minlength=top[i] + 1)
        lone = np.flatnonzero(held == 1)
        ends = np.stack([lone, lone], axis=1)
        there = np.flatnonzero(held[1:]) + 1
        if numeric[i] and len(there):
            extremes = np.array([[1, there[0]], [there[-1], top[i]]])
            ends = np.concatenate([ends, extremes[held[there[[0, -1]]] == 1]])
        ends = np.unique(ends, axis=0)
        turn = rng.permutation(len(ends)) + rng.random()
        found.append(np.column_stack([turn, np.full(len(ends), i), ends]))
    by_turn = np.concatenate(found)
    chosen = by_turn[np.argsort(by_turn[:, 0])][:attacks, 1:].astype(np.int32)
    return Boxes(chosen[:, :1], chosen[:, 1:2], chosen[:, 2:])


def lone_rows(
    codes: Codes, top: Codes, numeric: NDArray[np.bool_], width: int, attacks: int, rng: np.random.Generator
) -> Boxes:
    """Conditions on *width* columns, made of a random row's values, that select that row of *codes* alone."""
    n = codes.shape[1]
    known = np.where(codes > 0, codes.astype(float), np.nan)
    middle = np.array([np.median(k[~np.isnan(k)]) if not np.isnan(k).all() else 0.0 for k in known])
    rows, glance = Index(codes, top), Glance(codes[:, rng.permutation(n)[:_GLANCE]])
    none = np.empty((0, width), dtype=np.int32)
    found, tried = Boxes(none, none, none), 0
    while len(found) < attacks and tried < _TRIES * attacks:
        columns = _columns(len(codes), width, rng)
        value = codes[columns, rng.integers(n, size=len(columns))[:, None]]
        ordered, above = numeric[columns] & (value > 0), value > middle[columns]
        low, high = np.where(ordered & ~above, 1, value), np.where(ordered & above, top[columns], value)
        boxes = Boxes(columns, low.astype(np.int32), high.astype(np.int32))
        boxes = boxes[~glance.several(boxes)]
        found = (found + boxes[rows.count(boxes) == 1]).distinct()
        tried += _BATCH
    return found[:attacks]


def random_boxes(
    codes: Codes, top: Codes, numeric: NDArray[np.bool_], width: int, attacks: int, rng: np.random.Generator
) -> Boxes:
    """Guesses: random columns, each with a random value of the release and, for numbers, a random one of <=, >=, ==."""
    there = [np.unique(c).astype(np.int32) for c in codes]
    columns = np.concatenate([_columns(len(codes), width, rng) for _ in range(0, attacks, _BATCH)])[:attacks]
    value = np.empty_like(columns)
    for i, values in enumerate(there):
        here = columns == i
        value[here] = rng.choice(values, size=int(here.sum()))
    operator = np.where(numeric[columns] & (value > 0), rng.integers(3, size=columns.shape), 0)
    low, high = np.where(operator == 1, 1, value), np.where(operator == 2, top[columns], value)
    return Boxes(columns, low.astype(np.int32), high.astype(np.int32))


def _columns(count: int, width: int, rng: np.random.Generator) -> Codes:
    """Different columns for each of a batch of predicates, in order, shape (batch, width)."""
    drawn = np.argsort(rng.random((_BATCH, count)), axis=1)[:, :width]
    return np.sort(drawn, axis=1).astype(np.int32)


# -- held-out people ----------------------------------------------------------------------------------------------


def _control(held_out: Index, boxes: Boxes, people: int, worth: float, rng: np.random.Generator) -> Rate:
    counts = held_out.count(boxes)
    if held_out.rows == people:
        return Rate.of(counts == 1, worth)
    rate = rate_among(people, counts, held_out.rows, rng)
    return Rate(rate.value, rate.trials * worth / len(boxes))
