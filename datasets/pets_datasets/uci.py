"""Two classics of the UCI repository: Adult (census income) and Heart Disease (four hospitals)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_datasets.provenance import Pinned, fetch, fingerprint
from pets_eval.model import Card, Column, Schema, Source, Table
from pets_eval.registry import dataset

if TYPE_CHECKING:
    import pandas as pd

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

# -- Adult ----------------------------------------------------------------------------------------

_ADULT = (
    Pinned(
        "adult/adult.data",
        f"{_UCI}/adult/adult.data",
        ("5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",),
    ),
    Pinned(
        "adult/adult.test",
        f"{_UCI}/adult/adult.test",
        ("a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",),
    ),
)
_ADULT_DOMAINS = {  # adult.names, in its order except where an order is natural
    "workclass": "Private Self-emp-not-inc Self-emp-inc Federal-gov Local-gov State-gov Without-pay Never-worked",
    "education": (
        "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th HS-grad Some-college Assoc-voc Assoc-acdm "
        "Bachelors Masters Prof-school Doctorate"
    ),
    "marital_status": (
        "Married-civ-spouse Divorced Never-married Separated Widowed Married-spouse-absent Married-AF-spouse"
    ),
    "occupation": (
        "Tech-support Craft-repair Other-service Sales Exec-managerial Prof-specialty Handlers-cleaners "
        "Machine-op-inspct Adm-clerical Farming-fishing Transport-moving Priv-house-serv Protective-serv Armed-Forces"
    ),
    "relationship": "Wife Own-child Husband Not-in-family Other-relative Unmarried",
    "race": "White Asian-Pac-Islander Amer-Indian-Eskimo Other Black",
    "sex": "Female Male",
    "native_country": (
        "United-States Cambodia England Puerto-Rico Canada Germany Outlying-US(Guam-USVI-etc) India Japan Greece "
        "South China Cuba Iran Honduras Philippines Italy Poland Jamaica Vietnam Mexico Portugal Ireland France "
        "Dominican-Republic Laos Ecuador Taiwan Haiti Columbia Hungary Guatemala Nicaragua Scotland Thailand "
        "Yugoslavia El-Salvador Trinadad&Tobago Peru Hong Holand-Netherlands"
    ),
    "income": "<=50K >50K",
}


def _adult_columns() -> dict[str, Column]:
    names = "adult.names of the UCI repository"

    def category(name: str, *roles: Any) -> Column:
        return Column("categorical", domain=tuple(_ADULT_DOMAINS[name].split()), roles=roles, source=names)

    def number(low: float, high: float, bins: tuple[float, ...], label: str, *roles: Any) -> Column:
        why = f"{names}; a round range set beforehand where it gives none"
        return Column("integer", bounds=(low, high), bins=bins, roles=roles, label=label, source=why)

    quasi = "quasi-identifier"
    return {
        "age": number(17, 90, (17, 25, 35, 45, 55, 65, 75, 90), "age in years; 90 means 90 or older", quasi),
        "workclass": category("workclass"),
        "fnlwgt": number(1, 2_000_000, (), "people in the population that the record stands for", "weight"),
        "education": category("education", quasi),
        "education_num": number(1, 16, (), "education as a number, in the order of its categories"),
        "marital_status": category("marital_status", quasi),
        "occupation": category("occupation"),
        "relationship": category("relationship"),
        "race": category("race", quasi),
        "sex": category("sex", quasi),
        "capital_gain": number(0, 99_999, (0, 1, 2_500, 5_000, 10_000, 20_000, 99_999), "dollars; top-coded"),
        "capital_loss": number(0, 5_000, (0, 1, 1_000, 2_000, 3_000, 5_000), "dollars"),
        "hours_per_week": number(1, 99, (1, 20, 35, 40, 41, 50, 60, 99), "usual hours of work a week"),
        "native_country": category("native_country", quasi),
        "income": category("income", "target", "sensitive"),
    }


@dataset("adult")
class Adult(Source):
    """UCI Adult: 45,222 records of the 1994 US census survey, income above or below 50,000 dollars."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="UCI Adult (census income)",
            description="Train and test files together, 15 columns, records with missing values left out.",
            source="B. Becker and R. Kohavi, UCI Machine Learning Repository, from the 1994 Current Population Survey",
            licence="CC BY 4.0",
            url="https://doi.org/10.24432/C5XW20",
            population="US residents over 16 with some income and hours of work, 1994",
            not_for=(
                "conclusions about today's population or about pay gaps: three decades old, incomes cut at one value",
                "unweighted population estimates; fnlwgt is a survey weight, not a property of a person",
            ),
            notes=(
                "3,620 of the 48,842 records have a missing value (?) and are left out, as is usual for this set.",
                "education and education_num say the same thing twice.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published description."""
        return Schema(columns=_adult_columns(), unit_is="person", rows=45_222)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the pinned digests and this module; needs no download."""
        return fingerprint((__file__,), *(digest for file in _ADULT for digest in file.sha256))

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import pandas as pd

        schema = self.schema()
        train, test = (fetch(file, cache) for file in _ADULT)
        test = test.partition(b"\n")[2].replace(b"K.\n", b"K\n")  # a heading, and full stops after the label
        content = io.BytesIO(train.strip() + b"\n" + test.strip() + b"\n")
        frame = pd.read_csv(
            content, names=list(schema.columns), dtype=str, skipinitialspace=True, keep_default_na=False, na_values="?"
        )
        return Table(schema, data=schema.conform(frame.dropna(), where="adult"))


# -- Heart Disease --------------------------------------------------------------------------------

_HEART = {
    "Cleveland": ("cleveland", "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8"),
    # first the repository's form; the second holds the same records as a copy of reprocessed.hungarian.data has them
    "Hungary": (
        "hungarian",
        "3e74b814f4de6c0358f655ef6cb30c8516e053d59bdaa5c5b0d86c59272de8cb",
        "9d3a4782c2f59124e80a7846a9511480d1b26b804616a2420bc85fc4f44b7860",
    ),
    "Switzerland": ("switzerland", "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314"),
    "Long Beach VA": ("va", "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f"),
}
_HEART_FILES = {
    hospital: Pinned(f"heart/processed.{stem}.data", f"{_UCI}/heart-disease/processed.{stem}.data", tuple(digests))
    for hospital, (stem, *digests) in _HEART.items()
}
_HEART_CODES = {  # code in the file -> category, from heart-disease.names
    "sex": {0: "Female", 1: "Male"},
    "chest_pain": {1: "typical angina", 2: "atypical angina", 3: "non-anginal pain", 4: "asymptomatic"},
    "high_fasting_sugar": {0: "No", 1: "Yes"},
    "resting_ecg": {0: "normal", 1: "ST-T abnormality", 2: "left ventricular hypertrophy"},
    "exercise_angina": {0: "No", 1: "Yes"},
    "st_slope": {1: "up", 2: "flat", 3: "down"},
    "vessels": {0: "0", 1: "1", 2: "2", 3: "3"},
    "thal": {3: "normal", 6: "fixed defect", 7: "reversible defect"},
    "heart_disease": {0: "No", 1: "Yes", 2: "Yes", 3: "Yes", 4: "Yes"},
}


def _heart_columns() -> dict[str, Column]:
    names = "heart-disease.names of the UCI repository"

    def category(name: str, *roles: Any, nullable: bool = True) -> Column:
        domain = tuple(dict.fromkeys(_HEART_CODES[name].values()))
        return Column("categorical", domain=domain, roles=roles, nullable=nullable, source=names)

    def number(kind: Any, bins: tuple[float, ...], label: str, *roles: Any, nullable: bool = True) -> Column:
        why = "a round clinical range set beforehand"
        bounds = (bins[0], bins[-1])
        return Column(kind, bounds=bounds, bins=bins, roles=roles, nullable=nullable, label=label, source=why)

    quasi = "quasi-identifier"
    ages = (20, 40, 50, 55, 60, 65, 90)
    return {
        "hospital": Column("categorical", domain=tuple(_HEART), roles=("silo",), source=names),
        "age": number("integer", ages, "age in years", quasi, nullable=False),
        "sex": category("sex", quasi, nullable=False),
        "chest_pain": category("chest_pain", nullable=False),
        "resting_bp": number("real", (60, 110, 120, 130, 140, 160, 240), "blood pressure on admission, mmHg"),
        "cholesterol": number("real", (50, 175, 200, 225, 250, 300, 700), "serum cholesterol, mg/dl"),
        "high_fasting_sugar": category("high_fasting_sugar"),
        "resting_ecg": category("resting_ecg"),
        "max_heart_rate": number("real", (50, 100, 120, 140, 160, 230), "highest heart rate reached, per minute"),
        "exercise_angina": category("exercise_angina"),
        "st_depression": number("real", (-5, 0, 0.5, 1, 2, 8), "ST depression induced by exercise"),
        "st_slope": category("st_slope"),
        "vessels": category("vessels"),
        "thal": category("thal"),
        "heart_disease": category("heart_disease", "target", "sensitive", nullable=False),
    }


@dataset("heart-disease")
class HeartDisease(Source):
    """UCI Heart Disease: 920 patients of four hospitals that differ, the classic cross-silo set."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="UCI Heart Disease, four hospitals",
            description="13 clinical findings and the angiographic diagnosis of patients in four hospitals.",
            source="A. Janosi, W. Steinbrunn, M. Pfisterer and R. Detrano, UCI Machine Learning Repository, 1988",
            licence="CC BY 4.0",
            url="https://doi.org/10.24432/C52P4X",
            population="patients referred for coronary angiography in Cleveland, Budapest, Zurich and Long Beach",
            not_for=("clinical use of any kind", "prevalence estimates: the patients were selected by referral"),
            notes=(
                "The hospitals differ in prevalence (36 to 93 %) and in what they measured: much is missing.",
                "A cholesterol or blood pressure of 0 and a vessel count of 9 mean not measured, and are missing here.",
                "Any narrowing above 50 % (codes 1 to 4) counts as disease.",
                "Records are sorted, so that either published form of the Hungarian file gives the same table.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published description."""
        return Schema(columns=_heart_columns(), unit_is="person", rows=920)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the pinned digests and this module; needs no download."""
        return fingerprint((__file__,), *(digest for file in _HEART_FILES.values() for digest in file.sha256))

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import pandas as pd

        schema = self.schema()
        parts = [_hospital(name, fetch(file, cache), list(schema.columns)) for name, file in _HEART_FILES.items()]
        return Table(schema, data=schema.conform(pd.concat(parts), where="heart-disease"))


def _hospital(name: str, content: bytes, columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    first, _, rest = content.decode("ascii").partition("\n")
    raw = pd.read_csv(io.StringIO(f"{_undone(first)}\n{rest}"), names=columns[1:], na_values=["?", "-9"])
    raw = raw.astype("float64")
    for measured in ("resting_bp", "cholesterol"):
        raw[measured] = raw[measured].mask(raw[measured] == 0)
    for column, codes in _HEART_CODES.items():
        raw[column] = raw[column].map(codes)
    raw = raw.sort_values(list(raw.columns), kind="stable", na_position="first", ignore_index=True)
    raw.insert(0, "hospital", name)
    return raw


def _undone(line: str) -> str:
    """*line* as it was before a program took it for a heading and numbered repeated values ("0" -> "0.1", "0.2").

    >>> _undone("40,1,0,0.1,0.2,-9,-9.1,2.3")
    '40,1,0,0,0,-9,-9,2.3'
    """
    values: list[str] = []
    for value in line.split(","):
        stem, _, number = value.rpartition(".")
        values.append(stem if stem in values and number.isdigit() else value)
    return ",".join(values)
