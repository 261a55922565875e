"""A wheel installed elsewhere runs the default study; a third-party plug-in runs without touching the engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def call(*command: str | Path, **options) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A fresh environment that sees our dependencies but not the checkout."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", home)
    (site,) = home.glob("lib/python*/site-packages")
    # a path in a .pth file is searched, but .pth files found there are not read: no editable install comes along
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home


def install(home: Path, source: Path) -> None:
    (site,) = home.glob("lib/python*/site-packages")
    arguments = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    call(sys.executable, "-m", "pip", "install", *arguments, "--target", site, source)


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def test_the_wheel_runs_the_default_study(elsewhere, tmp_path):
    wheels = tmp_path / "wheels"
    arguments = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    call(sys.executable, "-m", "pip", "wheel", *arguments, "-w", wheels, ROOT)
    (wheel,) = wheels.glob("pets_eval-*.whl")
    install(elsewhere, wheel)
    python = elsewhere / "bin" / "python"
    where = call(python, "-c", "import pets_eval; print(pets_eval.__file__)", cwd=tmp_path, env=environment())
    assert str(elsewhere) in where
    printed = call(python, "-m", "pets_eval", "run", "default", "-o", tmp_path / "out", cwd=tmp_path, env=environment())
    page = Path(printed.strip().splitlines()[-1])
    assert page.name == "scorecard.html" and "dp-laplace-marginals" in page.read_text()
    records = [json.loads(p.read_text()) for p in (tmp_path / "out" / "cells").glob("*.json")]
    assert {r["status"] for r in records} == {"finished", "skipped"}
    call(python, "-m", "pets_eval", "verify", tmp_path / "out", cwd=tmp_path, env=environment())


def test_a_third_party_plug_in_runs_unknown_to_the_engine(elsewhere, tmp_path):
    install(elsewhere, ROOT)
    install(elsewhere, ROOT / "tests" / "plugin")
    python = elsewhere / "bin" / "python"
    listed = json.loads(call(python, "-m", "pets_eval", "list", "--json", cwd=tmp_path, env=environment()))
    technique, metric = "example-rounding", "unanswered-share"
    assert {technique, metric} <= {row["name"] for row in listed}
    study = {
        "schema": "pets-eval/study/1",
        "name": "third party",
        "datasets": [{"use": "breast-cancer"}],
        "tasks": [{"use": "marginals", "params": {"k": 1}}],
        "techniques": [{"use": technique}],
        "metrics": [metric, "mean-absolute-error"],
        "repeats": 1,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    call(python, "-m", "pets_eval", "run", "study.yaml", "-o", "out", cwd=tmp_path, env=environment())
    records = [json.loads(p.read_text()) for p in (tmp_path / "out" / "cells").glob("*.json")]
    (record,) = [r for r in records if r["spec"]["technique"] == technique]
    assert record["status"] == "finished"
    assert record["scores"][metric]["status"] == "measured"
