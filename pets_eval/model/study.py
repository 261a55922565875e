"""The study file: what is asked, of whom, with which techniques. Plain values, checked for form only.

Whether names exist and parameters are in range is for `run.plan` to say, which knows the registry.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pets_eval.model.data import PartyRole


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Strict(BaseModel):
    """Base of all that is written to disk: unknown keys are refused, keys are kebab-case."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=_kebab, populate_by_name=True, frozen=True, allow_inf_nan=False
    )


class Partition(Strict):
    """How the training table is spread over parties.

    by "column": one party per category of *column* (the natural silo); "iid": *parties* equal random parts;
    "dirichlet": *parties* parts whose mix of *column* differs, more so for small *alpha*; "vertical": *columns* maps
    each party to its columns of the same people.
    """

    by: Literal["column", "iid", "dirichlet", "vertical"]
    column: str | None = None
    parties: int | None = Field(default=None, ge=2, le=1000)
    alpha: float = Field(default=1.0, gt=0)
    columns: dict[str, list[str]] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Partition:
        if self.by in ("column", "dirichlet") and not self.column:
            raise ValueError(f"a partition by {self.by} needs 'column'")
        if self.by in ("iid", "dirichlet") and not self.parties:
            raise ValueError(f"a partition by {self.by} needs 'parties' (how many)")
        if self.by == "vertical" and (not self.columns or len(self.columns) < 2):
            raise ValueError("a vertical partition needs 'columns', a mapping of at least two parties to their columns")
        return self


class DatasetPick(Strict):
    """A dataset of the study. `control` is the share of units held out for attackers and scorers."""

    use: str
    name: str = ""
    params: dict[str, Any] = {}
    columns: list[str] | None = None
    control: float = Field(default=0.3, ge=0, lt=1)
    partition: Partition | None = None

    @property
    def label(self) -> str:
        """What it is called in the study."""
        return self.name or self.use


class TaskPick(Strict):
    """A task of the study, asked of every dataset of the study, or of those that `of` names."""

    use: str
    name: str = ""
    params: dict[str, Any] = {}
    of: list[str] | None = None

    @property
    def label(self) -> str:
        """What it is called in the study."""
        return self.name or self.use


class Pick(Strict):
    """A technique with fixed `params` and a `grid` of lists, which is multiplied out."""

    use: str
    params: dict[str, Any] = {}
    grid: dict[str, list[Any]] = {}


class PartySpec(Strict):
    """A party and its roles."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$")
    roles: list[PartyRole] = Field(min_length=1)


class Limits(Strict):
    """Limits of one cell: seconds of wall time, and gigabytes (10^9 bytes) above the idle baseline."""

    timeout: float = Field(default=300.0, gt=0)
    memory: float = Field(default=4.0, gt=0)


class Attestation(Strict):
    """What a person vouches for, against a criterion of the guideline."""

    criterion: str
    statement: str = Field(min_length=1)
    by: str = Field(min_length=1)
    date: datetime.date


class Study(Strict):
    """A study: every technique on every task of every dataset, `repeats` times, under one guideline."""

    schema_: Literal["pets-eval/study/1"] = Field(default="pets-eval/study/1", alias="schema")
    name: str = Field(min_length=1)
    purpose: str = ""
    data_subjects: str = ""
    sharing_model: Literal["publish", "synthetic", "query", "enclave", "joint-compute"] | None = None
    threat_model: str = ""
    residual_risks: list[str] = []
    expires: datetime.date | None = None
    seed: int = Field(default=0, ge=0)
    repeats: int = Field(default=5, ge=1, le=10_000)
    datasets: list[DatasetPick] = Field(min_length=1)
    tasks: list[TaskPick] = Field(min_length=1)
    techniques: list[Pick] = Field(min_length=1)
    parties: list[PartySpec] = []
    coalitions: list[list[str]] = []
    seats: list[str] | None = None
    metrics: list[str] | Literal["all", "stored"] = "stored"
    guideline: str = "core"
    limits: Limits = Limits()
    attestations: list[Attestation] = []

    @model_validator(mode="after")
    def _distinct(self) -> Study:
        for what, labels in (
            ("datasets", [d.label for d in self.datasets]),
            ("tasks", [t.label for t in self.tasks]),
            ("parties", [p.name for p in self.parties]),
        ):
            for label in labels:
                if labels.count(label) > 1:
                    raise ValueError(f"two {what} are called {label!r}; give one of them a 'name' of its own")
        return self
