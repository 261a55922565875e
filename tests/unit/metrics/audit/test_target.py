"""What can be audited, and runs of it."""

import contextlib
import json
import os
import sys
import time

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit import sampling
from pets_metrics.privacy.audit.commands import of_command
from pets_metrics.privacy.audit.outcomes import Outcomes
from pets_metrics.privacy.audit.sampling import Sampler, concatenated
from pets_metrics.privacy.audit.target import BatchRaisedError, from_scratch, limited, of_callable

DATA = np.array([1.0, 2.0])


def test_a_function_is_called_once_per_run_on_a_copy_of_its_own():
    def spoils(data):
        total = float(data.sum())
        data[:] = 100
        return total

    found = of_callable(spoils).run_many(DATA, 3)
    assert found.values.ravel().tolist() == [3.0, 3.0, 3.0] and DATA.tolist() == [1.0, 2.0]
    assert found.seconds.shape == (3,) and (found.seconds >= 0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda data, n: np.arange(n),
        lambda data, size=1: list(range(size)),
        lambda data, *, size=None: range(size),
    ],
)
def test_a_parameter_for_many_outputs_is_used(call):
    assert of_callable(call, "f").run_many(DATA, 4).values.ravel().tolist() == [0, 1, 2, 3]
    assert len(of_callable(call, "f").run_many(DATA, 1)) == 1


def test_run_many_is_used():
    class Mechanism:
        def run_many(self, data, n):
            return data.sum() + np.zeros(n)

    assert of_callable(Mechanism()).run_many(DATA, 5).values.ravel().tolist() == [3.0] * 5


def test_another_parameter_called_n_is_left_alone():
    target = of_callable(lambda data, n=10: float(n), "bins")
    assert target.run_many(DATA, 3).values.ravel().tolist() == [10.0] * 3


def test_an_error_is_an_outcome_of_the_run_that_raised_it():
    calls = iter([1.0, ValueError(), 2.0])

    def sometimes(data):
        found = next(calls)
        if isinstance(found, Exception):
            raise found
        return found

    assert of_callable(sometimes).run_many(DATA, 3).labels.tolist() == ["", "raised ValueError", ""]


def test_after_a_batch_that_raises_all_is_run_one_by_one():
    def batch(data, size):
        if size > 1:
            raise KeyError
        return np.ones(size)

    with pytest.raises(BatchRaisedError):
        of_callable(batch).run_many(DATA, 3)
    found = from_scratch(of_callable(batch), lambda target: [target.run_many(DATA, n) for n in (1, 3)])
    assert [len(o) for o in found] == [1, 3]
    assert found[1].values.ravel().tolist() == [1.0] * 3 and set(found[1].labels) == {""}


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda data, size: np.zeros(size + 1), "one output per run"),
        (lambda data, size: 3.0, "one output per run"),
        (lambda data, size: {"a": 1}, "one output per run"),
    ],
)
def test_a_batch_of_another_length_is_refused(call, words):
    with pytest.raises(PetsEvalError, match=words):
        of_callable(call, "f").run_many(DATA, 3)


@pytest.mark.parametrize(
    "call, words",
    [(3, "is not a function"), (lambda a, b: 1, "also requires 'b'"), (lambda: 1, "takes no argument")],
)
def test_what_cannot_be_called_with_the_data_is_refused(call, words):
    with pytest.raises(PetsEvalError, match=words):
        of_callable(call, "f")


def test_a_call_that_hangs_is_stopped():
    def hangs(data):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(10)

    with pytest.raises(PetsEvalError, match=r"did not return within 0\.05 s"):
        of_callable(hangs, patience=0.05).run_many(DATA, 1)
    with limited(0.05, "quick"):
        pass
    time.sleep(0.06)  # no alarm is left over


# -- commands ----------------------------------------------------------------------------------------------------------


def program(text, *more):
    return of_command([sys.executable, "-c", text, *more], patience=20)


def test_a_command_reads_a_csv_file_and_prints_a_number():
    found = program("import sys; print(open(sys.argv[1]).read().count('\\n') - 1)").run_many(DATA, 2)
    assert found.values.ravel().tolist() == [2.0, 2.0] and len(found.seconds) == 2


def test_a_table_is_written_with_its_names_and_empty_fields():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", "y, z"]})
    found = program("import sys, json; print(json.dumps(open(sys.argv[1]).read().split()))", "{}").run_many(frame, 1)
    text = 'a,b\n1.0,x\n,"y, z"\n'
    same = of_callable(lambda _: text.split()).run_many(DATA, 1)
    assert found.labels.tolist() == same.labels.tolist()


@pytest.mark.parametrize(
    "printed, values", [('{"a": 1, "b": [2, 3]}', [1, 2, 3]), ("[4, 5]", [4, 5]), ("nan", [np.nan])]
)
def test_a_command_may_print_json(printed, values):
    np.testing.assert_array_equal(program(f"print('''{printed}''')").run_many(DATA, 1).values, [values])


def test_an_exit_code_is_an_outcome():
    found = program("import sys; sys.exit(3)").run_many(DATA, 2)
    assert found.labels.tolist() == ["exit code 3"] * 2


@pytest.mark.parametrize("text", ["print('hello')", "pass", "import sys; sys.stdout.buffer.write(b'\\xff')"])
def test_a_command_that_prints_neither_number_nor_json_is_refused(text):
    with pytest.raises(PetsEvalError, match="printed neither a number nor JSON"):
        program(text).run_many(DATA, 1)


def test_a_command_that_is_not_there_or_hangs_is_refused():
    with pytest.raises(PetsEvalError, match="there is no program 'not-there'"):
        of_command(["not-there"])
    with pytest.raises(PetsEvalError, match="did not end within"):
        of_command([sys.executable, "-c", "import time; time.sleep(60)"], patience=0.3).run_many(DATA, 1)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_processes(monkeypatch):
    monkeypatch.setattr(sampling, "processors", lambda: 2)
    monkeypatch.setattr(sampling, "_may_fork", lambda: True)
    monkeypatch.setattr(sampling, "_SLOW", 0.0)


def slow(target):
    sampler = Sampler(target)
    sampler.seconds = 0.001
    return sampler


def test_runs_are_spread_over_processes(two_processes):
    generator = np.random.default_rng()  # inherited by both processes, but the first number tells them apart

    def f(data):
        return {"pid": os.getpid(), "noise": generator.random() + os.getpid(), "global": np.random.random()}

    sampler = slow(of_callable(f))
    found = sampler.draw(DATA, 21)
    assert len(found) == 21 and sampler.done == 21 and len(found.seconds) == 21
    pids, noise = found.on(["pid"]).values.ravel(), found.on(["global"]).values.ravel()
    assert len(set(pids)) == 2 and os.getpid() not in pids
    assert len(set(noise)) == 21  # numpy's global generator is seeded anew in each


def test_processes_that_repeat_each_other_are_given_up(two_processes):
    generator = np.random.default_rng(0)
    sampler = slow(of_callable(lambda data: generator.random()))
    assert len(set(sampler.draw(DATA, 20).values.ravel())) == 20
    assert len(set(sampler.draw(DATA, 20).values.ravel())) == 20


def test_processes_that_are_not_seen_to_differ_are_given_up(two_processes):
    pids = set()

    def constant(data):
        pids.add(os.getpid())  # seen here only if this process runs it
        return 1.0

    sampler = slow(of_callable(constant))
    assert sampler.draw(DATA, 20).values.ravel().tolist() == [1.0] * 20
    assert sampler.done == 20 and pids == {os.getpid()} and not sampler._alone


def test_rare_events_of_an_inherited_generator_are_not_counted_twice(two_processes):
    generator = np.random.default_rng(3)
    calls = []

    def rare(data):
        calls.append(1)
        return float(generator.random() < 0.01)

    assert len(slow(of_callable(rare)).draw(DATA, 40)) == len(calls) == 40  # all in this process


def test_labels_survive_a_process(two_processes):
    def raises(data):
        raise OSError if os.getpid() % 2 or np.random.random() < 0.5 else KeyError

    ends = slow(of_callable(raises)).draw(DATA, 40).labels
    assert set(ends) <= {"raised OSError", "raised KeyError"}
    texts = slow(of_callable(lambda data: f"text {os.getpid()}")).draw(DATA, 20).labels
    assert len(set(texts)) == 2 and Outcomes.of([f"text {os.getpid()}"]).labels[0] not in texts


def test_a_batch_that_raises_in_a_process_is_reported(two_processes):
    def batch(data, size):
        raise KeyError

    with pytest.raises(BatchRaisedError) as raised:
        slow(of_callable(batch)).draw(DATA, 40)
    assert raised.value.singly.batch is None


def test_a_process_that_dies_or_hangs_is_reported(two_processes):
    with pytest.raises(PetsEvalError, match="ended its process"):
        slow(of_callable(lambda data: os._exit(9))).draw(DATA, 20)
    with pytest.raises(PetsEvalError, match="did not return"):
        slow(of_callable(lambda data: time.sleep(5), patience=0.1)).draw(DATA, 20)


def test_rehearsal_finds_the_cost_and_calls_are_bounded():
    sizes = []

    def batch(data, size):
        sizes.append(size)
        return np.zeros(size)

    sampler = Sampler(of_callable(batch))
    assert len(sampler.rehearse(DATA)) == sum(sizes) == sampler.done
    sampler.seconds, sizes[:] = 1.0, []
    assert len(sampler.draw(DATA, 5)) == 5 and sizes[0] == 2


def test_joined_runs_keep_all_keys():
    joint = concatenated([Outcomes.of([{"a": 1}]), Outcomes.of([{"b": 2}])])
    assert joint.keys == ("a", "b")
    np.testing.assert_array_equal(joint.values, [[1, np.nan], [np.nan, 2]])
    assert json.dumps(joint.labels.tolist()) == '["", ""]'
