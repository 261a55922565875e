"""The scorecard as plain values: all that the page says, and nothing that it does not say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pets_eval.guideline.figures import Figure
from pets_eval.guideline.model import Criterion, Verdict
from pets_eval.model.record import ClaimsRow, DatasetFacts, ExtendedReal, GuaranteeRow
from pets_eval.model.study import Strict, TaskPick


class DatasetCard(Strict):
    """A dataset of the study with the warnings that a reader needs before trusting a figure."""

    name: str
    facts: DatasetFacts
    warnings: list[str] = []


class Stated(Strict):
    """A formal guarantee and the (dataset, task) pairs on which a release came with it.

    `status` is the guarantee's own where nothing weakens it; where it names a hazard, it says that, too.
    """

    guarantee: GuaranteeRow
    status: str
    places: list[tuple[str, str]]


class TechniqueCard(Strict):
    """A technique with its parameters: what it says of itself, and which guarantees its releases came with."""

    label: str
    technique: str
    family: str
    params: dict[str, object] = {}
    anchor: bool = False
    release_kinds: list[str] = []
    release_notes: list[str] = []
    claims: ClaimsRow | None = None
    guarantees: list[Stated] = []
    finished: int = 0
    planned: int = 0


class Ended(Strict):
    """A cell that did not finish, or was planned and has no record ("not-run")."""

    identity: str
    dataset: str
    task: str
    technique: str
    repeat: int
    probe: str = ""
    status: Literal["failed", "timed-out", "out-of-memory", "crashed", "skipped", "not-run"]
    reason: str
    attempts: int = 0


class Broken(Strict):
    """What went wrong on a cell that finished: a metric that failed, or (without a metric) a remark on the cell."""

    identity: str
    dataset: str
    task: str
    technique: str
    repeat: int
    probe: str = ""
    metric: str = ""
    reason: str


class Position(Strict):
    """Where one figure stands on one axis of a chart; null where it was not measured."""

    value: ExtendedReal | None
    low: ExtendedReal | None
    high: ExtendedReal | None


class Point(Strict):
    """A technique on a privacy-utility chart.

    `better` lists techniques that are distinguishably better on one axis and no worse on the other; `alike` those
    whose utility (`alike_privacy`: whose privacy figure) cannot be told from this one's, as the intervals overlap.
    """

    number: int
    technique: str
    anchor: bool
    x: Position
    y: Position
    pareto: bool = False
    better: list[str] = []
    alike: list[str] = []
    alike_privacy: list[str] = []


class Dimension(Strict):
    """What an axis of a chart shows."""

    metric: str
    statistic: str = ""
    unit: str
    goal: str


class Tradeoff(Strict):
    """Privacy against utility on one task of one dataset."""

    dataset: str
    task: str
    x: Dimension
    y: Dimension
    points: list[Point]


class Column(Dimension):
    """A figure that a curve shows, under its name for readers; see `Trace` for the mark (the error has "error")."""

    name: str
    mark: Literal["error", "ceiling", "limit", "floor", "estimate", "none"]


class Level(Strict):
    """An anchor beside a curve: its error does not depend on what is claimed."""

    technique: str
    at: Position


class CurvePoint(Strict):
    """A technique with its parameters on the curve `line`: what it claims, and its figures in order of the columns."""

    line: int
    technique: str
    x: float
    figures: list[Position]


class Curve(Strict):
    """Error and an attacker's advantage over what is claimed, on one task of one dataset.

    The first of the `columns` is the error. `lines` names the curves: a technique, and parameters that stay the same
    along it where the technique has several curves. `absent` names what the run has no figure of.
    """

    dataset: str
    task: str
    against: Dimension
    columns: list[Column]
    lines: list[str]
    points: list[CurvePoint]
    anchors: list[Level]
    absent: list[str] = []
    note: str = ""


class Held(Strict):
    """The guideline that the run was held against, with its criteria."""

    id: str
    title: str
    version: str
    note: str = ""
    sha256: str
    criteria: list[Criterion]


class Reproduction(Strict):
    """What is needed to run it again, and to see that it is the same."""

    command: str
    pets_eval: str
    revision: str
    python: str
    platform: str
    cpus: int
    seed: int
    repeats: int
    unseeded: list[str]
    packages: dict[str, str]
    versions: dict[str, str]
    fingerprints: dict[str, str]
    study_sha256: str
    plan_sha256: str


class Counts(Strict):
    """How many cells were planned, and how they ended."""

    planned: int
    finished: int
    ended: dict[str, int]


class Scorecard(Strict):
    """The scorecard of one run under one guideline. There is no overall grade, on purpose."""

    schema_: Literal["pets-eval/scorecard/1"] = Field(default="pets-eval/scorecard/1", alias="schema")
    title: str
    created: str
    expires: str
    purpose: str
    data_subjects: str
    sharing_model: str
    threat_model: str
    residual_risks: list[str]
    counts: Counts
    datasets: list[DatasetCard]
    tasks: list[TaskPick]
    techniques: list[TechniqueCard]
    figures: list[Figure]
    tradeoffs: list[Tradeoff]
    curves: list[Curve] = []
    guideline: Held
    verdicts: list[Verdict]
    ended: list[Ended]
    broken: list[Broken]
    reproduction: Reproduction
