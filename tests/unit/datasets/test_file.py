"""`use: file`: what is read, and that everything malformed is one sentence that quotes no value."""

import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import pets_datasets.file
import pets_eval.reading
from pets_datasets.file import UserFile
from pets_eval.model import PetsEvalError
from pets_eval.registry import make_dataset

SECRET = "SECRET4711"
SCHEMA = """\
columns:
  code: {kind: categorical, domain: [007, 008, No], missing: [999], nullable: true}
  age: {kind: integer, bounds: [0, 120]}
  income: {kind: real, bounds: [0, 1000], nullable: true, missing: [N]}
  seen: {kind: date, bounds: [2020-01-01, 2020-12-31]}
"""
CSV = "code,age,income,seen\n007,30,1.5,2020-02-01\nNo,31,,2020-03-01\n999,32,N,2020-04-01\n"


@pytest.fixture
def write(tmp_path):
    def written(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return written


def load(data: Path, schema: Path, target: Path = Path("unused")):
    source = make_dataset("file", {"path": str(data), "schema_file": str(schema)})
    source.fingerprint(data.parent)
    return source.load(data.parent, target)


def test_people_held_out_beforehand_come_from_a_file_of_their_own(write, tmp_path):
    params = {"path": str(write("d.csv", CSV)), "schema_file": str(write("s.yaml", SCHEMA + "rows: 3\n"))}
    alone = make_dataset("file", params)
    assert alone.held_out(tmp_path, tmp_path / "x") is None
    control = write("c.csv", CSV.splitlines()[0] + "\n008,50,2,2020-05-01\n")
    source = make_dataset("file", {**params, "control_file": str(control)})
    assert source.held_out(tmp_path, tmp_path / "x").frame()["age"].tolist() == [50]
    assert source.fingerprint(tmp_path) != alone.fingerprint(tmp_path)
    with pytest.raises(PetsEvalError, match="no file"):
        make_dataset("file", {**params, "control_file": str(tmp_path / "none.csv")}).fingerprint(tmp_path)


def test_a_draft_admits_what_stands_in_the_files_beside_it(write):
    text = UserFile.draft(write("a.csv", "sex,age\nF,1\n"), write("b.csv", "age,sex,more\n50,X,1\n"))
    columns = yaml.safe_load(text)["columns"]
    assert columns["sex"]["domain"] == ["F", "X"] and "more" not in columns


def test_codes_keep_their_form_and_missing_codes_are_missing(write):
    frame = load(write("d.csv", CSV), write("s.yaml", SCHEMA)).frame()
    assert frame["code"].astype(object).where(frame["code"].notna(), None).tolist() == ["007", "No", None]
    assert frame["age"].tolist() == [30, 31, 32]
    assert frame["income"].isna().tolist() == [False, True, True]
    assert frame["seen"].tolist() == [pd.Timestamp(2020, m, 1) for m in (2, 3, 4)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.csv", "\ufeff" + CSV),
        ("crlf.csv", CSV.replace("\n", "\r\n")),
        ("tabs.tsv", CSV.replace(",", "\t")),
        ("more.csv", "\n".join(f"{line},{SECRET}{i}" for i, line in enumerate(CSV.splitlines())) + "\n"),
        ("quoted.csv", '"' + CSV.replace("\n", '"\n"').replace(",", '","')[:-1]),
    ],
)
def test_other_spellings_of_the_same_table(write, name, content):
    schema = write("s.yaml", SCHEMA)
    pd.testing.assert_frame_equal(load(write(name, content), schema).frame(), load(write("d.csv", CSV), schema).frame())


def test_parquet_is_read_with_its_types(write, tmp_path):
    table = pa.table(
        {
            "seen": [datetime.date(2020, 2, 1), datetime.date(2020, 3, 1), datetime.date(2020, 4, 1)],
            "code": pa.array(["007", "No", None]).dictionary_encode(),
            "age": pa.array([30, 31, 32], pa.int8()),
            "income": pa.array([Decimal("1.5"), None, None]),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    schema = write("s.yaml", SCHEMA)
    pd.testing.assert_frame_equal(
        load(tmp_path / "d.parquet", schema).frame(), load(write("d.csv", CSV), schema).frame()
    )


def test_a_long_file_is_streamed_and_reads_the_same(write, tmp_path, monkeypatch):
    rows = "".join(f"00{7 + i % 2},{i % 90},{i / 10},2020-01-{1 + i % 28:02d}\n" for i in range(1000))
    data, schema = write("d.csv", CSV.split("\n")[0] + "\n" + rows), write("s.yaml", SCHEMA)
    at_once = load(data, schema)
    assert at_once.path is None
    monkeypatch.setattr(pets_datasets.file, "_IN_MEMORY", 100)
    monkeypatch.setattr(pets_eval.reading, "_ROWS", 64)
    pieces = pets_eval.reading.pieces
    monkeypatch.setattr(pets_eval.reading, "pieces", lambda path, columns: pieces(path, columns, 64))
    streamed = load(data, schema, tmp_path / "t.parquet")
    assert streamed.path == tmp_path / "t.parquet"
    pd.testing.assert_frame_equal(streamed.frame(), at_once.frame())


def test_streaming_names_the_row_and_leaves_nothing_behind(write, tmp_path, monkeypatch):
    pieces = pets_eval.reading.pieces
    monkeypatch.setattr(pets_datasets.file, "_IN_MEMORY", 100)
    monkeypatch.setattr(pets_eval.reading, "pieces", lambda path, columns: pieces(path, columns, 10))
    rows = "".join(f"007,{SECRET if i == 25 else i},1,2020-01-01\n" for i in range(40))
    with pytest.raises(PetsEvalError, match=r"counting rows from row 21.*first in row 6") as error:
        load(write("d.csv", CSV.split("\n")[0] + "\n" + rows), write("s.yaml", SCHEMA), tmp_path / "out" / "t.parquet")
    assert SECRET not in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_fingerprint_follows_both_files(write):
    def fingerprint(csv, schema):
        params = {"path": str(write("d.csv", csv)), "schema_file": str(write("s.yaml", schema))}
        return make_dataset("file", params).fingerprint(Path())

    first = fingerprint(CSV, SCHEMA)
    assert first == fingerprint(CSV, SCHEMA)
    assert len({first, fingerprint(CSV + "007,1,1,2020-01-01\n", SCHEMA), fingerprint(CSV, SCHEMA + "\n")}) == 3


def test_card_names_what_was_read_from_the_data(write):
    hazard = SCHEMA.replace("bounds: [0, 120]", "bounds: [0, 120], from-data: true")
    params = {"path": str(write("d.csv", CSV)), "schema_file": str(write("s.yaml", hazard))}
    card = make_dataset("file", params).card()
    assert "age" in card.notes[0]
    assert "hazard" in card.notes[0]


UNIT = "unit: who\nmax-rows-per-unit: 2\ncolumns:\n  who: {kind: id}\n  x: {kind: categorical, domain: [a, b]}\n"


def test_the_bound_on_rows_per_unit_holds(write, monkeypatch):
    data, schema = write("u.csv", f"who,x\n{SECRET},a\n2,b\n{SECRET},a\n"), write("u.yaml", UNIT)
    assert len(load(data, schema)) == 3
    pieces = pets_eval.reading.pieces  # the third row of one person comes in another piece
    monkeypatch.setattr(pets_eval.reading, "pieces", lambda path, columns: pieces(path, columns, 2))
    data.write_text(data.read_text() + f"{SECRET},b\n")
    with pytest.raises(PetsEvalError, match="max-rows-per-unit") as error:
        load(data, schema)
    assert SECRET not in str(error.value)


GOOD = f"007,30,1.5,2020-02-01\n008,31,{SECRET},2020-03-01\n".replace(SECRET, "2")
HEAD = "code,age,income,seen\n"
BAD_DATA = {
    "empty": "",
    "only-names": HEAD,
    "no-names": "\n" + GOOD,
    "column-missing": HEAD.replace("age", "agee") + GOOD,
    "column-twice": HEAD.replace("seen", "age") + GOOD,
    "too-many-fields": HEAD + GOOD + f"007,30,1,2020-01-01,{SECRET}\n",
    "too-many-fields-everywhere": HEAD + f"007,30,1,2020-01-01,{SECRET}\n",
    "too-few-fields": HEAD + GOOD + f"007,{SECRET}\n",
    "open-quote": HEAD + GOOD + f'"{SECRET},1,1,2020-01-01\n',
    "semicolons": (HEAD + GOOD).replace(",", ";"),
    "category-outside": HEAD + GOOD + f"{SECRET},30,1,2020-01-01\n",
    "text-for-number": HEAD + GOOD + f"007,{SECRET},1,2020-01-01\n",
    "fraction-for-integer": HEAD + "007,30.4711,1,2020-01-01\n",
    "infinite": HEAD + "007,30,inf,2020-01-01\n",
    "overflow": HEAD + "007,30,1e999,2020-01-01\n",
    "no-date": HEAD + f"007,30,1,{SECRET}\n",
    "no-such-day": HEAD + "007,30,1,2020-02-31\n",
    "missing-value": HEAD + "007,,1,2020-02-01\n",
    "latin-1": (HEAD + f"007,30,1,é{SECRET}\n").encode("latin-1"),
    "latin-1-later": (HEAD + GOOD * 9999 + f"007,30,1,é{SECRET}\n").encode("latin-1"),
    "utf-16": (HEAD + GOOD).encode("utf-16"),
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0" + SECRET.encode(),
    "zeros": b"\0" * 10_000,
    "nothing-but-dots": "....",
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_malformed_csv_is_one_sentence_without_values(case, write):
    with pytest.raises(PetsEvalError) as error:
        load(write(f"{case}.csv", BAD_DATA[case]), write("s.yaml", SCHEMA))
    one_sentence(error.value, f"{case}.csv")
    for value in (SECRET, "30.4711", "2020-02-31"):
        assert value not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "row", "fields"),
    [
        ("007,30,1\n", 3, 3),
        ("007,30,1,2020-01-01,\n", 3, 5),
        ("007\n", 3, 1),
        ("\n\n007,30\n", 3, 2),
        ('"007",30\n', 3, 2),
        ("007,30,1,2020-01-01\n007,30,1\n", 4, 3),
        ("008,31,,2020-03-01\n" * 25 + "007,30,1", 28, 3),
    ],
)
def test_a_row_with_another_number_of_fields_is_named(write, monkeypatch, rows, row, fields):
    pieces = pets_eval.reading.pieces
    monkeypatch.setattr(pets_eval.reading, "pieces", lambda path, columns: pieces(path, columns, 10))
    with pytest.raises(PetsEvalError, match=rf"d\.csv: row {row} .* has {fields} fields where that line has 4"):
        load(write("d.csv", HEAD + GOOD + rows), write("s.yaml", SCHEMA))


def test_blank_lines_are_no_rows_and_quoted_line_ends_no_ends_of_rows(write):
    schema = write(
        "s.yaml", 'columns:\n  a: {kind: categorical, domain: ["x\\ny", z]}\n  b: {kind: integer, bounds: [0, 9]}\n'
    )
    frame = load(write("d.csv", 'a,b\n\n"x\ny",1\n\n\nz,2\n\n'), schema).frame()
    assert frame["a"].tolist() == ["x\ny", "z"] and frame["b"].tolist() == [1, 2]


def one_sentence(error: PetsEvalError, names: str) -> None:
    text = str(error)
    assert "\n" not in text
    assert names in text
    assert len(text) < 300
    assert error.__cause__ is None  # no cause whose text would quote the data


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


DAYS = pa.array([datetime.date(2020, 1, 1)])
ROW = {"code": ["007"], "age": [30], "income": [1.0], "seen": DAYS}
BAD_PARQUET = {
    "not-parquet": (HEAD + GOOD).encode(),
    "cut-off": parquet(pa.table(ROW))[:-20],
    "damaged": b"PAR1" + SECRET.encode() * 40 + b"PAR1",
    "no-rows": parquet(pa.table(ROW).slice(0, 0)),
    "no-columns": parquet(pa.table({})),
    "column-missing": parquet(pa.table(ROW).drop_columns(["age"])),
    "column-twice": parquet(pa.table([pa.array([1])] * 2, names=["age", "age"])),
    "list-column": parquet(pa.table({**ROW, "code": [[SECRET]]})),
    "record-column": parquet(pa.table({**ROW, "income": [{"x": SECRET}]})),
    "text-for-number": parquet(pa.table({**ROW, "age": [SECRET]})),
    "infinite": parquet(pa.table({**ROW, "income": [float("inf")]})),
    "category-outside": parquet(pa.table({**ROW, "code": [SECRET]})),
    "bytes-for-category": parquet(pa.table({**ROW, "code": [SECRET.encode()]})),
    "time-zone": parquet(pa.table({**ROW, "seen": pa.array([0], pa.timestamp("ns", tz="Asia/Tokyo"))})),
    "durations": parquet(pa.table({**ROW, "age": pa.array([1], pa.duration("s"))})),
    "null-column": parquet(pa.table({**ROW, "age": pa.nulls(1)})),
}


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_malformed_parquet_is_one_sentence_without_values(case, write):
    with pytest.raises(PetsEvalError) as error:
        load(write(f"{case}.parquet", BAD_PARQUET[case]), write("s.yaml", SCHEMA))
    one_sentence(error.value, f"{case}.parquet")
    assert SECRET not in str(error.value)


def test_no_such_file_and_a_folder(tmp_path, write):
    schema = write("s.yaml", SCHEMA)
    with pytest.raises(PetsEvalError, match="there is no file"):
        load(tmp_path / "none.csv", schema)
    with pytest.raises(PetsEvalError, match="is a folder"):
        load(tmp_path, schema)
    with pytest.raises(PetsEvalError):
        load(tmp_path / ("x" * 5000), schema)


def test_rows_of_the_schema_must_hold(write):
    with pytest.raises(PetsEvalError, match="another number of rows"):
        load(write("d.csv", CSV), write("s.yaml", "rows: 4\n" + SCHEMA))
