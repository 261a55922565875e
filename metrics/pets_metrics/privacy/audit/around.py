"""Neighbours of a table that is there: without its most exposed unit, and with extreme ones beside or instead of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Schema, Unsupported
from pets_metrics.privacy.audit.claim import Neighbours
from pets_metrics.privacy.audit.neighbours import Pair, extreme_rows, typed, unused
from pets_metrics.rows import owners

_MOST = 8  # units that are taken away at once, for a planted violation


def of_table(frame: pd.DataFrame, schema: Schema, neighbours: Neighbours = "add-remove") -> list[Pair]:
    """Pairs of a conforming *frame* and neighbours of it that differ in one unit.

    The most exposed unit is the one whose values are rarest: with the largest sum, over its columns, of the negative
    log of the share of its public cell. Units with the highest, the lowest and the rarest values come from the schema.
    Raises `Unsupported` for fewer units than are needed, or where nobody can be added.
    """
    owner = owners(frame, schema.unit)
    order = _by_exposure(frame, owner, schema)
    if len(order) < 2 * _MOST:
        raise Unsupported(f"an audit on a table needs at least {2 * _MOST} units in it")
    rows = {name: schema.conform(row, where="neighbouring data") for name, row in extreme_rows(schema).items()}
    if neighbours == "replace":
        target = [np.flatnonzero(owner == who) for who in order[:_MOST]]
        return [
            _pair(f"the most exposed unit, or {name}", frame, _replacing(frame, target, row, schema))
            for name, row in rows.items()
        ]
    gone = ~np.isin(owner, order[:_MOST])
    keep = [gone | np.isin(owner, order[k:_MOST]) for k in range(_MOST + 1)]
    removed = Pair(
        "with and without the most exposed unit",
        frame,
        frame[keep[1]].reset_index(drop=True),
        lambda k: frame[keep[min(k, _MOST)]].reset_index(drop=True),
    )
    return [
        removed,
        *(_pair(f"with and without {name}", frame, _adding(frame, row, schema)) for name, row in rows.items()),
    ]


def _pair(name: str, first: pd.DataFrame, times: Callable[[int], pd.DataFrame]) -> Pair:
    return Pair(name, first, times(1), times)


def _adding(frame: pd.DataFrame, row: pd.DataFrame, schema: Schema) -> Callable[[int], pd.DataFrame]:
    return lambda k: _joined(frame, _newcomers(frame, row, schema, k), schema)


def _replacing(
    frame: pd.DataFrame, targets: list[NDArray[np.intp]], row: pd.DataFrame, schema: Schema
) -> Callable[[int], pd.DataFrame]:
    def times(k: int) -> pd.DataFrame:
        gone = targets[: min(k, _MOST)]
        kept = frame.drop(index=frame.index[np.concatenate(gone)])
        new = []
        for places in gone:  # the new unit takes the id of the old one
            own = row.copy()
            for name in {schema.unit} & set(frame.columns):
                own[name] = frame[name].iloc[np.repeat(places[0], len(own))].to_numpy()
            new.append(own)
        return _joined(kept, new, schema)

    return times


def _newcomers(frame: pd.DataFrame, row: pd.DataFrame, schema: Schema, k: int) -> list[pd.DataFrame]:
    """*k* times *row*, each with ids, and a value of the unit column, that nobody in *frame* has."""
    new = [row.copy() for _ in range(k)]
    for name, column in schema.columns.items():
        if column.kind == "id" or name == schema.unit:
            used = set(column.numbers(frame[name]) if column.numeric else frame[name])
            values = unused(column, used, k)
            if len(values) < k:
                raise Unsupported("every value of the unit column occurs already, so that nobody can be added")
            for own, value in zip(new, values, strict=True):
                own[name] = typed(column, [value] * len(own))
    return new


def _joined(frame: pd.DataFrame, rows: list[pd.DataFrame], schema: Schema) -> pd.DataFrame:
    return schema.conform(pd.concat([frame, *rows], ignore_index=True), where="neighbouring data")


def _by_exposure(frame: pd.DataFrame, owner: NDArray[np.int64], schema: Schema) -> NDArray[np.int64]:
    """The units, the most exposed first."""
    surprise = np.zeros(len(frame))
    for name in schema.tabular():
        codes = schema.columns[name].codes(frame[name])
        surprise -= np.log(np.bincount(codes)[codes] / len(codes))
    most = np.full(int(owner.max()) + 1, -np.inf)
    np.maximum.at(most, owner, surprise)
    return np.argsort(-most, kind="stable")
