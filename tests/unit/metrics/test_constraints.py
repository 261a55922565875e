"""Edit constraints counted by hand."""

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, Schema, Unsupported
from pets_eval.model.schema import Rule
from pets_metrics.fidelity.constraints import constraint_violations
from pets_metrics.intervals import wilson

COLUMNS = {
    "age": Column("integer", bounds=(0, 99), nullable=True),
    "married": Column("categorical", domain=("yes", "no")),
    "job": Column("categorical", domain=("yes", "no")),
    "weight": Column("real", bounds=(0, 9), roles=("weight",)),
}
CHILD = Rule("no married child", {"age": (0, 14), "married": ("yes",)})
WORK = Rule("no working child", {"age": (0, 14), "job": ("yes",)})
HEAVY = Rule("no weight", {"age": (0, 99), "weight": (0, 9)})


def table(*rows):
    return pd.DataFrame(rows, columns=["age", "married", "job"]).assign(weight=1.0)


def test_shares_overall_and_per_rule_beside_the_real_ones():
    real = table((5, "no", "no"), (5, "no", "yes"), (40, "yes", "yes"), (41, "yes", "yes"))
    release = table((14, "yes", "yes"), (15, "yes", "yes"), (3, "yes", "no"), (np.nan, "yes", "yes"), (9, "no", "no"))
    scores = constraint_violations(real, release, Schema(COLUMNS, constraints=(CHILD, WORK)))
    assert {(s.group, s.statistic): s.estimate.value for s in scores} == {
        ("", "release"): 0.4,
        ("", "real"): 0.25,
        ("no married child", "release"): 0.4,
        ("no married child", "real"): 0.0,
        ("no working child", "release"): 0.2,
        ("no working child", "real"): 0.25,
    }
    assert scores[0].group == scores[1].group == "" and scores[0].statistic == "release"
    assert (scores[0].estimate.low, scores[0].estimate.high) == wilson(2, 5)


def test_without_a_rule_that_can_be_checked_it_does_not_apply():
    real = table((5, "no", "no"))
    with pytest.raises(Unsupported, match="no edit constraints"):
        constraint_violations(real, real)
    with pytest.raises(Unsupported, match="not compared"):
        constraint_violations(real, real, Schema(COLUMNS, constraints=(HEAVY,)))
    with pytest.raises(Unsupported, match="not compared"):
        constraint_violations(real, real.drop(columns="married"), Schema(COLUMNS, constraints=(CHILD,)))
