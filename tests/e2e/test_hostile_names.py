"""A column and a category with markup for a name reach every report harmlessly, and no row reaches any."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from pets_eval.cli.app import main
from pets_eval.model.study import Study
from pets_eval.registry import entries
from pets_testbed.data import PLANTED

COLUMN = "<script>alert(1)</script>"
CATEGORY = '"><img src=x onerror=1>'


class Seen(HTMLParser):
    """Collects tags, attributes and text as a browser would."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("hostile")
    study = {
        "schema": "pets-eval/study/1",
        "name": "hostile <b>names</b>",
        "purpose": "see <script>alert(2)</script> on the page",
        "datasets": [
            {"use": "test-people", "params": {"nasty": True}, "partition": {"by": "column", "column": COLUMN}}
        ],
        "tasks": [{"use": "test-counts", "params": {"column": COLUMN}}, {"use": "marginals", "params": {"k": 1}}],
        "techniques": [{"use": "sampling", "params": {"p": 0.5}}, {"use": "test-raise"}],
        "metrics": [name for name, entry in entries("metrics").items() if entry.distribution == "pets-eval"],
        "repeats": 2,
    }
    Study.model_validate(study)
    path = home / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    assert main(["run", str(path), "-o", str(home / "out")]) == 1  # test-raise fails, as it should
    return home / "out"


def test_html_is_inert(directory):
    seen = Seen((directory / "scorecard.html").read_text())
    assert COLUMN in seen.text and CATEGORY in seen.text, "the names are shown as they are"
    assert "script" not in seen.tags and "img" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    loads = [v for name, v in seen.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert all(v.startswith("#") for v in loads), "the page asks no host for anything"


def test_markdown_is_inert(directory):
    text = (directory / "scorecard.md").read_text()
    assert "<script" not in text and "<img" not in text and "<b>" not in text


def test_json_keeps_the_names(directory):
    assert COLUMN in json.dumps(json.loads((directory / "scorecard.json").read_text()))


def test_no_row_is_in_any_report_or_record(directory):
    for path in directory.rglob("*"):
        if path.is_file() and "confidential" not in path.parts:
            assert PLANTED.encode() not in path.read_bytes(), f"{path.name} quotes a row"


def test_the_run_verifies_and_a_touched_report_does_not(directory, capsys):
    assert main(["verify", str(directory)]) == 0
    page = directory / "scorecard.html"
    page.write_text(page.read_text().replace("sampling", "perfection"))
    assert main(["verify", str(directory)]) == 1
    assert "stale: scorecard.html" in capsys.readouterr().out
    assert main(["report", str(directory)]) == 0
    assert main(["verify", str(directory)]) == 0
