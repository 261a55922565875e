"""Measure the differentially private releases: `python -m benchmarks.dp_releases [NAME ...]`.

Names: ten_million, hundred_million (not run unless asked for: it makes a table of 10^8 rows), accuracy, coverage,
quantiles, synthetic. Long tables are generated as Parquet first; each release is timed in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pets_eval.checks import MemoryContext
from pets_eval.model import Inputs, Party, Table
from pets_eval.registry import make_dataset, make_task, make_technique

EPSILONS = (0.1, 0.5, 1.0, 2.0, 10.0)
REPEATS = 1_000


def inputs_of(table: Table) -> Inputs:
    """One agency that holds *table*."""
    return Inputs((Party("agency"),), {"agency": table}, table.schema)


def child(rows: int, path: Path, technique: str, task: str, **params: object) -> None:
    """One release of a Parquet table, timed here and printed with this process's peak memory."""
    table = Table(make_dataset("generated", {"rows": rows}).schema(), path=path)
    made, asked = make_technique(technique, {}), make_task(task, dict(params))
    context = MemoryContext(np.random.default_rng(0), path.parent)
    start = time.perf_counter()
    made.run(asked, inputs_of(table), context)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"s": spent, "GB": peak, **{f"{phase} s": s for (phase, _), s in context.phases.items()}}))


def long_table(rows: int, technique: str, task: str, **params: object) -> dict[str, float]:
    """Seconds and peak memory of a release of *rows* generated rows that are streamed from Parquet."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "rows.parquet"
        make = f"make_dataset('generated', {{'rows': {rows}}}).load(Path({home!r}), Path({str(path)!r}))"
        head = "from pathlib import Path; from pets_eval.registry import make_dataset; "
        subprocess.run([sys.executable, "-c", head + make], check=True)
        what = f"{rows}, Path({str(path)!r}), {technique!r}, {task!r}, **{params!r}"
        call = f"from benchmarks.dp_releases import *; child({what})"
        done = subprocess.run([sys.executable, "-c", call], check=True, capture_output=True, text=True)
        return {"file (MB)": path.stat().st_size / 1e6, **json.loads(done.stdout)}


def ten_million() -> dict[str, float]:
    """All 2-way tables of 10^7 rows with Gaussian noise."""
    return long_table(10_000_000, "dp-gaussian-marginals", "marginals", k=2)


def hundred_million() -> dict[str, float]:
    """All 2-way tables of 10^8 rows with Gaussian noise."""
    return long_table(100_000_000, "dp-gaussian-marginals", "marginals", k=2)


def quantiles() -> dict[str, float]:
    """Three quantiles in each group of 10^7 rows."""
    return long_table(10_000_000, "dp-quantiles", "quantiles", by=["region"])


def _noises(epsilon: float) -> tuple[np.ndarray, object]:
    """Errors of *REPEATS* releases of all 2-way tables of the embedded survey, and one of the releases."""
    with tempfile.TemporaryDirectory() as home:
        source = make_dataset("nhanes", {})
        table = source.load(Path(home), Path(home) / "nhanes.parquet")
        task = make_task("marginals", {"columns": ["gender", "race", "education", "marital_status", "household_size"]})
        context = MemoryContext(np.random.default_rng(0), Path(home))
        mechanism = make_technique("dp-gaussian-marginals", {"epsilon": epsilon}).prepare(task, table.schema, context)
        releases = mechanism.run_many(inputs_of(table), REPEATS)
        truth = mechanism.exact(inputs_of(table))
    return np.array([r.value.values for r in releases]) - truth, releases[0]


def accuracy() -> dict[str, float]:
    """Root mean square error over what theory says, per epsilon: the classic Gaussian scale of the stated rho."""
    found = {}
    for epsilon in EPSILONS:
        noise, release = _noises(epsilon)
        theory = release.guarantee.events[0]["sensitivity"] / np.sqrt(2 * release.guarantee.parameters["rho"])
        found[f"error / theory at epsilon {epsilon:g}"] = float(np.sqrt((noise**2).mean()) / theory)
    return found


def coverage() -> dict[str, float]:
    """Share of 95 % intervals that hold the truth, per epsilon, and what the narrowest of whole numbers would hold."""
    found = {}
    for epsilon in EPSILONS:
        noise, release = _noises(epsilon)
        width = (release.value.table["high"] - release.value.table["value"]).to_numpy()
        found[f"coverage at epsilon {epsilon:g}"] = float((np.abs(noise) <= width).mean())
        scale = release.guarantee.events[0]["scale"]
        support = np.arange(-20 * int(scale + 1), 20 * int(scale + 1) + 1)
        mass = np.exp(-(support**2) / (2 * scale**2))
        held = np.cumsum(np.bincount(np.abs(support), mass / mass.sum()))
        found[f"least that is possible at epsilon {epsilon:g}"] = float(held[held >= 0.95][0])
    return found


def synthetic() -> dict[str, float]:
    """Seconds and 2-way total variation of synthetic records of 5,000 people with 10 columns."""
    found = {}
    for name in ("dp-contingency-mst", "dp-contingency-aim"):
        with tempfile.TemporaryDirectory() as home:
            source = make_dataset("generated", {"rows": 5_000})
            whole = source.load(Path(home), Path(home) / "rows.parquet")
            names = list(whole.schema.columns)[:10]
            table = Table(whole.schema.select(names), data=whole.frame(names))
            task = make_task("marginals", {"columns": names})
            context = MemoryContext(np.random.default_rng(0), Path(home))
            start = time.perf_counter()
            release = make_technique(name, {}).run(task, inputs_of(table), context)
            found[f"{name} (s)"] = time.perf_counter() - start
            counted = task.count(table.batches(), table.schema)
            drawn = task.count(release.value.batches(), table.schema)
        pairs = task.touched(table.schema)
        off = np.abs(counted / len(table) - drawn / len(release.value)).sum()
        found[f"{name} 2-way total variation"] = float(off / 2 / pairs)
    return found


BENCHMARKS: dict[str, Callable[[], dict[str, float]]] = {
    f.__name__: f for f in (ten_million, quantiles, accuracy, coverage, synthetic, hundred_million)
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all but the longest, and print a line per figure."""
    for name in names or [n for n in BENCHMARKS if n != "hundred_million"]:
        for what, value in BENCHMARKS[name]().items():
            print(f"{name:16} {what:44} {value:10.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
