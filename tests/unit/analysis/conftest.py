import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_FILE = Path(__file__).parents[2] / "golden" / "example.py"


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """The hand-made runs, see tests/golden/example.py."""
    spec = importlib.util.spec_from_file_location("example", _FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
