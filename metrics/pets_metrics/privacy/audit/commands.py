"""Audit a program: it reads a CSV file and prints a number or JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.outcomes import Outcomes
from pets_metrics.privacy.audit.target import PATIENCE, Data

_PLACE = "{}"  # where in the command the path of the CSV file stands


@dataclass(frozen=True, eq=False)
class Command:
    """A program that is started anew for each run; its exit code, if not 0, is an outcome."""

    name: str
    words: tuple[str, ...]
    patience: float = PATIENCE

    def run_many(self, data: Data, n: int) -> Outcomes:
        """*n* runs on the CSV file of *data*, as many at a time as there are processors.

        Raises `PetsEvalError` if the program cannot be started, takes too long, or ends well and prints neither.
        """
        with tempfile.TemporaryDirectory(prefix="pets-audit-") as folder, ThreadPoolExecutor(processors()) as pool:
            path = _written(data, Path(folder))
            words = [word.replace(_PLACE, str(path)) for word in self.words]
            runs = list(pool.map(lambda _: self._once(words), range(n)))
        found = Outcomes.of([output for output, _, _ in runs], np.array([seconds for _, seconds, _ in runs]))
        for i, (_, _, code) in enumerate(runs):
            if code:
                found.labels[i] = f"exit code {code}"
        return found

    def _once(self, words: Sequence[str]) -> tuple[Any, float, int]:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise PetsEvalError(f"the command {self.name!r} cannot be started ({error.strerror}); check it") from None
        try:
            printed, _ = process.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise PetsEvalError(
                f"the command {self.name!r} did not end within {self.patience:g} s; mend it if it hangs, "
                "else give the audit more minutes"
            ) from None
        seconds = time.perf_counter() - start
        if process.returncode:
            return None, seconds, process.returncode
        return self._read(printed), seconds, 0

    def _read(self, printed: bytes) -> Any:
        try:
            return json.loads(printed)
        except ValueError:  # also where it is not UTF-8
            pass
        try:
            return float(printed)
        except ValueError:
            raise PetsEvalError(
                f"the command {self.name!r} printed neither a number nor JSON; let it print what it releases, "
                "and nothing else, to the standard output"
            ) from None


def of_command(words: Sequence[str], patience: float = PATIENCE) -> Command:
    """The target that starts the program of *words* with the path of a CSV file in place of {}, or as its last word.

    The file has a line of column names ("value" where the input is an array of numbers). Raises `PetsEvalError` if
    there is no such program.
    """
    if not words or not shutil.which(words[0]):
        first = words[0][:60] if words else ""
        raise PetsEvalError(f"there is no program {first!r} to run; check its name and path")
    placed = tuple(words) if any(_PLACE in word for word in words) else (*words, _PLACE)
    return Command(" ".join(words), placed, patience)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _written(data: Data, folder: Path) -> Path:
    """*data* as a CSV file with a line of names; a missing value is an empty field."""
    path = folder / "input.csv"
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame({"value": data})
    frame.to_csv(path, index=False)
    return path
