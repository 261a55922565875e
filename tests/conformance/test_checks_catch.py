"""The conformance suite fails what it should fail: one flawed plug-in per promise, beside a sound twin."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pets_eval.checks import checks_for, parametrize_with_checks, toy
from pets_eval.model import (
    Answer,
    Claims,
    Estimate,
    Guarantee,
    PetsEvalError,
    Release,
    Score,
    Task,
    Technique,
    cell_index,
    param,
)
from pets_eval.registry import metric, task, technique

from .conftest import failed_checks


class Counting(Technique):
    """Exact counts, on which every flawed technique below is built."""

    def supports(self, task, schema, parties):
        return None if hasattr(task, "count") else "only counts"

    def claims(self):
        return Claims(
            protects=frozenset(),
            trust_model="none",
            adversary="none",
            objectives=(),
            covers="nothing",
            leaves="everything",
            deterministic=True,
            seeded=True,
        )

    def run(self, task, inputs, ctx):
        counts = task.count(inputs.pooled().batches(), inputs.schema).astype(float)
        return self.released(Answer.of(task.cells(inputs.schema), self.noisy(counts, ctx)), inputs)

    def noisy(self, counts, ctx):
        return counts

    def released(self, answer, inputs):
        return Release("answer", answer)


@technique("sound")
class Sound(Counting):
    """Keeps every promise."""

    size: int = param(3, ge=1, le=9, help="a number")


@technique("liar-deterministic")
class LiarDeterministic(Counting):
    """Depends on the seed."""

    def noisy(self, counts, ctx):
        return counts + ctx.rng.normal()


@technique("liar-seeded")
class LiarSeeded(Counting):
    """Draws from a generator of its own."""

    def claims(self):
        return replace(super().claims(), deterministic=False)

    def noisy(self, counts, ctx):
        return counts + np.random.default_rng().normal()


class Private(Counting):
    def claims(self):
        return replace(super().claims(), deterministic=False, seeded=False)

    def noisy(self, counts, ctx):
        return counts + np.random.default_rng().normal(size=len(counts))

    def guarantee(self, inputs):
        hazards = tuple(inputs.schema.hazards())
        return Guarantee(
            notion="pure-dp",
            unit=inputs.schema.unit,
            adjacency="add-remove",
            parameters={"epsilon": 1.0},
            events=({"mechanism": "laplace"},),
            hazards=hazards,
        )

    def released(self, answer, inputs):
        return Release("answer", answer, self.guarantee(inputs))


@technique("sound-private")
class SoundPrivate(Private):
    """Fresh noise and a complete guarantee."""


@technique("repeated-noise")
class RepeatedNoise(Private):
    """The same noise in every release."""

    def noisy(self, counts, ctx):
        return counts + np.random.default_rng(4).normal(size=len(counts))


@technique("hidden-hazards")
class HiddenHazards(Private):
    """Says nothing of bounds that were read from the data."""

    def guarantee(self, inputs):
        return replace(super().guarantee(inputs), hazards=())


@technique("other-unit")
class OtherUnit(Private):
    """Protects records where people are the unit."""

    def guarantee(self, inputs):
        return replace(super().guarantee(inputs), unit="record")


@technique("endless-epsilon")
class EndlessEpsilon(Private):
    """States an infinite loss."""

    def guarantee(self, inputs):
        return replace(super().guarantee(inputs), parameters={"epsilon": math.inf})


@technique("gaps")
class Gaps(Counting):
    """Leaves out empty cells, which tells which cells are empty."""

    def released(self, answer, inputs):
        return Release("answer", Answer(answer.table[answer.table["value"] > 0]))


@technique("meddler")
class Meddler(Counting):
    """Writes into the table it was handed."""

    def noisy(self, counts, ctx):
        return counts

    def run(self, task, inputs, ctx):
        for table in inputs.tables().values():
            table.data.loc[0, "age"] = 0.0
        return super().run(task, inputs, ctx)


@technique("wordless")
class Wordless(Counting):
    """Does not say what it leaves open."""

    def claims(self):
        return replace(super().claims(), leaves=" ")


@technique("aimless")
class Aimless(Counting):
    """Protects, and serves no objective."""

    def claims(self):
        return replace(super().claims(), protects=frozenset({"output-privacy"}))


@technique("reasonless")
class Reasonless(Counting):
    """Declines without a reason."""

    def supports(self, task, schema, parties):
        return None if hasattr(task, "count") else ""


@technique("unexplained")
class Unexplained(Counting):
    """Has a parameter nobody can understand."""

    size: int = 3


@technique("stranger")
class Stranger(Counting):
    """Sends to somebody who is not in the study."""

    def noisy(self, counts, ctx):
        ctx.send("agency", "cloud", "counts", counts.tobytes())
        return counts


@technique("miser")
class Miser(Counting):
    """Gives one release where three are asked for."""

    def prepare(self, task, schema, ctx):
        technique = self

        class Mechanism:
            def run_many(self, inputs, n):
                return [technique.run(task, inputs, ctx)]

        return Mechanism()


@pytest.mark.parametrize(
    "plugin, check",
    [
        (LiarDeterministic(), "check_repeatable"),
        (LiarSeeded(), "check_repeatable"),
        (RepeatedNoise(), "check_repeatable"),
        (HiddenHazards(), "check_guarantee"),
        (OtherUnit(), "check_guarantee"),
        (EndlessEpsilon(), "check_guarantee"),
        (Gaps(), "check_release"),
        (Stranger(), "check_release"),
        (Meddler(), "check_inputs_untouched"),
        (Wordless(), "check_claims"),
        (Aimless(), "check_claims"),
        (Reasonless(), "check_supports"),
        (Unexplained(), "check_spec"),
        (Miser(), "check_prepared"),
    ],
    ids=lambda p: getattr(p, "name", p),
)
def test_a_flawed_technique_fails_the_check_of_its_flaw_and_no_other(plugin, check):
    assert failed_checks(plugin) == {check}


@parametrize_with_checks([Sound(), Sound(size=9), SoundPrivate()])
def test_sound_twins_pass(plugin, check):
    check(plugin)


class Rows(Task):
    """How many rows there are, on which the flawed tasks are built."""

    def needs(self, schema):
        if not schema.tabular():
            raise PetsEvalError(f"task {self.name}: there is no column")

    def cells(self, schema):
        return cell_index([("all", "rows", "count"), ("all", "columns", "count")])

    def compute(self, dataset):
        return Answer.of(self.cells(dataset.schema), [len(dataset.train), len(dataset.schema.columns)])

    def answer(self, release, schema, query):
        if isinstance(release.value, Answer):
            return release.value.on(self.cells(schema))
        return Answer.of(self.cells(schema), [len(release.value), len(release.value.schema.columns)])


@task("rows")
class SoundRows(Rows):
    """Sound."""


@task("rows-by-order")
class RowsByOrder(Rows):
    """Reads an answer by position."""

    def answer(self, release, schema, query):
        if isinstance(release.value, Answer):
            return Answer.of(self.cells(schema), release.value.values)
        return super().answer(release, schema, query)


@task("rows-off-by-one")
class RowsOffByOne(Rows):
    """Finds another figure in the data than the truth."""

    def answer(self, release, schema, query):
        found = super().answer(release, schema, query)
        return found if isinstance(release.value, Answer) else Answer.of(self.cells(schema), found.values + 1)


@task("rows-anywhere")
class RowsAnywhere(Rows):
    """Accepts a table without any column to ask about."""

    def needs(self, schema):
        pass


@task("rows-from-data")
class RowsFromData(Rows):
    """Takes its cells from the data."""

    def compute(self, dataset):
        people = sorted(dataset.train.frame()["person"].unique())
        return Answer.of(cell_index([("all", p, "count") for p in people]), np.ones(len(people)))


@pytest.mark.parametrize(
    "plugin, failing",
    [
        (SoundRows(), set()),
        (RowsByOrder(), {"check_answers_are_aligned"}),
        (RowsOffByOne(), {"check_data_answers_truly"}),
        (RowsAnywhere(), {"check_needs"}),
        (RowsFromData(), {"check_cells", "check_data_answers_truly", "check_answers_are_aligned"}),
    ],
    ids=lambda p: getattr(p, "name", "-"),
)
def test_a_flawed_task_fails_the_check_of_its_flaw(plugin, failing):
    assert failed_checks(plugin) == failing


@metric(axis="utility", goal="min", unit="count", range=(0, math.inf), anchored=True, cannot_show="Much.")
def backwards_error(real, answer, truth):
    """Better for the release that knows nothing."""
    return Estimate.exact(1 / (1e-9 + np.nanmean(np.abs(answer.on(truth.table.index).values - truth.values))))


@metric(axis="utility", goal="min", unit="share", range=(0, 1), cannot_show="Much.")
def beyond_range(answer):
    """Larger than it says it can be."""
    return Estimate.exact(2.0)


@metric(axis="utility", goal="min", unit="share", range=(0, 1), cannot_show="Much.")
def outside_interval(answer):
    """Outside its own interval."""
    return Estimate(0.5, 0.6, 0.7)


@metric(axis="utility", goal="min", unit="share", range=(0, 1), cannot_show="Much.")
def silent_gap(answer):
    """Not measured, and nobody knows why."""
    return [Score(Estimate(math.nan))]


@metric(axis="utility", goal="min", unit="share", range=(0, 1), cannot_show="Much.")
def meddling(answer):
    """Writes into the answer."""
    answer.table.iloc[0, 0] = -1.0
    return Estimate.exact(0.0)


@metric(axis="utility", goal="min", unit="share", range=(0, 1), cannot_show="Much.")
def clairvoyant(answer, tomorrow):
    """Needs what no run has."""
    return Estimate.exact(0.0)


@pytest.mark.parametrize(
    "plugin, failing",
    [
        (backwards_error, {"check_anchors"}),
        (beyond_range, {"check_figures"}),
        (outside_interval, {"check_figures"}),
        (silent_gap, {"check_figures"}),
        (meddling, {"check_evidence_untouched"}),
        (clairvoyant, {"check_metric_spec"}),
    ],
    ids=lambda p: getattr(p, "__name__", "-"),
)
def test_a_flawed_metric_fails_the_check_of_its_flaw(plugin, failing):
    assert failed_checks(plugin) == failing


def test_what_is_no_plug_in_is_refused():
    with pytest.raises(PetsEvalError, match="was it decorated"):
        checks_for(object())
    with pytest.raises(PetsEvalError, match=r"nothing is registered as 'rwa'.*did you mean 'raw'"):
        parametrize_with_checks(["rwa"])


def test_the_toy_data_have_what_the_checks_look_for():
    data = toy("horizontal", unit="person", from_data=True)
    frame = data.train.frame()
    assert {c.kind for c in data.schema.columns.values()} == {"id", "categorical", "integer", "real", "date"}
    assert frame.isna().any().sum() == 3
    assert frame.groupby("person").size().max() > data.schema.max_rows_per_unit
    assert sum(len(t) for t in data.parts.values()) == len(frame)
    assert not set(frame["person"]) & set(data.control.frame()["person"])
    assert set(data.schema.hazards()) == set(data.schema.columns) - {"person"}
