"""The worked examples of CONTRIBUTING.md, taken from its text, run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The example package laid out as an installed distribution."""
    home = tmp_path_factory.mktemp("contributing")
    for block in re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL):
        path = home / block[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block[1])
    project = tomllib.loads((home / "pyproject.toml").read_text())["project"]
    info = home / "pets_example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    (home / "pets_example" / "__init__.py").write_text("")
    return home


def call(home: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


def test_the_examples_run_in_a_study(home):
    study = {
        "schema": "pets-eval/study/1",
        "name": "worked examples",
        "datasets": [{"use": "example-coins"}],
        "tasks": [{"use": "marginals", "params": {"k": 1}}],
        "techniques": [{"use": "rounded-counts", "grid": {"base": [5, 50]}}],
        "metrics": ["share-of-zeros", "mean-absolute-error"],
        "repeats": 1,
    }
    (home / "study.yaml").write_text(yaml.safe_dump(study))
    call(home, "pets_eval", "run", "study.yaml", "-o", "out")
    records = [json.loads(p.read_text()) for p in (home / "out" / "cells").glob("*.json")]
    assert {r["status"] for r in records} == {"finished"}
    errors = {
        r["spec"]["params"]["base"]: r["scores"]["mean-absolute-error"]["rows"][0]["value"]
        for r in records
        if r["spec"]["technique"] == "rounded-counts"
    }
    assert 0 < errors[5] <= 2.5 and errors[5] < errors[50] <= 25


def test_the_examples_pass_their_own_conformance_test(home):
    printed = call(home, "pytest", "-q", "-p", "no:cacheprovider", "test_example.py")
    assert re.search(r"\d+ passed", printed) and "failed" not in printed
