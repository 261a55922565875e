"""The metrics library as a notebook uses it: light to import, found by name, evaluated on named evidence."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import pets_metrics
from pets_eval.model import Cost, Guarantee, PetsEvalError
from pets_eval.registry import entries, metric_spec
from pets_metrics.cost.meter import bytes_sent, cpu_time, peak_memory, wall_time


def test_importing_it_brings_nothing_heavy():
    heavy = "torch sdv ray polars opendp sklearn statsmodels flwr tenseal"
    code = f"import sys, pets_metrics; print(*set({heavy!r}.split()) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_playing_every_metric_imports_nothing_heavy():
    heavy = "torch sdv ray polars opendp flwr tenseal"
    code = (
        "import sys, pets_metrics\n"
        "from pets_eval.registry import entries, load\n"
        "own = [n for n, e in entries('metrics').items() if e.distribution == 'pets-eval']\n"
        "for name in own: load('metrics', name)\n"
        f"assert own; print(*set({heavy!r}.split()) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_functions_are_found_by_name():
    from pets_metrics import mean_absolute_error

    assert mean_absolute_error.spec.name == "mean-absolute-error"
    assert "total_variation" in dir(pets_metrics)
    with pytest.raises(AttributeError, match="no metric 'mean_error'"):
        pets_metrics.mean_error  # noqa: B018


def test_evaluate_gives_one_tidy_row_per_figure(answer):
    truth = answer({("t", "a", "count"): 10, ("t", "b", "count"): 4})
    released = answer({("t", "a", "count"): 12, ("t", "b", "count"): 4})
    table = pets_metrics.evaluate(
        metrics=[pets_metrics.mean_absolute_error, "exact-cell-disclosure", "auroc"], answer=released, truth=truth
    )
    assert table["metric"].tolist() == ["mean-absolute-error", "exact-cell-disclosure", "auroc"]
    assert table["value"].tolist()[:2] == [1.0, 0.5] and math.isnan(table["value"][2])
    assert table["seat"].tolist()[1] == "public"
    assert table["note"][2] == "does not apply: the task predicts no outcomes"


def test_evaluate_says_what_is_missing(answer):
    with pytest.raises(PetsEvalError, match="metric mean-absolute-error needs truth; pass it by that name"):
        pets_metrics.evaluate(metrics=["mean-absolute-error"], answer=answer({("t", "a", "count"): 1}))
    with pytest.raises(PetsEvalError, match="did you mean 'auroc'"):
        pets_metrics.evaluate(metrics=["auroch"])


def test_a_release_made_elsewhere_costs_not_nothing_but_unknown():
    unknown = Cost(math.nan, math.nan, math.nan, math.nan, math.nan)
    known = Cost(1.0, 2.0, 3.0, 4.0, 5.0)
    for i, metric in enumerate((wall_time, cpu_time, peak_memory, bytes_sent), start=1):
        assert metric(known).value == i
        assert math.isnan(metric(unknown).value) and metric(unknown).note


def test_claims_evaluate_from_a_guarantee_alone():
    g = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 3.0})
    assert pets_metrics.evaluate(metrics=["claimed-epsilon"], guarantee=g)["value"].tolist() == [3.0]


def test_every_metric_says_its_axis_unit_and_needs():
    own = [name for name, entry in entries("metrics").items() if entry.distribution == "pets-eval"]
    assert len(own) >= 14
    for name in own:
        spec = metric_spec(name)
        assert spec.unit and spec.needs, name
        assert spec.source and spec.cannot_show, name


def test_two_frames_are_enough():
    real = pd.DataFrame({"sex": ["F", "M"] * 20, "age": range(20, 60)})
    table = pets_metrics.evaluate(real, real.sample(frac=1, random_state=1), control=real.assign(age=real["age"] + 1))
    assert list(table.columns) == ["metric", "axis", "seat", "group", "statistic", "value", "low", "high", "level",
                                   "method", "n", "goal", "unit", "note"]  # fmt: skip
    assert {"privacy", "fidelity"} <= set(table["axis"])
    assert table.loc[table["value"].isna(), "note"].all()
    own = table[~table["metric"].str.startswith("test-")]  # the test bed has metrics that are broken on purpose
    assert not own["note"].str.startswith("failed").any(), own[own["note"].str.startswith("failed")]
    again = pets_metrics.evaluate(real, real.sample(frac=1, random_state=1), control=real.assign(age=real["age"] + 1))
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.iloc[:0], "the synthetic table has no rows"),
        (lambda t: t.rename(columns={"sex": "s", "age": "a"}), "share no column"),
        (lambda t: t.assign(age=float("inf")), "column 'age' has infinite values"),
        (lambda t: t.to_numpy(), "synthetic must be a pandas DataFrame, not ndarray"),
    ],
)
def test_tables_that_cannot_be_compared_are_one_sentence(change, said):
    real = pd.DataFrame({"sex": ["F", "M"] * 20, "age": np.arange(20.0, 60.0)})
    with pytest.raises(PetsEvalError, match=said):
        pets_metrics.evaluate(real, change(real))
