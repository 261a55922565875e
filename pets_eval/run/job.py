"""A job: what one child process is asked to do, as plain values that cross any process border."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pets_eval.model.record import Spec

STARTED = "started"  # in `scores_home`: the evidence is there and the first metric is about to be computed


@dataclass(frozen=True)
class Job:
    """Run, score or probe one cell below *root* (the run's confidential folder, or a node's copy of it).

    `data` is the key of the prepared dataset below root/data; `home` the cell's folder; `task` and `params` rebuild
    the plug-ins by name; `metrics` are to be computed by a score job.
    """

    kind: Literal["run", "score", "probe"]
    root: str
    identity: str
    spec: dict[str, Any]
    data: str
    task_use: str
    task_params: dict[str, Any]
    seed: int
    coalitions: list[list[str]]
    seats: list[str] | None
    metrics: list[str]
    cost: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in (self.identity, self.data):
            if not re.fullmatch(r"[0-9a-f]{32}", name):
                raise ValueError("a cell or dataset has a name that is not a hash")

    @property
    def home(self) -> Path:
        """The cell's folder."""
        return Path(self.root) / "cells" / self.identity

    @property
    def dataset_home(self) -> Path:
        """The prepared dataset."""
        return Path(self.root) / "data" / self.data

    @property
    def scores_home(self) -> Path:
        """Where a score job keeps the result of each metric as soon as it has it."""
        return self.home / "scores"

    def cell(self) -> Spec:
        """The spec of the cell."""
        return Spec.model_validate(self.spec)

    def outcome_path(self) -> Path:
        """Where the child writes what came of the job."""
        return self.home / f"{self.kind}.outcome.json"

    def log_path(self) -> Path:
        """Where the child's output goes; it may quote data, so it stays in the confidential folder."""
        return self.home / f"{self.kind}.log"

    def dumps(self) -> str:
        """The job on one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def loads(text: str) -> Job:
        """The job from one line."""
        return Job(**json.loads(text))
