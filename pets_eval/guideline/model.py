"""Criteria files and verdicts as plain values: what is asked of a technique, on which evidence, and what came out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pets_eval.model.study import Strict

Family = Literal[
    "all", "all-output", "all-dp", "baseline", "dp", "synth", "deid", "he", "fl", "mpc", "psi", "zkp", "tee"
]
Basis = Literal["measured", "claimed", "attested"]
Op = Literal["==", "<=", "<", ">=", ">"]
VerdictName = Literal[
    "pass", "fail", "flag", "claim-only", "attested", "reported", "waiting", "not-evaluated", "not-applicable"
]

# Worst first: where several tasks speak to one criterion, the first of these decides.
SEVERITY: tuple[VerdictName, ...] = (
    "fail",
    "flag",
    "not-evaluated",
    "waiting",
    "claim-only",
    "attested",
    "reported",
    "pass",
    "not-applicable",
)


class Check(Strict):
    """One comparison: a metric or a fact against a fixed `value`, or against another figure (`value_of`).

    `statistic`, `seat` and `group` narrow a metric to some of its rows; left out, the row for everybody decides where
    there is one, and else the worst row.

    `beyond: data-free-anchor` keeps chance from being accused: a figure whose interval has the limit within it is not
    evaluated where that interval overlaps the one of the anchor that never looks at the data, as then there are too few
    observations to tell the two apart. That anchor itself never misses.

    `proven: true` asks for certainty before it accuses: the favourable end of the interval decides, so that only a
    figure that misses the limit beyond its uncertainty is a miss. Put a check without it beside it, to flag the doubt.
    """

    metric: str
    statistic: str | None = None
    seat: str | None = None
    group: str | None = None
    op: Op
    value: bool | float | str | None = None
    value_of: str | None = None
    beyond: Literal["data-free-anchor"] | None = None
    proven: bool = False
    on_miss: Literal["fail", "flag"]

    @model_validator(mode="after")
    def _one_target(self) -> Check:
        if (self.value is None) == (self.value_of is None):
            raise ValueError("a check needs either 'value' or 'value-of'")
        return self


class Checks(Strict):
    """What decides a criterion: `all` comparisons must hold, or the `report` figures are shown without a limit."""

    all_: list[Check] | None = Field(default=None, alias="all", min_length=1)
    report: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Checks:
        if (self.all_ is None) == (self.report is None):
            raise ValueError("a criterion's check is either 'all' (comparisons) or 'report' (figures to show)")
        return self

    def names(self) -> list[str]:
        """Every metric and fact that is looked at."""
        if self.report is not None:
            return list(self.report)
        return [n for c in self.all_ or () for n in (c.metric, c.value_of) if n is not None]


class When(Strict):
    """Narrows a criterion to techniques that release this kind of thing, or that state this notion of privacy."""

    release_kind: list[Literal["answer", "microdata", "model"]] | None = None
    notion: list[str] | None = None


class Criterion(Strict):
    """One thing that a guideline asks of a technique.

    `families` names who is asked: "all"; "all-output" for techniques that claim output privacy; "all-dp" for those
    whose releases came with a guarantee of differential privacy; or families by their prefix.

    What is measured or claimed needs a `check`. What a person attests may do without: then there is nothing in a run
    that could speak against it.
    """

    id: str = Field(pattern=r"^[A-Z]{2,3}-\d{2}[a-z]?$")
    text: str = Field(min_length=1)
    families: list[Family] = Field(min_length=1)
    evidence: Basis
    when: When | None = None
    check: Checks | None = None
    sources: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _decidable(self) -> Criterion:
        if self.check is None and self.evidence != "attested":
            raise ValueError(f"criterion {self.id} needs a 'check', since its evidence is {self.evidence}")
        return self

    def names(self) -> list[str]:
        """Every metric and fact that is looked at."""
        return self.check.names() if self.check else []


class Trace(Strict):
    """A figure of an attacker's success that a curve shows, under a *name* for readers.

    `mark` says what it is: the most that a claim admits ("ceiling"), the most that holds for another reason ("limit"),
    what is certified ("floor"), what an attack reached ("estimate"); or it stands in the table only ("none"), in
    whatever unit.
    """

    metric: str
    statistic: str = ""
    name: str = Field(min_length=1)
    mark: Literal["ceiling", "limit", "floor", "estimate", "none"]


class Error(Strict):
    """A figure of the error: of one statistic of a metric, or of whichever comes first in its headline."""

    metric: str
    statistic: str | None = None


class CurvePlot(Strict):
    """A curve over what is claimed, for techniques that were run over a grid of it.

    The error (the first of those that was measured) stands above, the attacker's advantage, from 0 to 1, below.
    """

    against: str
    error: list[Error] = Field(min_length=1)
    advantage: list[Trace] = Field(min_length=1)
    note: str = ""


class Plots(Strict):
    """Which metrics a reader of this guideline wants to see against each other, in order of preference."""

    privacy: list[str] = Field(min_length=1)
    utility: list[str] = Field(min_length=1)
    curve: CurvePlot | None = None


class Guideline(Strict):
    """A criteria file."""

    schema_: Literal["pets-eval/guideline/1"] = Field(alias="schema")
    id: str = Field(min_length=1)
    title: str = Field(min_length=1)
    version: str = Field(min_length=1)
    note: str = ""
    plots: Plots | None = None
    criteria: list[Criterion] = Field(min_length=1)


class VerdictRow(Strict):
    """What one dataset and task say to a criterion."""

    dataset: str
    task: str
    verdict: VerdictName
    reason: str


class Verdict(Strict):
    """What came out for one criterion and one technique: the worst of its rows, and why."""

    criterion: str
    technique: str
    verdict: VerdictName
    reason: str
    rows: list[VerdictRow] = []


def worst(names: list[VerdictName]) -> VerdictName:
    """The verdict that decides among several.

    >>> worst(["pass", "flag", "not-applicable"])
    'flag'
    """
    return min(names, key=SEVERITY.index)
