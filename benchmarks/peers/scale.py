"""pets_metrics on large tables: `scale.py DATA nearest|marginals|growth [OPTIONS]`; DATA holds the folder nist."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from inputs import excerpt, resampled
from measure import Stopwatch, answer, resident

from pets_eval.model import Schema
from pets_eval.registry import make_dataset
from pets_metrics.tables import align

Found = dict[str, Any]


def survey(data: str) -> tuple[Schema, pd.DataFrame]:
    """The national excerpt of 2019 in 22 columns, as the engine holds it."""
    whole = make_dataset("nist-excerpts", {"excerpt": "national2019"}).schema()
    table = excerpt(Path(data), "national2019")
    columns = {n: c for n, c in whole.columns.items() if n in table}
    schema = Schema(columns, constraints=tuple(r for r in whole.constraints if set(r.forbid) <= set(columns)))
    return schema, schema.conform(table, where="national2019")


def nearest(data: str, queries: int, references: int, numba: bool = True, share: float = 0.1) -> Found:
    """The nearest of *references* records of each of *queries*: resampled survey rows with a *share* of new cells."""
    if not numba:
        sys.modules["numba"] = None  # type: ignore[assignment]
    from pets_metrics.nearest import coordinates
    from pets_metrics.nearest import nearest as search

    schema, people = survey(data)
    rng = np.random.default_rng(0)
    tables = [resampled(people, n, share, rng) for n in (queries, references)]
    points = coordinates(schema, *tables)
    del tables
    search(points[0][:50], points[1][:50])  # loads the compiled loops
    before = resident()
    with Stopwatch() as watch:
        distances, _ = search(*points)
    sample = rng.integers(0, queries, 20)  # against all references, one query at a time
    gaps = [np.minimum(np.abs(points[0][i] - points[1]), 1).sum(axis=1).min() for i in sample]
    exact = np.allclose(distances[sample, 0] * len(schema.columns), gaps, rtol=0, atol=1e-9)
    return watch.times() | {"before MB": before, "exact": bool(exact), "columns": points[0].shape[1]}


def marginals(data: str, rows: int, columns: int = 20) -> Found:
    """The distances of all two-way tables of integer codes with 2 to 20 categories."""
    from pets_metrics.fidelity.marginals import distances, subsets

    rng = np.random.default_rng(0)
    sizes = [int(n) for n in rng.integers(2, 21, columns)]
    tables = [[rng.integers(0, n, rows, dtype=np.uint8) for n in sizes] for _ in range(2)]
    before = resident()
    with Stopwatch() as watch:
        found, _ = distances(*tables, sizes, subsets(columns, 2, 1000))
    return watch.times() | {"before MB": before, "tables": len(found), "mean": float(found.mean())}


def growth(data: str, metric: str, sizes: list[int], most: float, options: Found) -> Found:
    """Seconds of a metric by rows of the real, released and held-out table, until a call takes *most* seconds."""
    import pets_metrics
    from pets_eval.registry import inject

    schema, people = survey(data)
    function = getattr(pets_metrics, metric.replace("-", "_"))
    found = []
    for rows in (300, *sizes):
        rng = np.random.default_rng(rows)
        real, control = (resampled(people, rows, 0.1, rng) for _ in range(2))
        release = resampled(real, rows, 0.3, rng)
        t = align(real, release, control, schema)
        tables = {"real": t.real, "synthetic": t.synthetic, "control": t.control}
        times = []
        for _ in range(3 if rows <= 10_000 else 1):
            with Stopwatch() as watch:
                inject(function, {**tables, "schema": t.schema, "rng": np.random.default_rng(0), **options})
            times.append(watch.times())
        if rows in sizes:  # the first call loads what it needs
            found.append({"rows": rows} | min(times, key=lambda x: x["seconds"]))
        if watch.seconds > most:
            break
    return {"times": found}


if __name__ == "__main__":
    answer({"nearest": nearest, "marginals": marginals, "growth": growth})
