"""Against libraries of the development environment: SciPy, statsmodels and fairlearn, on random cases."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

import pets_metrics
from benchmarks.peers.agreement import line
from pets_eval.model import Answer, Column, Schema, cell_index
from pets_metrics.intervals import clopper_pearson, newcombe, wilson

Rows = list[dict[str, str]]


def largest(what: str, pairs: list[tuple[Any, Any]], remark: str = "") -> dict[str, str]:
    """One row for many pairs of figures: the largest difference."""
    gap = max(float(np.abs(np.asarray(a, float) - np.asarray(b, float)).max()) for a, b in pairs)
    shown = np.ravel(pairs[-1][0])[0], np.ravel(pairs[-1][1])[0]  # as an example
    told = f"equal in {len(pairs)} cases" if gap < 1e-9 else f"differ by up to {gap:.1e}"
    return line(what, f"{shown[0]:.9f}", f"{shown[1]:.9f}", f"{told} (largest difference {gap:.0e})", remark)


def intervals() -> Rows:
    """Intervals of rates and of their differences against statsmodels."""
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    counts = [(k, n) for n in (1, 7, 40, 1000) for k in {0, 1, n // 3, n}]
    rows = []
    for name, ours in (("wilson", wilson), ("beta", clopper_pearson)):
        pairs = [(ours(k, n), proportion_confint(k, n, method=name)) for k, n in counts]
        rows.append(largest(f"statsmodels proportion_confint, {name}", pairs))
    some = [(k, n) for k, n in counts if 0 < k < n]
    pairs = [
        (newcombe(a, n, b, m), confint_proportions_2indep(a, n, b, m, method="newcomb"))
        for (a, n), (b, m) in product(some, some)
    ]
    return [*rows, largest("statsmodels confint_proportions_2indep, Newcombe", pairs)]


def distances() -> Rows:
    """Distances of columns against SciPy."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import ks_2samp, wasserstein_distance

    moved, gaps, split = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        real, made = rng.normal(size=300), rng.gamma(2, size=200)
        schema = Schema({"a": Column("real", bounds=(-10, 30))})
        tables = [pd.DataFrame({"a": x}) for x in (real, made)]
        moved.append(
            (pets_metrics.wasserstein(*tables, schema)[0].estimate.value, wasserstein_distance(real, made) / real.std())
        )
        gaps.append(
            (pets_metrics.kolmogorov_smirnov(*tables, schema)[0].estimate.value, ks_2samp(real, made).statistic)
        )
        words = [rng.choice(list("abcd"), 300, p=rng.dirichlet(np.ones(4))) for _ in range(2)]
        schema = Schema({"a": Column("categorical", domain=tuple("abcd"))})
        found = pets_metrics.jensen_shannon(*(pd.DataFrame({"a": w}) for w in words), schema)[0].estimate.value
        shares = [pd.Series(w).value_counts().reindex(list("abcd"), fill_value=0) for w in words]
        split.append((found, jensenshannon(*shares, base=2)))
    return [
        largest("SciPy wasserstein_distance over the real deviation", moved),
        largest("SciPy ks_2samp", gaps),
        largest("SciPy jensenshannon", split),
    ]


def fairness() -> Rows:
    """Differences between groups against fairlearn."""
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    odds, parity = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = 2000
        query = pd.DataFrame({"group": rng.choice(list("abc"), rows)})
        outcome = (rng.random(rows) < 0.4).astype(float)
        chance = np.clip(0.3 * outcome + 0.6 * rng.random(rows) + 0.1 * (query["group"] == "a"), 0, 1).to_numpy()
        index = cell_index([("outcome", str(i), "probability") for i in range(rows)])
        answer, truth = Answer.of(index, chance), Answer.of(index, outcome)
        schema = Schema({"group": Column("categorical", domain=tuple("abc"), roles=("quasi-identifier",))})
        decided = chance >= 0.5
        for ours, theirs, pairs in (
            (pets_metrics.equalised_odds_difference, equalized_odds_difference, odds),
            (pets_metrics.demographic_parity_difference, demographic_parity_difference, parity),
        ):
            found = next(s.estimate.value for s in ours(answer, truth, query, schema) if s.group)
            pairs.append((found, theirs(outcome, decided, sensitive_features=query["group"])))
    return [
        largest("fairlearn equalized_odds_difference", odds),
        largest("fairlearn demographic_parity_difference", parity),
    ]


def local() -> Rows:
    """All of these."""
    return [*distances(), *intervals(), *fairness()]
