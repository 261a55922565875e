"""What must feel instant imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["torch", "sdv", "ray", "polars", "opendp", "flwr", "tenseal"]


def imported(code: str) -> set[str]:
    script = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_metrics_import_nothing_of_a_family():
    assert imported("import pets_metrics; from pets_metrics import mean_absolute_error").isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["--version"]])
def test_help_and_list_import_no_data_library(arguments):
    code = f"from pets_eval.cli.app import main\nmain({arguments!r})"
    assert imported(code).isdisjoint([*HEAVY, "numpy", "pandas", "scipy", "pyarrow", "pydantic", "rich"])
