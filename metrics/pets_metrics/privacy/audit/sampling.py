"""Runs of a target: how long one takes, as many at a time as is good, on all processors where that helps."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.commands import processors
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.target import BatchRaisedError, Data, Function, Target

_CALL = 2.0  # seconds that one call of `run_many` should take at most
_REHEARSAL = 0.1  # seconds that finding out the cost of a run may take, beside the first two runs
_SLOW = 1.0  # seconds of work below which a second process does not pay
_FEWEST = 4  # runs that tell how long one takes
_SHOWING = 8  # runs of each process beside the others, which show that its noise is its own
_THREADED = {"polars", "torch", "tensorflow", "jax", "ray", "duckdb", "pyspark"}  # keep threads that forking breaks


class Sampler:
    """Runs *target* and counts the runs in `done`; `seconds` is what one run takes, known after `rehearse`.

    Runs that only show whether processes draw noise of their own are not counted.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.seconds = 0.0
        self.done = 0
        self._alone = not isinstance(target, Function)  # what draws its noise elsewhere, or is parallel by itself

    def rehearse(self, data: Data, most: int = 4_096) -> Outcomes:
        """A few runs on *data*, about *most* at most, to see that it works and how long it takes."""
        found = [self._call(data, 1)]
        n, spent = 1, 0.0
        while spent < _REHEARSAL and self.done < most:
            start = time.perf_counter()
            found.append(self._call(data, n))
            spent = time.perf_counter() - start
            self.seconds = spent / n
            n = min(4 * n, max(1, most - self.done))
        return concatenated(found)

    def draw(self, data: Data, n: int) -> Outcomes:
        """*n* further runs on *data*."""
        if not self._alone and self.seconds * n > _SLOW and n >= 2 * _SHOWING and _may_fork():
            found = self._forked(data, n)
            if found is not None:
                return found
        size = max(1, int(_CALL / self.seconds)) if self.seconds else n
        return concatenated([self._call(data, min(size, n - start)) for start in range(0, n, size)])

    def _call(self, data: Data, n: int) -> Outcomes:
        start = time.perf_counter()
        found = self.target.run_many(data, n)
        if self.seconds and n >= _FEWEST:  # a machine may grow busy
            self.seconds = (self.seconds + (time.perf_counter() - start) / n) / 2
        if len(found) != n:
            raise PetsEvalError(f"{self.target.name} was asked for {n} runs and gave {len(found)}")
        self.done += n
        return found

    def _forked(self, data: Data, n: int) -> Outcomes | None:
        """*n* runs on all processors; None where it is not shown that their noise comes from different generators.

        Each process begins with a few runs that are compared and then left out, whatever they show: runs that are
        looked at to choose among runs would no longer be independent of those that are kept.
        """
        count = min(processors(), n // _SHOWING)
        if count < 2:
            return None
        with tempfile.TemporaryDirectory(prefix="pets-audit-") as folder:
            paths = [Path(folder) / f"{i}.npz" for i in range(count)]
            sizes = [len(part) for part in np.array_split(np.arange(n), count)]
            children = [_child(self, data, _SHOWING + size, path) for size, path in zip(sizes, paths)]
            ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
            for path, code in zip(paths, ended):
                _raise_if_failed(self.target, path, code)
            parts = [_load(path) for path in paths]
        showing = [part.part(slice(0, _SHOWING)) for part in parts]
        if any(_alike(one, other) for one, other in combinations(showing, 2)):
            self._alone = self._alone or _varies(showing[0])  # else it may be that this input gives one output
            return None
        self.done += n
        return concatenated([part.part(slice(_SHOWING, None)) for part in parts])


def concatenated(parts: Sequence[Outcomes]) -> Outcomes:
    """All runs of *parts*, in their order."""
    parts = [p for p in parts if len(p)] or list(parts[:1])
    joint = parts[0]
    keys = tuple(dict.fromkeys(key for p in parts for key in p.keys))
    if len(parts) == 1:
        return joint
    seconds = [p.seconds for p in parts if p.seconds is not None]
    return Outcomes(
        np.concatenate([p.on(keys).values for p in parts]),
        keys,
        np.concatenate([p.labels for p in parts]),
        np.concatenate(seconds) if len(seconds) == len(parts) else None,
    )


def _may_fork() -> bool:
    return hasattr(os, "fork") and threading.active_count() == 1 and not _THREADED & set(sys.modules)


def _child(sampler: Sampler, data: Data, n: int, path: Path) -> int:
    """Fork a process that writes *n* runs to *path*, and return its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that forking threads is unsafe: there are none here
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        np.random.seed(int.from_bytes(os.urandom(4), "little"))  # what is audited may draw from it
        random.seed()
        sampler._alone = True
        found = sampler.draw(data, n)
        keys, seconds = np.array(found.keys, dtype=str), found.seconds
        clock = np.empty(0) if seconds is None else seconds
        np.savez(path, values=found.values, keys=keys, labels=found.labels.astype(str), seconds=clock)
        code = 0
    except PetsEvalError as error:
        path.with_suffix(".txt").write_text(str(error))
    except BatchRaisedError:
        path.with_suffix(".raised").touch()
    finally:
        os._exit(code)


def _raise_if_failed(target: Target, path: Path, code: int) -> None:
    if isinstance(target, Function) and path.with_suffix(".raised").exists():
        raise BatchRaisedError(target.singly())
    if code:
        note = path.with_suffix(".txt")
        raise PetsEvalError(
            note.read_text() if note.exists() else f"{target.name} ended its process (exit code {code})"
        )


def _load(path: Path) -> Outcomes:
    with np.load(path, allow_pickle=False) as kept:
        labels, seconds = kept["labels"].astype(object), kept["seconds"]
        clock = seconds if len(seconds) == len(labels) else None
        return Outcomes(kept["values"], tuple(kept["keys"].tolist()), labels, clock)


def _alike(one: Outcomes, other: Outcomes) -> bool:
    """Whether two processes gave the same runs: of one output each time, or from one generator that both inherited."""
    one, other = together(one, other)
    return np.array_equal(one.values, other.values, equal_nan=True) and bool((one.labels == other.labels).all())


def _varies(runs: Outcomes) -> bool:
    return not _alike(runs, runs.part(np.zeros(len(runs), dtype=np.intp)))
