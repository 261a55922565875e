"""Each probe against a planted flaw and its sound twin. Sound ones are judged at an error of 1e-7."""

import time

import numpy as np
import pytest
from scipy import stats

from pets_eval.model import Column, Schema
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.neighbours import of_bounds, of_schema
from pets_metrics.privacy.audit.probes import (
    _both,
    _correlated,
    _standard_ranks,
    canary,
    clocked,
    error_channel,
    last_bits,
    lowest_bit,
    reused_noise,
    same_output,
    timing_channel,
)
from pets_metrics.privacy.audit.target import of_callable

CLAIM = Claim(1.0)
SURE = 1 - 1e-7
SCHEMA = Schema(
    {
        "who": Column("id"),
        "town": Column("categorical", domain=("North", "East", "Rare")),
        "pay": Column("real", bounds=(0, 100), nullable=True),
    },
    unit="who",
    max_rows_per_unit=2,
)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def pair(words, pairs=None):
    return next(p for p in pairs or of_bounds(0, 1) if words in p.name)


def caught(check, flawed, sound, where, **more):
    """That the flaw is found at an error of 1e-7, and its sound twin not."""
    bad, good = (check(f, where, CLAIM, level=SURE, **more) for f in (flawed, sound))
    assert bad.violated and bad.p_value <= 1e-7 and bad.neighbours == where.name
    assert not good.violated
    return bad, good


# -- canaries ----------------------------------------------------------------------------------------------------------


def test_outliers_and_bounds_from_the_data(rng):
    def of_data(x):
        low, high = x.min(), x.max()
        return float(np.clip(x, low, high).sum() + rng.laplace(0, max(high - low, 1e-9)))

    def of_public_bounds(x):
        return float(np.clip(x, 0, 1).sum() + rng.laplace(0, 1.2))

    caught(canary, of_data, of_public_bounds, pair("highest value beside the lowest"))
    caught(canary, of_data, of_public_bounds, pair("far beyond"))


def test_missing_values(rng):
    caught(
        canary,
        lambda x: float(x.sum() + rng.laplace()),
        lambda x: float(np.nansum(np.clip(x, 0, 1)) + rng.laplace(0, 1.2)),
        pair("missing"),
    )


def test_rare_keys_and_categories_outside_the_domain(rng):
    def of_data(frame):
        return {str(k): n + rng.laplace(0, 1.2) for k, n in frame["town"].value_counts().items() if n}

    def of_domain(frame):
        return {k: float((frame["town"] == k).sum() + rng.laplace(0, 1.2)) for k in ("North", "East", "Rare")}

    pairs = of_schema(Schema({n: c for n, c in SCHEMA.columns.items() if n != "pay"}))
    for words in ("rare key", "outside the domain"):
        caught(canary, of_data, of_domain, pair(words, pairs))


def test_many_rows_of_one_person(rng):
    def all_rows(frame):
        return float(len(frame) + rng.laplace(0, 2.4))

    def bounded(frame):
        return float(len(frame.groupby("who").head(2)) + rng.laplace(0, 2.4))

    caught(canary, all_rows, bounded, pair("20 rows", of_schema(SCHEMA)))


def test_an_error_is_a_canary_s_outcome(rng):
    def refuses(x):
        if np.isnan(x).any():
            raise ValueError
        return float(np.clip(x, 0, 1).sum() + rng.laplace(0, 1.2))

    def ignores(x):
        return float(np.clip(x[~np.isnan(x)], 0, 1).sum() + rng.laplace(0, 1.2))

    for check in (canary, error_channel):
        caught(check, refuses, ignores, pair("missing"))


# -- last bits ---------------------------------------------------------------------------------------------------------


def test_lowest_bits_by_hand():
    values = np.array([1.0, 2.0, 6.0, 0.75, 1 + 2.0**-52, -3.0, 0.0, np.nan])
    np.testing.assert_array_equal(lowest_bit(values), [0, 1, 1, -2, -52, 0, 1024, np.nan])
    assert lowest_bit(np.array([np.inf, 5e-324])).tolist() == [1024, -1074]


def test_floating_point_noise_shows_its_grid(rng):
    def textbook(x):
        return float(len(x) + rng.laplace(0, 1.2))

    def discrete(x):
        p = 1 - np.exp(-1 / 1.2)
        return float(len(x) + rng.geometric(p) - rng.geometric(p))

    def snapped(x):  # Mironov's remedy in its simplest form: noise and result on one coarse grid
        return round((len(x) + rng.laplace(0, 1.2)) * 16) / 16

    bad, _ = caught(last_bits, textbook, discrete, pair("against none"))
    assert bad.epsilon > 2 and "floating-point" in bad.note
    assert not last_bits(snapped, pair("against none"), CLAIM, level=SURE).violated


def test_bits_of_numbers_that_do_not_come_out_are_not_judged(rng):
    def crashing(x):
        if not len(x):
            raise ValueError
        return len(x) + rng.laplace()

    found = last_bits(crashing, pair("against none"), CLAIM)
    assert found.outcome == "not measured" and "number" in found.note


# -- the same again ----------------------------------------------------------------------------------------------------


def test_no_noise_or_the_same_each_time(rng):
    where = pair("against none")
    sound = [lambda x: 7.0, lambda x: len(x) + rng.laplace(0, 1.2)]
    for flawed in (lambda x: float(len(x)), lambda x: len(x) + np.random.default_rng(42).laplace()):
        bad = same_output(flawed, where, level=SURE)
        assert bad.violated and bad.neighbours == where.name
    assert not any(same_output(f, where, level=SURE).violated for f in sound)


def test_reused_noise(rng):
    pool = rng.laplace(size=8)

    def same_batch(x, size):
        return len(x) + pool[:size]

    class Cycle:
        """Noise that goes round: each input meets the same eight draws."""

        place = -1

        def __call__(self, x):
            self.place = (self.place + 1) % 8
            return len(x) + pool[self.place]

    for flawed in (same_batch, Cycle()):
        bad, good = caught(reused_noise, flawed, lambda x: len(x) + rng.laplace(), pair("against none"))
        assert np.isnan(bad.epsilon) and good.p_value > 1e-7


def test_noise_that_goes_together_without_repeating(rng):
    shared = {}

    class Shared:
        """The i-th run on either input has a common part."""

        calls = {0: 0, 1: 0}

        def __call__(self, x):
            i = self.calls[len(x)]
            self.calls[len(x)] += 1
            return len(x) + shared.setdefault(i, rng.laplace()) + 0.1 * rng.laplace()

    found = reused_noise(Shared(), pair("against none"), CLAIM, level=0.9995)
    assert "up and down together" in found.note and found.p_value == pytest.approx(1 / 40_001, rel=1e-4)
    assert not reused_noise(Shared(), pair("against none"), CLAIM, level=SURE).violated  # shuffles cannot be so sure


@pytest.mark.parametrize("rate", [1 / 64, 0.1, 0.5])
@pytest.mark.parametrize("numbers", [1, 4])
def test_false_alarms_on_few_values(numbers, rate):
    """400 sound mechanisms at a level of 0.95: more than 45 alarms have a probability below 1e-6."""
    rng = np.random.default_rng(6)

    def sparse(x, size):
        return (rng.random((size, numbers)) < rate).astype(float)

    accused = sum(reused_noise(sparse, pair("against none"), CLAIM, level=0.95).violated for _ in range(400))
    assert accused <= 45


def test_one_run_on_each_side_that_meets_another_shows_nothing():
    places = {0: 0, 1: 0}

    def once(x):  # one run on each input is not zero, in the same place
        places[len(x)] += 1
        return float(places[len(x)] == 12)

    assert not reused_noise(once, pair("against none"), CLAIM, level=0.95).violated


def test_rank_correlations_by_scipy(rng):
    one, other = rng.integers(0, 5, (64, 3)).astype(float), rng.normal(size=(64, 3))
    products = (_standard_ranks(one) * _standard_ranks(other)).sum(axis=0)
    np.testing.assert_allclose(products, [stats.spearmanr(one[:, j], other[:, j]).statistic for j in range(3)])
    for shared in (0.2, 0.3, 0.4):
        y = other[:, :1] + shared * one[:, :1]
        p, reference = _correlated(one[:, :1], y, 0.9995), stats.spearmanr(one[:, 0], y[:, 0]).pvalue
        assert abs(np.log(p / reference)) < 1.2  # five deviations of the twenty shuffles that end it


def test_a_batch_that_raises_is_not_drawn_again_for_itself():
    """Errors at the rates 0.01 and 0.02; if each call for twenty were drawn again alone, they would be 1 to 3.6."""
    rng = np.random.default_rng(8)

    def fails(x, size):
        if (rng.random(size) < 0.01 * (1 + len(x))).any():
            raise ValueError
        return np.zeros(size)

    ends = of_callable(fails)
    counts = np.zeros(2)
    for _ in range(1_500):
        counts += [(o.labels == "raised ValueError").sum() for o in _both(ends, pair("against none"), 20)]
    assert counts[0] > 80 and 1.4 < counts[1] / counts[0] < 2.8


# -- time --------------------------------------------------------------------------------------------------------------


def test_time_tells(rng):
    def hurries(x):
        if len(x):
            time.sleep(0.004)
        return rng.laplace()

    def steady(x):
        time.sleep(0.0005)
        return rng.laplace()

    bad, _ = caught(timing_channel, hurries, steady, pair("against none"), runs=160, rng=rng)
    assert "area under the curve" in bad.note and float(bad.note.split()[4]) > 0.9
    assert len(clocked(of_callable(steady), pair("against none"), 3, rng)[0]) == 3
