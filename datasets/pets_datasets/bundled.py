"""Small public datasets that come inside statsmodels and scikit-learn: they load without a network."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_datasets.provenance import fingerprint, installed_file
from pets_eval.model import Card, Column, Schema, Source, Table
from pets_eval.registry import dataset

if TYPE_CHECKING:
    import pandas as pd

_ROUND = "rounded outwards from the rows by pets-eval; no range is published"
_NO_YES = {0: "No", 1: "Yes"}
_NOT_FOR = ("decisions about persons, or attempts to identify them",)


def _number(kind: Any, bins: tuple[float, ...], label: str = "", *roles: Any, source: str = _ROUND) -> Column:
    bounds = (bins[0], bins[-1])
    return Column(kind, bounds=bounds, bins=bins, label=label, roles=roles, source=source, from_data=source is _ROUND)


def _rounded(low: float, high: float, label: str = "") -> Column:
    return Column("real", bounds=(low, high), label=label, source=_ROUND, from_data=True)


def _category(domain: Any, label: str, *roles: Any, source: str) -> Column:
    return Column("categorical", domain=tuple(domain), label=label, roles=roles, source=source)


class _Bundled(Source):
    """A dataset made of one or two files of an installed package."""

    @abstractmethod
    def _files(self) -> list[Path]:
        """The files of the package that the rows come from."""

    @abstractmethod
    def _frame(self) -> pd.DataFrame:
        """The rows as the package has them."""

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the package's files and this module."""
        return fingerprint((__file__,), *(path.read_bytes() for path in self._files()))

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        schema = self.schema()
        return Table(schema, data=schema.conform(self._frame(), where=self.name))


# -- statsmodels ----------------------------------------------------------------------------------

_HEALTH = ("excellent", "good", "fair", "poor")
_HIE = "description of randhie in statsmodels"


@dataset("randhie")
class RandHealthInsurance(_Bundled):
    """RAND Health Insurance Experiment: 20,190 person-years of health care use, offline."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="RAND Health Insurance Experiment",
            description="Visits to a doctor in a year, by the insurance plan a family was randomly given.",
            source="RAND Corporation, by way of Cameron and Trivedi (2005) and statsmodels",
            licence="US public domain",
            url="https://www.rand.org/health-care/projects/hie.html",
            population="members of families enrolled at six US sites between 1974 and 1982",
            not_for=("estimates of today's health care use", *_NOT_FOR),
            notes=(
                "A row is one person in one year; the file names no persons, so the unit of privacy here is the row.",
                "The three indicators of self-rated health are joined into one category.",
                "physical_limitation is a fraction where it was imputed.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published description."""
        columns = {
            "doctor_visits": _number(
                "integer", (0, 1, 2, 3, 5, 10, 20, 100), "visits in the year", "target", "sensitive"
            ),
            "log_coinsurance": _number(
                "real", (0, 0.1, 3.5, 4, math.log(101) + 1e-4), "ln(coinsurance rate in % + 1)", source=_HIE
            ),
            "individual_deductible": _category(("No", "Yes"), "individual deductible plan", source=_HIE),
            "log_incentive": _number("real", (0, 0.1, 6, 6.5, 7, 8), "ln of the yearly participation payment"),
            "log_max_expenditure": _number(
                "real", (0, 0.1, 6, 7, 7.5, 8.3), "ln(most that the family pays / coinsurance); 0 without a limit"
            ),
            "physical_limitation": _number("real", (0, 0.01, 0.5, 1), "has a physical limitation", source=_HIE),
            "chronic_diseases": _number("real", (0, 5, 10, 15, 20, 30, 60), "index of chronic diseases", "sensitive"),
            "health": _category(_HEALTH, "self-rated health", "quasi-identifier", source=_HIE),
        }
        return Schema(columns=columns, unit_is="person-year", rows=20_190)

    def _files(self) -> list[Path]:
        return [installed_file("statsmodels", "datasets", "randhie", "randhie.csv")]

    def _frame(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        raw = pd.read_csv(self._files()[0])
        health = np.select([raw[f"hlth{letter}"] == 1 for letter in "gfp"], _HEALTH[1:], _HEALTH[0])
        kept = raw.drop(columns=["hlthg", "hlthf", "hlthp"]).assign(idp=raw["idp"].map(_NO_YES), health=health)
        return kept.set_axis(list(self.schema().columns), axis="columns")


_MARRIAGE = ("very poor", "poor", "fair", "good", "very good")
_RELIGIOUS = ("not", "mildly", "fairly", "strongly")
_JOBS = (
    "student",
    "farming, semi-skilled or unskilled",
    "white-collar",
    "teacher, nurse, writer, technician or skilled",
    "managerial, administrative or business",
    "professional with advanced degree",
)
_SCHOOLING = {
    9: "grade school",
    12: "high school",
    14: "some college",
    16: "college graduate",
    17: "some graduate school",
    20: "advanced degree",
}
_AGES = {17.5: "under 20", 22: "20-24", 27: "25-29", 32: "30-34", 37: "35-39", 42: "40 and over"}


@dataset("fair")
class FairAffairs(_Bundled):
    """Fair's magazine survey of 6,366 married women, with a sensitive answer, offline."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Extramarital affairs survey (Fair, 1978)",
            description="Answers of married women to a Redbook magazine survey of 1974, first marriages.",
            source="R. Fair, A Theory of Extramarital Affairs, Journal of Political Economy, 1978; in statsmodels",
            licence="included in statsmodels with permission of the author",
            url="https://fairmodel.econ.yale.edu/rayfair/pdf/2011b.htm",
            population="readers of one US magazine who chose to answer",
            not_for=("estimates for any population: respondents selected themselves", *_NOT_FOR),
            notes=(
                "The target says whether any time was spent in an affair; the amount, which tells it, is left out.",
                "Ages were published as the middles of bands, and are given as bands here.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, from the published description."""
        quasi, names = "quasi-identifier", "description of fair in statsmodels"
        columns = {
            "marriage_rating": _category(_MARRIAGE, "own rating of the marriage", "sensitive", source=names),
            "age": _category(_AGES.values(), "age band in years", quasi, source=names),
            "years_married": _number("real", (0, 1, 4, 7.5, 11, 15, 25), "years married, as band middles", quasi),
            "children": _number("real", (0, 0.5, 1.5, 2.5, 3.5, 6), "number of children; 5.5 means 5 or more", quasi),
            "religious": _category(_RELIGIOUS, "how religious", "sensitive", source=names),
            "education": _category(_SCHOOLING.values(), "level of education", quasi, source=names),
            "occupation": _category(_JOBS, "occupation", quasi, source=names),
            "husband_occupation": _category(_JOBS, "occupation of the husband", quasi, source=names),
            "had_affair": _category(("No", "Yes"), "any time in an affair", "target", "sensitive", source=names),
        }
        return Schema(columns=columns, unit_is="person", rows=6_366)

    def _files(self) -> list[Path]:
        return [installed_file("statsmodels", "datasets", "fair", "fair.csv")]

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        raw = pd.read_csv(self._files()[0])
        jobs = dict(enumerate(_JOBS, start=1))
        codes: dict[str, dict[Any, str]] = {
            "rate_marriage": dict(enumerate(_MARRIAGE, start=1)),
            "age": _AGES,
            "religious": dict(enumerate(_RELIGIOUS, start=1)),
            "educ": _SCHOOLING,
            "occupation": jobs,
            "occupation_husb": jobs,
        }
        coded = raw.assign(
            **{name: raw[name].map(known) for name, known in codes.items()},
            affairs=(raw["affairs"] > 0).astype(int).map(_NO_YES),
        )
        return coded.set_axis(list(self.schema().columns), axis="columns")


# -- scikit-learn ---------------------------------------------------------------------------------

_CELL = {  # measurement -> top of a round range for its mean, its standard error and its worst value
    "radius": (30, 3, 40),
    "texture": (40, 5, 50),
    "perimeter": (200, 25, 300),
    "area": (3000, 600, 5000),
    "smoothness": (0.2, 0.04, 0.3),
    "compactness": (0.4, 0.2, 1.2),
    "concavity": (0.5, 0.4, 1.5),
    "concave_points": (0.25, 0.06, 0.3),
    "symmetry": (0.4, 0.1, 0.7),
    "fractal_dimension": (0.1, 0.03, 0.25),
}


@dataset("breast-cancer")
class BreastCancer(_Bundled):
    """Wisconsin breast cancer: 569 tumours, 30 measurements of cell nuclei, offline."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Breast Cancer Wisconsin (diagnostic)",
            description="Measurements of cell nuclei in images of fine needle aspirates, and the diagnosis.",
            source="W. Wolberg, O. Mangasarian, N. and W. Street, UCI Machine Learning Repository; in scikit-learn",
            licence="CC BY 4.0",
            url="https://doi.org/10.24432/C5DW2B",
            population="patients of one hospital, before 1995",
            not_for=("clinical use of any kind", "prevalence estimates", *_NOT_FOR),
            notes=("Continuous measurements of many digits: almost every record is unique.",),
        )

    def schema(self) -> Schema:
        """The public schema, with round ranges."""
        columns: dict[str, Column] = {}
        for i, part in enumerate(("mean", "error", "worst")):
            for name, tops in _CELL.items():
                columns[f"{part}_{name}"] = _rounded(0, tops[i])
        columns["diagnosis"] = _category(
            ("benign", "malignant"), "diagnosis", "target", "sensitive", source="description in scikit-learn"
        )
        return Schema(columns=columns, unit_is="person", rows=569)

    def _files(self) -> list[Path]:
        return [installed_file("sklearn", "datasets", "data", "breast_cancer.csv")]

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        raw = pd.read_csv(self._files()[0], skiprows=1, names=list(self.schema().columns))
        return raw.assign(diagnosis=raw["diagnosis"].map({0: "malignant", 1: "benign"}))


@dataset("diabetes")
class DiabetesProgression(_Bundled):
    """Diabetes progression: 442 patients, 10 findings and a number to predict, offline; for regression only."""

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Diabetes progression (Efron and others, 2004)",
            description="Ten baseline findings of diabetes patients and how far the disease had gone a year later.",
            source="B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, 2004; in scikit-learn",
            licence="distributed with scikit-learn (BSD-3-Clause)",
            url="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
            population="442 diabetes patients of one study",
            not_for=("clinical use of any kind", *_NOT_FOR),
            notes=("The target is a number, so classification cannot be asked of this dataset.",),
        )

    def schema(self) -> Schema:
        """The public schema, with round ranges; the target's is from the description."""
        quasi, names = "quasi-identifier", "description in scikit-learn"
        columns = {
            "age": _number("integer", (18, 30, 40, 50, 60, 80), "age in years", quasi),
            "sex": _category(("1", "2"), "sex, as coded in the source", quasi, source=names),
            "bmi": _number("real", (15, 20, 25, 30, 35, 45), "body mass index"),
            "bp": _number("real", (50, 80, 90, 100, 110, 140), "mean blood pressure"),
            "total_cholesterol": _rounded(90, 310, "s1"),
            "ldl": _rounded(40, 250, "s2"),
            "hdl": _rounded(20, 100, "s3"),
            "cholesterol_ratio": _rounded(1, 10, "s4: total cholesterol over HDL"),
            "log_triglycerides": _rounded(3, 6.5, "s5, possibly"),
            "glucose": _rounded(50, 130, "s6: blood sugar"),
            "progression": Column(
                "real", bounds=(25, 346), roles=("target", "sensitive"), label="after one year", source=names
            ),
        }
        return Schema(columns=columns, unit_is="person", rows=442)

    def _files(self) -> list[Path]:
        stems = ("diabetes_data_raw", "diabetes_target")
        return [installed_file("sklearn", "datasets", "data", f"{stem}.csv.gz") for stem in stems]

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        findings, target = (pd.read_csv(path, sep=" ", header=None) for path in self._files())
        joint = pd.concat([findings, target], axis="columns")
        return joint.set_axis(list(self.schema().columns), axis="columns")
