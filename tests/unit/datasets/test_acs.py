"""ACS PUMS from an archive made here: no test reaches the Census Bureau."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pets_datasets.acs
from pets_eval.model import PetsEvalError
from pets_eval.registry import make_dataset

HEAD = "RT,SERIALNO,DIVISION,PUMA,ADJINC,PWGTP,AGEP,CIT,COW,MAR,SCHL,SEX,WKHP,WRK,DIS,ESR,HICOV,HISP,PINCP,POVPIP,RAC1P"
ADULT = "P,2022GQ0000001,5,00101,1042311,00031,45,1,1,1,21,2,40,1,2,1,1,01,52000,501,6"
CHILD = "P,2022HU0000002,5,00101,1042311,12,2,1,,5,,1,,,2,,2,13,,88,1"
LOSS = "P,2022HU0000003,5,00101,1042311,9,99,5,9,2,01,1,99,2,1,6,2,24,-19999,0,9"


def packed(*rows, head=HEAD, member="psam_p10.csv"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, "\n".join((head, *rows)) + "\n")
        archive.writestr("ACS2022_PUMS_README.pdf", b"%PDF")
    return file.getvalue()


@pytest.fixture
def source():
    return make_dataset("acs-pums", {"year": 2022, "state": "DE"})


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "acs" / "2022" / "1-Year" / "csv_pde.zip"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def bureau(monkeypatch):
    """Stands for the Bureau's host: `sent` is what it sends, `asked` what it was asked for."""
    import pooch

    class Bureau:
        sent, asked = packed(ADULT, CHILD), []

    class Downloader:
        def __init__(self, **kwargs):
            pass

        def __call__(self, url, output, _):
            Bureau.asked.append(url)
            Path(output).write_bytes(Bureau.sent)

    Bureau.asked = []
    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    return Bureau


def note(place):
    return place.with_name(place.name + ".sha256")


def test_rows_are_read_with_their_codes_and_blanks(source, place, tmp_path):
    place.write_bytes(packed(ADULT, CHILD, LOSS))
    table = source.load(tmp_path, tmp_path / "t.parquet")
    assert table.path == tmp_path / "t.parquet" and table.schema == source.schema()
    frame = table.frame()
    assert list(frame.columns) == list(source.schema().columns)
    assert frame["AGEP"].tolist() == [45, 2, 99]
    assert frame["PWGTP"].tolist() == [31, 12, 9]
    assert frame["HISP"].tolist() == ["1", "13", "24"], "some years write 01 where others write 1"
    assert frame["SCHL"].astype(object).where(frame["SCHL"].notna(), None).tolist() == ["21", None, "1"]
    np.testing.assert_array_equal(frame["PINCP"], [52000, np.nan, -19999])
    assert frame["COW"].isna().tolist() == [False, True, False]
    pd.testing.assert_frame_equal(source.schema().conform(frame, where="again"), frame)


def test_all_is_public_and_said(source):
    schema, card = source.schema(), source.card()
    assert schema.hazards() == [] and schema.unit == "record" and schema.unit_is == "person"
    assert schema.with_role("target") == ["HICOV"] and schema.with_role("weight") == ["PWGTP"]
    assert {"quasi-identifier", "sensitive"} <= {r for c in schema.columns.values() for r in c.roles}
    for column in schema.columns.values():
        assert column.source and column.label
        assert all(column.bounds[0] <= edge <= column.bounds[1] for edge in column.bins)
    assert card.url == "https://www2.census.gov/programs-surveys/acs/data/pums/2022/1-Year/csv_pde.zip"
    assert "no checksum" in card.notes[0] and "first download" in card.notes[0]
    assert "experimental" in make_dataset("acs-pums", {"year": 2020}).card().notes[-1]


@pytest.mark.parametrize("params", [{"year": 2017}, {"year": 2024}, {"state": "ZZ"}, {"survey": "5-Year"}])
def test_other_years_and_states_are_refused(params):
    with pytest.raises(PetsEvalError):
        make_dataset("acs-pums", params)


def test_long_files_come_in_pieces_and_bad_values_are_named_by_row(source, place, tmp_path, monkeypatch):
    monkeypatch.setattr(pets_datasets.acs, "_ROWS", 4)
    place.write_bytes(packed(*[ADULT, CHILD, LOSS] * 5))
    assert len(source.load(tmp_path, tmp_path / "t.parquet")) == 15
    note(place).unlink()
    place.write_bytes(packed(*[ADULT] * 6, ADULT.replace(",6", ",77")))
    with pytest.raises(PetsEvalError, match=r"from row 5: column 'RAC1P' .*first in row 3") as error:
        source.load(tmp_path, tmp_path / "u.parquet")
    assert "77" not in str(error.value)
    assert not (tmp_path / "u.parquet").exists()


def test_the_first_download_is_recorded_and_later_ones_must_match(source, place, bureau, tmp_path):
    mark = source.fingerprint(tmp_path)
    assert bureau.asked == [source.card().url]
    assert note(place).read_text().strip() == hashlib.sha256(place.read_bytes()).hexdigest()
    assert len(source.load(tmp_path, tmp_path / "t.parquet")) == 2
    assert source.fingerprint(tmp_path) == mark and len(bureau.asked) == 1

    place.unlink()
    bureau.sent = packed(ADULT, LOSS)  # the Bureau publishes another file under the same name
    with pytest.raises(PetsEvalError, match="not the file that was first downloaded") as error:
        source.load(tmp_path, tmp_path / "u.parquet")
    assert "csv_pde.zip.sha256" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "u.parquet").exists()

    place.unlink()
    note(place).unlink()
    assert source.fingerprint(tmp_path) != mark, "other rows have another fingerprint"


def test_a_file_put_there_by_hand_is_recorded_too(source, place, tmp_path):
    place.write_bytes(packed(ADULT))
    source.fingerprint(tmp_path)
    place.write_bytes(packed(ADULT, ADULT))
    with pytest.raises(PetsEvalError, match="SHA-256 differs"):
        source.load(tmp_path, tmp_path / "t.parquet")
    note(place).write_text("x\n")
    with pytest.raises(PetsEvalError, match="does not hold a SHA-256"):
        source.load(tmp_path, tmp_path / "t.parquet")


SOUND = packed(ADULT, *[CHILD] * 500)
DAMAGED = SOUND[:60] + bytes([SOUND[60] ^ 0xFF]) + SOUND[61:]
BAD = {
    "empty": (b"", "not a sound zip"),
    "no-zip": (b"<html>not found</html>", "not a sound zip"),
    "cut-off": (SOUND[:-40], "not a sound zip"),
    "damaged": (DAMAGED, "not a sound zip"),
    "households": (packed(ADULT, member="psam_h10.csv"), "does not hold one person file"),
    "column-missing": (packed(ADULT, head=HEAD.replace("HICOV", "HICOVER")), "'HICOV' is missing"),
    "no-rows": (packed(), "has no rows"),
    "binary": (packed(head="\0\1\2"), "is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_unusable_archive_is_one_sentence(case, source, place, tmp_path):
    content, reason = BAD[case]
    place.write_bytes(content)
    with pytest.raises(PetsEvalError, match=reason) as error:
        source.load(tmp_path, tmp_path / "t.parquet")
    assert "\n" not in str(error.value) and error.value.__cause__ is None
    assert place.read_bytes() == content, "what somebody put there is not thrown away"
    assert not (tmp_path / "t.parquet").exists()


def test_an_unusable_download_is_thrown_away_and_not_recorded(source, place, bureau, tmp_path):
    bureau.sent = DAMAGED
    with pytest.raises(PetsEvalError, match="not a sound zip"):
        source.fingerprint(tmp_path)
    assert list(place.parent.iterdir()) == []
    bureau.sent = SOUND
    assert len(source.load(tmp_path, tmp_path / "t.parquet")) == 501


def test_without_network_one_sentence_says_url_and_place(source, tmp_path, monkeypatch):
    import requests

    def unreachable(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", unreachable)
    for ask in (lambda: source.fingerprint(tmp_path), lambda: source.load(tmp_path, tmp_path / "t.parquet")):
        with pytest.raises(PetsEvalError, match=r"cannot download https://www2\.census\.gov/.*put it at") as error:
            ask()
        assert "\n" not in str(error.value)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
