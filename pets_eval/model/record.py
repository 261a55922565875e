"""What is written down: one record per cell, one manifest per run. Versioned; no raw row ever enters here."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema, field_validator

from pets_eval.model.claims import Guarantee
from pets_eval.model.evidence import Cost, Estimate, Score
from pets_eval.model.study import Strict, Study

Status = Literal["finished", "failed", "timed-out", "out-of-memory", "crashed", "skipped"]
IDENTITY = r"^[0-9a-f]{32,64}$"  # becomes a file name: nothing that could lead elsewhere


def _plain(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


def _measured(x: float) -> float | None:
    return None if math.isnan(x) else float(x)


def _not_nan(x: float) -> float:
    if math.isnan(x):
        raise ValueError("what was not measured is null, not NaN")
    return x


def _as_json(x: float) -> float | str:
    return x if math.isfinite(x) else "Infinity" if x > 0 else "-Infinity"


# A number that may be infinite; JSON has no word for that, so there it is the text "Infinity" or "-Infinity".
ExtendedReal = Annotated[
    float,
    Field(allow_inf_nan=True),
    AfterValidator(_not_nan),
    PlainSerializer(_as_json, return_type=float | str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]}),
]


class ScoreRow(Strict):
    """One `Score` on disk. A value that was not measured is null, and so is an end that is not known.

    A p-value by method "permutation" or "hypergeometric" has the smallest p-value that it could have given as `low`.
    """

    seat: str = ""
    group: str = ""
    statistic: str = ""
    value: ExtendedReal | None
    low: ExtendedReal | None = None
    high: ExtendedReal | None = None
    level: float = 0.95
    method: str = "exact"
    n: int = 1
    note: str = ""

    @staticmethod
    def of(score: Score) -> ScoreRow:
        """From the value in memory: NaN becomes null, an infinity stays what it is."""
        e = score.estimate
        return ScoreRow(
            seat=score.seat,
            group=score.group,
            statistic=score.statistic,
            value=_measured(e.value),
            low=_measured(e.low),
            high=_measured(e.high),
            level=e.level,
            method=e.method,
            n=e.n,
            note=e.note,
        )

    def estimate(self) -> Estimate:
        """Back to the value in memory."""
        nan = math.nan
        value, low, high = (nan if x is None else x for x in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.level, self.method, self.n, self.note)


class MetricResult(Strict):
    """What one metric (by the hash of its source) found on one cell.

    `range` is what it can be; null = unbounded. `needs` names the evidence that it reads, `lacks` what of it was not
    there, for which reason it does not apply; `headline` the statistics that matter first (none: all).
    """

    source: str
    axis: str
    goal: str
    unit: str
    range: tuple[float | None, float | None] = (None, None)
    needs: list[str] = []
    lacks: list[str] = []
    headline: list[str] = []
    status: Literal["measured", "not-applicable", "failed"]
    reason: str = ""
    rows: list[ScoreRow] = []

    @field_validator("range", mode="before")
    @classmethod
    def _unbounded(cls, value: Any) -> Any:
        return tuple(None if v is None or math.isinf(v) else float(v) for v in value)


class GuaranteeRow(Strict):
    """A `Guarantee` on disk."""

    notion: str
    unit: str
    adjacency: str
    parameters: dict[str, float | None]
    events: list[dict[str, Any]] = []
    status: Literal["proven", "heuristic", "none"] = "proven"
    assumes: list[str] = []
    hazards: list[str] = []

    @staticmethod
    def of(g: Guarantee) -> GuaranteeRow:
        """From the value in memory."""
        return GuaranteeRow(
            notion=g.notion,
            unit=g.unit,
            adjacency=g.adjacency,
            parameters={k: _plain(v) for k, v in g.parameters.items()},
            events=[dict(e) for e in g.events],
            status=g.status,
            assumes=list(g.assumes),
            hazards=list(g.hazards),
        )

    def guarantee(self) -> Guarantee:
        """Back to the value in memory; a null parameter is infinite."""
        return Guarantee(
            notion=self.notion,
            unit=self.unit,
            adjacency=self.adjacency,
            parameters={k: math.inf if v is None else v for k, v in self.parameters.items()},
            events=tuple(self.events),
            status=self.status,
            assumes=tuple(self.assumes),
            hazards=tuple(self.hazards),
        )


class ClaimsRow(Strict):
    """`Claims` on disk."""

    protects: list[str]
    trust_model: str
    adversary: str
    objectives: list[str]
    covers: str
    leaves: str
    deterministic: bool = False
    seeded: bool = False
    notes: str = ""


class CostRow(Strict):
    """A `Cost` on disk; null = not measured (a release that was made elsewhere)."""

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_bytes: float | None = None
    sent_bytes: float | None = None
    rounds: float | None = None
    phases: dict[str, dict[str, float]] = {}

    def cost(self) -> Cost:
        """Back to the value in memory; NaN where not measured."""
        nan = math.nan
        figures = (self.wall_s, self.cpu_s, self.peak_bytes, self.sent_bytes, self.rounds)
        wall, cpu, peak, sent, rounds = (nan if x is None else x for x in figures)
        return Cost(wall, cpu, peak, sent, rounds, self.phases)


class Flow(Strict):
    """What crossed from one party to another under one label."""

    sender: str
    receiver: str
    label: str
    messages: int
    nbytes: int


class Artifact(Strict):
    """A kept file of the cell, inside the run's confidential folder, by its digest."""

    path: str
    sha256: str
    nbytes: int

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("an artifact lies inside the confidential folder")
        return value


class Spec(Strict):
    """What one cell is: enough to run it again."""

    kind: Literal["cell", "probe"] = "cell"
    dataset: str
    task: str
    technique: str
    label: str
    family: str
    params: dict[str, Any] = {}
    repeat: int = 0
    anchor: bool = False
    probe: str = ""


class RunRecord(Strict):
    """The record of one cell. `identity` is a hash of the spec, the sources, the versions and the data."""

    schema_: Literal["pets-eval/run/1"] = Field(default="pets-eval/run/1", alias="schema")
    identity: str = Field(pattern=IDENTITY)
    spec: Spec
    status: Status
    reason: str = ""
    attempts: int = 1
    started: str = ""
    ended: str = ""
    overhead_s: float | None = None
    release_kind: Literal["answer", "microdata", "model"] | None = None
    release_notes: list[str] = []
    claims: ClaimsRow | None = None
    guarantee: GuaranteeRow | None = None
    cost: CostRow | None = None
    flows: list[Flow] = []
    seats: list[str] = []
    artifacts: list[Artifact] = []
    versions: dict[str, str] = {}
    scores: dict[str, MetricResult] = {}


class DatasetFacts(Strict):
    """Public facts of a dataset as it stood in the run."""

    use: str
    fingerprint: str
    prepared: str = Field(pattern=IDENTITY)
    title: str
    description: str
    source: str
    licence: str
    url: str = ""
    population: str = ""
    generated: bool = False
    not_for: list[str] = []
    notes: list[str] = []
    unit: str = "record"
    unit_is: str = ""
    rows: int | None = None
    columns: dict[str, Any] = {}
    from_data: list[str] = []
    parties: dict[str, int] = {}
    layout: str = "pooled"
    train_rows: int = 0
    control_rows: int = 0


class Planned(Strict):
    """A cell of the plan."""

    identity: str = Field(pattern=IDENTITY)
    spec: Spec


class Manifest(Strict):
    """What a run is: the study as resolved, the plan, the data, the software."""

    schema_: Literal["pets-eval/manifest/1"] = Field(default="pets-eval/manifest/1", alias="schema")
    study: Study
    created: str
    command: str = ""
    pets_eval: str
    revision: str = ""
    python: str = ""
    platform: str = ""
    cpus: int = 0
    packages: dict[str, str] = {}
    datasets: dict[str, DatasetFacts] = {}
    plan: list[Planned] = []
