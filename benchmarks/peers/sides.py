"""Ask a library for a figure in its own environment, and both sides in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent
ENVIRONMENTS = {  # folder -> what `setup` puts into it; SDMetrics is in the development environment
    "anon": ["anonymeter==1.1.0", "numpy==1.26.4", "pandas==3.0.6", "polars==2.1.0", "numba==0.68.1"],
    "sdnist": ["sdnist==2.4", "numpy==1.24.2", "pandas==2.0.0"],
    "sn": ["smartnoise-eval==0.3.1", "pyspark==3.5.9", "numpy==1.26.4"],
    "synth": ["POT==0.9.7.post1", "pandas==3.1.1", "numpy==2.4.6"],
}
LIBRARIES = {  # script -> environment, "" being that of this process
    "ours": "",
    "scale": "",
    "with_sdmetrics": "",
    "with_anonymeter": "anon",
    "with_sdnist": "sdnist",
    "with_smartnoise": "sn",
    "with_pot": "synth",
}


@dataclass(frozen=True)
class Sides:
    """*home*: the folder of the environments, tables and results; *data*: that of the NIST excerpts' folder."""

    home: Path
    data: Path

    @property
    def tables(self) -> Path:
        return self.home / "tables"

    def ask(self, script: str, job: str, folder: Path | None = None, **options: Any) -> dict[str, Any]:
        """The answer of a script; its complaint, if it has one."""
        environment = LIBRARIES[script]
        python = str(self.home / environment / "bin" / "python") if environment else sys.executable
        command = [python, str(SCRIPTS / f"{script}.py"), str(folder or self.tables), job, json.dumps(options)]
        quiet = {"PYTHONWARNINGS": "ignore", "MPLBACKEND": "Agg", "SPARK_LOCAL_IP": "127.0.0.1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **quiet})
        if done.returncode:
            raise RuntimeError(f"{script} {job}: {done.stderr[-2000:]}")
        answered: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answered

    def in_turn(self, asked: Sequence[tuple[Any, ...]], repeats: int) -> list[list[dict[str, Any]]]:
        """Answers of each (script, job, folder, options), asked one after the other, *repeats* times."""
        rounds = [
            [self.ask(script, job, folder, **options) for script, job, folder, options in asked] for _ in range(repeats)
        ]
        return [list(answers) for answers in zip(*rounds, strict=True)]


def middle(answers: Sequence[dict[str, Any]], *path: str) -> float:
    """The median of a figure over the answers."""
    values = []
    for found in answers:
        value: Any = found
        for step in path:
            value = value[step]
        values.append(float(value))
    return statistics.median(values)


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """The median of the ratios, run by run."""
    return statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
