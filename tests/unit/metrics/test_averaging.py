"""Averaging over repeated releases."""

import numpy as np
import pytest

from pets_eval.checks import MemoryContext, toy
from pets_eval.model import Answer, Inputs, PetsEvalError, Release, Unsupported
from pets_eval.registry import make_task, make_technique
from pets_metrics.privacy.averaging import averaging_gain, error_removed

CELLS = 400


class Passing:
    """A task whose answer is what was released."""

    def answer(self, release, schema, query):
        return release.value


def setting(make, answer, values, statistic="count"):
    """The truth, and a rerun that releases what *make* makes of it."""
    truth = answer({("t", str(i), statistic): v for i, v in enumerate(values)})
    return truth, lambda n: [Release("answer", Answer.of(truth.table.index, make(truth.values))) for _ in range(n)]


def played(truth, rerun, **more):
    scores = averaging_gain(rerun, truth, Passing(), None, rng=np.random.default_rng(0), **more)
    return {(s.group, s.statistic): s.estimate for s in scores}


@pytest.mark.parametrize("releases", [4, 25])
def test_fresh_noise_loses_the_square_root_of_the_releases(answer, releases):
    rng = np.random.default_rng(1)
    truth, rerun = setting(lambda x: x + rng.laplace(0, 3, len(x)), answer, np.full(CELLS, 5.0))
    figures = played(truth, rerun, releases=releases)
    gain = figures["", "error removed"]
    assert gain.value == pytest.approx(1 - 1 / np.sqrt(releases), abs=0.03)  # over 6 standard deviations
    assert gain.low <= 1 - 1 / np.sqrt(releases) <= gain.high or abs(gain.value - 1 + 1 / np.sqrt(releases)) < 0.02
    assert figures["count", "small cells exact"].value > figures["count", "small cells exact at once"].value


def test_enough_releases_give_small_cells_away(answer):
    rng = np.random.default_rng(2)
    truth, rerun = setting(lambda x: x + rng.normal(0, 2, len(x)), answer, np.tile([1.0, 7.0, 40.0, 0.0], 50))
    figures = played(truth, rerun, releases=200)
    assert figures["count", "small cells exact"].value > 0.99
    assert figures["count", "small cells exact"].n == 100
    assert figures["count", "small cells exact at once"].value < 0.5


def test_the_same_noise_each_time_gains_nothing(answer):
    noise = np.random.default_rng(3).laplace(0, 3, CELLS)
    truth, rerun = setting(lambda x: x + noise, answer, np.full(CELLS, 50.0))
    gain = played(truth, rerun)["", "error removed"]
    assert gain.value == pytest.approx(0, abs=1e-12) and gain.high == pytest.approx(0, abs=1e-12)


def test_bias_does_not_average_out(answer):
    rng = np.random.default_rng(4)
    truth, rerun = setting(lambda x: x + 100 + rng.normal(0, 1, len(x)), answer, np.full(CELLS, 50.0))
    assert played(truth, rerun)["", "error removed"].value < 0.001


def test_an_exact_release_has_nothing_to_average(answer):
    truth, rerun = setting(lambda x: x, answer, [1.0, 2.0])
    figures = played(truth, rerun)
    assert np.isnan(figures["", "error removed"].value) and "exact already" in figures["", "error removed"].note
    assert figures["count", "small cells exact"].value == 1


def test_by_hand():
    errors = np.array([[1.0, 0.0], [1.0, 2.0]])  # of the mean: 1, 1; of a single one: 1, 1, 0, 4
    assert error_removed(errors, np.zeros(2)).value == pytest.approx(1 - np.sqrt(2 / 3))
    partly = error_removed(np.array([[1.0, np.nan], [-1.0, 2.0]]), np.zeros(2))
    assert partly.value == 1 and partly.note == "1 of 2 cells are not answered each time"
    assert np.isnan(error_removed(np.full((2, 2), np.nan), np.zeros(2)).value)


def test_what_it_does_not_apply_to(answer):
    truth, rerun = setting(lambda x: x, answer, [1.0], statistic="probability")
    with pytest.raises(Unsupported, match="single people"):
        played(truth, rerun)
    with pytest.raises(PetsEvalError, match="at least two"):
        played(truth, rerun, releases=1)


@pytest.mark.parametrize("technique", ["dp-laplace-marginals", "dp-gaussian-marginals"])
def test_a_real_mechanism_that_answers_ten_times_loses_two_thirds_of_its_error(technique, tmp_path):
    """OpenDP's noise cannot be seeded: the bounds are 8 standard deviations wide."""
    pytest.importorskip("opendp")
    data, task = toy(), make_task("marginals", {})
    inputs = Inputs(data.parties, data.parts, data.schema)
    mechanism = make_technique(technique, {}).prepare(
        task, data.schema, MemoryContext(np.random.default_rng(0), tmp_path)
    )
    scores = averaging_gain(lambda n: list(mechanism.run_many(inputs, n)), task.compute(data), task, data.schema)
    assert scores[-1].estimate.value == pytest.approx(1 - 1 / np.sqrt(10), abs=0.06)
