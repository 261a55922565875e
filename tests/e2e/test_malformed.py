"""Fifty malformed studies, schemas and data files: each is refused in one sentence, and nothing is written."""

import subprocess
import sys

import pytest

from pets_eval.cli import main

STUDY = """\
schema: pets-eval/study/1
name: malformed
seed: 1
datasets:
  - use: file
    params:
      path: data.csv
      schema_file: schema.yaml
tasks:
  - use: marginals
    params:
      columns: [sex, age]
techniques:
  - use: sampling
    grid:
      p: [0.1, 0.5]
metrics: [total-variation]
"""
SCHEMA = """\
unit: record
columns:
  sex: {kind: categorical, domain: [Female, Male]}
  age: {kind: integer, bounds: [0, 100], bins: [0, 20, 60, 100]}
  pay: {kind: real, bounds: [0, 1000], missing: ["-1"], nullable: true}
  day: {kind: date, bounds: [2020-01-01, 2020-12-31]}
"""
ROWS = ["sex,age,pay,day", *("Female,31,10.5,2020-02-03", "Male,40,-1,2020-12-31") * 20]

# name -> (what is replaced in the study, by what, words of the sentence)
STUDIES = {
    "empty": (STUDY, "", "the file is empty"),
    "not a mapping": (STUDY, "- a\n- b\n", "the file holds a list"),
    "prose": (STUDY, "please evaluate my data", "the file holds the text"),
    "not yaml": ("[sex, age]", "[sex, age", "not valid YAML"),
    "indented by a tab": ("  - use: sampling", "\t- use: sampling", "line 14: this is not valid YAML"),
    "a key twice": ("seed: 1", "seed: 1\nseed: 2", "line 4: the key 'seed' stands here twice (first in line 3)"),
    "an alias bomb": ("seed: 1", "seed: &a [1]\nname2: [*a, *a]", "line 4: aliases"),
    "itself within itself": ("seed: 1", "coalitions: &a [*a]", "line 3: aliases"),
    "code in a tag": ("seed: 1", "seed: !!python/object/apply:os.getpid []", "line 3: tags"),
    "too deep": ("seed: 1", "seed: " + "[" * 5000, "nested more than 40 levels"),
    "two documents": ("seed: 1", "seed: 1\n---\nseed: 2", "second document"),
    "an unknown key": (
        "techniques:",
        "techniqes:",
        "line 13, techniqes: unknown key 'techniqes' (did you mean 'techniq",
    ),
    "an unknown inner key": (
        "    grid:",
        "    grids:",
        "techniques[0].grids: unknown key 'grids' (did you mean 'grid'?)",
    ),
    "a missing key": ("name: malformed\n", "", "the key 'name' is missing"),
    "another version": ("study/1", "study/7", "line 1, schema: this must be pets-eval/study/1"),
    "text for a number": ("seed: 1", "seed: one", "line 3, seed: this must be a whole number, not the text 'one'"),
    "a number out of range": ("seed: 1", "repeats: 0", "line 3, repeats: this must be at least 1"),
    "not a number": ("seed: 1", "limits: {timeout: .nan}", "line 3: a number must be finite"),
    "an impossible date": ("seed: 1", "expires: 2026-02-30", "line 3, expires: this must be a date as YYYY-MM-DD"),
    "an unknown technique": ("use: sampling", "use: samplng", "unknown technique 'samplng' (did you mean 'sampling'?)"),
    "an unknown dataset": ("use: file", "use: fil", "unknown dataset 'fil' (did you mean 'file'?)"),
    "an unknown task": ("use: marginals", "use: marginal", "unknown task 'marginal' (did you mean 'marginals'?)"),
    "an unknown metric": ("[total-variation]", "[total-variaton]", "(did you mean 'total-variation'?)"),
    "an unknown guideline": ("seed: 1", "guideline: cor", "(did you mean 'core'?)"),
    "an unknown parameter": ("p: [0.1, 0.5]", "q: [0.1, 0.5]", "line 14, techniques[0]"),
    "a parameter out of range": ("p: [0.1, 0.5]", "p: [0.1, 1.5]", "parameter 'p' must be at most 1, not 1.5"),
    "an empty grid": ("p: [0.1, 0.5]", "p: []", "techniques[0].grid.p: the list of values is empty"),
    "an unknown column": ("[sex, age]", "[sex, aged]", "there is no column 'aged' (did you mean 'age'?)"),
    "an unknown party": ("seed: 1", "coalitions: [[curator, bank]]", "no party is called 'bank'"),
    "an unknown seat": ("seed: 1", "seats: [publik]", "there is no seat 'publik' (did you mean 'public'?)"),
    "two of one name": ("tasks:\n", "tasks:\n  - use: marginals\n", "two tasks are called 'marginals'"),
    "a partition by nothing": (
        "    params:\n      path",
        "    partition: {by: iid}\n    params:\n      path",
        "needs 'parties'",
    ),
}
SCHEMAS = {
    "empty": (SCHEMA, "", "schema.yaml"),
    "not yaml": ("domain: [Female, Male]", "domain: [Female, Male", "schema.yaml"),
    "no columns": (SCHEMA, "unit: record\n", "schema.yaml: 'columns'"),
    "an unknown key": ("unit: record", "units: record", "'units' (did you mean 'unit'?)"),
    "an unknown kind": ("kind: integer", "kind: interger", "column 'age': kind must be one of"),
    "no domain": (", domain: [Female, Male]", "", "column 'sex': a categorical column needs a domain"),
    "a category twice": ("[Female, Male]", "[Female, Female]", "the domain names a category twice"),
    "bounds upside down": ("bounds: [0, 1000]", "bounds: [1000, 0]", "column 'pay': bounds must be two finite numbers"),
    "an unknown role": ("kind: real", "kind: real, roles: [sensitiv]", "'sensitiv' (did you mean 'sensitive'?)"),
    "no such unit": ("unit: record", "unit: person", "the unit of privacy 'person' is not a column"),
}
DATA = {
    "absent": (None, "data.csv"),
    "empty": ([], "data.csv"),
    "no rows": (ROWS[:1], "data.csv"),
    "a column missing": ([row.rpartition(",")[0] for row in ROWS], "column 'day' of the schema is missing"),
    "a column twice": ([row + "," + row.split(",")[0] for row in ROWS], "column 'sex' occurs twice"),
    "a category from nowhere": (
        [*ROWS, "Planted,31,1,2020-02-03"],
        "column 'sex' has 1 value outside the public domain",
    ),
    "a word for a number": ([*ROWS, "Male,planted,1,2020-02-03"], "column 'age' has 1 value that is not a number"),
    "half a year": ([*ROWS, "Male,31.5,1,2020-02-03"], "column 'age' has 1 value that is not a whole number"),
    "a missing value": ([*ROWS, "Male,,1,2020-02-03"], "column 'age' has 1 value that is missing"),
    "no such day": ([*ROWS, "Male,31,1,2020-02-31"], "column 'day' has 1 value that is not an ISO date"),
}


def put(folder, *, study=STUDY, schema=SCHEMA, rows=ROWS):
    (folder / "study.yaml").write_text(study)
    (folder / "schema.yaml").write_text(schema)
    if rows is not None:
        (folder / "data.csv").write_text("\n".join(rows) + ("\n" if rows else ""))
    return str(folder / "study.yaml")


def assert_refused(arguments, folder, words, capsys):
    before = sorted(folder.rglob("*"))
    code = main(arguments)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    sentences = [line for line in err.splitlines() if not line.startswith("preparing dataset")]
    assert len(sentences) == 1, err
    assert sentences[0].startswith("error: ")
    assert words in sentences[0]
    assert "Traceback" not in err
    assert "lanted" not in err, "a value of the data stands in the error"
    assert sorted(folder.rglob("*")) == before, "something was written"


def test_there_are_fifty():
    assert len(STUDIES) + len(SCHEMAS) + len(DATA) >= 50


def test_the_pattern_itself_is_valid_and_runs(tmp_path, capsys):
    study = put(tmp_path)
    assert main(["check", study]) == 0
    assert "this is a valid study" in capsys.readouterr().out
    assert main(["run", study, "-o", str(tmp_path / "out")]) == 0
    scorecard = capsys.readouterr().out.splitlines()[-1]
    assert scorecard == str(tmp_path / "out" / "scorecard.html")
    assert (tmp_path / "out" / "scorecard.html").stat().st_size > 0


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("name", STUDIES)
def test_malformed_study(name, verb, tmp_path, capsys):
    old, new, words = STUDIES[name]
    assert old in STUDY
    study = put(tmp_path, study=STUDY.replace(old, new, 1))
    output = ["-o", str(tmp_path / "out")] if verb == "run" else []
    assert_refused([verb, study, *output], tmp_path, words, capsys)


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_malformed_schema(name, verb, tmp_path, capsys):
    old, new, words = SCHEMAS[name]
    assert old in SCHEMA
    study = put(tmp_path, schema=SCHEMA.replace(old, new, 1))
    output = ["-o", str(tmp_path / "out")] if verb == "run" else []
    assert_refused([verb, study, *output], tmp_path, words, capsys)


@pytest.mark.parametrize("name", DATA)
def test_malformed_data(name, tmp_path, capsys):
    rows, words = DATA[name]
    assert_refused(["run", put(tmp_path, rows=rows), "-o", str(tmp_path / "out")], tmp_path, words, capsys)


def test_a_damaged_parquet_file(tmp_path, capsys):
    study = put(tmp_path, study=STUDY.replace("data.csv", "data.parquet"))
    (tmp_path / "data.parquet").write_bytes(b"PAR1 planted PAR1")
    assert_refused(["run", study, "-o", str(tmp_path / "out")], tmp_path, "data.parquet", capsys)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, capsys):
    study = put(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    assert_refused(["run", study, "-o", str(tmp_path / "out")], tmp_path, "is not a run of pets-eval", capsys)


@pytest.mark.parametrize("name", ["an unknown column", "an alias bomb"])
def test_as_a_process_of_its_own(name, tmp_path):
    old, new, words = STUDIES[name]
    study = put(tmp_path, study=STUDY.replace(old, new, 1))
    code = "import sys; from pets_eval.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", study, "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
