"""The central trust model: every party sends its table in clear to one that is trusted with all of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from pets_eval.model import Context, Inputs, Party, Schema, Table

if TYPE_CHECKING:
    import pandas as pd


def curator(inputs: Inputs) -> Party:
    """Who is trusted with the joint table: the first computing party, else the first to receive the result."""
    computing = [p for p in inputs.parties if "computing" in p.roles]
    return computing[0] if computing else inputs.party("result")


def gather(inputs: Inputs, ctx: Context, receiver: Party, columns: list[str] | None = None) -> Table:
    """The joint table as *receiver* has it, after each other party sent its part (or *columns* of it) as Parquet.

    The unit of privacy is sent along where it is a column: contributions are bounded and vertical parts are linked by
    it. What was sent is read back from what arrived. A table that the receiver holds itself is not sent.
    """
    schema = inputs.schema if columns is None else inputs.schema.select(columns)
    tables = inputs.tables()
    if list(tables) == [receiver.name] and columns is None:
        return tables[receiver.name]
    arrived: dict[str, Table] = {}
    for name, table in tables.items():
        part = table.schema.select([n for n in table.schema.columns if n in schema.columns])
        if name == receiver.name:
            arrived[name] = replace(table, schema=part)
        else:
            payload = ctx.send(name, receiver.name, "table", to_parquet(table.frame(list(part.columns))))
            arrived[name] = Table(part, data=from_parquet(payload, part, where=f"the table that {name!r} sent"))
    return replace(inputs, holdings=arrived, schema=schema).pooled()


def to_parquet(frame: pd.DataFrame) -> bytes:
    """*frame* as a Parquet file in memory."""
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def from_parquet(payload: bytes, schema: Schema, *, where: str) -> pd.DataFrame:
    """The conforming frame that `to_parquet` wrote."""
    import pandas as pd

    return schema.conform(pd.read_parquet(io.BytesIO(payload)), where=where)


def published(schema: Schema) -> Schema:
    """The schema of microdata stripped of what names people: no ids, no unit of privacy, no number of rows."""
    names = [n for n in schema.columns if n in schema.tabular() or n in schema.with_role("weight")]
    rules = tuple(rule for rule in schema.constraints if set(rule.forbid) <= set(names))
    return Schema(columns={n: schema.columns[n] for n in names}, constraints=rules)
