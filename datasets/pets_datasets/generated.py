"""Generated data for what real public data lack: length, silos that differ, and many rows per person."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_datasets import network, population
from pets_datasets.provenance import fingerprint
from pets_datasets.stream import write_parquet
from pets_eval.model import Card, Column, Schema, Source, Table, param
from pets_eval.registry import dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NOT_FOR = (
    "conclusions about any real population, person, illness or institution",
    "evidence that a technique works on real data: structure, rarities and errors of real data are missing",
)
_WHY = "set by the generator"
_LICENCE = "none needed: made by this program"


def _number(kind: Any, bins: tuple[float, ...], label: str, *roles: Any) -> Column:
    return Column(kind, bounds=(bins[0], bins[-1]), bins=bins, label=label, roles=roles, source=_WHY)


def _category(domain: tuple[str, ...], label: str, *roles: Any) -> Column:
    return Column("categorical", domain=domain, label=label, roles=roles, source=_WHY)


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return 1 / (1 + np.exp(-x))


@dataset("generated")
class Generated(Source):
    """Generated: a made-up population of 10^3 to 10^8 people from a small Bayesian network, streamed to disk."""

    rows: int = param(10_000, ge=1_000, le=100_000_000, help="number of people")
    seed: int = param(0, ge=0, help="another seed, another table")

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Generated population",
            description="Eleven variables drawn from a small Bayesian network with published round probabilities.",
            source="pets-eval; the probabilities are in pets_datasets/population.py",
            licence=_LICENCE,
            population="none: these people do not exist",
            generated=True,
            not_for=_NOT_FOR,
            notes=(
                "Deterministic by seed. Regions differ in age, schooling and work, so that silos are not alike.",
                "Numbers are equally likely within their band.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema: the network's values and bands."""
        return Schema(columns=population.columns(), unit_is="person", rows=self.rows)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the parameters, the network and the sampler."""
        import numpy as np

        sources = (__file__, str(network.__file__), str(population.__file__))
        return fingerprint(sources, self.rows, self.seed, np.__version__)

    def load(self, cache: Path, target: Path) -> Table:
        """The table, streamed to *target* in pieces of a million rows."""
        write_parquet(population.population().pieces(self.seed, self.rows), target)
        return Table(self.schema(), path=target)


@dataset("hospitals")
class Hospitals(Source):
    """Generated: patients of hospitals that differ in size, case mix, prevalence and effects, by a chosen degree."""

    rows: int = param(4_000, ge=100, le=1_000_000, help="number of patients")
    hospitals: int = param(4, ge=2, le=26, help="number of hospitals, each a silo")
    heterogeneity: float = param(0.5, ge=0, le=1, help="0: hospitals alike; 1: very different")
    seed: int = param(0, ge=0, help="another seed, another table")

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(f"Hospital {chr(ord('A') + i)}" for i in range(self.hospitals))

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Generated hospitals",
            description="Patients, findings and readmission in hospitals that differ by a chosen degree.",
            source="pets-eval; the model is in pets_datasets/generated.py",
            licence=_LICENCE,
            population="none: these patients do not exist",
            generated=True,
            not_for=_NOT_FOR,
            notes=(
                "Deterministic by seed. With growing heterogeneity hospitals differ in size, in age and smoking (case "
                "mix), in prevalence (label shift) and in how findings matter (concept shift).",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, set by the generator."""
        quasi = "quasi-identifier"
        columns = {
            "hospital": _category(self._names, "hospital", "silo"),
            "age": _number("integer", (18, 30, 40, 50, 60, 70, 80, 95), "age in years", quasi),
            "sex": _category(("Female", "Male"), "sex", quasi),
            "smoker": _category(("No", "Yes"), "smokes"),
            "bmi": _number("real", (15, 18.5, 25, 30, 35, 50), "body mass index"),
            "systolic_bp": _number("real", (80, 110, 120, 130, 140, 160, 220), "mmHg"),
            "prior_admissions": _number("integer", (0, 1, 2, 3, 5, 10), "in the last year; 10 means 10 or more"),
            "length_of_stay": _number("integer", (1, 2, 4, 7, 14, 60), "days; 60 means 60 or more"),
            "readmitted": _category(("No", "Yes"), "within 30 days", "target", "sensitive"),
        }
        return Schema(columns=columns, unit_is="person", rows=self.rows)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the parameters and this module."""
        import numpy as np

        parts = (self.rows, self.hospitals, self.heterogeneity, self.seed, np.__version__)
        return fingerprint((__file__,), *parts)

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import numpy as np
        import pandas as pd

        rng = np.random.default_rng(self.seed)
        place = np.linspace(-1, 1, self.hospitals) * self.heterogeneity  # where each hospital stands on every scale
        share = np.exp(-1.2 * place)
        at = rng.choice(self.hospitals, size=self.rows, p=share / share.sum())
        shift = place[at]
        age = np.clip(np.round(rng.normal(58 + 10 * shift, 16)), 18, 95)
        male = rng.random(self.rows) < 0.5 + 0.1 * shift
        smoker = rng.random(self.rows) < 0.22 + 0.12 * shift
        bmi = np.clip(rng.normal(26.5 + 1.5 * shift + 0.6 * smoker, 4.5), 15, 50)
        pressure = np.clip(rng.normal(118 + 0.35 * (age - 50) + 0.5 * (bmi - 26), 14), 80, 220)
        prior = np.minimum(rng.poisson(np.exp(-0.6 + 0.012 * (age - 58) + 0.3 * smoker)), 10)
        stay = np.minimum(1 + rng.poisson(np.exp(1.1 + 0.01 * (age - 58) + 0.15 * prior)), 60)
        risk = (
            (-1.6 + 1.0 * shift)  # prevalence
            + (0.03 + 0.015 * shift) * (age - 58)  # effects that differ
            + (0.5 + 0.5 * shift) * smoker
            + 0.35 * prior
            + 0.04 * (stay - 4)
            + 0.2 * male
        )
        readmitted = rng.random(self.rows) < _logistic(risk)
        schema = self.schema()
        frame = pd.DataFrame(
            {
                "hospital": np.take(self._names, at),
                "age": age,
                "sex": np.where(male, "Male", "Female"),
                "smoker": np.where(smoker, "Yes", "No"),
                "bmi": bmi.round(1),
                "systolic_bp": pressure.round(),
                "prior_admissions": prior,
                "length_of_stay": stay,
                "readmitted": np.where(readmitted, "Yes", "No"),
            }
        )
        return Table(schema, data=schema.conform(frame, where=self.name))


_FIRST, _LAST = datetime.date(2022, 1, 1), datetime.date(2023, 12, 31)
_CLINICS = ("Riverside", "Old Town", "Harbour", "University")
_DIAGNOSES = ("check-up", "infection", "injury", "heart or vessels", "mental health", "diabetes")
_WELL = (0.40, 0.25, 0.20, 0.05, 0.07, 0.03)  # mix of diagnoses for the healthiest, and for the frailest
_FRAIL = (0.05, 0.15, 0.10, 0.35, 0.15, 0.20)


def _days(*dates: datetime.date) -> tuple[float, ...]:
    return tuple(float((date - datetime.date(1970, 1, 1)).days) for date in dates)


@dataset("visits")
class Visits(Source):
    """Generated: visits to clinics, many rows per person, so that the unit of privacy matters."""

    people: int = param(2_000, ge=100, le=1_000_000, help="number of people")
    max_visits: int = param(12, ge=1, le=100, help="most visits of one person: the public bound on a contribution")
    seed: int = param(0, ge=0, help="another seed, another table")

    def card(self) -> Card:
        """The dataset card."""
        return Card(
            title="Generated clinic visits",
            description="Visits of people to the clinic they belong to, 2022 and 2023: one to many rows per person.",
            source="pets-eval; the model is in pets_datasets/generated.py",
            licence=_LICENCE,
            population="none: these people do not exist",
            generated=True,
            not_for=_NOT_FOR,
            notes=(
                "Deterministic by seed. The unit of privacy is the person: protecting a row protects nobody.",
                "Frail people come more often, so rows of one person are alike; each stays with one clinic.",
                "The number of rows is not public, since it depends on who came how often.",
            ),
        )

    def schema(self) -> Schema:
        """The public schema, set by the generator."""
        quasi = "quasi-identifier"
        quarters = [datetime.date(year, month, 1) for year in (2022, 2023) for month in (1, 4, 7, 10)]
        dates = _days(*quarters, _LAST)
        columns = {
            "person_id": Column("id", roles=("unit", "identifier"), label="number of the person", source=_WHY),
            "visit_date": _number("date", dates, "day of the visit", quasi),
            "clinic": _category(_CLINICS, "clinic", "silo"),
            "sex": _category(("Female", "Male"), "sex", quasi),
            "age": _number("integer", (0, 18, 30, 45, 60, 75, 100), "age in years on 2022-01-01", quasi),
            "diagnosis": _category(_DIAGNOSES, "main diagnosis of the visit", "sensitive"),
            "cost": _number("real", (0, 50, 100, 200, 500, 1000, 5000), "in euro; 5000 means 5000 or more"),
            "admitted": _category(("No", "Yes"), "sent on to hospital", "target", "sensitive"),
        }
        return Schema(columns=columns, unit="person_id", unit_is="person", max_rows_per_unit=self.max_visits)

    def fingerprint(self, cache: Path) -> str:
        """SHA-256 over the parameters and this module."""
        import numpy as np

        return fingerprint((__file__,), self.people, self.max_visits, self.seed, np.__version__)

    def load(self, cache: Path, target: Path) -> Table:
        """The table, in memory."""
        import numpy as np
        import pandas as pd

        rng = np.random.default_rng(self.seed)
        age = np.clip(np.round(rng.normal(46, 22, self.people)), 0, 100)
        frailty = _logistic(rng.normal(0.05 * (age - 60), 1.0))  # between 0 and 1, of a person
        male = rng.random(self.people) < 0.49
        clinic = rng.choice(len(_CLINICS), size=self.people, p=(0.35, 0.30, 0.20, 0.15))
        visits = np.minimum(1 + rng.poisson(rng.gamma(1.2, 1 + 5 * frailty)), self.max_visits)

        who = rng.permutation(np.repeat(np.arange(self.people), visits))
        n, frail = len(who), frailty[who]
        mix = np.outer(1 - frail, _WELL) + np.outer(frail, _FRAIL)
        diagnosis = (rng.random((n, 1)) > mix.cumsum(axis=1)[:, :-1]).sum(axis=1)
        weight = np.asarray((-3.5, -2.0, -1.5, -0.5, -1.8, -1.2))[diagnosis]
        admitted = rng.random(n) < _logistic(weight + 2 * (frail - 0.3))
        cost = np.minimum(rng.lognormal(4 + 0.8 * frail + 2 * admitted, 0.7), 5000)
        first, last = _days(_FIRST, _LAST)
        day = rng.integers(int(first), int(last), size=n, endpoint=True)
        schema = self.schema()
        numbers = np.char.zfill(np.arange(1, self.people + 1).astype(str), 7)
        frame = pd.DataFrame(
            {
                "person_id": np.char.add("P", numbers).astype(object)[who],
                "visit_date": day.astype("datetime64[D]").astype("datetime64[ns]"),
                "clinic": np.take(_CLINICS, clinic[who]),
                "sex": np.where(male[who], "Male", "Female"),
                "age": age[who],
                "diagnosis": np.take(_DIAGNOSES, diagnosis),
                "cost": cost.round(2),
                "admitted": np.where(admitted, "Yes", "No"),
            }
        )
        return Table(schema, data=schema.conform(frame, where=self.name))
