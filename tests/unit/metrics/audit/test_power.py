import numpy as np
import pytest
from scipy import stats

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.bounds import pair_floor, worst_event
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.outcomes import Outcomes
from pets_metrics.privacy.audit.pair import pair_test
from pets_metrics.privacy.audit.power import _upper, caught_share, planted_floor, planted_power, shifted, tilted

RNG = np.random.default_rng(0)
NOISE = Outcomes.of(RNG.laplace(size=8_000))
OTHER = Outcomes.of(RNG.laplace(size=8_000) + 1)


@pytest.mark.parametrize(
    "outcomes",
    [
        NOISE,
        Outcomes.of(np.array([0.0] * 900 + [1.0] * 100)),
        Outcomes.of(np.array([0.0] * 100 + [1.0] * 900)),
        Outcomes.of([{"a": 1.0, "b": float(i)} for i in range(500)]),
        Outcomes.of(["yes", "no"] * 400),
        Outcomes.of([1.0, None] * 400),
    ],
)
@pytest.mark.parametrize("claim", [Claim(1.0), Claim(1.0, 0.02), Claim(mu=1.0)])
def test_a_planted_violation_has_the_stated_strength(outcomes, claim):
    """The upper half is as frequent on the two inputs as the most telling event of such a mechanism."""
    first, second = tilted(outcomes, claim)(2.0, np.random.default_rng(0))
    expected = worst_event(claim, 2.0)
    upper = _upper(outcomes)
    assert 0 < upper.sum() < len(upper)
    for seen, p in zip((first, second), expected, strict=True):
        assert len(seen) == len(outcomes)
        assert stats.binomtest(int(_upper_of(seen, outcomes, upper).sum()), len(seen), p).pvalue > 1e-4


def _upper_of(seen, outcomes, upper):
    """Which of the *seen* outcomes are copies of upper ones."""
    names = {_name(outcomes, i): bool(up) for i, up in enumerate(upper)}
    return np.array([names[_name(seen, i)] for i in range(len(seen))])


def _name(outcomes, i):
    return (*np.nan_to_num(outcomes.values[i], nan=-99.0).tolist(), outcomes.labels[i])


def test_the_shift_is_planted_in_units_of_the_claim():
    plant = shifted(NOISE, OTHER, Claim(1.0))
    first, second = plant(3.0, np.random.default_rng(0))
    assert np.median(second.values) - np.median(first.values) == pytest.approx(3, abs=0.15)
    np.testing.assert_array_equal(plant(1.0, np.random.default_rng(0))[1].values, OTHER.values)


def test_the_stated_power_is_that_of_the_pair_test():
    claim, runs, strength = Claim(1.0), 300, 1.6

    def tried(rng):
        return pair_test(rng.laplace(0, 1, runs), rng.laplace(strength, 1, runs), claim, rng=rng)

    found = caught_share(tried, 200)
    rng = np.random.default_rng(1)
    noise = [Outcomes.of(rng.laplace(shift, 1, 50_000)) for shift in (0, 1)]
    stated = planted_power(shifted(*noise, claim), strength, claim, runs, tries=20)
    assert found.low - 0.05 < stated < found.high + 0.05


def test_floors_fall_with_runs_and_lie_above_the_best():
    for plant in (tilted(NOISE, Claim(1.0)), shifted(NOISE, OTHER, Claim(1.0))):
        floors = [planted_floor(plant, Claim(1.0), runs) for runs in (100, 1_000, 10_000)]
        assert floors == sorted(floors, reverse=True)
        for runs, floor in zip((100, 1_000, 10_000), floors, strict=True):
            assert floor > pair_floor(runs, Claim(1.0)) - 0.01


def test_floors_of_claims_of_mu_are_epsilons():
    floor = planted_floor(tilted(NOISE, Claim(mu=1.0)), Claim(mu=1.0, delta=1e-5), 2_000, tries=4)
    assert Claim(mu=1.0, delta=1e-5).epsilon < floor < 2 * Claim(mu=1.0, delta=1e-5).epsilon


def test_so_few_runs_find_nothing():
    assert planted_floor(tilted(NOISE, Claim(1.0)), Claim(1.0), 10, tries=2) == np.inf


def test_nothing_can_be_planted_where_nothing_varies():
    with pytest.raises(PetsEvalError, match="all alike"):
        tilted(Outcomes.of(np.ones(50)), Claim(1.0))
    with pytest.raises(PetsEvalError, match="only where"):
        shifted(Outcomes.of(np.ones(50)), Outcomes.of(np.ones(50)), Claim(1.0))
    with pytest.raises(PetsEvalError, match="only where"):
        shifted(NOISE, OTHER, Claim(0.0))


def test_shares_of_tries():
    found = caught_share(
        lambda rng: Finding(check="coin", outcome="violation found" if rng.random() < 0.5 else "not measured"), 100
    )
    assert found.low < 0.5 < found.high
    exact = stats.binomtest(round(found.value * 100), 100).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
