"""Figures that peers report under other names: SDMetrics' report and pairs, smartnoise-eval's joint tables, Anonymeter.

Peers that need an environment of their own are compared by `python -m benchmarks.metrics_vs_peers`.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Answer, Column, Schema, cell_index
from pets_metrics.fidelity.association import association_difference, pair_trends
from pets_metrics.fidelity.columns import column_shapes
from pets_metrics.fidelity.marginals import k_marginal_error
from pets_metrics.privacy.anonymity import k_anonymity, uniqueness
from pets_metrics.privacy.copies import unique_exact_matches
from pets_metrics.privacy.inference import inference_risk
from pets_metrics.utility.error import bias, mean_absolute_error


@pytest.fixture
def sdmetrics():
    """SDMetrics' modules, whose import warns."""
    pytest.importorskip("sdmetrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sdmetrics.column_pairs
        import sdmetrics.reports.single_table
        import sdmetrics.single_table

        yield sdmetrics


def mixed(seed, rows, tie=0.9):
    """Related numbers and categories, some of them missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": x,
            "y": tie * x + rng.normal(size=rows) / 2,
            "whole": rng.poisson(3, rows).astype(float),
            "sign": np.where(x > 0, "plus", "minus"),
            "town": rng.choice(list("abcde"), rows),
        }
    )
    frame["near"] = np.where(rng.random(rows) < tie, frame["town"], rng.choice(list("abcde"), rows))
    frame.loc[rng.random(rows) < 0.1, "y"] = np.nan
    return frame


def words(seed, rows):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({n: rng.choice(list(s), rows) for n, s in (("a", "xyz"), ("b", "pqrstu"), ("c", "mn"))})


@pytest.mark.parametrize("seed", range(3))
def test_sdmetrics_whole_quality_report(sdmetrics, seed):
    real, made = mixed(seed, 400), mixed(seed + 10, 300, tie=0.6)
    kinds = {n: {"sdtype": "numerical" if made[n].dtype.kind == "f" else "categorical"} for n in made}
    report = sdmetrics.reports.single_table.QualityReport()
    report.generate(real.copy(), made.copy(), {"columns": kinds}, verbose=False)
    columns = {n: Column("real", bounds=(-20, 20)) for n in ("x", "y", "whole")}
    columns |= {n: Column("categorical", domain=tuple(sorted(set(real[n])))) for n in ("sign", "town", "near")}
    shapes = next(s.estimate.value for s in column_shapes(real, made, Schema(columns)) if not s.group)
    trends = pair_trends(real, made, Schema(columns)).value
    assert report.get_score() == pytest.approx((shapes + trends) / 2, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_sdmetrics_similarity_of_two_categories_is_the_k_marginal_error(sdmetrics, seed):
    real, made = words(seed, 300), words(seed + 10, 200)
    pairs = [["a", "b"], ["a", "c"], ["b", "c"]]
    similar = [sdmetrics.column_pairs.ContingencySimilarity.compute(real[p], made[p]) for p in pairs]
    found = k_marginal_error(real, made)
    assert found["mean"].value == pytest.approx(1 - np.mean(similar), abs=1e-9)
    assert found["max"].value == pytest.approx(1 - min(similar), abs=1e-9)


@pytest.mark.parametrize("name", ["Pearson", "Spearman"])
def test_sdmetrics_similarity_of_two_numbers_is_the_association_difference(sdmetrics, name):
    real, made = mixed(1, 400)[["x", "y"]].dropna(), mixed(2, 300, tie=0.5)[["x", "y"]].dropna()
    similar = sdmetrics.column_pairs.CorrelationSimilarity.compute(real, made, coefficient=name)
    found = {(s.group, s.statistic): s.estimate.value for s in association_difference(real, made)}
    assert found["numeric-numeric", f"mean of {name.lower()}"] == pytest.approx(2 * (1 - similar), abs=1e-9)


def test_sdmetrics_new_rows_are_those_that_match_nobody(sdmetrics):
    """It counts released rows; where no row occurs twice, as many people are matched."""
    real, made = words(1, 4000).drop_duplicates(), words(2, 20).drop_duplicates()
    real = real.iloc[::2].reset_index(drop=True)
    described = {"columns": {n: {"sdtype": "categorical"} for n in real}}
    new = sdmetrics.single_table.NewRowSynthesis.compute(real, made, described)
    matched = unique_exact_matches(real, made)["real"]
    assert matched.value * len(real) == pytest.approx((1 - new) * len(made), abs=1e-9)
    assert 0 < new < 1


def test_smartnoise_eval_on_a_joint_table():
    """Its comparisons are means over the cells that the real rows have; its checks of one table are counts of rows."""
    real, made, names = words(1, 400), words(2, 300), ["a", "b", "c"]
    counts = [t.groupby(names).size() for t in (real, made)]
    gap = (counts[1].reindex(counts[0].index, fill_value=0) - counts[0]).to_numpy(dtype=float)
    index = cell_index([("joint", " ".join(cell), "count") for cell in counts[0].index])
    truth = Answer.of(index, counts[0].to_numpy(dtype=float))
    answer = Answer.of(index, truth.values + gap)
    assert mean_absolute_error(answer, truth)["count"].value == pytest.approx(np.abs(gap).mean(), abs=1e-9)
    assert bias(answer, truth)["count"].value == pytest.approx(gap.mean(), abs=1e-9)
    of_row = made.groupby(names)["a"].transform("size")
    assert uniqueness(real, made, columns=names)["released"].value == pytest.approx((of_row == 1).mean(), abs=1e-12)
    found = k_anonymity(made, columns=names)["share in classes of 5"].value
    assert found == pytest.approx(1 - (of_row < 5).mean(), abs=1e-12)


def test_anonymeter_lets_negative_guesses_pass_and_this_does_not():
    """Anonymeter 1.1.0 takes |guess - secret| / guess <= tolerance for right, which every negative guess fulfils."""
    secrets = np.linspace(0, 1000, 1001)
    guess = -1.0
    assert (np.abs(guess - secrets) / guess <= 0.05).all()
    schema = Schema({"a": Column("real", bounds=(0, 1001)), "s": Column("real", bounds=(-1, 1000))})
    real = pd.DataFrame({"a": np.arange(1001) / 1.0, "s": secrets})
    rows = inference_risk(real, real.assign(s=guess), schema=schema, secrets=["s"])
    found = next(r.estimate.value for r in rows if r.group == "s" and r.statistic == "attack")
    spread = np.subtract(*np.percentile(secrets, [95, 5]))
    assert found == pytest.approx((secrets - guess <= 0.05 * spread).mean())
