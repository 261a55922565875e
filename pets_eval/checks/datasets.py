"""What every dataset promises. Its rows are loaded twice, so one that downloads needs a network here."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from pets_eval.checks.spec import check_bad_parameters, check_spec
from pets_eval.model import Card, Schema, Source


def check_card(plugin: Source) -> None:
    """Its card tells a reader what it is, where it comes from and under which licence."""
    card: Card = plugin.card()
    for name in ("title", "description", "source", "licence"):
        assert getattr(card, name).strip(), f"the card of {plugin.name} has no {name}"
    assert plugin.card() == card, f"the card of {plugin.name} changes from call to call"


def check_schema(plugin: Source) -> None:
    """Its schema has columns to ask about, and survives being written down."""
    schema = plugin.schema()
    assert schema.tabular(), f"{plugin.name} has no column that can be released"
    again = Schema.from_json(schema.to_json(), where=plugin.name)
    assert again == schema, f"the schema of {plugin.name} is not the same after being written and read"
    for name in schema.tabular():
        cells = schema.column(name).cells()
        assert len(set(cells)) == len(cells), f"column {name!r} of {plugin.name} has two cells of one name"


def check_rows(plugin: Source) -> None:
    """It loads the same conforming rows each time, under the same fingerprint."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        first, second = (plugin.load(Path(folder), Path(folder) / f"{name}.parquet") for name in ("one", "two"))
        schema = plugin.schema()
        assert first.schema == schema, f"{plugin.name} loads a table with another schema than it declares"
        if schema.rows is not None:
            assert len(first) == schema.rows, f"{plugin.name} declares {schema.rows} rows and has {len(first)}"
        frame = schema.conform(first.frame(), where=plugin.name)
        pd.testing.assert_frame_equal(frame, first.frame())
        pd.testing.assert_frame_equal(frame, second.frame())
        mark = plugin.fingerprint(Path(folder))
        assert re.fullmatch(r"[0-9a-f]{64}", mark), f"the fingerprint of {plugin.name} is no SHA-256"
        assert plugin.fingerprint(Path(folder)) == mark, f"the fingerprint of {plugin.name} changes"


CHECKS = (check_spec, check_bad_parameters, check_card, check_schema, check_rows)
