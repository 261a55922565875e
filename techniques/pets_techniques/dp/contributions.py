"""Bound what one unit of privacy can change, before anything is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from pets_eval.model import Schema, Table

if TYPE_CHECKING:
    import pandas as pd


class Certified(Protocol):
    """A mechanism that knows what it is worth where one unit is replaced by another."""

    @property
    def replaced(self) -> Mapping[str, float]:
        """epsilon, and delta where it is not 0."""
        ...


def most_rows(schema: Schema) -> int:
    """How many rows of one unit are counted: 1 where each record is a unit, else the schema's public bound."""
    return 1 if schema.unit == "record" else schema.max_rows_per_unit


def bounded(table: Table, columns: list[str], schema: Schema) -> Iterator[pd.DataFrame]:
    """*columns* of *table* in pieces, without the rows of a unit beyond its first `most_rows`.

    Which rows of a unit are kept depends on that unit's rows and their order alone, so adding or removing a unit,
    wherever its rows stand, changes no other unit's contribution. Rows without a unit count as rows of one unit.
    """
    if schema.unit == "record" or not len(table):
        yield from table.batches(columns)
        return
    import pandas as pd

    pieces = [frame[schema.unit] for frame in table.batches([schema.unit])]
    if not pieces:
        return
    codes = pd.Series(pd.factorize(pd.concat(pieces, ignore_index=True), use_na_sentinel=False)[0])
    kept = (codes.groupby(codes, sort=False).cumcount() < most_rows(schema)).to_numpy()
    start = 0
    for frame in table.batches(columns):
        yield frame[kept[start : start + len(frame)]]
        start += len(frame)


def assumptions(schema: Schema, noise: Certified) -> tuple[str, ...]:
    """What the guarantee rests on, in words."""
    loss = f"epsilon {noise.replaced['epsilon']:.6g}"
    if "delta" in noise.replaced:
        loss += f" at delta {noise.replaced['delta']:.3g}"
    most = most_rows(schema)
    unit = "one record" if schema.unit == "record" else f"all rows with one value of {schema.unit!r}"
    bound = "" if schema.unit == "record" else f", of which the first {most} are used and the others dropped"
    if schema.unit != "record" and schema.columns[schema.unit].nullable:
        bound += "; rows without a value count as those of one unit, so that their people are protected together only"
    return (
        f"the unit of privacy is {unit}{bound}",
        "neighbouring tables differ by one unit more or less; where the number of units is public, so that one is "
        f"replaced by another, the same noise gives {loss}",
        "categories, bins and bounds (also that on the rows of a unit) are public and were not read from the data",
        "the noise comes from OpenDP's sampler, which draws from the operating system's cryptographic generator",
    )


def hazards(columns: list[str], schema: Schema) -> tuple[str, ...]:
    """The privacy hazards of using *columns*: domains, bounds and the bound on rows that were read from the data."""
    used = [name for name in columns if name != schema.unit]
    found = [f"domain or bounds of column {name!r} were read from the data" for name in used if schema.hazards([name])]
    if schema.unit != "record" and schema.columns[schema.unit].from_data:
        found.append(f"the bound on the rows of one {schema.unit!r} was read from the data")
    return tuple(found)
