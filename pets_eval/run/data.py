"""Get a dataset ready for a study: split off the control units, spread the rest over parties, keep it as Parquet.

Everything streams in batches, so a table of 10^8 rows needs no more memory than one of 10^6.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_eval.model.data import Card, Dataset, Layout, Party, Source, Table
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.params import near
from pets_eval.model.schema import Column, Schema
from pets_eval.model.study import DatasetPick, Partition, PartySpec
from pets_eval.registry import source_hash
from pets_eval.run.files import canonical_hash, private_dir, write_json
from pets_eval.run.seeds import entropy, generator

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

CURATOR = "curator"
RECORD_ID = "record_id"


def cache_dir() -> Path:
    """Where downloads are kept: PETS_EVAL_CACHE, else the user's cache folder."""
    import pooch

    return Path(os.environ.get("PETS_EVAL_CACHE") or pooch.os_cache("pets-eval"))


@dataclass(frozen=True)
class DataPlan:
    """A dataset of the study before its rows are touched: the public facts, who the parties are."""

    pick: DatasetPick
    source: Source
    schema: Schema
    parties: tuple[Party, ...]
    layout: Layout
    seed: int

    @property
    def label(self) -> str:
        """What it is called in the study."""
        return self.pick.label

    def key(self, fingerprint: str) -> str:
        """Identity of the prepared rows: the source's fingerprint and all that shapes the split."""
        shape = self.pick.model_dump(mode="json", include={"columns", "control", "partition"})
        parties = [(p.name, sorted(p.roles)) for p in self.parties]
        source = [self.pick.use, fingerprint, source_hash("datasets", self.pick.use)]
        return canonical_hash([self.label, source, shape, parties, self.seed, self.schema.to_json()])[:32]


def plan_data(pick: DatasetPick, source: Source, extra: list[PartySpec], seed: int, where: str) -> DataPlan:
    """Check a dataset pick against its public schema; raises `PetsEvalError`."""
    schema = source.schema()
    if pick.columns is not None:
        for name in pick.columns:
            if name not in schema.columns:
                raise PetsEvalError(f"{where}: {pick.label} has no column {name!r}{near(name, schema.columns)}")
        schema = schema.select(pick.columns)
    layout: Layout = "pooled"
    names: list[str] = [CURATOR]
    if pick.partition is not None:
        schema, layout, names = _plan_partition(pick.partition, schema, f"{where}: partition of {pick.label}")
    roles = {p.name: frozenset(p.roles) for p in extra}
    if pick.partition is None:
        holders = [p.name for p in extra if "input" in p.roles]
        if len(holders) > 1:
            raise PetsEvalError(
                f"{where}: {' and '.join(holders)} are input parties, but {pick.label} has no 'partition' that says "
                "what each of them holds"
            )
        names = holders or names
    parties = [
        Party(n, roles.pop(n, frozenset({"input"} if pick.partition else {"input", "computing", "result"})))
        for n in names
    ]
    parties += [Party(name, given) for name, given in roles.items()]
    for role in ("computing", "result"):
        if not any(role in p.roles for p in parties):
            parties = _with_curator(parties, role)
    return DataPlan(pick, source, schema, tuple(parties), layout, seed)


def _with_curator(parties: list[Party], role: Any) -> list[Party]:
    known = next((p for p in parties if p.name == CURATOR), None)
    if known is None:
        return [*parties, Party(CURATOR, frozenset({role}))]
    return [Party(CURATOR, p.roles | {role}) if p is known else p for p in parties]


def _plan_partition(rule: Partition, schema: Schema, where: str) -> tuple[Schema, Layout, list[str]]:
    if rule.by == "iid":
        return schema, "horizontal", [f"site-{i + 1}" for i in range(rule.parties or 0)]
    if rule.by in ("column", "dirichlet"):
        column = schema.columns.get(rule.column or "")
        if column is None:
            raise PetsEvalError(f"{where}: there is no column {rule.column!r}{near(rule.column, schema.columns)}")
        if rule.by == "dirichlet":
            if column.kind == "id":
                raise PetsEvalError(f"{where}: {rule.column!r} is an id; name a column with public cells")
            return schema, "horizontal", [f"site-{i + 1}" for i in range(rule.parties or 0)]
        if column.kind != "categorical":
            raise PetsEvalError(f"{where}: {rule.column!r} is not categorical, so it cannot name the parties")
        if column.from_data:  # categories that came from the rows must not name anybody on a page
            return schema, "horizontal", [f"site-{i + 1}" for i in range(len(column.cells()))]
        return schema, "horizontal", list(column.cells())
    columns = rule.columns or {}
    if schema.unit == "record":
        linked = {**schema.columns, RECORD_ID: Column("id", roles=("unit", "identifier"))}
        schema = replace(schema, columns=linked, unit=RECORD_ID)
    for party, names in columns.items():
        for name in names:
            if name not in schema.columns:
                raise PetsEvalError(f"{where}: party {party!r}: no column {name!r}{near(name, schema.columns)}")
    if schema.max_rows_per_unit > 1:
        raise PetsEvalError(f"{where}: a vertical partition needs one row per unit of privacy")
    used = {n for names in columns.values() for n in names}
    schema = schema.select([n for n in schema.columns if n in used or n == schema.unit])
    return schema, "vertical", list(columns)


# -- preparing the rows ---------------------------------------------------------------------------


def prepare(plan: DataPlan, fingerprint: str, root: Path) -> Path:
    """Write the prepared dataset below *root* (unless it is there) and return its folder."""
    home = root / plan.key(fingerprint)
    if home.exists():
        return home
    temporary = private_dir(root / f".{home.name}.tmp")
    try:
        _write(plan, fingerprint, temporary)
        temporary.replace(home)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return home


def _write(plan: DataPlan, fingerprint: str, home: Path) -> None:
    table = plan.source.load(cache_dir(), home / "source.parquet")
    holders = [p.name for p in plan.parties] if plan.layout == "horizontal" else []
    assign = _assignment(plan, holders)
    writers = _Writers(home, plan.schema)
    beside = plan.source.held_out(cache_dir(), home / "held-out.parquet")
    seen = 0
    if beside is not None:
        for batch in _batches(plan, beside, seen):
            writers.write("control", batch)
            seen += len(batch)
    share = plan.pick.control if beside is None else 0.0
    for number, batch in enumerate(_batches(plan, table, seen)):
        held_out = _uniform(plan, batch, number, "control") < share
        writers.write("control", batch[held_out])
        train = batch[~held_out]
        writers.write("train", train)
        if plan.layout == "horizontal":
            owner = assign(train, _uniform(plan, batch, number, "partition")[~held_out])
            for i in range(len(holders)):
                writers.write(f"part-{i}", train[owner == i])
        elif plan.layout == "vertical":
            rule = plan.pick.partition
            assert rule is not None and rule.columns is not None
            for i, names in enumerate(rule.columns.values()):
                keep = [n for n in plan.schema.columns if n in names or n == plan.schema.unit]
                writers.write(f"part-{i}", train[keep], plan.schema.select(keep))
    rows = writers.close()
    for name in ("source", "held-out"):
        (home / f"{name}.parquet").unlink(missing_ok=True)
    where = f"dataset {plan.label!r}"
    if not rows.get("train"):
        raise PetsEvalError(f"{where}: no rows are left after the control split; lower 'control'")
    if share and not rows.get("control"):
        raise PetsEvalError(f"{where}: the control split is empty; raise 'control' or set it to 0")
    if plan.layout == "pooled":
        parts = {plan.parties[0].name: "train"}
    else:
        names = holders if plan.layout == "horizontal" else list(plan.pick.partition.columns or {})  # type: ignore[union-attr]
        parts = {name: f"part-{i}" for i, name in enumerate(names) if rows.get(f"part-{i}")}
    _describe(plan, fingerprint, home, rows, parts)


def _batches(plan: DataPlan, table: Table, first: int) -> Iterator[pd.DataFrame]:
    """The columns of the study in pieces; where records need a name of their own, they are numbered from *first*."""
    for batch in table.batches([n for n in plan.schema.columns if n != RECORD_ID]):
        if RECORD_ID in plan.schema.columns:
            batch = batch.assign(**{RECORD_ID: range(first, first + len(batch))})[list(plan.schema.columns)]
        first += len(batch)
        yield batch


def _describe(plan: DataPlan, fingerprint: str, home: Path, rows: dict[str, int], parts: dict[str, str]) -> None:
    silent = {p.name for p in plan.parties if "input" in p.roles} - set(parts)
    # with a unit of several rows, how many rows are left after the split depends on whose they are
    public = plan.schema.rows is not None and plan.schema.unit in ("record", RECORD_ID)
    published = rows["train"] if public else None
    write_json(
        home / "dataset.json",
        {
            "name": plan.label,
            "schema": replace(plan.schema, rows=published).to_json(),
            "card": asdict(plan.source.card()),
            "fingerprint": fingerprint,
            "layout": plan.layout,
            "parties": [[p.name, sorted(p.roles)] for p in plan.parties if p.name not in silent],
            "parts": parts,
            "rows": rows,
        },
    )


def _uniform(plan: DataPlan, batch: pd.DataFrame, number: int, what: str) -> NDArray[np.float64]:
    """A uniform draw per row, the same for all rows of one unit of privacy."""
    import pandas as pd

    unit = plan.schema.unit
    if unit in ("record", RECORD_ID):
        return generator(plan.seed, plan.label, what, number).random(len(batch))
    key = f"{entropy(plan.seed, plan.label, what):032x}"[:16]
    hashed = pd.util.hash_pandas_object(batch[unit].astype(str), index=False, hash_key=key).to_numpy()
    return (hashed >> 11).astype("float64") / float(1 << 53)


def _assignment(plan: DataPlan, holders: list[str]) -> Callable[[pd.DataFrame, Any], Any]:
    """Number of the party that holds each row, from the row and its uniform draw."""
    import numpy as np

    rule = plan.pick.partition
    if rule is None or rule.by == "vertical":
        return lambda rows, u: None
    if rule.by == "iid":
        count = rule.parties or 1
        return lambda rows, u: (u * count).astype(int)
    column = plan.schema.columns[rule.column or ""]
    if rule.by == "column":
        return lambda rows, u: column.codes(rows[rule.column])
    shares = generator(plan.seed, plan.label, "dirichlet").dirichlet(
        np.full(rule.parties or 1, rule.alpha), size=len(column.cells())
    )
    cumulative = np.cumsum(shares, axis=1)[:, :-1]

    def assign(rows: pd.DataFrame, u: NDArray[np.float64]) -> NDArray[np.int64]:
        codes = column.codes(rows[rule.column])
        owner = np.zeros(len(u), dtype=np.int64)
        for code, ends in enumerate(cumulative):
            here = codes == code
            owner[here] = np.searchsorted(ends, u[here], side="right")
        return owner

    return assign


class _Writers:
    """Parquet files by name, opened when their first rows come."""

    def __init__(self, home: Path, schema: Schema) -> None:
        self.home, self.schema = home, schema
        self.open: dict[str, Any] = {}
        self.rows: dict[str, int] = {}

    def write(self, name: str, rows: pd.DataFrame, schema: Schema | None = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if rows.empty:
            return
        arrow = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
        if name not in self.open:
            self.open[name] = pq.ParquetWriter(self.home / f"{name}.parquet", arrow.schema, compression="zstd")
        self.open[name].write_table(arrow.cast(self.open[name].schema))
        self.rows[name] = self.rows.get(name, 0) + len(rows)

    def close(self) -> dict[str, int]:
        for writer in self.open.values():
            writer.close()
        return self.rows


# -- reading them back ----------------------------------------------------------------------------


def load_dataset(home: Path) -> Dataset:
    """The prepared dataset in *home*; rows are read only when asked for."""
    facts: Mapping[str, Any] = json.loads((home / "dataset.json").read_text())
    schema = Schema.from_json(facts["schema"])
    card: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["card"].items()}

    def table(name: str) -> Table:
        path = home / f"{name}.parquet"
        if facts["layout"] != "vertical" or not name.startswith("part-"):
            return Table(schema, path=path)
        import pyarrow.parquet as pq

        return Table(schema.select(pq.read_schema(path).names), path=path)

    return Dataset(
        name=facts["name"],
        schema=schema,
        card=Card(**card),
        fingerprint=facts["fingerprint"],
        train=table("train"),
        control=table("control") if "control" in facts["rows"] else None,
        parts={party: table(name) for party, name in facts["parts"].items()},
        layout=facts["layout"],
        parties=tuple(Party(n, frozenset(r)) for n, r in facts["parties"]),
    )
