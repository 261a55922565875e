"""A program in another environment: what it is given, what is read back, what is refused, and the page's example."""

import json
import os
import re
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pets_datasets.tasks.classification import Classification
from pets_datasets.tasks.marginals import Marginals
from pets_datasets.tasks.microdata import Microdata
from pets_eval.checks import checks_for, toy
from pets_eval.checks import techniques as checks
from pets_eval.model import Answer, Inputs, PetsEvalError, Schema, Table
from pets_eval.registry import make_technique
from pets_techniques.external.exchange import read_release
from pets_techniques.external.technique import External

ROOT = Path(__file__).parents[3]
TASK = Marginals(tables=(("sex",), ("region", "children")))
PAGE = (ROOT / "docs/external-techniques.md").read_text()
RELEASE = {"format": "pets-eval/external/1", "kind": "answer"}


def block(language, first):
    """The code block of the page that starts with *first*."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if b.startswith(first)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def written(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def example(written):
    written(block("yaml", "schema: pets-eval/external-claims/1"), "my_counts.claims.yaml")
    return External(command=str(written(block("python", "# my_counts.py"), "my_counts.py")), params={"epsilon": 4.0})


def inputs_of(data):
    return Inputs(data.parties, data.parts, data.schema, data.layout)


def assert_refused(task, frame, release, said, folder):
    """What a program wrote is refused in one sentence that quotes nothing of it."""
    frame.to_parquet(folder / ("answer.parquet" if task is TASK else "microdata.parquet"))
    (folder / "release.json").write_text(json.dumps(release))
    with pytest.raises(PetsEvalError, match=said) as caught:
        read_release(folder, task, toy().schema, (), where="external: program.py")
    assert "SECRET" not in str(caught.value) and "\n" not in str(caught.value)


def answering(release=RELEASE, change="", file="answer.parquet"):
    return f"""
        import json
        import pandas as pd
        request = json.load(open("request.json"))
        frame = pd.read_parquet(request["cells"]).assign(value=1.0)
        {change}
        frame.to_parquet("{file}")
        json.dump({release!r}, open("release.json", "w"))
    """


SLOW = (checks.check_guarantee, checks.check_inputs_untouched)  # each run starts an interpreter


@pytest.mark.parametrize(
    "check", [pytest.param(c, marks=[pytest.mark.slow] * (c in SLOW), id=c.__name__) for c in checks.CHECKS]
)
def test_the_example_of_the_page_conforms(example, check):
    assert check in checks_for(example)
    check(example)


@pytest.mark.parametrize("arrangement", ["pooled", "horizontal"])
def test_the_example_of_the_page_counts(example, arrangement, context):
    data = toy(arrangement, from_data=True)
    release = replace(example, params={"epsilon": 1e6}).run(TASK, inputs_of(data), context)
    np.testing.assert_allclose(TASK.answer(release, data.schema, None).values, TASK.compute(data).values, atol=0.01)
    assert release.guarantee.parameters == {"epsilon": 1e6} and release.guarantee.status == "proven"
    assert release.guarantee.assumes[-1].startswith("the guarantee is as the foreign program states it")
    assert [re.search("'(.*)'", h)[1] for h in release.guarantee.hazards[1:]] == ["sex", "region", "children"]
    assert release.notes == ("2 tables",)
    assert len(context.messages) == (0 if arrangement == "pooled" else 3), "what crosses is recorded"
    assert not list(context.workdir.glob("exchange-*")), "the tables are removed"


def test_what_the_program_finds(written, context, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("SOME_SECRET", "x")
    program = written(
        """
        import json, os, shutil, sys
        shutil.copytree(".", os.path.join(os.path.dirname(sys.argv[0]), "seen"))
        with open(os.path.join(os.path.dirname(sys.argv[0]), "environment.json"), "w") as file:
            json.dump([dict(os.environ), sys.argv[1:]], file)
        sys.exit(3)
        """
    )
    data = toy("horizontal")
    with pytest.raises(PetsEvalError, match=r"program\.py left with exit code 3"):
        External(command=str(program), params={"a": [1, "b"]}).run(TASK, inputs_of(data), context)
    seen = program.parent / "seen"
    request = json.loads((seen / "request.json").read_text())
    assert request["format"] == "pets-eval/external/1" and request["params"] == {"a": [1, "b"]}
    assert request["task"]["kind"] == "marginals" and request["task"]["params"]["k"] == 2
    assert Schema.from_json(request["schema"]) == data.schema
    assert request["bins"]["children"] == {
        "cells": ["0", "1", "2", "3", "4"],
        "edges": [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5],
    }
    assert request["bins"]["sex"]["edges"] is None and "person" not in request["bins"]
    assert request["parties"][0] == {"name": "office", "roles": ["computing", "result"], "table": None}
    assert isinstance(request["seed"], int)
    for i, name in enumerate(("site-0", "site-1", "site-2")):
        frame = pd.read_parquet(seen / f"table-{i}.parquet")
        assert list(frame) == ["sex", "region", "children"], "only the columns that the task needs"
        pd.testing.assert_frame_equal(
            data.schema.select(list(frame)).conform(frame, where="t"), data.parts[name].frame(list(frame))
        )
    assert pd.read_parquet(seen / "cells.parquet").equals(TASK.cells(data.schema).to_frame(index=False))
    environment, arguments = json.loads((program.parent / "environment.json").read_text())
    assert not arguments and "PYTHONPATH" not in environment and "SOME_SECRET" not in environment
    assert environment["PATH"] == os.environ["PATH"]


def test_microdata_are_read_in_the_form_of_the_schema(written, context):
    data = toy()
    program = written(
        answering(
            RELEASE | {"kind": "microdata", "weight": 2.5},
            "frame = pd.DataFrame({'age': [20, 30], 'sex': ['F', 'M'], 'seen': pd.to_datetime(['2020-01-01', None])})",
            "microdata.parquet",
        )
    )
    release = External(command=str(program)).run(Microdata(), inputs_of(data), context)
    assert isinstance(release.value, Table) and release.weight == 2.5 and release.guarantee is None
    assert list(release.value.frame()) == ["sex", "age", "seen"]
    assert release.value.frame()["sex"].dtype == "category"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(value=f["value"].mask(f.index == 0)), "missing or infinite"),
        (lambda f: f.assign(value=np.inf), "missing or infinite"),
        (lambda f: f.assign(value="SECRET"), "numbers that are none"),
        (lambda f: f.iloc[1:], "each of the 22 cells"),
        (lambda f: f.assign(cell="SECRET"), "each of the 22 cells"),
        (lambda f: pd.concat([f, f]), "each of the 22 cells"),
        (lambda f: f.assign(SECRET=1), "must have the columns block"),
        (lambda f: f.drop(columns="value"), "must have the columns block"),
        (lambda f: f.assign(se=-1.0), "negative standard errors"),
        (lambda f: f.assign(low=np.inf), "missing or infinite"),
    ],
)
def test_a_wrong_answer_is_one_sentence(change, said, tmp_path):
    frame = TASK.cells(toy().schema).to_frame(index=False).assign(value=1.0)
    assert_refused(TASK, change(frame), RELEASE, said, tmp_path)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"sex": ["SECRET"]}, "outside the public domain"),
        ({"age": [np.inf]}, "infinite"),
        ({"SECRET": [1]}, "1 columns that are not published"),
        ({"person": ["SECRET"]}, "1 columns that are not published"),
        ({"sex": []}, "has no rows"),
        ({}, "has no columns"),
    ],
)
def test_wrong_microdata_are_one_sentence(columns, said, tmp_path):
    assert_refused(Microdata(), pd.DataFrame(columns), RELEASE | {"kind": "microdata"}, said, tmp_path)


DP = {"notion": "pure-dp", "unit": "record", "adjacency": "add-remove", "parameters": {"epsilon": 1.0}}


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"format": "other", "kind": "answer"}, "must have the format"),
        (RELEASE | {"kind": "model"}, "of the kind answer or microdata"),
        (RELEASE | {"SECRET": 1}, "not as documented at 'a key'"),
        (RELEASE | {"weight": 0}, "not as documented at 'weight'"),
        (RELEASE | {"weight": "SECRET"}, "not as documented at 'weight'"),
        (RELEASE | {"guarantee": {"notion": "pure-dp"}}, r"not as documented at 'guarantee\.unit'"),
        (RELEASE | {"guarantee": DP | {"unit": "person"}}, "must be about the unit of privacy, 'record'"),
        (RELEASE | {"guarantee": DP | {"parameters": {"epsilon": -1.0}}}, "finite and not negative"),
        (RELEASE | {"guarantee": DP | {"parameters": {"epsilon": None}}}, "finite and not negative"),
        (RELEASE | {"guarantee": DP | {"events": [{"scale": 1}]}}, "each event must name its mechanism"),
        ([], "not as documented"),
    ],
)
def test_a_wrong_release_file_is_one_sentence(release, said, tmp_path):
    frame = TASK.cells(toy().schema).to_frame(index=False).assign(value=1.0)
    assert_refused(TASK, frame, release, said, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"wrote no release\.json"),
        ("open('release.json', 'w').write('SECRET')", "is not a JSON file"),
        ("open('release.json', 'w').write('[' * 100_000)", "is not a JSON file"),
        ("open('release.json', 'w').write(' ' * 2_000_000)", "larger than 1 MB"),
        (f"import json; json.dump({RELEASE!r}, open('release.json', 'w'))", r"wrote no answer\.parquet"),
        (answering(change="frame.to_parquet = lambda name: open(name, 'w').write('SECRET')"), "not a Parquet file"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("raise ValueError('SECRET')", "left with exit code 1; what it said is kept in the cell's confidential log"),
    ],
)
def test_a_failing_program_is_one_sentence(text, said, written, context, capfd):
    with pytest.raises(PetsEvalError, match=said) as caught:
        External(command=str(written(text))).run(TASK, inputs_of(toy()), context)
    assert "SECRET" not in str(caught.value) and "\n" not in str(caught.value)
    capfd.readouterr()


def test_the_interpreter_is_the_one_named_and_a_program_may_need_none(written, context):
    data = toy()
    named = External(command=str(written(answering(), "program.txt")), python=sys.executable)
    assert isinstance(named.run(TASK, inputs_of(data), context).value, Answer)
    itself = written(f"#!{sys.executable}\n" + textwrap.dedent(answering()), "program")
    with pytest.raises(PetsEvalError, match=r"cannot be run \(Permission denied\)"):
        External(command=str(itself)).run(TASK, inputs_of(data), context)
    itself.chmod(0o700)
    assert isinstance(External(command=str(itself)).run(TASK, inputs_of(data), context).value, Answer)


def test_a_missing_interpreter_skips_and_a_missing_program_is_said(written, tmp_path):
    data, program = toy(), written(answering())
    missing = External(command=str(program), python=str(tmp_path / "none"))
    assert "make that environment first" in missing.supports(TASK, data.schema, data.parties)
    assert missing.fingerprint()
    with pytest.raises(PetsEvalError, match="cannot read the program"):
        External(command=str(tmp_path / "none.py")).fingerprint()


def test_its_identity_is_that_of_the_program_its_claims_and_its_interpreter(written):
    program = written("pass")
    technique = External(command=str(program))
    prints = [technique.fingerprint(), External(command=str(program), python=sys.executable).fingerprint()]
    written("pass  # changed")
    prints.append(technique.fingerprint())
    written("schema: pets-eval/external-claims/1\ncovers: a\nleaves: b\n", "program.claims.yaml")
    prints.append(technique.fingerprint())
    assert len(set(prints)) == 4 and technique.fingerprint() == prints[-1]


def test_claims_stand_beside_the_program_and_are_unknown_without(written, example):
    assert example.claims().trust_model == "central"
    data = toy()
    assert "does marginals, and not microdata" in example.supports(Microdata(), data.schema, data.parties)
    assert "held out" in example.supports(Classification(), data.schema, data.parties)
    assert External(command=str(written("pass"))).claims().trust_model == "unknown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("covers: a\nleaves: b\n", "at 'schema'"),
        ("schema: pets-eval/external-claims/1\nleaves: b\n", "at 'covers'"),
        ("schema: pets-eval/external-claims/1\ncovers: a\nleaves: b\ntrust-model: good\n", "at 'trust-model'"),
        ("schema: pets-eval/external-claims/1\ncovers: a\nleaves: b\nother: 1\n", "at 'other'"),
        ("- a", "at 'its beginning'"),
        ("a: [", "is not a YAML file"),
        ("x" * 200_000, "is larger than 100 kB"),
    ],
)
def test_wrong_claims_are_one_sentence(text, said, written):
    written(text, "program.claims.yaml")
    with pytest.raises(PetsEvalError, match=said) as caught:
        External(command=str(written("pass"))).claims()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("params", [{"a": float("nan")}, {"a": {1, 2}}, {"a": object()}])
def test_params_must_be_what_json_can_hold(params):
    with pytest.raises(PetsEvalError, match="must hold what JSON can"):
        make_technique("external", {"command": "x", "params": params})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "program", "task"),
    [
        ("PETS_SMARTNOISE_PYTHON", "smartnoise_mst.py", Microdata()),
        ("PETS_DIFFPRIVLIB_PYTHON", "diffprivlib_queries.py", Marginals(tables=(("sex", "region"), ("age",)))),
    ],
)
def test_the_shipped_examples_run_where_their_environments_are(variable, program, task, context):
    if variable not in os.environ:
        pytest.skip(f"{variable} names no interpreter")
    data = toy()
    command = next((ROOT / "studies/foreign").rglob(program))
    technique = External(command=str(command), python=os.environ[variable], params={"epsilon": 5.0})
    assert technique.supports(task, data.schema, data.parties) is None
    release = technique.run(task, inputs_of(data), context)
    assert release.guarantee.parameters["epsilon"] == 5.0
    off = np.abs(task.answer(release, data.schema, None).values - task.compute(data).values)
    assert np.nanmedian(off) < 30
