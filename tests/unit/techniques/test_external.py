"""A release that was made elsewhere: what is read, what is refused, and that its cost stays unknown."""

import pandas as pd
import pytest

from pets_datasets.tasks.microdata import Microdata
from pets_eval.model import Column, Inputs, Party, PetsEvalError, Schema, Table
from pets_techniques.synthetic.external import ExternalRelease

SCHEMA = Schema({"sex": Column("categorical", domain=("F", "M")), "pay": Column("real", bounds=(0, 9), nullable=True)})


def run(path, context):
    frame = SCHEMA.conform(pd.DataFrame({"sex": ["F", "M"] * 5, "pay": range(10)}), where="t")
    inputs = Inputs((Party("curator"),), {"curator": Table(SCHEMA, data=frame)}, SCHEMA)
    return ExternalRelease(path=str(path)).run(Microdata(), inputs, context)


def test_the_file_is_read_in_the_form_of_the_schema(tmp_path, context):
    path = tmp_path / "s.csv"
    path.write_text("pay,sex,extra\n1.5,F,x\n,M,y\n")
    release = run(path, context)
    assert release.elsewhere and release.weight == 5
    assert list(release.value.frame()) == ["sex", "pay", "extra"]
    assert release.value.schema.tabular() == ["sex", "pay"], "a column that the schema does not name is an id"
    assert release.notes[0].startswith("2 records from a file of SHA-256 ")
    assert release.notes[1:] == ("only direct identifiers are looked for in extra",)
    assert release.value.frame()["pay"].isna().tolist() == [False, True]


def test_a_column_that_is_not_there_is_said(tmp_path, context):
    path = tmp_path / "s.csv"
    path.write_text("sex\nF\n")
    assert run(path, context).notes[1:] == ("it lacks the columns pay",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nx\n", "shares no column with the schema"),
        ("sex,pay\nSECRET,1\n", "outside the public domain"),
        ("sex,pay\nF,SECRET\n", "not a number"),
        ("sex,pay\nF,inf\n", "infinite"),
        ("", "is empty"),
        ("sex,pay\n", "the table has no rows"),
        ("PK\x03\x04", "is a spreadsheet or an archive"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_quotes_nothing(tmp_path, context, text, said):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(PetsEvalError, match=said) as caught:
        run(path, context)
    assert "SECRET" not in str(caught.value)


def test_its_identity_is_that_of_the_file(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("sex,pay\nF,1\n")
    first = ExternalRelease(path=str(path)).fingerprint()
    path.write_text("sex,pay\nF,2\n")
    assert ExternalRelease(path=str(path)).fingerprint() != first
    with pytest.raises(PetsEvalError, match="there is no file"):
        ExternalRelease(path=str(tmp_path / "none.csv")).fingerprint()
