"""The verb `audit`: what it takes, what it prints, and how it ends."""

import json
import sys

import numpy as np
import pytest

from pets_eval.cli import main
from pets_metrics.privacy.audit.bounds import epsilon_ceiling, pair_floor
from pets_metrics.privacy.audit.claim import Claim

MODULE = """\
import sys

import numpy as np

rng = np.random.default_rng()


def noisy(data, size, epsilon=1.0):
    return len(data) + rng.laplace(scale=1 / epsilon, size=size)


def people(frame, size):
    return frame["pay"].clip(0, 10).sum() / 10 + rng.laplace(scale=1.3, size=size)


class Release:
    @staticmethod
    def of(data):
        return float(len(data))


def two(a, b):
    return 0.0


def talking(data):
    print("so far so good")
    return len(data) + rng.laplace()


def leaving(data):
    sys.exit(0)


def raising(data):
    raise ValueError("do not quote 17")


value = 3
"""
SCHEMA = "columns:\n  pay: {kind: real, bounds: [0, 10]}\n"
SURE = ["--level", "0.9999999"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "audited_here.py").write_text(MODULE)
    (tmp_path / "broken_here.py").write_text("raise RuntimeError('boom')\n")
    (tmp_path / "leaving_here.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "needing_here.py").write_text("import not_there_at_all\n")
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("audited_here", "broken_here", "leaving_here", "needing_here"):
        sys.modules.pop(name, None)


def run(capsys, *words):
    code = main(["audit", *words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_violation(folder, capsys):
    target = "audited_here:noisy"
    code, out, _ = run(capsys, target, "--claim", "epsilon=1", "--param", "epsilon=2", "--runs", "20000", "--seed", "1")
    assert code == 1 and out.startswith("violation found (p = below 1e-12)")
    for words in (
        "epsilon >=",
        "at 95 % confidence",
        "would have caught a true epsilon of at least",
        "neighbours tried",
    ):
        assert words in out
    assert "no violation found" not in out and "proved" not in out


def test_no_violation_with_its_floor_and_power(folder, capsys):
    code, out, _ = run(capsys, "audited_here:noisy", "--claim", "epsilon=1", "--runs", "20000", *SURE)
    assert code == 0 and out.startswith("no violation found\n")
    for words in (
        "detection floor",
        "would have caught a true epsilon of at least",
        "passed off as one",
        "cannot show that a claim holds",
    ):
        assert words in out
    assert "proved" not in out and "proven" not in out


@pytest.mark.parametrize("epsilon, code", [(2, 1), (1, 0)])
def test_json(folder, capsys, epsilon, code):
    words = ["audited_here.py:noisy", "--claim", "epsilon=1", "--param", f"epsilon={epsilon}", "--runs", "20000"]
    ended, out, _ = run(capsys, *words, "--json", *SURE)
    found = json.loads(out)
    assert ended == code and found["schema"] == "pets-eval/audit/1"
    assert found["outcome"] == ("violation found" if code else "no violation found")
    assert found["claim"] == {"epsilon": 1, "delta": 0, "mu": None, "unit": "record", "neighbours": "add-remove"}
    runs, level = found["runs_per_input"], 1 - 1e-7 * 0.96
    assert found["detection_floor"] == pytest.approx(pair_floor(runs, Claim(1.0), level), abs=1e-3)
    assert found["detection_ceiling"] == pytest.approx(epsilon_ceiling(runs, 0.0, level), abs=1e-3)
    assert (found["planted_violation"] is None) == bool(code) and found["would_have_caught"] > 1
    assert found["neighbours"] in found["neighbours_tried"] and found["runs"] <= 20_000
    assert (found["p_value"] < 1e-7) == bool(code)


def test_a_function_of_a_table_and_a_method(folder, capsys):
    words = ["audited_here:people", "--schema", "schema.yaml", "--claim", "epsilon=1", "--runs", "8000", *SURE]
    assert run(capsys, *words)[0] == 0
    code, out, _ = run(
        capsys, "audited_here:Release.of", "--claim", "epsilon=1", "--runs", "3000", "--bounds", "0", "9"
    )
    assert code == 1 and "no violation" not in out.splitlines()[0]


def test_a_command(folder, capsys):
    words = f"{sys.executable} -S -c 'import sys; print(open(sys.argv[1]).read().count(chr(10)))' {{}}"
    code, out, _ = run(capsys, words, "--claim", "epsilon=0.5", "--runs", "200")
    assert code == 1 and "python" in out


def test_a_technique_and_its_own_claim(capsys):
    code, out, _ = run(capsys, "dp-laplace-marginals", "--param", "epsilon=0.5", "--runs", "300", *SURE)
    assert code == 0 and "epsilon = 0.5" in out and "replay" in out and "ledger" in out
    code, out, _ = run(capsys, "raw", "--claim", "epsilon=1", "--runs", "300")
    assert code == 1


def test_absurd_but_legitimate_claims(folder, capsys):
    words = ["audited_here:noisy", "--runs", "4000", "--claim"]
    assert run(capsys, *words, "epsilon=0")[0] == 1
    assert run(capsys, *words, "epsilon=5000")[0] == 0
    assert run(capsys, *words, "mu=0.1,delta=1e-9")[0] == 1
    assert run(capsys, *words, "epsilon=0", "--delta", "0.999")[0] == 0


CLAIM = ["--claim", "epsilon=1"]
BAD = {
    "no claim": (["audited_here:noisy"], "say what is claimed"),
    "negative": (["audited_here:noisy", "--claim", "epsilon=-1"], "at least 0"),
    "not a number": (["audited_here:noisy", "--claim", "epsilon=nan"], "at least 0"),
    "infinite": (["audited_here:noisy", "--claim", "epsilon=inf"], "below 10000"),
    "huge": (["audited_here:noisy", "--claim", "epsilon=1e9"], "below 10000"),
    "delta 1": (["audited_here:noisy", *CLAIM, "--delta", "1"], "below 1"),
    "delta negative": (["audited_here:noisy", *CLAIM, "--delta", "-0.1"], "at least 0"),
    "delta alone": (["audited_here:noisy", "--claim", "delta=1e-5"], "needs an epsilon"),
    "misspelt": (["audited_here:noisy", "--claim", "epsilonn=1"], "did you mean 'epsilon'"),
    "no value": (["audited_here:noisy", "--claim", "epsilon"], "must be written as"),
    "words": (["audited_here:noisy", "--claim", "epsilon=low"], "must be a number"),
    "twice": (["audited_here:noisy", "--claim", "epsilon=1,epsilon=2"], "claimed twice"),
    "delta twice": (["audited_here:noisy", "--claim", "epsilon=1,delta=0.1", "--delta", "0.2"], "claimed twice"),
    "no function": (["audited_here:noisi", *CLAIM], "did you mean 'noisy'"),
    "no module": (["not_there_here:f", *CLAIM], "there is no module"),
    "no file": (["not_there.py:f", *CLAIM], "there is no file"),
    "raises on import": (["broken_here:f", *CLAIM], "raises RuntimeError"),
    "leaves on import": (["leaving_here.py:f", *CLAIM], "raises SystemExit"),
    "needs a module": (["needing_here:f", *CLAIM], "needs the module 'not_there_at_all'"),
    "two arguments": (["audited_here:two", *CLAIM], "also requires 'b'"),
    "always raises": (["audited_here:raising", *CLAIM], "raised ValueError"),
    "always leaves": (["audited_here:leaving", *CLAIM], "raised SystemExit"),
    "both kinds": (["audited_here:noisy", "--claim", "epsilon=1,mu=1"], "not both"),
    "seed": (["audited_here:noisy", *CLAIM, "--seed", "-1"], "--seed"),
    "no callable": (["audited_here:value", *CLAIM], "is not a function"),
    "nothing": (["", *CLAIM], "name what is to be audited"),
    "no technique": (["dp-laplace-marginal", *CLAIM], "did you mean 'dp-laplace-marginals'"),
    "no program": (["not-there {}", *CLAIM], "there is no program"),
    "open quotation": (["echo 'a", *CLAIM], "quotation mark"),
    "prints no number": (["echo hello", *CLAIM], "neither a number nor JSON"),
    "always fails": (["false", *CLAIM], "ended with exit code 1"),
    "bounds": (["audited_here:noisy", *CLAIM, "--bounds", "1", "0"], "the lower one first"),
    "unknown bounds": (["audited_here:noisy", *CLAIM, "--bounds", "nan", "1"], "two finite numbers"),
    "bounds of a table": (
        ["audited_here:people", *CLAIM, "--schema", "schema.yaml", "--bounds", "0", "1"],
        "stand in its schema",
    ),
    "no schema": (["audited_here:people", *CLAIM, "--schema", "no.yaml"], "cannot read the schema file"),
    "two schemas": (["audited_here:people", *CLAIM, "--schema", "schema.yaml", "--dataset", "fair"], "not both"),
    "no unit": (["audited_here:noisy", *CLAIM, "--unit", "person"], "has no unit"),
    "unknown unit": (["audited_here:people", *CLAIM, "--schema", "schema.yaml", "--unit", "who"], "no column 'who'"),
    "runs and minutes": (["audited_here:noisy", *CLAIM, "--runs", "5000", "--minutes", "1"], "not both"),
    "few runs": (["audited_here:noisy", *CLAIM, "--runs", "5"], "at least"),
    "no time": (["audited_here:noisy", *CLAIM, "--minutes", "0"], "greater than 0"),
    "nan minutes": (["audited_here:noisy", *CLAIM, "--minutes", "nan"], "greater than 0"),
    "level": (["audited_here:noisy", *CLAIM, "--level", "1"], "level must be"),
    "relation": (["audited_here:noisy", *CLAIM, "--neighbours", "near"], "near"),
    "param": (["audited_here:noisy", *CLAIM, "--param", "epsilon"], "name=value"),
    "unknown param": (["audited_here:noisy", *CLAIM, "--param", "epsilom=1"], "did you mean 'epsilon'"),
    "param of a command": (["echo 1", *CLAIM, "--param", "a=1"], "techniques and functions"),
    "task of a function": (["audited_here:noisy", *CLAIM, "--task", "marginals"], "--task is for techniques"),
    "technique's range": (["dp-laplace-marginals", "--param", "epsilon=-1"], "at least 0.001"),
    "technique's task": (["dp-laplace-marginals", "--task", "microdata"], "cannot be audited on the task"),
    "unknown task": (["dp-laplace-marginals", "--task", "marginal"], "did you mean 'marginals'"),
    "claims nothing": (["raw"], "claims nothing"),
    "other neighbours": (["dp-laplace-marginals", "--neighbours", "replace"], "give --claim as well"),
    "delta of a technique": (["dp-laplace-marginals", "--delta", "0.1"], "--delta needs --claim"),
}


def test_what_the_target_prints_is_no_part_of_the_answer(folder, capsys):
    code, out, _ = run(capsys, "audited_here:talking", *CLAIM, "--runs", "400", "--json", *SURE)
    assert code == 0 and json.loads(out)["outcome"] == "no violation found"


@pytest.mark.parametrize("words, said", BAD.values(), ids=BAD)
def test_bad_input_gets_one_sentence(folder, capsys, words, said):
    code, out, err = run(capsys, *words)
    assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert said in err and "17" not in err


def test_a_function_that_hangs(folder, capsys, monkeypatch):
    from pets_metrics.privacy.audit import command

    (folder / "audited_here.py").write_text("import time\ndef hangs(data):\n    time.sleep(100)\n")
    monkeypatch.setattr(command, "_LEAST_PATIENCE", 0.2)
    code, _, err = run(capsys, "audited_here:hangs", *CLAIM, "--minutes", "0.001")
    assert code == 2 and "did not return within 0.2 s" in err


def test_numbers_are_plain_json(folder, capsys):
    _, out, _ = run(capsys, "audited_here:noisy", "--claim", "epsilon=40", "--runs", "400", "--json")
    found = json.loads(out)
    assert found["detection_floor"] is None and np.isfinite(found["detection_ceiling"])
