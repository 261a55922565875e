"""Every flaw is caught by the check made for it, and the same mechanism without the flaw is left in peace.

The seeds are fixed, so that what is drawn, and found, is the same each time. Only the clock is not: there the level is
such that a sound mechanism is accused less than once in a million times. How often each flaw is caught over many seeds,
at the numbers of runs that are listed, is measured by `python -m benchmarks.flaws` (docs/flaws.md).
"""

import numpy as np
import pytest
from flawed_twins.catalogue import TWINS
from scipy import stats

from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.scale import needed_scale

CASES = [
    pytest.param(twins, check, id=f"{twins.number}-{twins.name}-{check.name}")
    for twins in TWINS
    for check in twins.checks
]
CLOCK = {"level": 1 - 1e-6, "runs": 400}


def test_all_24_rows_are_there():
    assert sorted({twins.number for twins in TWINS}) == list(range(1, 25))


@pytest.mark.parametrize(("twins", "check"), CASES)
def test_a_flaw_is_caught(twins, check):
    more = CLOCK if check.name == "timing channel" else {}
    found = twins.judge(check, seed=0, flawed=True, **more)
    assert found.violated, found


@pytest.mark.parametrize(("twins", "check"), CASES)
def test_its_sound_twin_is_not_accused(twins, check):
    more = CLOCK if check.name == "timing channel" else {}
    found = twins.judge(check, seed=0, flawed=False, **more)
    assert found.outcome == "no violation found", found


SIGMA = needed_scale(Claim(1.0, 1e-5), "gaussian")
LAPLACE, NORMAL = stats.laplace, stats.norm


@pytest.mark.parametrize(
    ("number", "runs", "p", "q", "claim"),
    [
        (1, 152, LAPLACE.sf(0.62 - 1), LAPLACE.sf(0.62 + 1), Claim(1.0)),
        (1, 10_428, LAPLACE.sf((0.92 - 1) / 2 * 1.1), LAPLACE.sf((0.92 + 1) / 2 * 1.1), Claim(1.0)),
        (2, 23_751, NORMAL.sf(2.48 - 2 / SIGMA), NORMAL.sf(2.48), Claim(1.0, 1e-5)),
        (5, 12, 1, 0, Claim(1.0)),
        (6, 12, 1, 0, Claim(1.0, 1e-5)),
        (8, 152, 0.77**5, LAPLACE.cdf(-np.log(2 * 0.23) - 1) ** 5, Claim(1.0)),
        (11, 25, LAPLACE.sf(52.5 - 55), LAPLACE.sf(52.5 - 50), Claim(1.0)),
        (16, 507, (1 - np.exp(-0.5)) / 2, 0, Claim(1.0)),
        (20, 240, 2 * NORMAL.sf(1.34), 2 * NORMAL.sf(2.68), Claim(1.0, 1e-5)),
    ],
)
def test_the_listed_runs_suffice_by_the_exact_binomial(number, runs, p, q, claim):
    assert runs in {check.runs for twins in TWINS if twins.number == number for check in twins.checks}
    seen, misses = np.arange(runs + 1), np.arange(runs + 1)
    tails = stats.binom.pmf(seen, runs, p), stats.binom.pmf(misses, runs, q)
    likely = [np.flatnonzero(tail > 1e-9) for tail in tails]
    low = stats.beta.ppf(0.025, likely[0], runs - likely[0] + 1)
    high = np.where(likely[1] < runs, stats.beta.ppf(0.975, likely[1] + 1, runs - likely[1]), 1.0)
    least, steep = np.nan_to_num(low)[:, None], np.exp(claim.epsilon)
    caught = (least > steep * high + claim.delta) | (1 - high > steep * (1 - least) + claim.delta)  # or the complement
    assert tails[0][likely[0]] @ caught @ tails[1][likely[1]] >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("twins", "check"), CASES)
def test_it_is_caught_with_95_percent_probability_and_its_twin_rarely_accused(twins, check):
    seeds = range(200 if check.seeded else 1)
    caught = sum(twins.judge(check, seed, flawed=True).violated for seed in seeds)
    accused = sum(twins.judge(check, seed, flawed=False).violated for seed in seeds)
    # where the true share is 0.95, or 0.05, one of these fails in a hundred thousand sets of seeds
    assert stats.binom.cdf(caught, len(seeds), 0.95) > 1e-5
    assert stats.binom.sf(accused - 1, len(seeds), 0.05) > 1e-5
