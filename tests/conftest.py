"""Make the test bed's plug-ins known to this process and to every child."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTBED = str(Path(__file__).parent / "testbed")

if TESTBED not in sys.path:
    sys.path.insert(0, TESTBED)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [TESTBED, os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, so that no test sees what another, or a user, downloaded."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PETS_EVAL_CACHE", str(folder))
    yield folder
