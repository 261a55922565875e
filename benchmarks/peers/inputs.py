"""The tables that both sides read, made from the NIST excerpts: `write_all(DATA, FOLDER)` puts CSV files in FOLDER."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

WEIGHTS = ["PWGTP", "WGTP"]
NUMBERS = ["AGEP", "NOC", "NPF", "DENSITY", "PINCP", "POVPIP"]
CATEGORIES = ["PUMA", "SEX", "MSP", "HISP", "RAC1P", "HOUSING_TYPE", "OWN_RENT", "EDU"]
AREAS = ("national", "ma", "tx")


def excerpt(data: Path, name: str) -> pd.DataFrame:
    """One excerpt as texts, without its weights."""
    return pd.read_csv(data / "nist" / f"{name}.csv", dtype=str, keep_default_na=False).drop(columns=WEIGHTS)


def resampled(table: pd.DataFrame, rows: int, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """*rows* bootstrapped rows of which a *share* of the cells is drawn anew from the column."""
    whole, done = rng.integers(0, len(table), rows), {}
    for name in table:
        single = rng.integers(0, len(table), rows)
        done[name] = table[name].take(np.where(rng.random(rows) < share, single, whole)).reset_index(drop=True)
    return pd.DataFrame(done)


def trio(data: Path, folder: Path, rows: int, seed: int) -> None:
    """*rows* people each of the 2019 and the 2018 survey in 14 columns, and a release of the former.

    People are drawn without replacement from the national, Massachusetts and Texas excerpts together; "does not apply"
    is -1, for anonymeter counts a missing value as different from itself. The release is a bootstrap copy with a fifth
    of its cells drawn anew from their column.
    """
    rng = np.random.default_rng(seed)
    tables = {}
    for name, year in (("real", 2019), ("control", 2018)):
        people = pd.concat([excerpt(data, f"{area}{year}") for area in AREAS])[[*NUMBERS, *CATEGORIES]]
        people[NUMBERS] = people[NUMBERS].replace("N", "-1")
        tables[name] = people.iloc[rng.permutation(len(people))[:rows]].reset_index(drop=True)
    tables["synthetic"] = resampled(tables["real"], rows, 0.2, rng)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def excerpts(data: Path, folder: Path) -> None:
    """For each area the survey of 2019 as real people, that of 2018 as their release, and a control for the nation.

    The control is the Massachusetts and the Texas excerpt of 2019, bootstrapped to the size of the national one.
    """
    for area in AREAS:
        home = folder / area
        home.mkdir(parents=True, exist_ok=True)
        for name, year in (("real", 2019), ("synthetic", 2018)):
            excerpt(data, f"{area}{year}").to_csv(home / f"{name}.csv", index=False)
    rng = np.random.default_rng(0)
    others = pd.concat([excerpt(data, f"{area}2019") for area in AREAS[1:]], ignore_index=True)
    size = len(excerpt(data, "national2019"))
    others.iloc[rng.integers(0, len(others), size)].to_csv(folder / "national" / "control.csv", index=False)
