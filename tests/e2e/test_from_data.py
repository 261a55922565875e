"""What was read from the data carries its hazard to the page, and is itself shown nowhere but in confidential/."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from pets_eval.cli.app import main

PLANTED = "ZZPLANTED"


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("drafted")
    draw = random.Random(4)
    rows = [
        f"{draw.choice(['f', 'm'])},{draw.choice([PLANTED, 'other'])},{draw.uniform(0, 987654.321):.3f}"
        for _ in range(300)
    ]
    (home / "data.csv").write_text("\n".join(["sex,town,pay", *rows, f"f,{PLANTED},987654.321"]) + "\n")
    assert main(["schema", str(home / "data.csv"), "-o", str(home / "schema.yaml")]) == 0
    study = {
        "schema": "pets-eval/study/1",
        "name": "drafted",
        "datasets": [
            {
                "use": "file",
                "params": {"path": "data.csv", "schema_file": "schema.yaml"},
                "partition": {"by": "column", "column": "town"},
            }
        ],
        "tasks": [{"use": "marginals", "params": {"tables": [["sex", "town"], ["pay"]]}}],
        "techniques": [{"use": "dp-laplace-marginals"}, {"use": "sampling"}],
        "metrics": ["mean-absolute-error", "group-error-ratio", "claimed-epsilon", "exact-cell-disclosure"],
        "repeats": 1,
    }
    (home / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["run", str(home / "study.yaml"), "-o", str(home / "out")]) == 0
    return home / "out"


def test_the_hazard_is_on_the_page(directory):
    for name in ("scorecard.html", "scorecard.md", "scorecard.json"):
        text = (directory / name).read_text()
        assert "an assumption is violated here" in text
        assert "read from the data" in text


def test_what_was_read_from_the_data_is_not(directory):
    held = False
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            inside = "confidential" in path.relative_to(directory).parts
            held = held or (inside and PLANTED.encode() in content)
            if not inside:
                assert PLANTED.encode() not in content and b"987654" not in content, f"{path.name} quotes the data"
    assert held, "the search would not have found anything anywhere"
