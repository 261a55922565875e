"""Who holds what: parties, tables, models, and the datasets and tasks they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from pets_eval.model.answer import Answer
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.schema import Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pets_eval.model.release import Release

PartyRole = Literal["input", "computing", "result", "model-owner", "verifier"]
Layout = Literal["pooled", "horizontal", "vertical"]
_BATCH = 1_000_000


@dataclass(frozen=True)
class Party:
    """A legal or technical person of the study, by name, with what it does in it."""

    name: str
    roles: frozenset[PartyRole] = frozenset({"input", "computing", "result"})


@dataclass(frozen=True, eq=False)
class Table:
    """Record-level data with its public schema, in memory or as a Parquet file of any length."""

    schema: Schema
    path: Path | None = None
    data: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.data is None):
            raise ValueError("a table has either a path or data")

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """The whole table (or *columns* of it) as a conforming DataFrame; a fresh copy that the caller may change."""
        import pandas as pd

        if self.data is not None:
            return (self.data if columns is None else self.data[columns]).copy()
        return pd.concat(list(self.batches(columns)), ignore_index=True)

    def batches(self, columns: list[str] | None = None, size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """The table in conforming pieces of at most *size* rows, so that memory stays bounded."""
        names = list(self.schema.columns) if columns is None else columns
        for name in names:
            self.schema.column(name)
        if self.data is not None:
            for start in range(0, len(self.data), size):
                yield self.data.iloc[start : start + size][names].reset_index(drop=True)
            return
        import pyarrow.parquet as pq

        part = self.schema.select(names) if set(names) != set(self.schema.columns) else self.schema
        wanted = [n for n in part.columns if n in names]
        part = Schema(columns={n: part.columns[n] for n in wanted})
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=size, columns=wanted):
                yield part.conform(batch.to_pandas(), where=f"table {self.name!r}")[names]

    @property
    def name(self) -> str:
        """What the table is called in messages: the stem of its file."""
        return self.path.stem if self.path else "table"

    def __len__(self) -> int:
        if self.data is not None:
            return len(self.data)
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self.path).num_rows)


@runtime_checkable
class Model(Protocol):
    """A predictor that a party holds or a technique releases."""

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the positive class for each row of a conforming frame; shape (n,)."""
        ...

    def to_bytes(self) -> bytes:
        """The model in a format that runs no code when read (npz, safetensors, ONNX)."""
        ...


Holding = Table | Model


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that a technique may touch: who is there, and what each party holds.

    layout: "pooled" (one party holds all rows), "horizontal" (each party other people), "vertical" (each party other
    columns of the same people, linked by the unit of privacy). `schema` describes the joint table.
    """

    parties: tuple[Party, ...]
    holdings: Mapping[str, Holding]
    schema: Schema
    layout: Layout = "pooled"

    def tables(self) -> dict[str, Table]:
        """The tables among the holdings, by party, in the order of the parties."""
        return {p.name: h for p in self.parties if isinstance(h := self.holdings.get(p.name), Table)}

    def party(self, role: PartyRole) -> Party:
        """The first party with *role*; raises `PetsEvalError` if nobody has it."""
        for party in self.parties:
            if role in party.roles:
                return party
        raise PetsEvalError(f"no party of this study has the role {role!r}; add it under 'parties'")

    def pooled(self) -> Table:
        """The joint table, as a trusted curator who is sent everything would see it."""
        import pandas as pd

        tables = list(self.tables().values())
        if not tables:
            raise PetsEvalError("no party holds a table")
        if len(tables) == 1:
            return tables[0]
        frames = [t.frame() for t in tables]
        if self.layout == "vertical":
            joint = frames[0]
            for frame in frames[1:]:
                joint = joint.merge(frame, on=self.schema.unit, how="inner", validate="one_to_one")
            return Table(self.schema, data=joint[list(self.schema.columns)])
        return Table(self.schema, data=pd.concat(frames, ignore_index=True)[list(self.schema.columns)])


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a reader must know of a dataset before trusting a figure made from it."""

    title: str
    description: str
    source: str
    licence: str
    url: str = ""
    population: str = ""
    generated: bool = False
    not_for: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset ready for a study, split by unit of privacy.

    `train` is what is protected, held by the parties in `parts`; `control` is held-out people, for attackers and
    scorers only; `query` is their features without the target, for predictors to score.
    """

    name: str
    schema: Schema
    card: Card
    fingerprint: str
    train: Table
    control: Table | None
    parts: Mapping[str, Table]
    layout: Layout = "pooled"
    parties: tuple[Party, ...] = field(default=())

    def query(self) -> pd.DataFrame | None:
        """Feature rows to be scored: the control rows without target columns."""
        if self.control is None:
            return None
        return self.control.frame().drop(columns=self.schema.with_role("target"))


class Source(ABC):
    """Where a dataset comes from. Subclasses are frozen dataclasses (see `registry.dataset`) of their parameters."""

    name: ClassVar[str]

    @abstractmethod
    def card(self) -> Card:
        """The dataset card."""

    @abstractmethod
    def schema(self) -> Schema:
        """The public schema. Must not read confidential rows (a user's schema file may be read)."""

    @abstractmethod
    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over what the rows are made from, cheap enough to be asked at every start."""

    @abstractmethod
    def load(self, cache: Path, target: Path) -> Table:
        """The conforming table; a long one is streamed to the Parquet file *target*. May download into *cache*."""

    def held_out(self, cache: Path, target: Path) -> Table | None:
        """People who were held out beforehand, in the form of `load`; None where the study is to split them off."""
        return None


class Task(ABC):
    """A question with a true answer. Subclasses are frozen dataclasses (see `registry.task`) of their parameters."""

    name: ClassVar[str]
    kind: ClassVar[str]
    wants_query: ClassVar[bool] = False  # True for tasks whose answer is about the query rows
    wants_records: ClassVar[bool] = False  # True where released records are the question: their metrics play here
    uses: ClassVar[tuple[str, ...]] = ()  # heavy modules it imports when asked, for the runner to import beforehand

    def needs(self, schema: Schema) -> None:
        """Raise `PetsEvalError` if this task cannot be asked of a table with *schema*."""

    def setup(self, dataset: Dataset, rng: np.random.Generator) -> Inputs:
        """Assign holdings to parties; by default each party holds its part of the training table."""
        return Inputs(dataset.parties, dataset.parts, dataset.schema, dataset.layout)

    @abstractmethod
    def cells(self, schema: Schema) -> pd.MultiIndex:
        """The public cells an answer has, from the schema alone (see `cell_index`)."""

    @abstractmethod
    def compute(self, dataset: Dataset) -> Answer:
        """The truth. Only the runner and scorers call this."""

    @abstractmethod
    def answer(self, release: Release, schema: Schema, query: pd.DataFrame | None) -> Answer:
        """The answer that a reader of *release* arrives at."""
