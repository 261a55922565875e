"""Success rates and the risk against Anonymeter 1.1.0's own figures and statsmodels."""

import math

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.rates import Attack, Rate, effective, rate_among, residual, scores, targets


@pytest.mark.parametrize("successes, trials", [(0, 1), (1, 1), (0, 500), (3, 20), (137, 1000)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_intervals_are_wilson_s(successes, trials, level):
    estimate = Rate(successes / trials, trials).estimate(level)
    theirs = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx(theirs, abs=1e-12)
    assert estimate.value == successes / trials and estimate.n == trials and estimate.level == 0.95


# attacks, successes, control attacks, control successes; middle and half-width of the attack's rate, then the ends of
# the risk's interval, as anonymeter.stats.confidence.EvaluationResults 1.1.0 gave them
ANONYMETER = [
    (500, 300, 400, 120, (0.5992375659538448, 0.04278344325141765), (0.354442888195645, 0.4974011294880613)),
    (500, 500, 500, 250, (0.9961878297692239, 0.00381217023077612), (0.9847223089838669, 1.0)),
    (2000, 0, 2000, 40, (0.0009585236406264672, 0.0009585236406264671), (0.0, 0.0)),
]


@pytest.mark.parametrize("n, hits, m, control, rate, risk", ANONYMETER)
def test_rates_equal_anonymeter_s_and_the_risk_is_near_it_with_the_plain_share(n, hits, m, control, rate, risk):
    attacked, held_out = Rate(hits / n, n), Rate(control / m, m)
    assert attacked.interval() == pytest.approx(rate)
    found = {r.statistic: r.estimate for r in scores({"": Attack(attacked, Rate(0.0, n), held_out)}, "")}
    assert (found["risk"].low, found["risk"].high) == pytest.approx(risk, abs=0.005), "where its approximation is good"
    plain = max(0.0, (hits / n - control / m) / (1 - control / m))
    assert found["risk"].value == pytest.approx(plain) and found["attack"].value == hits / n


def test_a_known_rate_has_no_error_and_leaves_that_of_the_attack():
    known = Rate(0.25, math.inf)
    assert known.interval() == (0.25, 0.0) and known.estimate().low == 0.25
    middle, half = Rate(0.5, 400).interval()
    value, low, high = residual(Rate(0.5, 400), known)
    assert value == pytest.approx(1 / 3)
    assert (low, high) == pytest.approx(((middle - half - 0.25) / 0.75, (middle + half - 0.25) / 0.75))


def test_without_held_out_people_the_risk_is_missing_and_the_rest_stays():
    found = {r.statistic: r.estimate for r in scores({"": Attack(Rate(0.4, 100), Rate(0.1, 100))}, "")}
    assert math.isnan(found["risk"].value) and "held-out" in found["risk"].note
    assert math.isnan(found["control"].value) and found["attack"].value == 0.4 and found["baseline"].value == 0.1


def test_a_control_that_always_succeeds_leaves_nothing_to_measure():
    found = {r.statistic: r.estimate for r in scores({"": Attack(Rate(1.0, 9), Rate(0.5, 9), Rate(1.0, 9))}, "")}
    assert math.isnan(found["risk"].value) and "nothing is left to gain" in found["risk"].note
    assert found["control"].value == 1
    below = scores({"": Attack(Rate(0.8, 90), Rate(0.5, 90), Rate(1.0, 90))}, "")[-1].estimate
    assert below.value == below.high == 0 and "may differ" in below.note
    unsure = scores({"": Attack(Rate(0.8, 9), Rate(0.5, 9), Rate(1.0, 9))}, "")[-1].estimate
    assert unsure.value == 0 and unsure.high > 0.3, "nine people do not show that nothing is left to gain"


@pytest.mark.parametrize("control", [0.5, 0.9, 0.99, 0.997])
def test_no_risk_is_hardly_ever_taken_for_one(control):
    """Equal rates: the low end is above 0 in at most 2.5 %, plus 6 standard errors of 2,000 (false alarm < 1e-8).
    With propagated error that happened in 7.4 % at the highest rate, and an end above 0.09 in 5.1 %."""
    rng = np.random.default_rng(0)
    hits = rng.binomial(2000, control, (2000, 2)) / 2000
    low = np.array([residual(Rate(a, 2000), Rate(c, 2000))[1] for a, c in hits])
    assert (low > 0).mean() < 0.025 + 6 * math.sqrt(0.025 / 2000)
    assert (low > 0.09).mean() < 0.03


@pytest.mark.parametrize("attack, control", [(0.6, 0.3), (0.995, 0.99), (0.9, 0.2)])
def test_the_interval_of_the_risk_covers_it(attack, control):
    """At 95 %, less 6 standard errors of 2,000 (false alarm < 1e-8)."""
    rng = np.random.default_rng(1)
    drawn = np.column_stack([rng.binomial(2000, p, 2000) / 2000 for p in (attack, control)])
    ends = np.array([residual(Rate(a, 2000), Rate(c, 2000))[1:] for a, c in drawn])
    truth = (attack - control) / (1 - control)
    assert ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() > 0.95 - 6 * math.sqrt(0.05 * 0.95 / 2000)


def test_trials_of_one_source_are_one_trial():
    assert effective(np.repeat(np.arange(10), 7)) == pytest.approx(10)
    assert effective(np.arange(5)) == 5 and effective(np.zeros(99, dtype=np.int64)) == pytest.approx(1)


def test_a_weak_attack_says_so():
    strong, weak = (
        {r.statistic: r.estimate.note for r in scores({"": Attack(rate, Rate(0.3, 500), Rate(0.3, 500))}, "")}
        for rate in (Rate(0.6, 500), Rate(0.31, 500))
    )
    assert "guessing" in weak["risk"] and "guessing" in weak["attack"]
    assert "guessing" not in strong["risk"]


def test_a_control_that_is_hit_more_often_is_told():
    rows = scores({"": Attack(Rate(0.2, 500), Rate(0.1, 500), Rate(0.5, 500))}, "")
    assert rows[-1].estimate.value == 0 and "may differ" in rows[-1].estimate.note


def test_the_worst_is_the_surest_and_its_interval_is_wider():
    attacks = {
        "noisy": Attack(Rate(0.98, 200), Rate(0.9, 200), Rate(0.96, 200)),  # risk 0.5, interval from below 0
        "sure": Attack(Rate(0.5, 2000), Rate(0.1, 2000), Rate(0.2, 2000)),
    }
    rows = scores(attacks, "secrets")
    found = {(r.group, r.statistic): r.estimate for r in rows}
    worst, own = found["", "risk"], found["sure", "risk"]
    assert found["noisy", "risk"].value == pytest.approx(0.5) and found["noisy", "risk"].low == 0
    assert worst.value == own.value == pytest.approx(0.375)
    assert worst.low < own.low and worst.high > own.high and worst.level == 0.95
    assert worst.method.endswith("bonferroni") and worst.note == "worst of 2 secrets: sure"
    value, low, high = residual(attacks["sure"].attack, attacks["sure"].control, 1 - 0.05 / 2)
    assert (worst.value, worst.low, worst.high) == (value, low, high)


def test_an_attack_that_was_not_run_does_not_hide_the_others():
    attacks = {"none": Attack(failed="no predicate"), "one": Attack(Rate(0.5, 9), Rate(0.1, 9), Rate(0.2, 9))}
    found = {(r.group, r.statistic): r.estimate for r in scores(attacks, "kinds")}
    assert math.isnan(found["none", "risk"].value) and found["none", "risk"].note == "no predicate"
    assert found["", "risk"].value == found["one", "risk"].value
    nothing = scores({"none": Attack(failed="no predicate")}, "kinds")
    assert all(math.isnan(r.estimate.value) and r.estimate.note for r in nothing) and nothing[-1].group == ""


@pytest.mark.parametrize("part", [2, 4])
def test_the_rate_among_more_people_is_extrapolated_without_visible_bias(part):
    """Predicates of known weight: the mean of 30 estimates is within 6 standard errors (false alarm < 1e-8)."""
    rng = np.random.default_rng(1)
    people, held_out = 4000, 4000 // part
    weights = rng.choice([0, 0.5 / people, 1 / people, 3 / people, 20 / people], size=1500)
    truth = binom.pmf(1, people, weights).mean()
    found = [rate_among(people, rng.binomial(held_out, weights), held_out, rng) for _ in range(30)]
    values = np.array([r.value for r in found])
    assert abs(values.mean() - truth) < 6 * values.std(ddof=1) / math.sqrt(30) + 0.01
    errors = np.array([math.sqrt(r.value * (1 - r.value) / r.trials) for r in found])
    assert 0.6 < np.median(errors) / values.std(ddof=1) < 2.5, "its own error is that of its scatter"


def test_predicates_that_select_nobody_have_the_rate_zero():
    rate = rate_among(100, np.zeros(50, dtype=np.int64), 50, np.random.default_rng(0))
    assert rate.value < 0.02 and rate.trials <= 50


def test_targets_are_different_rows():
    drawn = targets(10, 4, np.random.default_rng(0))
    assert len(set(drawn)) == 4 and len(targets(3, 4, np.random.default_rng(0))) == 3
    with pytest.raises(PetsEvalError, match="at least 1"):
        targets(3, 0, np.random.default_rng(0))
