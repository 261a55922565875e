"""What every metric promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pets_eval.checks.asked import asked
from pets_eval.checks.toy import run
from pets_eval.model import Cost, MetricSpec, Score, Table, Unsupported, View
from pets_eval.model.evidence import Axis, Effort, Goal
from pets_eval.registry import as_scores, inject, lacking, make_technique

ANCHORS = ("raw", "null")
_OF_THE_RUN = ("release", "answer", "truth", "claims", "guarantee", "transcript", "view", "cost", "technique", "weight")
_OF_THE_DATA = ("schema", "task", "dataset", "real", "synthetic", "control", "query")
EVIDENCE = frozenset((*_OF_THE_RUN, *_OF_THE_DATA, "rng", "rerun", "verify"))

Metric = Callable[..., Any]


def check_metric_spec(plugin: Metric) -> None:
    """It is named after its function, says what it cannot show, and asks for evidence that exists."""
    spec: MetricSpec = plugin.spec  # type: ignore[attr-defined]
    assert spec.axis in get_args(Axis) and spec.goal in get_args(Goal) and spec.effort in get_args(Effort)
    assert spec.unit.strip(), f"{spec.name} has no unit"
    assert spec.range[0] < spec.range[1], f"{spec.name} has an empty range"
    assert (plugin.__doc__ or "").strip(), f"{spec.name} has no docstring"
    assert spec.cannot_show.strip(), f"{spec.name} does not say what it cannot show"
    unknown = set(spec.needs) - EVIDENCE
    assert not unknown, f"{spec.name} needs {sorted(unknown)}, which no run provides; give it a default"


def check_figures(plugin: Metric) -> None:
    """Figures lie within the declared range and their own intervals; one that is not measured says why."""
    spec: MetricSpec = plugin.spec  # type: ignore[attr-defined]
    for _, _, scores in _played(plugin):
        for score in scores:
            e = score.estimate
            assert 0 < e.level < 1 and e.n >= 0, f"{spec.name} has the level {e.level} and n = {e.n}"
            if math.isnan(e.value):
                assert e.note.strip(), f"{spec.name} is not measured and does not say why"
            else:
                low, high = spec.range
                assert low <= e.value <= high, f"{spec.name} = {e.value} lies outside its range [{low}, {high}]"
                assert not e.low > e.value and not e.value > e.high, f"{spec.name} lies outside its own interval"


def check_evidence_untouched(plugin: Metric) -> None:
    """It leaves the answers and tables it is shown as they were."""
    for evidence in _evidence(plugin):
        before = {k: v.copy() for k, v in _frames(evidence).items()}
        _scores(plugin, evidence)
        for name, frame in _frames(evidence).items():
            assert frame.equals(before[name]), f"{plugin.__name__} changes {name}"


def check_anchors(plugin: Metric) -> None:
    """Where it is anchored, publishing everything is the better end for use, and the worse end for privacy."""
    spec: MetricSpec = plugin.spec  # type: ignore[attr-defined]
    if not spec.anchored:
        return
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for anchor, task, scores in _played(plugin):
        for s in scores:
            if math.isfinite(s.estimate.value):
                found.setdefault((task, s.group, s.statistic), {})[anchor] = s.estimate.value
    pairs = {where: (v["raw"], v["null"]) for where, v in found.items() if len(v) == len(ANCHORS)}
    assert pairs, f"{spec.name} is anchored, but was measured on neither anchor"
    for where, (raw, null) in pairs.items():
        better, worse = (null, raw) if spec.axis == "privacy" else (raw, null)
        ordered = better < worse if spec.goal == "min" else better > worse
        assert ordered, f"{spec.name} does not tell the anchors apart on {where}: raw {raw:g}, null {null:g}"


CHECKS = (check_metric_spec, check_figures, check_evidence_untouched, check_anchors)


def _played(plugin: Metric) -> Iterator[tuple[str, str, list[Score]]]:
    """(anchor, task, scores) wherever the metric applies; skips the test if it needs to run techniques again."""
    import pytest

    if plugin.spec.effort != "stored":  # type: ignore[attr-defined]
        pytest.skip("it runs techniques again, which the toy evidence does not offer")
    for evidence in _evidence(plugin):
        scores = _scores(plugin, evidence)
        if scores is not None:
            yield evidence["technique"].name, evidence["task"].name, scores


def _scores(plugin: Metric, evidence: dict[str, Any]) -> list[Score] | None:
    spec: MetricSpec = plugin.spec  # type: ignore[attr-defined]
    if lacking(spec, evidence):
        return None
    try:
        return as_scores(spec, inject(plugin, evidence))
    except Unsupported as reason:
        assert str(reason).strip(), f"{spec.name} does not apply and does not say why"
        return None


def _evidence(plugin: Metric) -> Iterator[dict[str, Any]]:
    """What a metric may ask for, of both anchors on every task it is tried on."""
    import numpy as np

    for task, data in asked("metrics", plugin.__name__.replace("_", "-"), ("pooled",)):
        for anchor in ANCHORS:
            technique = make_technique(anchor, {})
            release, context = run(technique, task, data, 7)
            sent = float(sum(m.nbytes for m in context.messages))
            evidence = {
                "release": release,
                "answer": task.answer(release, data.schema, data.query()),
                "truth": task.compute(data),
                "claims": technique.claims(),
                "transcript": tuple(context.messages),
                "view": View("public", (), None, {}, (), release),
                "cost": Cost(wall_s=0.1, cpu_s=0.1, peak_bytes=1e6, sent_bytes=sent, rounds=0),
                "schema": data.schema,
                "task": task,
                "technique": technique,
                "dataset": data,
                "real": data.train.frame(),
                "control": data.control.frame() if data.control else None,
                "query": data.query(),
                "weight": release.weight,
                "rng": np.random.default_rng(7),
            }
            if release.guarantee is not None:
                evidence["guarantee"] = release.guarantee
            if isinstance(release.value, Table) and task.wants_records:
                evidence["synthetic"] = release.value.frame()
            yield evidence


def _frames(evidence: dict[str, Any]) -> dict[str, Any]:
    tables = {name: evidence[name].table for name in ("answer", "truth")}
    return tables | {n: evidence[n] for n in ("real", "synthetic", "control", "query") if evidence.get(n) is not None}
