"""`pets-eval audit` as a user has it: on a function that claims too much, on the right one, and how fast it starts."""

import json
import subprocess
import sys
import time

import pytest

MODULE = """\
import numpy as np

rng = np.random.default_rng()


def wrong(data):
    return len(data) + rng.laplace(scale=1 / 2)


def right(data):
    return len(data) + rng.laplace(scale=1)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "counts.py").write_text(MODULE)
    return tmp_path


def audit(folder, *words):
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pets_eval", "audit", *words], cwd=folder, capture_output=True, text=True, timeout=120
    )
    return done, time.monotonic() - start


def test_noise_for_epsilon_2_that_claims_1(folder):
    done, seconds = audit(folder, "counts:wrong", "--claim", "epsilon=1", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and done.stderr == ""
    assert found["outcome"] == "violation found" and found["p_value"] < 1e-6
    assert 1 < found["epsilon_lower_bound"] <= 2
    assert seconds < 60


def test_the_right_one(folder):
    done, seconds = audit(folder, "counts:right", "--claim", "epsilon=1", "--level", "0.9999999")
    assert done.returncode == 0 and done.stderr == ""
    assert (
        done.stdout.startswith("no violation found\n")
        and "detection floor" in done.stdout
        and "would have caught" in done.stdout
    )
    assert seconds < 60


def test_help_is_instant():
    code = "import sys\nfrom pets_eval.cli.app import main\nmain(['audit', '--help'])\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "TARGET is a function" in done.stdout
    for heavy in ("numpy", "pandas", "scipy", "opendp"):
        assert f"'{heavy}'" not in done.stdout
