"""`pets-eval assess`: from two or three files of somebody else's to a scorecard."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pets_datasets.file import UserFile


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """People, people held out, a copy of the first, and a release that has nothing to do with anybody."""
    home = tmp_path_factory.mktemp("vendor")
    rng = np.random.default_rng(5)

    def people(n):
        sex = rng.choice(["F", "M"], n)
        pay = np.round(rng.gamma(4, 500, n) + 300 * (sex == "M"), 2)
        return pd.DataFrame(
            {"sex": sex, "town": rng.choice(["A", "B", "C"], n), "pay": pay, "age": rng.integers(20, 80, n)}
        )

    real, control = people(400), people(400)
    for name, table in {
        "real": real,
        "control": control,
        "copy": real.sample(frac=1, random_state=1),
        "other": people(400),
    }.items():
        table.to_csv(home / f"{name}.csv", index=False)
    return home


def assess(files, release, out, *more):
    """The finished process; without the plug-ins of the test bed, some of which are broken on purpose."""
    given = ["--real", files / "real.csv", "--synthetic", files / release, "-o", out, "--workers", "2", *more]
    command = [sys.executable, "-m", "pets_eval", "assess", *map(str, given)]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(command, env=env, cwd=out.parent, capture_output=True, text=True, check=False)


def verdicts(out):
    card = json.loads((out / "scorecard.json").read_text())
    return {v["criterion"]: v["verdict"] for v in card["verdicts"] if v["technique"].startswith("external-release")}


def test_copies_fail_and_strangers_do_not(files, tmp_path):
    done = assess(files, "copy.csv", tmp_path / "copy", "--control", files / "control.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("scorecard.html") and "copy.schema.yaml" in done.stderr
    schema = tmp_path / "copy.schema.yaml"
    more = ["--control", files / "control.csv", "--schema", schema]
    assert assess(files, "other.csv", tmp_path / "other", *more).returncode == 0
    leaking, sound = verdicts(tmp_path / "copy"), verdicts(tmp_path / "other")
    assert {c for c, v in leaking.items() if c.startswith("RR-") and v == "fail"} >= {"RR-01", "RR-05"}
    assert not [c for c, v in sound.items() if c.startswith("RR-") and v == "fail"]
    assert stat.S_IMODE((tmp_path / "copy" / "confidential").stat().st_mode) == 0o700


def test_what_it_cost_is_not_known(files, tmp_path):
    assert assess(files, "copy.csv", tmp_path / "run").returncode == 0
    card = json.loads((tmp_path / "run" / "scorecard.json").read_text())
    cost = [f for f in card["figures"] if f["axis"] == "cost" and f["technique"].startswith("external-release")]
    assert cost and all(f["value"] is None for f in cost)


BAD = {
    "no rows": ("sex,town,pay,age\n", "the table has no rows"),
    "a text in a number": ("sex,town,pay,age\n" + "F,A,SECRET,30\n" * 3, "not a number"),
    "infinite": ("sex,town,pay,age\nF,A,inf,30\n", "infinite"),
    "a category that is not public": ("sex,town,pay,age\nF,SECRET,1,30\n", "outside the public domain"),
    "no common column": ("a,b\n1,2\n", "shares no column"),
    "a spreadsheet": ("PK\x03\x04", "is a spreadsheet or an archive"),
}


@pytest.fixture(scope="module")
def schema(files):
    path = files / "schema.yaml"
    path.write_text(UserFile.draft(files / "real.csv", files / "control.csv"))
    return path


@pytest.mark.parametrize("case", BAD)
def test_a_bad_release_is_refused_before_anything_is_run(files, schema, tmp_path, case):
    text, said = BAD[case]
    (tmp_path / "bad.csv").write_text(text)
    done = assess(files, tmp_path / "bad.csv", tmp_path / "run", "--schema", schema)
    assert done.returncode == 2 and said in done.stderr.strip().splitlines()[-1]
    assert "SECRET" not in done.stderr + done.stdout and "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


def test_identifiers_in_columns_that_the_schema_does_not_name_are_found(files, schema, tmp_path):
    release = pd.read_csv(files / "other.csv").assign(remark=[f"person{i}@example.org" for i in range(400)])
    release.to_csv(tmp_path / "s.csv", index=False)
    assert assess(files, tmp_path / "s.csv", tmp_path / "run", "--schema", schema).returncode == 0
    assert verdicts(tmp_path / "run")["RR-10"] in ("fail", "flag")
    assert "only direct identifiers are looked for in remark" in (tmp_path / "run" / "scorecard.html").read_text()


def test_what_is_known_about_the_release_is_said(files, schema, tmp_path):
    about = tmp_path / "about.yaml"
    about.write_text("purpose: Teach\ndata-subjects: Made-up people\nexpires: 2027-01-31\n")
    given = ["--schema", schema, "--about", about]
    assert assess(files, "other.csv", tmp_path / "run", *given).returncode == 0
    assert verdicts(tmp_path / "run")["GV-01"] == "claim-only"
    about.write_text("techniques: []\n")
    done = assess(files, "other.csv", tmp_path / "again", *given)
    assert done.returncode == 2 and "has the keys purpose" in done.stderr


def test_a_draft_of_other_tables_is_not_used(files, tmp_path):
    (tmp_path / "run.schema.yaml").write_text("columns: {}\n")
    done = assess(files, "other.csv", tmp_path / "run")
    assert done.returncode == 2 and "is no draft of these tables" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--synthetic", "none.csv"], "there is no file"),
        (["--control", "none.csv"], "there is no file"),
        (["--schema", "none.yaml"], "cannot read the schema file"),
        (["--guideline", "nobody"], "nobody"),
        (["--timeout", "0"], "a finite number greater than 0"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(files, tmp_path, options, said):
    done = assess(files, "copy.csv", tmp_path / "run", *options)
    assert done.returncode == 2
    told = done.stderr.strip().splitlines()
    assert said in told[-1] and "Traceback" not in "".join(told)
    assert not list(tmp_path.iterdir())
