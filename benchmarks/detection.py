"""Whether leaks are caught and sound releases left in peace: `python -m benchmarks.detection [SEEDS]`.

For each seed, the people of the default dataset are split into those who are protected and those who are held out, and
five releases are assessed against the core guideline: three that leak (bootstrap copies, copies with 1 % noise, and
independent marginals of which 5 % are copied rows) and two that do not (independent marginals, and the held-out people
themselves). Counted is in how many seeds a criterion RR- fails each of them, with the correction for all tests of the
scorecard.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pets_datasets.draft import schema_yaml
from pets_eval.model import Schema
from pets_eval.registry import make_dataset

LEAKING = ("bootstrap", "noisy", "five-percent")
SOUND = ("independent", "held-out")
METRICS = [
    *("singling-out-risk", "linkability-risk", "inference-risk", "attribute-inference"),
    *("membership-advantage", "membership-test", "closest-record", "closest-record-test"),
    *("unique-exact-matches", "exact-match-test", "direct-identifiers", "record-risk"),
    *("control-fit", "control-overlap"),
]


def people() -> tuple[pd.DataFrame, Schema]:
    """The default dataset with its public schema."""
    source = make_dataset("nhanes", {})
    with tempfile.TemporaryDirectory() as home:
        return source.load(Path(home), Path(home) / "x.parquet").frame(), source.schema()


def releases(
    real: pd.DataFrame, control: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """The five releases by name."""
    copies = real.iloc[rng.integers(0, len(real), len(real))].reset_index(drop=True)
    independent = pd.DataFrame({n: real[n].to_numpy()[rng.integers(0, len(real), len(real))] for n in real})
    some = independent.copy()
    copied = rng.random(len(some)) < 0.05
    some[copied] = copies[copied]
    return {
        "bootstrap": copies,
        "noisy": noisy(copies, schema, rng),
        "five-percent": some,
        "independent": independent,
        "held-out": control,
    }


def noisy(rows: pd.DataFrame, schema: Schema, rng: np.random.Generator, share: float = 0.01) -> pd.DataFrame:
    """*rows* with noise: numbers move by *share* of their range, and that share of the categories is drawn anew."""
    done = rows.copy()
    for name, column in schema.columns.items():
        if column.numeric:
            low, high = column.bounds or (0.0, 1.0)
            moved = np.clip(done[name] + rng.normal(0, share * (high - low), len(done)), low, high)
            done[name] = moved.round() if column.kind == "integer" else moved
        else:
            drawn = rng.random(len(done)) < share
            done.loc[drawn, name] = rng.permutation(rows[name].to_numpy())[drawn]
    return done


def assess(seed: int, home: Path, frame: pd.DataFrame, schema: Schema) -> dict[str, list[str]]:
    """The criteria RR- that fail each release."""
    rng = np.random.default_rng(seed)
    protected = rng.random(len(frame)) < 0.7
    real, control = (frame[rows].reset_index(drop=True) for rows in (protected, ~protected))
    made = {"real": real, "control": control, **releases(real, control, schema, rng)}
    for name, table in made.items():
        table.to_csv(home / f"{name}.csv", index=False)
    study = {
        "schema": "pets-eval/study/1",
        "name": f"detection-{seed}",
        "seed": seed,
        "repeats": 1,
        "metrics": METRICS,
        "datasets": [
            {
                "use": "file",
                "name": "people",
                "params": {"path": "real.csv", "schema_file": "schema.yaml", "control_file": "control.csv"},
            }
        ],
        "tasks": [{"use": "microdata"}],
        "techniques": [{"use": "external-release", "grid": {"path": [f"{n}.csv" for n in (*LEAKING, *SOUND)]}}],
    }
    (home / "study.yaml").write_text(json.dumps(study))
    done = subprocess.run(
        [sys.executable, "-m", "pets_eval", "run", str(home / "study.yaml"), "-o", str(home / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    card = json.loads((home / "run" / "scorecard.json").read_text())
    found: dict[str, list[str]] = {name: [] for name in (*LEAKING, *SOUND)}
    for verdict in card["verdicts"]:
        name = verdict["technique"].removeprefix("external-release (path=").removesuffix(".csv)")
        if name in found and verdict["criterion"].startswith("RR-") and verdict["verdict"] == "fail":
            found[name].append(verdict["criterion"])
    return found


def detection(seeds: Iterable[int]) -> dict[str, dict[str, int]]:
    """Release -> criterion -> in how many of the seeds it fails; "any" is at least one of them."""
    frame, schema = people()
    counts: dict[str, Counter[str]] = {name: Counter(any=0) for name in (*LEAKING, *SOUND)}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "schema.yaml").write_text(schema_yaml(Schema(columns=schema.columns, unit_is=schema.unit_is)))
            for name, failed in assess(seed, home, frame, schema).items():
                counts[name].update([*failed, "any"] if failed else [])
    return {name: dict(found) for name, found in counts.items()}


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name, found in detection(range(asked)).items():
        expected = "leaks" if name in LEAKING else "sound"
        told = ", ".join(f"{c} {n}" for c, n in sorted(found.items()) if c != "any")
        print(f"{name:14} {expected:6} failed in {found['any']:2} of {asked} seeds  {told}")
