"""Tiny data with a column of every kind, and a context that keeps everything in memory."""

from __future__ import annotations

import functools
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pets_eval.model import Answer, Card, Column, Dataset, Message, Party, Release, Schema, Table, Task, Technique

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Arrangement = Literal["pooled", "horizontal"]
ARRANGEMENTS: tuple[Arrangement, ...] = get_args(Arrangement)
_ROWS, _CONTROL, _UNITS = 240, 60, 90


@dataclass(eq=False)
class MemoryContext:
    """A `Context` for tests: messages, held values and phases are plain lists and mappings of this object."""

    rng: np.random.Generator
    workdir: Path
    messages: list[Message] = field(default_factory=list)
    held: dict[tuple[str, str], Any] = field(default_factory=dict)
    phases: dict[tuple[str, str], float] = field(default_factory=dict)

    def progress(self, done: float, note: str = "") -> None:
        """Check that *done* is a share."""
        assert 0 <= done <= 1, f"progress must be between 0 and 1, not {done}"

    def send(self, sender: str, receiver: str, label: str, payload: bytes, *, round: str = "") -> bytes:
        """Keep the message and hand its payload over."""
        assert isinstance(payload, bytes), "a message's payload must be bytes"
        digest = hashlib.sha256(payload).hexdigest()
        self.messages.append(
            Message(sender, receiver, label, len(payload), payload, len(self.messages), round, sha256=digest)
        )
        return payload

    def hold(self, party: str, label: str, value: Any) -> None:
        """Keep what the party keeps."""
        self.held[party, label] = value

    def tap(self, party: str) -> MemoryTap:
        """A recorder for this process only."""
        return MemoryTap(self, party)

    @contextmanager
    def phase(self, name: str, party: str = "") -> Iterator[None]:
        """Add up the seconds of a phase."""
        start = time.perf_counter()
        yield
        self.phases[name, party] = self.phases.get((name, party), 0.0) + time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class MemoryTap:
    """What a party recorded, among the messages of its context."""

    context: MemoryContext
    party: str

    def write(self, receiver: str, label: str, payload: bytes, *, round: str = "") -> None:
        """Record a message from this party."""
        self.context.send(self.party, receiver, label, payload, round=round)


def toy(
    arrangement: Arrangement = "pooled", *, unit: str = "record", most_rows: int = 3, from_data: bool = False
) -> Dataset:
    """A dataset of 240 generated people (or 240 rows of 90 people, with unit="person") and 60 held out.

    "pooled": one party with every role; "horizontal": three sites hold other rows each, and an office computes and
    reads. *from_data* marks every column as one whose domain or bounds were read from the data.
    """
    schema = _schema(unit, most_rows, from_data)
    train, control = (Table(schema, data=frame.copy()) for frame in _frames())
    if arrangement == "pooled":
        parties: tuple[Party, ...] = (Party("agency"),)
        parts = {"agency": train}
    else:
        sites = [f"site-{i}" for i in range(3)]
        both = [Party(s, frozenset({"input", "computing"})) for s in sites]
        parties = (Party("office", frozenset({"computing", "result"})), *both)
        frame = train.frame()
        parts = {s: Table(schema, data=frame.iloc[i::3].reset_index(drop=True)) for i, s in enumerate(sites)}
    card = Card(title="toy", description="generated", source="generated", licence="CC0-1.0", generated=True)
    return Dataset("toy", schema, card, "toy", train, control, parts, arrangement, parties)


def run(technique: Technique, task: Task, dataset: Dataset, seed: int) -> tuple[Release, MemoryContext]:
    """One run of *technique* on the holdings that *task* assigns, all seeded by *seed*."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        context = MemoryContext(np.random.default_rng(seed), Path(folder))
        release = technique.run(task, task.setup(dataset, np.random.default_rng(seed)), context)
        if isinstance(release.value, Table):  # its file goes with the folder
            release = replace(release, value=Table(release.value.schema, data=release.value.frame()))
    return release, context


def same(one: Release, other: Release) -> bool:
    """Whether two releases hold the same value."""
    if isinstance(one.value, Answer) and isinstance(other.value, Answer):
        return one.value.table.equals(other.value.table)
    if isinstance(one.value, Table) and isinstance(other.value, Table):
        return one.weight == other.weight and one.value.frame().equals(other.value.frame())
    return one.kind == other.kind == "model" and one.value.to_bytes() == other.value.to_bytes()  # type: ignore[union-attr]


def _schema(unit: str, most_rows: int, from_data: bool) -> Schema:
    quasi, columns = ("quasi-identifier",), {}
    columns["person"] = Column("id", roles=("identifier",))
    columns["sex"] = Column("categorical", domain=("F", "M"), roles=quasi)  # type: ignore[arg-type]
    columns["region"] = Column("categorical", domain=("N", "E", "S"), nullable=True, roles=quasi)  # type: ignore[arg-type]
    columns["children"] = Column("integer", bounds=(0, 4), roles=quasi)  # type: ignore[arg-type]
    columns["age"] = Column("integer", bounds=(0, 99), roles=quasi)  # type: ignore[arg-type]
    columns["income"] = Column("real", bounds=(0, 5000), nullable=True, roles=("sensitive",))
    columns["seen"] = Column("date", bounds=(18_000, 19_000), nullable=True)
    columns["sick"] = Column("categorical", domain=("no", "yes"), roles=("target",))
    marked = {n: replace(c, from_data=from_data and c.kind != "id") for n, c in columns.items()}
    return Schema(marked, unit=unit, rows=_ROWS, max_rows_per_unit=1 if unit == "record" else most_rows)


@functools.cache
def _frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and control rows in conforming form, made once: every toy copies them."""
    import numpy as np

    schema, rng = _schema("record", 1, False), np.random.default_rng(20_240_229)
    train, control = _people(rng, _ROWS, "t"), _people(rng, _CONTROL, "c")
    return schema.conform(train, where="toy"), schema.conform(control, where="toy control")


def _people(rng: np.random.Generator, rows: int, prefix: str) -> pd.DataFrame:
    """Rows in which income rises with age, and sickness falls with income: tasks have something to find."""
    import numpy as np
    import pandas as pd

    age = rng.integers(18, 99, rows)
    income = np.clip(30 * age + rng.normal(0, 300, rows), 0, 5000)
    sick = rng.random(rows) < 1 / (1 + np.exp((income - 1700) / 300))
    frame = pd.DataFrame(
        {
            "person": [f"{prefix}{i}" for i in rng.integers(0, _UNITS, rows)],
            "sex": rng.choice(["F", "M"], rows),
            "region": rng.choice(["N", "E", "S"], rows, p=[0.7, 0.25, 0.05]),
            "children": rng.binomial(4, 0.3, rows),
            "age": age,
            "income": income,
            "seen": pd.to_datetime(rng.integers(18_000, 19_000, rows), unit="D"),
            "sick": np.where(sick, "yes", "no"),
        }
    )
    for name, every in (("region", 11), ("income", 13), ("seen", 17)):
        frame.loc[frame.index[::every], name] = None
    return frame
