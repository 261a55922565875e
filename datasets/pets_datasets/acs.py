"""The American Community Survey's Public Use Microdata Sample: person records of one state and year."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from pets_datasets import provenance
from pets_datasets.provenance import fingerprint
from pets_datasets.stream import arrow_table, write_parquet
from pets_eval.model import Card, Column, PetsEvalError, Schema, Source, Table, param
from pets_eval.registry import dataset

if TYPE_CHECKING:
    import pandas as pd

_URL = "https://www2.census.gov/programs-surveys/acs/data/pums/{year}/{survey}/csv_p{state}.zip"
_STATES = (
    *("AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY"),
    *("LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH"),
    *("OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "PR"),
)
_DICTIONARY = "ACS 1-Year PUMS data dictionary, US Census Bureau, 2018 to 2023"
_ROWS = 200_000


def _codes(last: int) -> tuple[str, ...]:
    return tuple(str(code) for code in range(1, last + 1))


def _code(label: str, last: int, *roles: Any, blank: bool = False, domain: tuple[str, ...] = ()) -> Column:
    domain = domain or _codes(last)
    return Column("categorical", domain=domain, roles=roles, nullable=blank, label=label, source=_DICTIONARY)


def _number(label: str, bins: tuple[float, ...], *roles: Any, blank: bool = False) -> Column:
    bounds = (bins[0], bins[-1])
    return Column("integer", bounds=bounds, bins=bins, roles=roles, nullable=blank, label=label, source=_DICTIONARY)


def _columns() -> dict[str, Column]:
    """A small set of the file's columns; a blank means "does not apply", and is missing here."""
    quasi, sensitive = "quasi-identifier", "sensitive"
    incomes = (-19999, 0, 10000, 20000, 35000, 50000, 75000, 100000, 150000, 250000, 4209995)
    return {
        "AGEP": _number("age in years; 99 means 99 or more", (0, 5, 15, 18, 25, 35, 45, 55, 65, 75, 85, 99), quasi),
        "SEX": _code("1 male, 2 female", 2, quasi),
        "RAC1P": _code("race", 9, quasi),
        "HISP": _code("Hispanic origin; 1 is none", 24, quasi),
        "CIT": _code("citizenship; 5 is not a citizen", 5, sensitive),
        "MAR": _code("marital status", 5, quasi),
        "SCHL": _code("schooling; blank under 3", 24, quasi, blank=True),
        "DIS": _code("disability: 1 with, 2 without", 2, sensitive),
        "COW": _code("class of worker; blank under 16 or long without work", 9, blank=True),
        "ESR": _code("employment status; blank under 16", 6, blank=True),
        "WKHP": _number(
            "usual hours of work a week; 99 means 99 or more; blank where none", (1, 20, 35, 40, 41, 50, 99), blank=True
        ),
        "POVPIP": _number(
            "income as a percentage of the poverty line; 501 means above 500",
            (0, 50, 100, 150, 200, 300, 400, 501),
            sensitive,
            blank=True,
        ),
        "PINCP": _number("yearly income in dollars; blank under 15", incomes, sensitive, blank=True),
        "HICOV": _code("health insurance: 1 with, 2 without", 2, "target", sensitive),
        "PWGTP": Column(
            "integer", bounds=(1, 9999), roles=("weight",), label="person's sampling weight", source=_DICTIONARY
        ),
    }


@dataset("acs-pums")
class AcsPums(Source):
    """American Community Survey PUMS: person records of one US state and year, downloaded from the Census Bureau."""

    year: int = param(2022, ge=2018, le=2023, help="survey year")
    state: str = param("DE", choices=_STATES, help="postal code of the state, DC or PR")
    survey: Literal["1-Year"] = param("1-Year", help="which of the Bureau's samples")

    @property
    def _url(self) -> str:
        return _URL.format(year=self.year, survey=self.survey, state=self.state.lower())

    @property
    def _path(self) -> str:
        return f"acs/{self.year}/{self.survey}/csv_p{self.state.lower()}.zip"

    def card(self) -> Card:
        """The dataset card."""
        notes = (
            "The Bureau publishes no checksum: the SHA-256 of the first download that is a sound archive with the "
            "columns asked for is recorded beside it in the cache, and later loads must match it. Whoever must rely on "
            "the file compares that digest with a colleague's.",
            "A blank means that the question does not apply (under an age, not at work), and is missing here.",
            "Weighted estimates need PWGTP. Persons of one household are records of their own, and alike.",
            "Bounds of money amounts hold for all years from 2018 to 2023; amounts are not adjusted to one year.",
            "Areas (PUMA) are left out: their codes change between years.",
            *(("The 2020 sample is experimental: fewer people answered.",) if self.year == 2020 else ()),
        )
        return Card(
            title=f"American Community Survey PUMS, {self.state} {self.year}, {self.survey}, persons",
            description="15 columns of the person records of the Public Use Microdata Sample.",
            source="US Census Bureau, American Community Survey",
            licence="US public domain",
            url=self._url,
            population=f"residents of {self.state} in {self.year}, group quarters included",
            not_for=(
                "population estimates without the weight PWGTP",
                "decisions about persons, or attempts to identify respondents (which the Bureau's terms forbid)",
            ),
            notes=notes,
        )

    def schema(self) -> Schema:
        """The public schema, from the published data dictionary."""
        return Schema(columns=_columns(), unit_is="person")

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the recorded digest and this module; the first time, downloads the file."""
        return fingerprint((__file__,), self._archive(cache)[1])

    def load(self, cache: Path, target: Path) -> Table:
        """The table, streamed from the archive to *target* a piece at a time."""
        schema = self.schema()
        path, digest = self._archive(cache)
        provenance.must_match(path, digest, self._url)
        write_parquet((arrow_table(schema, piece) for piece in _pieces(path, schema)), target)
        return Table(schema, path=target)

    def _archive(self, cache: Path) -> tuple[Path, str]:
        return provenance.recorded(cache / self._path, self._url, lambda path: _sound(path, list(_columns())))


def _sound(path: Path, columns: list[str]) -> None:
    """Raise `PetsEvalError` unless every byte of the archive is as it was packed and the person file has *columns*."""
    with _opened(path) as (archive, member):
        if archive.testzip() is not None:
            raise zipfile.BadZipFile
        with archive.open(member) as file:
            names = file.readline().decode("utf-8-sig").strip().replace('"', "").split(",")
    for name in columns:
        if name not in names:
            raise PetsEvalError(f"{path}: column {name!r} is missing from {member}; delete it and run again")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The archive and the name of the one person file in it; whatever is wrong with it becomes one sentence."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [n for n in archive.namelist() if n.startswith("psam_p") and n.endswith(".csv")]
            if len(members) != 1:
                raise PetsEvalError(f"{path} does not hold one person file (psam_p*.csv); delete it and run again")
            yield archive, members[0]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError):
        raise PetsEvalError(f"{path} is not a sound zip archive of CSV; delete it and run again") from None


def _pieces(path: Path, schema: Schema) -> Iterator[pd.DataFrame]:
    start = 0
    with _opened(path) as (archive, member), archive.open(member) as file:
        for piece in _read(file, list(schema.columns)):
            codes = [name for name, column in schema.columns.items() if column.kind == "categorical"]
            piece[codes] = piece[codes].apply(_unpadded)
            yield schema.conform(piece, where=f"{member}, counting rows from row {start + 1}")
            start += len(piece)
    if not start:
        raise PetsEvalError(f"{path.name}: {member} has no rows")


def _read(file: IO[bytes], columns: list[str]) -> Iterator[pd.DataFrame]:
    import pandas as pd

    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    with pd.read_csv(
        text, dtype=str, usecols=columns, keep_default_na=False, na_values=[""], chunksize=_ROWS
    ) as reader:
        for piece in reader:
            yield piece[columns]


def _unpadded(codes: pd.Series) -> pd.Series:
    """Some years write 01 where others write 1."""
    return codes.str.lstrip("0")
