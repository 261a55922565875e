"""Anonymeter's attacks: `with_anonymeter.py FOLDER trio|defects`, run in anonymeter's environment."""

from pathlib import Path

import cases
import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
from anonymeter.neighbors.mixed_types_kneighbors import MixedTypeKNeighbors
from measure import Stopwatch, answer, resident

NUMBERS = ["AGEP", "NOC", "NPF", "DENSITY", "PINCP", "POVPIP"]


def trio(folder, attacks, seed, aux, secrets, every=0):
    tables = {}
    for side, name in (("ori", "real"), ("syn", "synthetic"), ("control", "control")):
        names = pd.read_csv(Path(folder) / f"{name}.csv", nrows=0).columns
        kinds = {n: float if n in NUMBERS else str for n in names}
        tables[side] = pd.read_csv(Path(folder) / f"{name}.csv", dtype=kinds)
    np.random.seed(seed)  # its evaluators take no seed, but sample with pandas' global one
    few = {side: table[:50] for side, table in tables.items()}
    LinkabilityEvaluator(aux_cols=aux, n_neighbors=1, n_attacks=5, **few).evaluate()  # compiles its loops
    found, before = {}, resident()
    tables["n_attacks"] = attacks

    def run(name, evaluator, **options):
        with Stopwatch() as watch:
            evaluator.evaluate(**options)
            result = evaluator.results()
        found[name] = watch.times() | {
            "attack": (float(result.n_success), result.n_attacks_ori),
            "control": (float(result.n_control), result.n_attacks_control),
            "baseline": (float(result.n_baseline), result.n_attacks_baseline),
        }

    if every:
        run("univariate", SinglingOutEvaluator(seed=seed, **tables | {"n_attacks": every}), mode="univariate")
    else:
        run("univariate", SinglingOutEvaluator(seed=seed, **tables), mode="univariate")
    run("multivariate", SinglingOutEvaluator(n_cols=4, seed=seed, **tables), mode="multivariate")
    run("linkability", LinkabilityEvaluator(aux_cols=aux, n_neighbors=1, **tables))
    for secret in secrets:
        known = [n for n in names if n != secret]
        run(f"inference of {secret}", InferenceEvaluator(aux_cols=known, secret=secret, regression=False, **tables))
    return {"attacks": found, "before MB": before}


def defects(folder):
    """What it says of the small cases."""
    inference = {"aux_cols": ["a"], "secret": "s", "n_attacks": 500}
    real, release = cases.guessed()
    np.random.seed(0)
    guess = InferenceEvaluator(ori=real, syn=release, regression=False, **inference).evaluate().results()
    people, others = cases.copied()
    risks = []
    for attacks in (500, 5000):
        tables = {"ori": people, "syn": people, "control": others, "n_attacks": attacks}
        risks.append(SinglingOutEvaluator(seed=0, **tables).evaluate(mode="univariate").results().risk().value)
    real, release = cases.negative()
    passed = InferenceEvaluator(ori=real, syn=release, regression=True, **inference).evaluate().results()
    rows = cases.missing()
    search = MixedTypeKNeighbors(n_neighbors=1).fit(candidates=rows)
    far, _ = search.kneighbors(rows, return_distance=True)
    return {
        "baseline": guess.n_baseline / 500,
        "risk of 500": float(risks[0]),
        "risk of 5000": float(risks[1]),
        "negative": passed.n_success / 500,
        "missing": float(np.max(far)),
    }


if __name__ == "__main__":
    answer({"trio": trio, "defects": defects})
