"""Audits as metrics of a study."""

import time
from dataclasses import replace

import numpy as np
import pytest

from pets_eval.checks import MemoryContext, toy
from pets_eval.model import Answer, Guarantee, Release, Unsupported
from pets_eval.registry import make_task, make_technique
from pets_metrics.privacy.audit.study import advantage, audited_epsilon, timing_channel

GUARANTEE = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={"epsilon": 1.0})
TASK = make_task("marginals", {"tables": [["sex"]]})


class Again:
    """A rerun of *technique*, resolved once, or of a function of the counts."""

    def __init__(self, data, make):
        self.data, self.inputs, self.make = data, TASK.setup(data, np.random.default_rng(0)), make

    def __call__(self, *, inputs=None, n=1):
        return self.make(inputs or self.inputs, n)


def prepared(data, tmp_path, **params):
    ctx = MemoryContext(np.random.default_rng(0), tmp_path)
    mechanism = make_technique("dp-laplace-marginals", params).prepare(TASK, data.schema, ctx)
    return Again(data, mechanism.run_many), mechanism.guarantee


def counting(data, rng, epsilon, seconds=0.0):
    index = TASK.cells(data.schema)

    def make(inputs, n):
        frame = inputs.pooled().frame()
        exact = TASK.count([frame], data.schema)
        time.sleep(seconds * (len(frame) == len(data.train)))
        return [
            Release("answer", Answer.of(index, exact + rng.laplace(0, 1 / epsilon, len(exact))), GUARANTEE)
            for _ in range(n)
        ]

    return Again(data, make)


@pytest.mark.parametrize("unit", ["record", "person"])
def test_a_sound_technique(unit, tmp_path):
    data = toy(unit=unit)
    rerun, guarantee = prepared(data, tmp_path)
    found = audited_epsilon(rerun, guarantee, TASK, np.random.default_rng(1), runs=2_000)
    bound = found["lower bound"]
    assert 0 <= bound.value < 1.3 and bound.low == bound.value and bound.high == np.inf and bound.level == 0.95
    assert found["claimed"].value == pytest.approx(1) and found["excess"].value == pytest.approx(bound.value - 1)
    assert 1 < found["floor"].value < 2
    assert found["advantage"].value == pytest.approx(np.tanh(bound.value / 2))
    assert found["claimed advantage"].value == pytest.approx(0.4621, abs=1e-4)


@pytest.mark.parametrize("adjacency", ["add-remove", "replace-one"])
def test_too_little_noise_exceeds_the_claim(adjacency):
    data, rng = toy(), np.random.default_rng(2)
    guarantee = replace(GUARANTEE, adjacency=adjacency)
    found = audited_epsilon(counting(data, rng, 4.0), guarantee, TASK, rng, runs=4_000)
    assert found["excess"].value > 0.5 and found["excess"].low > 0
    assert "violation found" in found["lower bound"].note and "no violation" not in found["lower bound"].note
    assert found["lower bound"].value <= (4 if adjacency == "add-remove" else 8)


def test_what_cannot_be_audited_says_why(tmp_path):
    data = toy()
    rerun, guarantee = prepared(data, tmp_path)
    unknown = replace(guarantee, parameters={"rho": 1.0})
    with pytest.raises(Unsupported, match="states no epsilon"):
        audited_epsilon(rerun, unknown, TASK)
    with pytest.raises(Unsupported, match="one party holds one table"):
        audited_epsilon(Again(toy("horizontal"), rerun.make), guarantee, TASK)
    with pytest.raises(Unsupported, match="at least"):
        audited_epsilon(rerun, guarantee, TASK, runs=20)


def test_time_that_depends_on_the_data():
    data, rng = toy(), np.random.default_rng(3)
    slow = timing_channel(counting(data, rng, 1.0, seconds=0.01), GUARANTEE, rng, runs=30)
    assert slow.value > 0.9 and slow.low > 0.5 and "ms" in slow.note
    fair = timing_channel(counting(data, rng, 1.0), GUARANTEE, rng, runs=30)
    assert 0.5 <= fair.low <= fair.value <= fair.high <= 1
    with pytest.raises(Unsupported, match="too few fit"):
        timing_channel(counting(data, rng, 1.0), None, rng, seconds=1e-4)


def test_the_advantage_is_that_of_the_best_attack_on_the_worst_mechanism():
    # randomised response with a failure of delta reaches it: TPR - FPR of "say what you see"
    for epsilon, delta in [(0.0, 0.0), (1.0, 0.0), (2.0, 0.01), (0.0, 0.3)]:
        p = delta + (1 - delta) * np.exp(epsilon) / (1 + np.exp(epsilon))
        q = (1 - delta) / (1 + np.exp(epsilon))
        assert advantage(epsilon, delta) == pytest.approx(p - q)
        assert advantage(epsilon, delta) == pytest.approx((np.exp(epsilon) - 1 + 2 * delta) / (np.exp(epsilon) + 1))
    assert advantage(1e4) == 1
