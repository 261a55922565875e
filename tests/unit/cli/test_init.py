"""`init`: what it writes is what was asked for, is valid, and replaces nothing unasked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pets_eval.cli import init, main
from pets_eval.run.studyfile import read_study
from pets_eval.run.yamltext import parse_yaml

FLAGS = [
    *("--dataset", "nhanes", "--task", "marginals k=2 columns=gender,race", "--task", "group-means by=[gender]"),
    *("--technique", "dp-gaussian-marginals epsilon=0.5,1 delta=1e-7", "--technique", "sampling p=0.2"),
]


def refused(capsys, *arguments):
    assert main(["init", *map(str, arguments)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    return err


def test_flags_become_a_study_that_check_accepts(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    assert main(["init", str(path), *FLAGS, "--purpose", 'to "know": #1', "--repeats", "3"]) == 0
    study = read_study(path).study
    assert (study.name, study.purpose, study.repeats) == ("mine", 'to "know": #1', 3)
    assert [t.params for t in study.tasks] == [{"k": 2, "columns": ["gender", "race"]}, {"by": ["gender"]}]
    assert [(t.use, t.params, t.grid) for t in study.techniques] == [
        ("dp-gaussian-marginals", {"delta": 1e-7}, {"epsilon": [0.5, 1]}),
        ("sampling", {"p": 0.2}, {}),
    ]
    capsys.readouterr()
    assert main(["check", str(path)]) == 0
    assert "valid study" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]


def test_an_existing_file_is_kept_unless_forced(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    assert "--force" in refused(capsys, path, *FLAGS)
    assert path.read_text() == "precious"
    assert main(["init", str(path), *FLAGS, "--force"]) == 0
    assert read_study(path).study.name == "mine"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset", "nhanes"], "at least one --dataset, one --task and one --technique"),
        ([*FLAGS, "--dataset", "nhanse"], "unknown dataset 'nhanse' (did you mean 'nhanes'?)"),
        ([*FLAGS, "--technique", "dp-laplace-marginals epsilon=-1"], "must be at least 0.001"),
        ([*FLAGS, "--technique", "dp-laplace-marginals epslon=1"], "did you mean 'epsilon'?"),
        ([*FLAGS, "--technique", "dp-laplace-marginals epsilon"], "write: name=value"),
        ([*FLAGS, "--technique", "dp-laplace-marginals 'epsilon=1"], "write: name parameter=value"),
        ([*FLAGS, "--technique", ""], "write: name parameter=value"),
        ([*FLAGS, "--task", "group-means by=[sex"], "not valid YAML"),
        ([*FLAGS, "--task", "quantiles column=gender"], "gender"),
        ([*FLAGS, "--guideline", "cor"], "did you mean 'core'?"),
        ([*FLAGS, "--name", ""], ""),
        ([*FLAGS, "--repeats", "0"], "'--repeats': this must be a whole number of at least 1"),
    ],
)
def test_what_would_not_be_valid_is_not_written(flags, words, tmp_path, capsys):
    if words:
        assert words in refused(capsys, tmp_path / "mine.yaml", *flags)
        assert list(tmp_path.iterdir()) == []
    else:  # an empty name falls back to that of the file
        assert main(["init", str(tmp_path / "mine.yaml"), *flags]) == 0
        assert read_study(tmp_path / "mine.yaml").study.name == "mine"


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert "its folder is not there" in refused(capsys, tmp_path / "none" / "mine.yaml", *FLAGS)


def test_questions_on_a_terminal(tmp_path, monkeypatch, capsys):
    (tmp_path / "t.csv").write_text("sex\nFemale\nMale\n")
    schema = "columns:\n  sex: {kind: categorical, domain: [Female, Male]}\n  age: {kind: integer, bounds: [0, 9]}\n"
    (tmp_path / "t.schema.yaml").write_text(schema)
    answers = {
        "What is the study called?": "asked",
        "What is the release for?": "",
        "Which datasets?": "file",
        "file: path": "t.csv",
        "file: schema_file": "t.schema.yaml",
        "Which tasks?": "marginals",
        "Which techniques?": "raw, sampling",
    }

    def answer(question, **_):
        return answers.pop(next(key for key in answers if question.startswith(key)))

    monkeypatch.setattr(init.click, "prompt", answer)
    monkeypatch.setattr(init.sys.stdin, "isatty", lambda: True, raising=False)
    assert main(["init", str(tmp_path / "asked.yaml")]) == 0
    study = read_study(tmp_path / "asked.yaml").study
    assert answers == {}
    assert study.datasets[0].params == {"path": "t.csv", "schema_file": "t.schema.yaml"}
    assert [t.use for t in study.techniques] == ["raw", "sampling"]


@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["1e-6", "No", "~", "- a", "a: b", "#", "'"])
)
def test_any_text_comes_back_as_it_was(text):
    assert parse_yaml(f"k: {init._scalar(text)}", where="x").value == {"k": text}


@given(st.recursive(st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(exclude_categories=["Cs"])), st.lists, max_leaves=5))  # fmt: skip
def test_any_value_comes_back_as_it_was(value):
    assert parse_yaml(f"k: {init._flow(value)}", where="x").value == {"k": value}


def test_the_template_is_commented(tmp_path):
    path = tmp_path / "mine.yaml"
    assert main(["init", str(path), *FLAGS]) == 0
    assert Path(path).read_text().startswith("# A study for pets-eval.")
