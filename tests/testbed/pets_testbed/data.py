"""A small table of invented people with values planted to be searched for."""

import hashlib
from pathlib import Path

from pets_eval.model import Card, Column, Schema, Source, Table, param
from pets_eval.registry import dataset

PLANTED = "XQZ-PLANTED"


@dataset("test-people")
class People(Source):
    """A few hundred invented people."""

    rows: int = param(300, ge=10, help="how many people")
    nasty: bool = param(False, help="use names that would break out of HTML")

    def card(self) -> Card:
        return Card(
            title="Invented people",
            description="Made for tests.",
            source="this test bed",
            licence="Apache-2.0",
            generated=True,
            not_for=("anything but tests",),
        )

    def schema(self) -> Schema:
        colour = "<script>alert(1)</script>" if self.nasty else "colour"
        red = '"><img src=x onerror=1>' if self.nasty else "red"
        return Schema(
            columns={
                "person": Column("id", roles=("unit", "identifier")),
                colour: Column("categorical", domain=(red, "green", "blue"), roles=("quasi-identifier",)),
                "size": Column("integer", bounds=(0, 4), roles=("quasi-identifier",)),
                "income": Column("real", bounds=(0, 100), nullable=True, roles=("sensitive",)),
                "ill": Column("categorical", domain=("No", "Yes"), roles=("target", "sensitive")),
            },
            unit="person",
            rows=self.rows,
        )

    def fingerprint(self, cache: Path) -> str:
        return hashlib.sha256(f"people {self.rows} {self.nasty}".encode()).hexdigest()

    def load(self, cache: Path, target: Path) -> Table:
        import numpy as np
        import pandas as pd

        rng = np.random.default_rng(7)
        schema = self.schema()
        colour = list(schema.columns)[1]
        n = self.rows
        size = rng.integers(0, 5, n)
        income = np.round(rng.uniform(0, 100, n), 3)
        income[rng.random(n) < 0.05] = np.nan
        frame = pd.DataFrame(
            {
                "person": [f"{PLANTED}-{i}" for i in range(n)],
                colour: rng.choice(schema.columns[colour].domain, n),
                "size": size,
                "income": income,
                "ill": np.where(rng.random(n) < 0.1 + 0.15 * size, "Yes", "No"),
            }
        )
        return Table(schema, data=schema.conform(frame, where="test-people"))


@dataset("test-broken-source")
class BrokenSource(People):
    """A source whose own error quotes a row."""

    def load(self, cache: Path, target: Path) -> Table:
        raise ValueError(f"could not convert '{PLANTED}-1'")
