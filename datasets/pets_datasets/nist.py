"""The NIST Diverse Communities Data Excerpts: American Community Survey records of chosen areas, made to be hard."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

from pets_datasets.provenance import Pinned, fetch, fingerprint
from pets_eval.model import Card, Column, Rule, Schema, Source, Table, param
from pets_eval.registry import dataset

Excerpt = Literal["national2019", "ma2019", "tx2019", "national2018", "ma2018", "tx2018"]
_DICTIONARY = "data dictionary of the NIST Diverse Communities Data Excerpts"
_ROWS = {
    "national2019": 27253,
    "ma2019": 7634,
    "tx2019": 9276,
    "national2018": 27111,
    "ma2018": 7244,
    "tx2018": 8775,
}
_SHA256 = {  # after line ends are brought to LF; the published files have CRLF
    "national2019": "9e039c8e47c9e998d60f66fd50ec620fc2d0703decdc21f3069c9844fbef979b",
    "ma2019": "5489f7d45bccad8ae591dfe9011638def521b3f8641edf169bb45fea2c62fb44",
    "tx2019": "0dab7a8b745232c622d7d3bc0b7fdeaf7f8ecdb3a5653a73fd2867f5f116ed96",
    "national2018": "d3f9b74f95d4bd55add179957812c3cd46756be1fd58f565a9ef53522cb4ce3a",
    "ma2018": "067b99e8180a6b8149d03fa31b5a29aa6d9ff66a9173e6425915d46a4bb77cad",
    "tx2018": "f6a6d7ba4f845b168a6e1d8ee869c11ea156abe4221f2abb1d2bddb50fe7d0fa",
}
_AREA = {"national": "national", "ma": "massachusetts", "tx": "texas"}
_URL = (
    "https://raw.githubusercontent.com/usnistgov/SDNist/v2.5.0/"
    "nist%20diverse%20communities%20data%20excerpts/{area}/{name}.csv"
)
_PUMAS = {
    "ma": ("25-00503", "25-00703", "25-01000", "25-01300", "25-02800"),
    "tx": ("48-02101", "48-02102", "48-02507", "48-02510", "48-02515", "48-02516"),
    "national": (
        *("01-01301", "06-07502", "06-08507", "08-00803", "13-04600", "17-03529", "17-03531", "19-01700"),
        *("24-01004", "26-02702", "28-01100", "29-01901", "30-00600", "32-00405", "36-03710", "36-04010"),
        *("38-00100", "40-00200", "51-01301", "51-51255"),
    ),
}
# where each sector of INDP_CAT begins in the Census industry classification (9920 alone is "unemployed"), and the end
_SECTORS = (
    *(170, 370, 570, 770, 1070, 4070, 4670, 6070, 6470, 6870, 7270, 7860, 7970, 8370, 8560, 8770, 9370, 9670, 9900),
    9920,
)


def _codes(last: int, first: int = 1, *, na: bool = False) -> tuple[str, ...]:
    return (*(("N",) if na else ()), *(str(code) for code in range(first, last + 1)))


def _fact(kind: Any, label: str, *, source: str = _DICTIONARY, **facts: Any) -> Column:
    return Column(kind, label=label, source=source, **facts)


def _columns(area: str) -> dict[str, Column]:
    quasi, sensitive = ("quasi-identifier",), ("sensitive",)
    na: dict[str, Any] = {"missing": ("N",), "nullable": True}  # a number that does not apply
    ages = (0, 3, 5, 15, 16, 17, 25, 35, 45, 55, 65, 75, 99)
    incomes = (-9000, 0, 10000, 20000, 35000, 50000, 75000, 100000, 150000, 250000, 1341000)
    return {
        "PUMA": _fact("categorical", "public use microdata area", domain=_PUMAS[area], roles=("silo", *quasi)),
        "AGEP": _fact("integer", "age in years", bounds=(0, 99), bins=ages, roles=quasi),
        "SEX": _fact("categorical", "1 male, 2 female", domain=_codes(2), roles=quasi),
        "MSP": _fact("categorical", "marital status; N under 15", domain=_codes(6, na=True), roles=quasi),
        "HISP": _fact("categorical", "Hispanic origin", domain=_codes(4, 0), roles=quasi),
        "RAC1P": _fact("categorical", "race", domain=_codes(9), roles=quasi),
        "NOC": _fact("integer", "own children in the household; N in group quarters", bounds=(0, 19), **na),
        "NPF": _fact("integer", "persons in the family; N where there is none", bounds=(2, 20), **na),
        "HOUSING_TYPE": _fact(
            "categorical", "1 housing unit, 2 institution, 3 other group quarters", domain=_codes(3), roles=quasi
        ),
        "OWN_RENT": _fact("categorical", "0 group quarters, 1 owned, 2 rented", domain=_codes(2, 0), roles=quasi),
        "DENSITY": _fact(
            "real",
            "population density of the area",
            bounds=(16.3, 52864.7),
            bins=(16.3, 100, 1000, 2500, 5000, 10000, 25000, 52864.7),
        ),
        "INDP": _fact(
            "integer",
            "industry code, which grows by sector; binned by sector; N under 16 or long without work",
            bounds=(170, 9920),
            bins=_SECTORS,
            source="sectors of the Census industry classification; the data dictionary lists no codes",
            **na,
        ),
        "INDP_CAT": _fact("categorical", "industry sector", domain=_codes(18, 0, na=True), roles=quasi),
        "EDU": _fact("categorical", "education; N under 3", domain=_codes(12, na=True), roles=quasi),
        "PINCP": _fact(
            "real", "yearly income in dollars; N under 15", bounds=(-9000, 1341000), bins=incomes, roles=sensitive, **na
        ),
        "PINCP_DECILE": _fact(
            "categorical", "income rank in the state; N under 15", domain=_codes(9, 0, na=True), roles=sensitive
        ),
        "POVPIP": _fact(
            "integer",
            "income as a percentage of the poverty line; 501 means above 500",
            bounds=(0, 501),
            bins=(0, 50, 100, 150, 200, 300, 400, 501),
            roles=sensitive,
            **na,
        ),
        "DVET": _fact("categorical", "veteran's disability rating", domain=_codes(6, na=True), roles=sensitive),
        "DREM": _fact("categorical", "cognitive difficulty: 1 yes, 2 no", domain=("N", "2", "1"), roles=sensitive),
        "DPHY": _fact("categorical", "difficulty walking: 1 yes, 2 no", domain=("N", "2", "1"), roles=sensitive),
        "DEYE": _fact("categorical", "difficulty seeing: 1 yes, 2 no", domain=("2", "1"), roles=sensitive),
        "DEAR": _fact(
            "categorical", "difficulty hearing: 1 yes, 2 no", domain=("2", "1"), roles=("target", *sensitive)
        ),
        "PWGTP": _fact("integer", "person's sampling weight", bounds=(1, 9999), roles=("weight",)),
        "WGTP": _fact(
            "integer", "housing unit's sampling weight; 0 in group quarters", bounds=(0, 9999), roles=("weight",)
        ),
    }


def _rules(columns: dict[str, Column]) -> tuple[Rule, ...]:
    """Structural zeros that follow from the dictionary: what does not apply below an age, and who has no tenure."""
    rules = []
    for name, age in {"MSP": 15, "EDU": 3, "PINCP_DECILE": 15, "DREM": 5, "DPHY": 5}.items():
        applies = tuple(code for code in columns[name].domain if code != "N")
        rules.append(Rule(f"{name} does not apply below age {age}", {"AGEP": (0, age - 1), name: applies}))
        rules.append(Rule(f"{name} applies from age {age}", {"AGEP": (age, 99), name: ("N",)}))
    for name, age in {"INDP_CAT": 16, "DVET": 17}.items():
        applies = tuple(code for code in columns[name].domain if code != "N")
        rules.append(Rule(f"{name} does not apply below age {age}", {"AGEP": (0, age - 1), name: applies}))
    return (
        *rules,
        Rule("PINCP does not apply below age 15", {"AGEP": (0, 14), "PINCP": (-9000, 1341000)}),
        Rule("INDP does not apply below age 16", {"AGEP": (0, 15), "INDP": (170, 9920)}),
        Rule("group quarters are neither owned nor rented", {"HOUSING_TYPE": ("2", "3"), "OWN_RENT": ("1", "2")}),
        Rule("a housing unit is owned or rented", {"HOUSING_TYPE": ("1",), "OWN_RENT": ("0",)}),
        Rule("group quarters have no housing weight", {"HOUSING_TYPE": ("2", "3"), "WGTP": (1, 9999)}),
        Rule("group quarters have no family", {"HOUSING_TYPE": ("2", "3"), "NPF": (2, 20)}),
    )


@dataset("nist-excerpts")
class NistExcerpts(Source):
    """NIST Diverse Communities Data Excerpts: ACS 2018 or 2019, 7,244 to 27,253 people, small groups on purpose."""

    excerpt: Excerpt = param("national2019", help="which excerpt: national, Massachusetts or Texas, 2018 or 2019")

    @property
    def _area(self) -> str:
        return self.excerpt[:-4]

    def _file(self) -> Pinned:
        url = _URL.format(area=_AREA[self._area], name=self.excerpt)
        return Pinned(f"nist/{self.excerpt}.csv", url, (_SHA256[self.excerpt],))

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title=f"NIST Diverse Communities Data Excerpt {self.excerpt}",
            description="24 columns of person records of the American Community Survey, by public use microdata area.",
            source="US National Institute of Standards and Technology, SDNist 2.5.0, from US Census Bureau ACS PUMS",
            licence="US public domain",
            url="https://github.com/usnistgov/SDNist",
            population="residents of the chosen areas, group quarters included",
            not_for=(
                "population estimates without the weights PWGTP or WGTP",
                "decisions about persons, or attempts to identify respondents",
            ),
            notes=(
                "The target of NIST's own evaluations (Collaborative Research Cycle): diverse, with small groups.",
                "N means not applicable: a category of its own in categorical columns, missing in numeric ones.",
                "What cannot occur (a married child) is in the schema's constraints as structural zeros.",
                "INDP is kept as a number and binned by sector, since the dictionary does not list its codes.",
                "Bounds and categories come from the data dictionary, those of INDP from the Census classification.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published data dictionary."""
        columns = _columns(self._area)
        return Schema(columns=columns, unit_is="person", rows=_ROWS[self.excerpt], constraints=_rules(columns))

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the pinned digest and this module; needs no download."""
        return fingerprint((__file__,), *self._file().sha256)

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import pandas as pd

        content = fetch(self._file(), cache)
        frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        schema = self.schema()
        return Table(schema, data=schema.conform(frame, where=self.excerpt))
