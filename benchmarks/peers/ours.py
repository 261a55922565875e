"""The figures of pets_metrics for what the peers are asked: `ours.py FOLDER JOB [OPTIONS]`, in our own environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pandas as pd
from inputs import CATEGORIES, NUMBERS
from measure import Stopwatch, answer, resident

import pets_metrics
from pets_eval.model import Column, Schema
from pets_eval.registry import make_dataset
from pets_metrics.privacy.closest import closest_distances, overfitting_protection

Found = dict[str, Any]
QUASI = ["SEX", "MSP", "RAC1P", "OWN_RENT", "EDU", "PUMA", "INDP_CAT", "HISP"]  # those of SDNist's report


def nist(folder: str, area: str = "national", rows: int = 0) -> tuple[Schema, dict[str, pd.DataFrame]]:
    """The public schema of an excerpt, and its tables as the engine holds them."""
    schema = make_dataset("nist-excerpts", {"excerpt": f"{area}2019"}).schema()
    texts = {
        p.stem: pd.read_csv(p, dtype=str, keep_default_na=False) for p in sorted((Path(folder) / area).glob("*.csv"))
    }
    if rows:
        texts = {n: t.sample(n=rows, random_state=0, ignore_index=True) for n, t in texts.items()}
    domain = {"PUMA": sorted(set().union(*(set(t["PUMA"]) for t in texts.values())))}
    columns = {n: c for n, c in schema.columns.items() if n in texts["real"]}
    columns["PUMA"] = Column("categorical", domain=tuple(domain["PUMA"]), roles=columns["PUMA"].roles)
    rules = tuple(r for r in schema.constraints if set(r.forbid) <= set(columns))
    known = Schema(columns, constraints=rules)
    return known, {n: known.conform(t, where=n) for n, t in texts.items()}


def trio(
    folder: str, attacks: int, seed: int, aux: tuple[list[str], list[str]], secrets: list[str], every: int = 0
) -> Found:
    """Singling out, linkability and inference on the tables of `inputs.trio`."""
    kinds: dict[Any, Any] = dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(CATEGORIES, "str")
    tables = [pd.read_csv(Path(folder) / f"{n}.csv", dtype=kinds) for n in ("real", "synthetic", "control")]
    real = tables[0]
    schema = Schema(
        {n: Column("categorical", domain=tuple(sorted(set(real[n])))) for n in CATEGORIES}
        | {n: Column("real", bounds=(float(real[n].min()), float(real[n].max()))) for n in NUMBERS}
    )
    pets_metrics.linkability_risk(*(t[:50] for t in tables), schema)  # loads its compiled loops
    found, before = {}, resident()

    def run(name: str, metric: Any, group: str = "", **options: Any) -> None:
        with Stopwatch() as watch:
            scores = metric(*tables, schema, np.random.default_rng(seed), **{"attacks": attacks, **options})
        rates = {s.statistic: s.estimate for s in scores if s.group == group and s.statistic != "risk"}
        found[name] = watch.times() | {n: (e.value * e.n, e.n) for n, e in rates.items()}

    if every:
        run("univariate", pets_metrics.singling_out_risk, "univariate", attacks=every)
    run("multivariate" if every else "singling out", pets_metrics.singling_out_risk, "multivariate")
    run("linkability", pets_metrics.linkability_risk, aux=aux)
    for secret in secrets:
        run(f"inference of {secret}", pets_metrics.inference_risk, secret, secrets=[secret])
    return {"attacks": found, "before MB": before}


def quality(folder: str) -> Found:
    """SDMetrics' two properties, on the tables as the engine holds them."""
    schema, tables = nist(folder)
    for metric in (pets_metrics.column_shapes, pets_metrics.pair_trends):
        metric(tables["real"][:50], tables["synthetic"][:50], schema)  # loads what it needs
    before = resident()
    with Stopwatch() as watch:
        shapes = pets_metrics.column_shapes(tables["real"], tables["synthetic"], schema)
        trends = pets_metrics.pair_trends(tables["real"], tables["synthetic"], schema)
    shape = next(s.estimate.value for s in shapes if not s.group)
    return watch.times() | {"before MB": before, "values": [shape, trends.value]}


def dcr(folder: str, rows: int = 0) -> Found:
    """All three figures on distances to the closest record, and SDMetrics' score by our distances."""
    schema, tables = nist(folder, rows=rows)
    three = [tables[n] for n in ("real", "synthetic", "control")]
    few = [t[:50] for t in three]
    pets_metrics.closest_record(*few, schema)  # loads the compiled loops
    before = resident()
    with Stopwatch() as like:
        value = overfitting_protection(three[0], three[1], three[2], schema)
    with Stopwatch() as all_three:
        pets_metrics.closest_record(*three, schema)
        pets_metrics.closest_record_distance(*three, schema, rng=np.random.default_rng(0))
        pets_metrics.closest_record_test(*three, schema, rng=np.random.default_rng(0))
    shape = (len(three[0]), len(schema.columns))
    return {"like": like.times(), "all three": all_three.times(), "before MB": before, "value": value, "shape": shape}


def k_marginal(folder: str, area: str = "national") -> Found:
    """NIST's score with PUMA, from the files, from tables of texts and from conforming tables."""
    schema, tables = nist(folder, area)
    score = pets_metrics.nist_k_marginal
    options: Found = {"by": "PUMA", "without": ["INDP"], "binning": "rank"}
    score(tables["real"][:50], tables["synthetic"][:50], schema, **options)  # loads what it needs
    before = resident()
    with Stopwatch() as conforming:
        grouped = score(tables["real"], tables["synthetic"], schema, **options)
    with Stopwatch() as files:
        texts = [
            pd.read_csv(Path(folder) / area / f"{n}.csv", dtype=str, keep_default_na=False)
            for n in ("real", "synthetic")
        ]
        with Stopwatch() as raw:
            score(texts[0], texts[1], schema, **options)
    alone = score(tables["real"], tables["synthetic"], schema, by="", without=["INDP", "PUMA"], binning="rank")
    values = {s.statistic: s.estimate.value for s in grouped if not s.group}
    return {
        "tables": conforming.times(),
        "texts": raw.times(),
        "files": files.times(),
        "before MB": before,
        "values": [values["all"], values["worst group"], alone[0].estimate.value],
    }


def everything(folder: str) -> Found:
    """All that SDNist's report measures, one after the other, with the seconds of each."""
    schema, tables = nist(folder)
    real, release = tables["real"], tables["synthetic"]
    before = resident()
    jobs: list[tuple[str, Found]] = [
        ("nist-k-marginal", {"by": "PUMA"}),
        ("equivalent-subsample", {}),
        ("propensity-mse", {}),
        ("two-sample-test", {}),
        ("component-distance", {}),
        ("slope-difference", {"predictor": "EDU", "outcome": "PINCP_DECILE", "by": ["RAC1P", "SEX"]}),
        ("marginal-total-variation", {}),
        ("kolmogorov-smirnov", {}),
        ("association-difference", {}),
        ("constraint-violations", {}),
        ("unique-exact-matches", {}),
        ("apparent-matches", {"columns": QUASI}),
        ("k-disco", {}),
    ]
    found, scores = {}, {}
    with Stopwatch() as whole:
        for name, options in jobs:
            with Stopwatch() as watch:
                metric = getattr(pets_metrics, name.replace("-", "_"))
                scores[name] = metric(real, release, schema=schema, **options)
            found[name] = watch.times()
    exact = scores["unique-exact-matches"]["real"]
    apparent = {s.statistic: s.estimate for s in scores["apparent-matches"]}
    disclosed = next(s.estimate.value for s in scores["k-disco"] if not s.group and s.statistic == "real")
    return whole.times() | {
        "parts": found,
        "before MB": before,
        "shape": real.shape,
        "values": {
            "sub-sample": scores["equivalent-subsample"].value,
            "propensity": scores["propensity-mse"]["tree"].value,
            "propensity, encoded": _as_sdnist_encodes(folder),
            "unique exact matches": round(exact.value * exact.n),
            "unique": exact.n,
            "apparent matches": round(apparent["matched"].value * apparent["matched"].n),
            "mean agreement": apparent["mean agreement"].value,
            "k-disco": disclosed,
        },
    }


def _as_sdnist_encodes(folder: str) -> float:
    """The tree's propensity score where a missing income is above all others and a density has no decimals."""
    schema = make_dataset("nist-excerpts", {"excerpt": "national2019"}).schema()
    texts = [pd.read_csv(Path(folder) / f"national/{n}.csv", dtype=str) for n in ("real", "synthetic")]
    for t in texts:
        t["PINCP"], t["POVPIP"] = t["PINCP"].replace("N", "9999999"), t["POVPIP"].replace("N", "999")
        t["DENSITY"] = t["DENSITY"].astype(float).astype(int)
    return pets_metrics.propensity_mse(texts[0], texts[1], schema)["tree"].value


def disco(folder: str, rows: int) -> Found:
    """kDiSCO on the first *rows* rows, every column as a category of the values that it has."""
    real, release = (
        pd.read_csv(Path(folder) / f"national/{n}.csv", dtype=str, keep_default_na=False)[:rows]
        for n in ("real", "synthetic")
    )
    columns = {n: Column("categorical", domain=tuple(sorted({*real[n], *release[n]}))) for n in real}
    before = resident()
    with Stopwatch() as watch:
        scores = pets_metrics.k_disco(real, release, schema=Schema(columns), stable=["RAC1P", "SEX"])
    value = next(s.estimate.value for s in scores if not s.group and s.statistic == "real")
    return watch.times() | {"before MB": before, "value": value}


def compared(folder: str, columns: list[str], k: int) -> Found:
    """What smartnoise-eval measures of the joint table of *columns*, as far as pets_metrics has it."""
    from pets_eval.model import Answer, cell_index

    real, release = (pd.read_csv(Path(folder) / f"{n}.csv", usecols=columns, dtype=str) for n in ("real", "synthetic"))
    counts = [t.value_counts(subset=columns) for t in (real, release)]
    cells = counts[0].index
    index = cell_index([("joint", " ".join(map(str, c)), "count") for c in cells])
    truth = Answer.of(index, counts[0].to_numpy(dtype=float))
    made = Answer.of(index, counts[1].reindex(cells, fill_value=0).to_numpy(dtype=float))
    schema = Schema({n: Column("categorical", domain=tuple(sorted({*real[n], *release[n]}))) for n in columns})
    with Stopwatch() as watch:
        error = pets_metrics.mean_absolute_error(made, truth)["count"].value
        off = pets_metrics.bias(made, truth)["count"].value
        alone = pets_metrics.uniqueness(real, release, schema, columns=columns)["released"].value
        classes = pets_metrics.k_anonymity(release, schema, columns=columns)[f"share in classes of {k}"].value
    return watch.times() | {"values": {"error": error, "bias": off, "alone": alone * len(release), "classes": classes}}


def wasserstein(folder: str, columns: list[str]) -> Found:
    """Each column's distance in its real standard deviation."""
    tables = [pd.read_csv(Path(folder) / f"{n}.csv", usecols=columns) for n in ("real", "synthetic")]
    bounds = {n: (float(min(t[n].min() for t in tables)), float(max(t[n].max() for t in tables))) for n in columns}
    schema = Schema({n: Column("real", bounds=bounds[n]) for n in columns})
    with Stopwatch() as watch:
        scores = pets_metrics.wasserstein(tables[0], tables[1], schema)
    return watch.times() | {"values": {s.group: s.estimate.value for s in scores if s.group}}


def defects(folder: str) -> Found:
    """What pets_metrics says of the small cases."""

    def rate(scores: list[Any], statistic: str, group: str = "") -> float:
        return float(next(s.estimate.value for s in scores if (s.group, s.statistic) == (group, statistic)))

    options: Found = {"secrets": ["s"], "attacks": 500}
    real, release = cases.guessed()
    people, others = cases.copied()
    single = [pets_metrics.singling_out_risk(people, people, others, attacks=n) for n in (500, 5000)]
    wrong = pets_metrics.inference_risk(*cases.negative(), **options)
    pair = cases.scaled()
    mixed = [t.assign(b=np.where(pair[0]["b"] > 0, "high", "low")) for t in pair]
    alike, unlike = cases.alike()
    return {
        "baseline": rate(pets_metrics.inference_risk(real, release, **options), "baseline"),
        "risk of 500": rate(single[0], "risk", "univariate"),
        "risk of 5000": rate(single[1], "risk", "univariate"),
        "negative": rate(wrong, "attack"),
        "missing": float(closest_distances(cases.missing(), cases.missing()).max()),
        "trends": pets_metrics.pair_trends(*pair).value,
        "binned": pets_metrics.pair_trends(*mixed).value,
        "k-marginal error": pets_metrics.k_marginal_error(*mixed)["mean"].value,
        "copies": pets_metrics.closest_record(alike, alike, unlike)["closer to training"].value,
        "p-value": pets_metrics.closest_record_test(alike, alike, unlike).value,
    }


JOBS = {
    "trio": trio,
    "quality": quality,
    "dcr": dcr,
    "k-marginal": k_marginal,
    "everything": everything,
    "disco": disco,
    "compare": compared,
    "wasserstein": wasserstein,
    "defects": defects,
}

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    answer(JOBS)
