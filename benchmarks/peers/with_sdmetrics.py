"""SDMetrics' figures: `with_sdmetrics.py FOLDER quality|dcr`, run where SDMetrics is installed."""

from pathlib import Path

import cases
import numpy as np
import pandas as pd
from measure import Stopwatch, answer, resident
from sdmetrics.reports.single_table import QualityReport
from sdmetrics.single_table.privacy.dcr_baseline_protection import DCRBaselineProtection
from sdmetrics.single_table.privacy.dcr_overfitting_protection import DCROverfittingProtection

NUMBERS = ["AGEP", "NOC", "NPF", "DENSITY", "INDP", "PINCP", "POVPIP"]


def read(folder, rows=None):
    tables = [pd.read_csv(p, dtype=str, keep_default_na=False) for p in sorted(Path(folder).glob("*.csv"))]
    names = [p.stem for p in sorted(Path(folder).glob("*.csv"))]
    done = {}
    for name, table in zip(names, tables, strict=True):
        table = table.sample(n=rows, random_state=0, ignore_index=True) if rows else table
        for column in table:
            if column in NUMBERS:
                table[column] = pd.to_numeric(table[column].replace("N", np.nan))
        done[name] = table
    kinds = {n: {"sdtype": "numerical" if n in NUMBERS else "categorical"} for n in done["real"]}
    return done, {"columns": kinds}


def quality(folder):
    tables, described = read(folder)
    few = {n: t[:50].copy() for n, t in tables.items()}
    QualityReport().generate(few["real"], few["synthetic"], described, verbose=False)  # loads what it needs
    before = resident()
    with Stopwatch() as watch:
        report = QualityReport()
        report.generate(tables["real"].copy(), tables["synthetic"].copy(), described, verbose=False)
    scores = report.get_properties().set_index("Property")["Score"]
    return watch.times() | {"before MB": before, "values": [scores["Column Shapes"], scores["Column Pair Trends"]]}


def dcr(folder, rows):
    tables, described = read(folder, rows)
    real, release, control = (tables[n] for n in ("real", "synthetic", "control"))
    before = resident()
    with Stopwatch() as overfitting:
        value = DCROverfittingProtection.compute(real, release, control, described, None)
    with Stopwatch() as baseline:
        DCRBaselineProtection.compute(real, release, described, None)
    return {
        "overfitting": overfitting.times(),
        "baseline": baseline.times(),
        "before MB": before,
        "value": float(value),
    }


def defects(folder):
    """What it says of the small cases."""
    real, release = cases.scaled()
    described = {"columns": {n: {"sdtype": "numerical"} for n in real}}
    report = QualityReport()
    report.generate(real, release, described, verbose=False)
    trends = report.get_properties().set_index("Property")["Score"]["Column Pair Trends"]
    # a number and a category, of which the release has other bins
    mixed = [t.assign(b=np.where(real["b"] > 0, "high", "low")) for t in (real, release)]
    described = {"columns": {"a": {"sdtype": "numerical"}, "b": {"sdtype": "categorical"}}}
    report.generate(*mixed, described, verbose=False)
    binned = report.get_properties().set_index("Property")["Score"]["Column Pair Trends"]
    people, others = cases.alike()
    described = {"columns": {n: {"sdtype": "categorical"} for n in people}}
    copies = DCROverfittingProtection.compute(people, people, others, described, None)
    both = DCROverfittingProtection.compute(people, people, people, described, None)
    return {"trends": float(trends), "binned": float(binned), "copies": float(copies), "both": float(both)}


if __name__ == "__main__":
    answer({"quality": quality, "dcr": dcr, "defects": defects})
