"""The study parser: what it reads, how it names a place, and its sentence for every kind of mistake."""

import datetime
from pathlib import Path

import pytest

import pets_eval
from pets_eval.model import PetsEvalError
from pets_eval.run.studyfile import find_study, packaged_studies, packaged_study, parse_study, read_study

VALID = """\
schema: pets-eval/study/1
name: a study
data-subjects: adults
expires: 2027-06-30
seed: 7
datasets:
  - use: nhanes
    partition: {by: iid, parties: 3}
tasks:
  - use: marginals
techniques:
  - use: raw
  - use: sampling
    grid:
      p: [0.01, 1e-1]
"""


def refusal(text):
    with pytest.raises(PetsEvalError) as error:
        parse_study(text, Path("s.yaml"))
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert "validation" not in message
    assert "pydantic" not in message
    return message


def test_a_valid_study_is_read_with_its_lines(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(VALID, encoding="utf-8-sig")  # as Windows editors save it
    file = read_study(path)
    assert file.text == VALID
    assert file.study.expires == datetime.date(2027, 6, 30)
    assert file.study.techniques[1].grid == {"p": [0.01, 0.1]}
    assert file.where() == str(path)
    assert file.where("techniques", 1, "grid", "p", 1) == f"{path}, line 15, techniques[1].grid.p[1]"


def test_where_falls_back_to_the_innermost_written_key():
    file = parse_study(VALID, Path("s.yaml"))
    assert file.where("datasets", 0, "params", "path") == "s.yaml, line 7, datasets[0].params.path"
    assert file.where("guideline") == "s.yaml, guideline"
    assert file.where("data_subjects") == "s.yaml, line 3, data_subjects"


def test_a_key_that_is_no_word_is_quoted_in_a_place():
    file = parse_study(VALID, Path("s.yaml"))
    assert file.where("techniques", 0, "params", "a\nb") == "s.yaml, line 12, techniques[0].params.'a\\nb'"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("tasks:", "taks:", "s.yaml, line 9, taks: unknown key 'taks' (did you mean 'tasks'?)"),
        ("data-subjects:", "data_subject:", "line 3, data_subject: unknown key 'data_subject' (did you mean 'data-sub"),
        (
            "  - use: raw",
            "  - use: raw\n    q: 1",
            "line 13, techniques[0].q: unknown key 'q'; the keys here are use, pa",
        ),
        (
            "{by: iid, parties: 3}",
            "{by: iid, partys: 3}",
            "datasets[0].partition.partys: unknown key 'partys' (did you",
        ),
        ("  - use: raw", "  - params: {}", "line 12, techniques[0].use: the key 'use' is missing"),
        ("name: a study\n", "", "s.yaml, name: the key 'name' is missing"),
        ("name: a study", "name: 2019", "line 2, name: this must be text, not the number 2019"),
        ("name: a study", "name: ''", "line 2, name: this must not be empty"),
        ("name: a study", "name: [a]", "line 2, name: this must be text, not a list"),
        ("seed: 7", "seed: '7'", "line 5, seed: this must be a whole number, not the text '7'"),
        ("seed: 7", "seed: 7.5", "line 5, seed: this must be a whole number, not the number 7.5"),
        ("seed: 7", "seed: true", "line 5, seed: this must be a whole number, not true"),
        ("seed: 7", "seed: -1", "line 5, seed: this must be at least 0, not the number -1"),
        ("seed: 7", "seed:", "line 5, seed: this must be a whole number, not nothing"),
        ("seed: 7", "repeats: 0", "line 5, repeats: this must be at least 1, not the number 0"),
        ("seed: 7", "repeats: 10001", "line 5, repeats: this must be at most 10000"),
        ("seed: 7", "limits: {timeout: 0}", "line 5, limits.timeout: this must be greater than 0, not the number 0"),
        ("seed: 7", "limits: {memory: 4 GB}", "line 5, limits.memory: this must be a number, not the text '4 GB'"),
        ("seed: 7", "limits: 300", "line 5, limits: this must be a mapping of keys to values, not the number 300"),
        ("seed: 7", "metrics: some", "metrics must be a list of metrics' names, or one of all, stored; not the text"),
        ("seed: 7", "metrics: [a, 2]", "line 5, metrics[1]: metrics must be a list"),
        (
            "seed: 7",
            "sharing-model: publsh",
            "must be one of publish, synthetic, query, enclave, joint-compute; not th",
        ),
        ("seed: 7", "coalitions: [a]", "line 5, coalitions[0]: this must be a list, not the text 'a'"),
        (
            "seed: 7",
            "parties: [{name: '<b>', roles: [input]}]",
            "parties[0].name: a name starts with a letter or digit",
        ),
        ("seed: 7", "parties: [{name: b, roles: [imput]}]", "roles[0]: this must be one of input, computing, result,"),
        ("seed: 7", "parties: [{name: b, roles: []}]", "line 5, parties[0].roles: this must not be empty"),
        ("expires: 2027-06-30", "expires: next year", "expires: this must be a date as YYYY-MM-DD, not the text 'next"),
        (
            "schema: pets-eval/study/1",
            "schema: pets-eval/study/9",
            "line 1, schema: this must be pets-eval/study/1, no",
        ),
        (
            "      p: [0.01, 1e-1]",
            "      p: 0.1",
            "line 15, techniques[1].grid.p: this must be a list, not the number 0",
        ),
        ("{by: iid, parties: 3}", "{by: iid}", "line 8, datasets[0].partition: a partition by iid needs 'parties'"),
        ("{by: iid, parties: 3}", "{by: iid, parties: 1}", "datasets[0].partition.parties: this must be at least 2"),
        (
            "  - use: marginals",
            "  - use: a\n  - use: a",
            "two tasks are called 'a'; give one of them a 'name' of its own",
        ),
        ("  - use: marginals", "  []", "line 9, tasks: this must not be empty"),
    ],
)
def test_each_mistake_has_its_sentence(old, new, sentence):
    assert old in VALID
    message = refusal(VALID.replace(old, new, 1))
    assert message.startswith("s.yaml")
    assert sentence in message


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "the file is empty"), ("# only a comment\n", "is empty"), ("- a\n", "a list"), ("hello", "the text 'hello'")],
)
def test_a_file_that_is_no_mapping(text, words):
    message = refusal(text)
    assert words in message
    assert "name, datasets, tasks and techniques" in message


def test_unreadable_files(tmp_path):
    big, binary = tmp_path / "big.yaml", tmp_path / "binary.yaml"
    big.write_bytes(b"#" * 1_000_001)
    binary.write_bytes(b"name: \xff\xfe")
    for path, words in ((big, "larger than 1 MB"), (binary, "not UTF-8"), (tmp_path, "cannot be read")):
        with pytest.raises(PetsEvalError, match=words):
            read_study(path)


def test_find_study(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(VALID)
    assert find_study(str(path)) == path
    assert find_study("default") == packaged_study("default")
    with pytest.raises(PetsEvalError, match=r"there is no such file \(did you mean 'mine.yaml'\?\)"):
        find_study(str(tmp_path / "mime.yaml"))
    with pytest.raises(PetsEvalError, match="this is a folder"):
        find_study(str(tmp_path))
    with pytest.raises(PetsEvalError, match=r"no shipped study of that name \(did you mean 'default'\?\)"):
        find_study("defalt")


def test_studies_are_found_in_a_wheel_and_in_a_checkout(tmp_path, monkeypatch):
    for layout in ("wheel", "checkout"):
        package = tmp_path / layout / "pets_eval"
        studies = package / "studies" if layout == "wheel" else package.parent / "studies"
        studies.mkdir(parents=True)
        (studies / "one.yaml").write_text(VALID)
        monkeypatch.setattr(pets_eval, "__file__", str(package / "__init__.py"))
        assert packaged_studies() == {"one": studies / "one.yaml"}
