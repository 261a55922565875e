"""Measure what the engine costs: `python -m benchmarks [NAME ...]`.

Each figure is the median of a few whole runs on this machine. Names: start, overhead, resume, workers, rows.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

CLI = [sys.executable, "-m", "pets_eval"]


def call(*arguments: str | Path, repeat: int = 1) -> float:
    """Median wall seconds of a call of the command line."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([*CLI, *map(str, arguments)], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def study(home: Path, **facts: object) -> Path:
    """A small study file in *home*."""
    base = {"schema": "pets-eval/study/1", "name": "benchmark", "repeats": 1, "limits": {"timeout": 600, "memory": 16}}
    path = home / "study.yaml"
    path.write_text(yaml.safe_dump({**base, **facts}))
    return path


def records(directory: Path) -> list[dict]:
    """The records of a run."""
    return [json.loads(p.read_text()) for p in (directory / "cells").glob("*.json")]


def start(home: Path) -> dict[str, float]:
    """Seconds until the help and the list are there, warm."""
    call("--help")
    return {f"{name} (s)": call(name, repeat=9) for name in ("--help", "list")}


def overhead(home: Path) -> dict[str, float]:
    """Seconds per cell that are neither technique nor metrics."""
    path = study(
        home,
        datasets=[{"use": "nhanes"}],
        tasks=[{"use": "marginals", "params": {"tables": [["gender", "race"]]}}],
        techniques=[{"use": "dp-laplace-marginals", "grid": {"epsilon": [0.5, 1.0, 2.0]}}, {"use": "sampling"}],
        repeats=10,
    )
    call("run", path, "-o", home / "overhead", "--workers", "1")
    spent = [r["overhead-s"] for r in records(home / "overhead")]
    return {"cells": len(spent), "median overhead (s)": statistics.median(spent)}


def resume(home: Path) -> dict[str, float]:
    """Seconds to find that a study of 1,000 cells is finished, and to report on it."""
    path = study(
        home,
        datasets=[{"use": "nhanes"}],
        tasks=[{"use": "marginals", "params": {"tables": [["gender", "race"]]}}],
        techniques=[{"use": "sampling", "grid": {"p": [round(0.01 * i, 2) for i in range(1, 100)]}}],
        repeats=10,
    )
    whole = call("run", path, "-o", home / "resume")
    script = (
        "import sys; from pathlib import Path\n"
        "from pets_eval.run.studyfile import read_study; from pets_eval.run.runner import run_study\n"
        "from pets_eval.cli.progress import Lines\n"
        "print(run_study(read_study(Path(sys.argv[1])), Path(sys.argv[2]), reporter=Lines()))\n"
    )
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", script, path, home / "resume"], check=True, capture_output=True)
    again = time.perf_counter() - begin
    return {
        "cells": len(records(home / "resume")),
        "whole run (s)": whole,
        "resume of the finished run (s)": again,
        "report (s)": call("report", home / "resume", repeat=3),
    }


def workers(home: Path) -> dict[str, float]:
    """The default study with two workers against one."""
    one = call("run", "default", "-o", home / "one", "--workers", "1")
    two = call("run", "default", "-o", home / "two", "--workers", "2")
    return {"one worker (s)": one, "two workers (s)": two, "ratio": two / one}


def rows(home: Path) -> dict[str, float]:
    """Peak memory and seconds of a Gaussian release of 10^7 generated rows."""
    path = study(
        home,
        datasets=[{"use": "generated", "params": {"rows": 10_000_000}, "control": 0.01}],
        tasks=[{"use": "marginals", "params": {"k": 2}}],
        techniques=[{"use": "dp-gaussian-marginals"}],
        metrics=["mean-absolute-error"],
    )
    whole = call("run", path, "-o", home / "rows")
    (found,) = [r for r in records(home / "rows") if r["spec"]["technique"] == "dp-gaussian-marginals"]
    cost = found["cost"]
    return {"whole run (s)": whole, "release (s)": cost["wall-s"], "release peak (GB)": cost["peak-bytes"] / 1e9}


BENCHMARKS: dict[str, Callable[[Path], dict[str, float]]] = {
    f.__name__: f for f in (start, overhead, resume, workers, rows)
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all, and print a line per figure."""
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}")
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as home:
            for what, value in BENCHMARKS[name](Path(home)).items():
                print(f"{name:10} {what:34} {value:10.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
