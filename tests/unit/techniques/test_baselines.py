"""The anchors and the plain sample."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pets_datasets.tasks.marginals import Marginals
from pets_eval.checks import toy
from pets_eval.model import Column, Inputs, Party, Schema, Unsupported
from pets_techniques.baselines.null import Null
from pets_techniques.baselines.raw import Raw
from pets_techniques.baselines.sampling import Sampling


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def test_raw_is_the_truth(context):
    data = toy("horizontal")
    release = Raw().run(Marginals(), inputs_of(data), context)
    assert Marginals().answer(release, data.schema, None).table.equals(Marginals().compute(data).table)


def test_null_touches_no_holding_and_is_uniform_over_the_schema(context):
    data = toy()
    schema = replace(data.schema, rows=None)
    release = Null().run(Marginals(), Inputs(data.parties, {}, schema), context)
    frame = release.value.frame()
    assert len(frame) == 1000 and release.weight == 1
    assert "person" not in frame
    # chi-square against equal cells, four cells; false alarm 1e-9, and the seed is fixed
    counts = Marginals(columns=("region",), k=1).answer(release, data.schema, None).values
    assert stats.chisquare(counts).pvalue > 1e-9
    assert stats.kstest(frame["income"].dropna() / 5000, "uniform").pvalue > 1e-9
    assert frame["seen"].between(pd.Timestamp("2019-04-14"), pd.Timestamp("2022-01-08")).sum() > 800


@pytest.mark.parametrize(("kind", "bounds"), [("integer", (0.5, 3.5)), ("integer", (-1e30, 1e30)), ("real", (-1, 1))])
def test_null_draws_within_any_bounds(kind, bounds, context):
    schema = Schema({"x": Column(kind, bounds=bounds)}, rows=5_000)
    x = Null().run(Marginals(), Inputs((Party("p"),), {}, schema), context).value.frame()["x"]
    assert bounds[0] <= x.min() and x.max() <= bounds[1]
    if bounds == (0.5, 3.5):
        # chi-square against three equal cells; the seed is fixed
        assert x.unique().size == 3 and stats.chisquare(x.value_counts()).pvalue > 1e-9


def test_null_stands_for_as_many_people_as_are_public(context):
    data = toy()
    schema = replace(data.schema, rows=10_000_000)
    release = Null().run(Marginals(), Inputs(data.parties, {}, schema), context)
    assert len(release.value) == 100_000
    assert len(release.value) * release.weight == 10_000_000


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_a_sample_holds_the_asked_share_of_true_rows_without_names(p, context):
    data = toy()
    release = Sampling(p=p).run(Marginals(), inputs_of(data), context)
    sample = release.value.frame()
    assert len(sample) == round(p * 240) and release.weight == 1 / p
    assert "person" not in sample
    everybody = data.train.frame()[list(sample.columns)].astype(str).apply(tuple, axis=1)
    assert set(sample.astype(str).apply(tuple, axis=1)) <= set(everybody)


def test_a_sample_of_people_takes_all_rows_of_each(context):
    data = toy(unit="person")
    context.rng = np.random.default_rng(3)
    release = Sampling(p=0.3).run(Marginals(), inputs_of(data), context)
    people = data.train.frame().groupby("person").size()
    mask = Sampling(p=0.3)._chosen(data.train, np.random.default_rng(3))
    drawn = data.train.frame()["person"][mask]
    assert drawn.nunique() == round(0.3 * len(people))
    assert len(release.value) == people[drawn.unique()].sum()
    assert "person" not in release.value.frame()


def test_every_person_is_equally_likely_to_be_sampled():
    data = toy()
    hits = sum(Sampling(p=0.25)._chosen(data.train, np.random.default_rng(i)).astype(int) for i in range(400))
    # each of 240 counts is binomial(400, 1/4); seven standard deviations are exceeded with probability below 1e-9
    assert abs(hits - 100).max() < 7 * np.sqrt(400 * 0.25 * 0.75)


def test_an_empty_sample_says_so(context):
    with pytest.raises(Unsupported, match="raise p"):
        Sampling(p=0.001).run(Marginals(), inputs_of(toy()), context)
