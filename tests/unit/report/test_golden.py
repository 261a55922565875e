"""The reports of a small run, byte for byte. After a wanted change: python tests/golden/example.py"""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize("name", ["scorecard.json", "scorecard.md", "scorecard.html"])
def test_golden(example, name):
    assert example.golden_reports()[name] == (GOLDEN / name).read_text(encoding="utf-8")
