"""Small studies for the engine's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pets_eval.model.record import RunRecord
from pets_eval.run.runner import RunSummary, run_study
from pets_eval.run.studyfile import StudyFile, read_study

METRICS = ["test-error", "test-view-size"]


class Quiet:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[RunRecord] = []
        self.started: tuple[int, int] = (0, 0)

    def start(self, total: int, done: int) -> None:
        self.started = (total, done)

    def cell(self, record: RunRecord) -> None:
        self.records.append(record)

    def note(self, text: str) -> None:
        pass


def study_text(**changes: Any) -> str:
    facts = {
        "schema": "pets-eval/study/1",
        "name": "engine test",
        "datasets": [{"use": "test-people"}],
        "tasks": [{"use": "test-counts"}],
        "techniques": [{"use": "test-plain"}, {"use": "test-noisy", "grid": {"scale": [1.0, 5.0]}}],
        "metrics": METRICS,
        "repeats": 2,
        "seed": 11,
    }
    return yaml.safe_dump({**facts, **changes})


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., StudyFile]:
    def make(**changes: Any) -> StudyFile:
        path = tmp_path / "study.yaml"
        path.write_text(study_text(**changes))
        return read_study(path)

    return make


@pytest.fixture
def run(study: Callable[..., StudyFile], tmp_path: Path) -> Callable[..., tuple[RunSummary, Quiet, Path]]:
    def go(directory: str = "out", options: dict[str, Any] | None = None, **changes: Any) -> Any:
        reporter = Quiet()
        target = tmp_path / directory
        return run_study(study(**changes), target, reporter=reporter, **(options or {})), reporter, target

    return go
