"""Runs that repeat each other, noise that is shared, and replays with the same noise."""

import math

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.repeats import repeat_test, same_noise_test, shared_noise_test


def test_outputs_without_noise_are_found_whatever_they_are():
    assert repeat_test([{"a": 1.0}, {"a": 1.0}], [{"a": 2.0}, {"a": 2.0}]).violated
    assert repeat_test(["low", "low"], ["high", "high"]).violated
    assert repeat_test([ValueError("x")] * 2, [1.0, 1.0]).violated
    assert repeat_test([math.nan, math.nan], [1.0, 1.0]).violated


def test_a_constant_and_noise_contradict_nothing():
    assert not repeat_test([16.0, 16.0], [16.0, 16.0]).violated
    assert not repeat_test([1.0, 1.5], [2.0, 2.0]).violated


def test_whole_numbers_may_coincide():
    chance = float((stats.dlaplace.pmf(np.arange(-60, 61), 1) ** 2).sum())  # of discrete Laplace noise, scale 1
    assert chance <= math.tanh(0.5)
    assert not repeat_test([3, 3], [4, 4], chance=chance).violated
    assert repeat_test([3] * 5, [4] * 5, chance=chance).p_value == pytest.approx(chance**8)


@pytest.mark.parametrize("draw", ["normal", "laplace", "standard_cauchy"])
def test_separate_noise_is_accused_no_more_often_than_said(draw):
    rng = np.random.default_rng(9)
    make = getattr(rng, draw)
    accused = sum(shared_noise_test(*make(size=(2, 39)), rng=rng).violated for _ in range(400))
    assert stats.binomtest(accused, 400, 0.05, alternative="greater").pvalue > 1e-3  # seeded


def test_the_permutation_p_value_is_scipys():
    x, y = np.random.default_rng(10).normal(size=(2, 12))
    y = y + 0.5 * x
    ours = shared_noise_test(x, y).p_value
    theirs = stats.pearsonr(
        x, y, alternative="greater", method=stats.PermutationMethod(n_resamples=19_999, rng=np.random.default_rng(1))
    ).pvalue
    assert ours == pytest.approx(theirs, abs=4 * math.sqrt(theirs / 2_000) + 1e-3)


def test_a_number_that_never_changes_is_not_shared_noise():
    found = shared_noise_test(np.ones(10), np.arange(10.0))
    assert not found.violated and found.note == "one of the numbers never changes"


def test_replay_shows_what_the_data_move():
    def count(data, rng):
        return len(data) + rng.normal(0, 100, 3)

    assert not same_noise_test(count, [1], [1, 2], 3.0).violated
    assert same_noise_test(count, [1], [1, 2], 2.9).violated
    assert not same_noise_test(count, [1], [1, 2], math.sqrt(3), norm="l2").violated
    assert same_noise_test(count, [1], [1, 2], 1.7, norm="l2").violated


def test_post_processing_must_not_look_again():
    assert same_noise_test(lambda data, _: len(data), [1], [1, 2], 0.0).violated
    assert not same_noise_test(lambda data, _: 7.5, [1], [1, 2], 0.0).violated
    assert same_noise_test(lambda data, _: math.nan if len(data) > 1 else 0.0, [1], [1, 2], 5.0).violated


def test_noise_that_does_not_cancel_is_not_judged():
    found = same_noise_test(lambda data, rng: rng.normal(size=len(data)).sum(), [1], [1, 2], 1.0)
    assert found.outcome == "not measured" and "different amounts" in found.note


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(PetsEvalError, match="two runs"):
        repeat_test([1.0], [2.0])
    with pytest.raises(PetsEvalError, match="five runs"):
        shared_noise_test([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(PetsEvalError, match="at least 0"):
        same_noise_test(lambda data, _: 0.0, 1, 2, -1.0)
    with pytest.raises(PetsEvalError, match="two shapes"):
        same_noise_test(lambda data, _: data, [1.0], [1.0, 2.0], 1.0)
