"""The catalogue of metrics in the docs is the one that the code makes."""

from pathlib import Path

from pets_eval.registry import entries
from pets_metrics.catalogue import page

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "write it anew: python -m pets_metrics.catalogue > docs/metrics.md"


def test_every_metric_has_an_entry():
    own = [name for name, entry in entries("metrics").items() if entry.distribution == "pets-eval"]
    assert [name for name in own if f"### `{name}`" not in page()] == []
