"""`pets-eval schema DATA`: what is guessed, that it is marked, and that files are written whole or not at all."""

import json

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import pets_datasets.draft
import pets_eval.reading
from pets_datasets.draft import command, draft_schema, schema_yaml
from pets_datasets.yaml_schema import parse
from pets_eval.model import PetsEvalError, Schema
from pets_eval.registry import make_dataset

HEAD = "person_id,name,zip,sex,age,size,income,when,answer,empty,wgt\n"
ROWS = [
    f"{1000 + i % 15},Name {i},{i % 3:05d},{'FM'[i % 2]},{20 + i},{1 + i % 4},{'N' if i % 7 == 0 else i * 1.5},"
    f"2021-{1 + i % 12:02d}-15,{['Yes', 'No', 'NA'][i % 3]},,{0.5 + i % 5}\n"
    for i in range(30)
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(HEAD + "".join(ROWS))
    return path


def test_guesses(table):
    schema = draft_schema(table)
    c = schema.columns
    assert {n: x.kind for n, x in c.items()} == {
        "person_id": "id",
        "name": "id",
        "zip": "categorical",
        "sex": "categorical",
        "age": "integer",
        "size": "categorical",
        "income": "real",
        "when": "date",
        "answer": "categorical",
        "empty": "id",
        "wgt": "categorical",
    } | {"wgt": "real"}
    assert c["zip"].domain == ("00000", "00001", "00002")
    assert c["size"].domain == ("1", "2", "3", "4")
    assert c["age"].bounds == (20, 49)
    assert (c["income"].missing, c["income"].nullable, c["income"].bounds) == (("N",), True, (1.5, 43.5))
    assert (c["answer"].missing, c["answer"].domain) == (("NA",), ("No", "Yes"))
    assert c["wgt"].roles == ("weight",)
    assert (schema.unit, schema.max_rows_per_unit, schema.rows) == ("person_id", 2, None)


def test_all_that_was_read_from_the_rows_is_marked(table):
    schema = draft_schema(table)
    marked = {n for n, c in schema.columns.items() if c.domain or c.bounds} | {"person_id"}
    assert set(schema.hazards()) == marked
    assert "rows" in schema.columns["person_id"].source, "so was the bound on the rows of one person"
    text = schema_yaml(schema)
    assert text.count("from-data: true\n") == len(marked)
    assert "Privacy hazard" in text


def test_a_draft_from_a_part_of_the_rows_says_so(table, monkeypatch):
    assert "CUT SHORT" not in schema_yaml(draft_schema(table))
    pieces = pets_eval.reading.pieces
    monkeypatch.setattr(pets_eval.reading, "pieces", lambda path, columns: pieces(path, columns, 10))
    monkeypatch.setattr(pets_datasets.draft, "_ENOUGH", 20)
    schema = draft_schema(table)
    assert schema.columns["age"].bounds == (20, 39)
    assert "first 20 rows of the data only" in schema.columns["age"].source
    text = schema_yaml(schema)
    assert "# CUT SHORT" in text and Schema.from_json(parse(text, where="x")) == schema
    monkeypatch.setattr(pets_datasets.draft, "_ENOUGH", 30)
    assert "CUT SHORT" not in schema_yaml(draft_schema(table)), "all rows were looked at"


def test_names_are_not_listed(table):
    assert "Name 1" not in schema_yaml(draft_schema(table))


def test_the_draft_reads_back_and_its_data_conform(table, tmp_path):
    schema = draft_schema(table)
    text = schema_yaml(schema)
    assert Schema.from_json(parse(text, where="x")) == schema
    (tmp_path / "s.yaml").write_text(text)
    source = make_dataset("file", {"path": str(table), "schema_file": str(tmp_path / "s.yaml")})
    assert len(source.load(tmp_path, tmp_path / "t")) == 30


def test_parquet_gives_the_same_draft(table, tmp_path):
    texts = pyarrow.csv.ConvertOptions(column_types={"zip": "string", "income": "string"})
    pq.write_table(pyarrow.csv.read_csv(table, convert_options=texts), tmp_path / "people.parquet")
    drafted, expected = draft_schema(tmp_path / "people.parquet"), draft_schema(table)
    assert drafted == expected


def test_one_value_still_gives_increasing_bounds(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("x,d\n1.5,2020-01-01\n1.5,2020-01-01\n")
    columns = draft_schema(path).columns
    assert columns["x"].bounds == (1.5, 2.5)
    assert columns["d"].bounds[1] == columns["d"].bounds[0] + 1


def run(*args):
    return CliRunner().invoke(command, [str(a) for a in args], catch_exceptions=True)


def test_printed_without_output(table):
    result = run(table)
    assert result.exit_code == 0
    assert Schema.from_json(parse(result.stdout, where="x")) == draft_schema(table)


def test_json_is_the_table_of_columns(table, tmp_path):
    result = run(table, "--json", "-o", tmp_path / "s.yaml")
    rows = json.loads(result.stdout)
    assert [r["column"] for r in rows] == HEAD.strip().split(",")
    assert next(r for r in rows if r["column"] == "age") == {
        "column": "age",
        "kind": "integer",
        "values": None,
        "bounds": [20.0, 49.0],
        "nullable": False,
        "missing": [],
        "roles": [],
        "from-data": True,
    }
    assert (tmp_path / "s.yaml").is_file()


def test_an_existing_file_is_kept_unless_forced(table, tmp_path):
    output = tmp_path / "s.yaml"
    output.write_text("mine")
    refused = run(table, "-o", output)
    assert isinstance(refused.exception, PetsEvalError)
    assert "--force" in str(refused.exception)
    assert output.read_text() == "mine"
    assert run(table, "-o", output, "--force").exit_code == 0
    assert "columns:" in output.read_text()


def test_nothing_half_written(table, tmp_path, monkeypatch):
    from pathlib import Path

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = run(table, "-o", tmp_path / "s.yaml")
    assert "No space left" in str(result.exception)
    assert [p.name for p in tmp_path.iterdir()] == ["people.csv"]


@pytest.mark.parametrize("content", ["", "a,a\n1,2\n", "a,b\n", "a,b\n1,2,3\n", "\0\0"])
def test_bad_data_writes_nothing(content, tmp_path):
    data, output = tmp_path / "bad.csv", tmp_path / "s.yaml"
    data.write_text(content)
    result = run(data, "-o", output)
    assert isinstance(result.exception, PetsEvalError)
    assert "\n" not in str(result.exception)
    assert not output.exists()


def test_no_folder_to_write_to(table, tmp_path):
    assert "cannot write" in str(run(table, "-o", tmp_path / "none" / "s.yaml").exception)
