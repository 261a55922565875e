"""Score what a cell released: assemble the evidence by name, hand each metric the pieces it asks for."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_eval.model.answer import Answer
from pets_eval.model.data import Dataset, Inputs, Task
from pets_eval.model.errors import Unsupported
from pets_eval.model.evidence import MetricSpec
from pets_eval.model.record import CostRow, MetricResult, ScoreRow
from pets_eval.model.release import IDEAL, PUBLIC, Message, Release, View
from pets_eval.model.technique import Technique
from pets_eval.registry import as_scores, inject, lacking, metric_spec, source_hash
from pets_eval.run.build import blame, claims_row, inputs_of, plug_ins
from pets_eval.run.context import Adversary, Meter, RunContext
from pets_eval.run.files import canonical_hash, write_json
from pets_eval.run.identity import base_versions
from pets_eval.run.job import STARTED, Job
from pets_eval.run.seeds import generator
from pets_eval.run.store import load_answer, load_held, load_release, save_answer
from pets_eval.run.transcript import read_transcript

if TYPE_CHECKING:
    import pandas as pd


class Evidence(Mapping[str, Any]):
    """Pieces of evidence by name, each made when a metric first asks for it."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = {name: cache(make) for name, make in makers.items()}

    def __getitem__(self, name: str) -> Any:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def plus(self, **values: Any) -> Evidence:
        """This evidence and more."""
        return Evidence({**self._makers, **{name: partial(values.__getitem__, name) for name in values}})


def score(job: Job) -> dict[str, Any]:
    """Compute the metrics of *job* on a kept release; each result is on disk as soon as it is there."""
    technique, task, dataset = plug_ins(job)
    inputs = inputs_of(job, task, dataset)
    release = load_release(job.home / "release", getattr(technique, "load_model", None))
    cost = CostRow.model_validate(job.cost or {})
    messages = read_transcript(job.home / "spool", [p.name for p in inputs.parties])
    held = load_held(job.home / "held")
    start = time.perf_counter()
    evidence = assemble(job, task, dataset, technique, release, messages)
    evidence = evidence.plus(cost=cost.cost())
    seats = views(inputs, messages, held, release, job.coalitions, job.seats)
    job.scores_home.mkdir()
    (job.scores_home / STARTED).touch()
    for name in job.metrics:
        write_json(job.scores_home / f"{name}.json", measure(job, name, evidence, seats))
    return {"status": "finished", "reason": "", "seats": list(seats), "metric_s": time.perf_counter() - start}


def probe(job: Job) -> dict[str, Any]:
    """Run the technique afresh, as often as the metric of this probe cell wants, and score it."""
    technique, task, dataset = plug_ins(job)
    inputs = inputs_of(job, task, dataset)
    reason = technique.supports(task, inputs.schema, inputs.parties)
    if reason:
        raise Unsupported(reason)
    again = Rerun(job, technique, task, inputs)
    release, messages, held = again.observed()
    evidence = assemble(job, task, dataset, technique, release, messages).plus(rerun=again)
    seats = views(inputs, messages, held, release, job.coalitions, job.seats)
    with Meter() as meter:
        name = job.cell().probe
        scores = {name: measure(job, name, evidence, seats)}
    return {
        "status": "finished",
        "reason": "",
        "seats": list(seats),
        "claims": claims_row(technique.claims()),
        "cost": {"wall_s": meter.wall_s, "cpu_s": meter.cpu_s, "peak_bytes": meter.peak_bytes},
        "scores": scores,
        "metric_s": meter.wall_s,
    }


def assemble(
    job: Job, task: Task, dataset: Dataset, technique: Technique, release: Release, messages: Sequence[Message]
) -> Evidence:
    """The evidence of a cell. A name that does not apply here is absent, so that metrics which need it say so."""
    verify = getattr(technique, "verify", None)

    @cache
    def query() -> pd.DataFrame | None:
        return dataset.query() if task.wants_query else None

    @cache
    def truth() -> Answer:
        return true_answer(job, task, dataset)

    makers: dict[str, Callable[[], Any]] = {
        "task": lambda: task,
        "dataset": lambda: dataset,
        "schema": lambda: dataset.schema,
        "technique": lambda: technique,
        "release": lambda: release,
        "weight": lambda: release.weight,
        "answer": lambda: task.answer(release, dataset.schema, query()).on(truth().table.index),
        "truth": truth,
        "claims": lambda: technique.claims(),
        "transcript": lambda: tuple(messages),
        "real": lambda: dataset.train.frame(),
    }
    if release.guarantee is not None:
        makers["guarantee"] = lambda: release.guarantee
    if release.kind == "microdata" and task.wants_records:
        makers["synthetic"] = lambda: release.value.frame()  # type: ignore[union-attr]
    if dataset.control is not None:
        makers["control"] = lambda: dataset.control.frame()  # type: ignore[union-attr]
        makers["query"] = dataset.query
    if verify is not None and release.attachments:
        makers["verify"] = lambda: verify
    return Evidence(makers)


def measure(job: Job, name: str, evidence: Evidence, seats: Mapping[str, View]) -> dict[str, Any]:
    """What a metric found, as plain values; a metric that fails costs nobody else anything."""
    return _measure(job, metric_spec(name), evidence, seats).model_dump(mode="json")


def _measure(job: Job, spec: MetricSpec, evidence: Evidence, seats: Mapping[str, View]) -> MetricResult:
    def result(status: Any, reason: str = "", rows: Sequence[ScoreRow] = (), lacks: Sequence[str] = ()) -> MetricResult:
        return MetricResult(
            source=source_hash("metrics", spec.name),
            axis=spec.axis,
            goal=spec.goal,
            unit=spec.unit,
            range=spec.range,
            needs=list(spec.needs),
            lacks=list(lacks),
            headline=list(spec.headline),
            status=status,
            reason=reason,
            rows=list(rows),
        )

    per_seat = "view" in spec.needs
    missing = [n for n in lacking(spec, evidence) if n not in ("view", "rng")]
    if missing:
        return result("not-applicable", _lacks(missing, evidence), lacks=missing)
    rows: list[ScoreRow] = []
    reasons: list[str] = []
    for seat in seats if per_seat else [""]:
        given = evidence.plus(view=seats[seat]) if per_seat else evidence
        # a generator of the metric's own: adding a metric changes nobody's draws
        cell = job.cell()
        rng = generator(job.seed, cell.dataset, cell.task, cell.technique, cell.params, cell.repeat, spec.name, seat)
        try:
            found = as_scores(spec, inject(spec.fn, given.plus(rng=rng)), seat=seat)
            rows += [ScoreRow.of(s) for s in found]
        except Unsupported as why:
            reasons.append(str(why))
            continue
        except MemoryError:
            raise
        except Exception as error:
            traceback.print_exc()
            return result("failed", blame(error))
    if not rows:
        return result("not-applicable", "; ".join(dict.fromkeys(reasons)) or "no seat to play it from")
    return result("measured", rows=rows)


def _lacks(missing: Sequence[str], evidence: Evidence) -> str:
    """Why the evidence that a metric needs is not there."""
    if "synthetic" in missing and evidence["release"].kind == "microdata":
        return "records are looked at on the task microdata only"
    words = {"synthetic": "released records", "control": "people held out", "guarantee": "guarantee"}
    return f"here is no {', no '.join(words.get(n, n) for n in missing)}"


def true_answer(job: Job, task: Task, dataset: Dataset) -> Answer:
    """The truth of the task on this dataset, computed once per study and kept."""
    facts = [job.data, job.task_use, job.task_params, source_hash("tasks", job.task_use), base_versions()]
    key = canonical_hash(facts)[:32]
    path = Path(job.root) / "truth" / f"{key}.parquet"
    if path.exists():
        return load_answer(path)
    truth = task.compute(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_answer(truth, path)
    return truth


def views(
    inputs: Inputs,
    messages: Sequence[Message],
    held: Mapping[tuple[str, str], Any],
    release: Release,
    coalitions: Sequence[Sequence[str]],
    wanted: Sequence[str] | None,
) -> dict[str, View]:
    """What an adversary has in each seat: the public, each party, each coalition, and "sum-only" where it is kept."""
    parties = {p.name for p in inputs.parties} | {m.sender for m in messages} | {m.receiver for m in messages}
    groups: list[tuple[str, ...]] = [(name,) for name in sorted(parties)]
    groups += [tuple(g) for g in coalitions if set(g) <= parties]
    if any(party == IDEAL for party, _ in held):
        groups.append((IDEAL,))
    seats = {PUBLIC: View(PUBLIC, (), None, {}, (), release)}
    for group in groups:
        seat = "+".join(group)
        holdings = {n: inputs.holdings[n] for n in group if n in inputs.holdings}
        own = Inputs(tuple(p for p in inputs.parties if p.name in group), holdings, inputs.schema, inputs.layout)
        kept = {key: value for key, value in held.items() if key[0] in group}
        received = tuple(m for m in messages if m.receiver in group)
        seats[seat] = View(seat, group, own, kept, received, release)
    return seats if wanted is None else {s: v for s, v in seats.items() if s in wanted}


class Rerun:
    """Runs the technique again: `rerun(inputs=None, n=1, adversary=None) -> list[Release]`.

    *inputs* replaces the parties' holdings (a neighbouring dataset); *adversary* may alter each message on its way.
    A technique with `prepare` is resolved once and releases many times.
    """

    def __init__(self, job: Job, technique: Technique, task: Task, inputs: Inputs) -> None:
        self.job, self.technique, self.task, self.inputs = job, technique, task, inputs
        self._mechanism: Any = None
        self._count = 0

    def __call__(
        self, *, inputs: Inputs | None = None, n: int = 1, adversary: Adversary | None = None
    ) -> list[Release]:
        """*n* releases of further runs."""
        inputs = inputs or self.inputs
        prepare = getattr(self.technique, "prepare", None)
        if prepare is not None and adversary is None:
            if self._mechanism is None:
                self._mechanism = prepare(self.task, inputs.schema, self._context(self._folder(), None))
            return list(self._mechanism.run_many(inputs, n))
        return [self._once(inputs, adversary)[0] for _ in range(n)]

    def observed(self) -> tuple[Release, tuple[Message, ...], dict[tuple[str, str], Any]]:
        """One run with its transcript and what the parties held."""
        return self._once(self.inputs, None, keep=True)

    def _once(
        self, inputs: Inputs, adversary: Adversary | None, *, keep: bool = False
    ) -> tuple[Release, tuple[Message, ...], dict[tuple[str, str], Any]]:
        folder = self._folder()
        ctx = self._context(folder, adversary)
        try:
            release = self.technique.run(self.task, inputs, ctx)
            messages = read_transcript(folder / "spool", [p.name for p in inputs.parties])
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
        return release, messages, ctx.held

    def _folder(self) -> Path:
        self.job.home.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="rerun-", dir=self.job.home))

    def _context(self, folder: Path, adversary: Adversary | None) -> RunContext:
        spec = self.job.cell()
        self._count += 1
        rng = generator(self.job.seed, spec.dataset, spec.task, spec.technique, spec.params, "rerun", self._count)
        return RunContext(rng, folder / "work", folder / "spool", adversary)
