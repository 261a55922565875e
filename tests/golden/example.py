"""Hand-made runs for the tests of guideline, report and analysis: no technique runs, every value is written here.

`python tests/golden/example.py` writes the golden files anew, after a look at what changed and why.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path

from pets_eval.guideline.load import load_guideline
from pets_eval.model.claims import Guarantee
from pets_eval.model.record import (
    ClaimsRow,
    CostRow,
    DatasetFacts,
    GuaranteeRow,
    Manifest,
    MetricResult,
    Planned,
    RunRecord,
    ScoreRow,
    Spec,
)
from pets_eval.model.study import Study
from pets_eval.registry import metric_spec

# metric -> (axis, goal, unit)
METRICS = {
    "mean-absolute-error": ("utility", "min", "as the statistic"),
    "mean-relative-error": ("utility", "min", "ratio"),
    "auroc": ("utility", "max", "probability"),
    "total-variation": ("fidelity", "min", "probability"),
    "group-error-ratio": ("equity", "min", "ratio"),
    "claimed-epsilon": ("privacy", "min", "nats"),
    "claimed-delta": ("privacy", "min", "probability"),
    "recomputed-epsilon": ("privacy", "min", "nats"),
    "implied-risk": ("privacy", "min", "probability"),
    "audited-epsilon": ("privacy", "min", "nats; advantage as a rate"),
    "timing-channel": ("privacy", "min", "area under the ROC curve"),
    "exact-cell-disclosure": ("privacy", "min", "share of small cells"),
    "noise-fit": ("privacy", "max", "p-value"),
    "wall-time": ("cost", "min", "s"),
    "cpu-time": ("cost", "min", "s"),
    "peak-memory": ("cost", "min", "bytes"),
    "bytes-sent": ("cost", "min", "bytes"),
}
DP_CLAIMS = ClaimsRow(
    protects=["output-privacy"],
    trust_model="central",
    adversary="malicious",
    objectives=["disassociability"],
    covers="Any one person, from everybody who reads the release: hardly anything in it depends on that person.",
    leaves="The curator sees the raw data. Facts about large groups are meant to be learned.",
)
RAW_CLAIMS = ClaimsRow(
    protects=[],
    trust_model="none",
    adversary="none",
    objectives=[],
    covers="Nothing. It is the anchor that shows what exact answers cost in privacy.",
    leaves="Every record of every person, for everybody who reads the release.",
    deterministic=True,
    seeded=True,
)
NULL_CLAIMS = ClaimsRow(
    protects=["input-privacy", "output-privacy"],
    trust_model="none",
    adversary="malicious",
    objectives=["disassociability"],
    covers="Every person, from everybody: the release is made without looking at a record.",
    leaves="What the public schema says already. Its answers are worthless by design.",
    seeded=True,
)
SAMPLE_CLAIMS = ClaimsRow(
    protects=["output-privacy"],
    trust_model="central",
    adversary="honest-but-curious",
    objectives=["disassociability"],
    covers="The 90% of people who are not in the sample, and doubt about who is in it.",
    leaves="Sampled people are published as they are.",
    seeded=True,
)


def row(value, low=None, high=None, **more):
    """A score row; a plain number is exact unless it is given ends or a method."""
    if low is None and high is None and "method" not in more:
        low = high = value
    elif "method" not in more:
        more["method"] = "bootstrap"
    return ScoreRow(value=value, low=low, high=high, **more)


def scores(**values):
    """Metric results from `metric_name=value`, a ScoreRow, a list of them, or a reason why it does not apply."""
    done = {}
    for key, value in values.items():
        name = key.replace("_", "-")
        axis, goal, unit = METRICS[name]
        about = {"source": "aa" * 32, "axis": axis, "goal": goal, "unit": unit, "range": metric_spec(name).range}
        if isinstance(value, str):
            status, _, reason = value.partition(": ")
            done[name] = MetricResult(**about, status=status, reason=reason)
        else:
            rows = value if isinstance(value, list) else [value if isinstance(value, ScoreRow) else row(value)]
            done[name] = MetricResult(**about, status="measured", rows=rows)
    return done


def dp(epsilon, delta=0.0, *, unit="SEQN", hazards=()):
    """A guarantee of differential privacy."""
    parameters = {"epsilon": epsilon} | ({"delta": delta} if delta else {})
    notion = "approx-dp" if delta else "pure-dp"
    assumed = ("each person has one row",)
    return GuaranteeRow.of(
        Guarantee(
            notion=notion,
            unit=unit,
            adjacency="add-remove",
            parameters=parameters,
            assumes=assumed,
            hazards=tuple(hazards),
        )
    )


def record(technique="dp-noise", params=None, *, dataset="people", task="counts", repeat=0, status="finished", **more):
    """A record of one cell; `more` sets any other field of the record or of its spec."""
    params = params or {}
    spec_keys = {k: more.pop(k) for k in ("label", "family", "anchor", "kind", "probe") if k in more}
    shown = ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
    label = spec_keys.pop("label", f"{technique} ({shown})" if shown else technique)
    family = spec_keys.pop("family", "dp" if technique.startswith("dp-") else "baselines")
    spec = Spec(
        dataset=dataset,
        task=task,
        technique=technique,
        label=label,
        family=family,
        params=params,
        repeat=repeat,
        **{"anchor": technique in ("raw", "null")} | spec_keys,
    )
    cell = [dataset, task, label, repeat, spec.probe]
    identity = hashlib.sha256(json.dumps(cell).encode()).hexdigest()[:32]
    if status == "finished":
        claims = {"raw": RAW_CLAIMS, "null": NULL_CLAIMS, "sampling": SAMPLE_CLAIMS}.get(technique, DP_CLAIMS)
        more = {"claims": claims, "release_kind": "answer", "versions": {"numpy": "2.0.0"}} | more
    return RunRecord(identity=identity, spec=spec, status=status, **more)


def facts(use="people", **more):
    """Public facts of a dataset."""
    about = {
        "fingerprint": "0123456789abcdef" * 4,
        "prepared": "fedcba9876543210" * 4,
        "title": "People",
        "description": "A few made-up people.",
        "source": "written by hand",
        "licence": "CC0-1.0",
        "unit": "SEQN",
        "unit_is": "person",
        "train_rows": 700,
        "control_rows": 300,
        "columns": {"SEQN": {"kind": "id", "roles": ["unit"]}, "sex": {"kind": "categorical", "domain": ["F", "M"]}},
    }
    return DatasetFacts(use=use, **about | more)


def manifest(records, *, datasets=None, plan=None, created="2025-03-01T12:00:00Z", **study):
    """The manifest of a run with these records, and a study that states everything unless told otherwise."""
    specs = [r.spec for r in records]
    about = {
        "name": "Example study",
        "purpose": "Publish counts for public health planning.",
        "data_subjects": "Respondents of a survey.",
        "sharing_model": "publish",
        "threat_model": "Anybody who reads the release, with any background knowledge.",
        "residual_risks": ["Group-level facts may stigmatise a group."],
        "expires": "2026-03-01",
        "repeats": max(s.repeat for s in specs) + 1,
        "datasets": [{"use": d} for d in dict.fromkeys(s.dataset for s in specs)],
        "tasks": [{"use": t} for t in dict.fromkeys(s.task for s in specs)],
        "techniques": [{"use": t} for t in dict.fromkeys(s.technique for s in specs)],
    }
    found = datasets or {d: facts(d) for d in dict.fromkeys(s.dataset for s in specs)}
    planned = [Planned(identity=r.identity, spec=r.spec) for r in records] if plan is None else plan
    return Manifest(
        study=Study(**about | study),
        created=created,
        command="pets-eval run study.yaml -o out",
        pets_eval="0.1.0",
        revision="0f1e2d3c",
        python="3.11.7",
        platform="Linux x86_64",
        cpus=2,
        packages={"numpy": "2.0.0", "opendp": "0.16.0"},
        datasets=found,
        plan=planned,
    )


def small():
    """Two techniques and the anchors on one task: the run behind the golden files."""
    records = []
    for i in range(3):
        cost = {"wall_time": 0.1 + i / 100, "cpu_time": 0.1, "peak_memory": 2.5e7 + i, "bytes_sent": 0}
        records += [
            record(
                "raw",
                repeat=i,
                scores=scores(
                    mean_absolute_error=0,
                    exact_cell_disclosure=1,
                    **cost,
                    claimed_epsilon="not-applicable: no guarantee is claimed",
                ),
            ),
            record(
                "null",
                repeat=i,
                scores=scores(
                    mean_absolute_error=40 + i,
                    exact_cell_disclosure=0.01,
                    **cost,
                    claimed_epsilon="not-applicable: no guarantee is claimed",
                ),
            ),
            record(
                "dp-noise",
                {"epsilon": 1.0},
                repeat=i,
                guarantee=dp(1.0),
                cost=CostRow(wall_s=0.1),
                scores=scores(
                    mean_absolute_error=[row(2 + i), row(4 + i, group="sex=F")],
                    claimed_epsilon=1.0,
                    exact_cell_disclosure=0.02,
                    group_error_ratio=1.5,
                    noise_fit=0.2 + i / 10,
                    **cost,
                ),
            ),
        ]
    records += [
        record("dp-noise", {"epsilon": 0.1}, status="timed-out", reason="stopped after 300 s (limit 300 s)"),
        record(
            "dp-<b>odd</b>", {"epsilon": 9.0}, status="failed", reason="ValueError: a|b `c` <script>alert(1)</script>"
        ),
    ]
    return manifest(records), records


def rich(repeats=5, tasks=("marginals", "group-means", "classification")):
    """Two datasets, three tasks, eight techniques, and one cell of every kind of bad end."""
    draw = random.Random(20250301)
    hostile = "<script>alert(1)</script>"
    datasets = {
        "nhanes": facts(
            "nhanes",
            title="NHANES 2017-2018",
            source="US CDC, National Center for Health Statistics",
            description="A federal health survey: demographics, blood pressure, diabetes, for 9,254 people.",
            licence="Public domain (US government work)",
            url="https://wwwn.cdc.gov/nchs/nhanes/",
            population="Civilian residents of the United States",
            not_for=["re-identifying respondents"],
            columns={
                "SEQN": {"kind": "id", "roles": ["unit"]},
                "sex": {"kind": "categorical", "domain": ["F", "M"]},
                "WTMEC2YR": {"kind": "real", "bounds": [0, 419763], "roles": ["weight"]},
            },
            train_rows=6478,
            control_rows=2776,
        ),
        "hospitals": facts(
            "hospitals",
            title="Hospitals (generated)",
            generated=True,
            unit="record",
            description="Patients of five hospitals that differ, drawn from published aggregates.",
            source="generated by pets-eval",
            columns={
                hostile: {"kind": "categorical", "domain": ['"><img src=x onerror=1>']},
                "age": {"kind": "integer", "bounds": [0, 110]},
            },
            from_data=[hostile],
            train_rows=70_000,
            control_rows=30_000,
            layout="horizontal",
            parties={"north": 14_000, "south": 56_000},
        ),
    }
    variants = [("raw", {}, 0), ("null", {}, 120), ("sampling", {"p": 0.1}, 14)]
    variants += [("dp-laplace-marginals", {"epsilon": e}, 9 / e) for e in (0.1, 1.0, 10.0)]
    variants += [("dp-gaussian-marginals", {"epsilon": e, "delta": 1e-6}, 6 / e) for e in (1.0, 3.0)]
    records = []
    for dataset in datasets:
        for task in tasks:
            for technique, params, error in variants:
                records += [_rich_cell(draw, dataset, task, technique, params, error, i) for i in range(repeats)]
    return manifest(
        records,
        datasets=datasets,
        name="Which release of the health survey is safe enough?",
        attestations=[
            {
                "criterion": "DP-07",
                "statement": "Bounds come from the public codebook",
                "by": "J. Doe, privacy officer",
                "date": "2025-02-20",
            }
        ],
    ), records


def _rich_cell(draw, dataset, task, technique, params, error, i):
    where = {"dataset": dataset, "task": task, "repeat": i}
    bad = {
        ("sampling", "hospitals", "group-means"): ("failed", "ValueError: a group has no row in the sample"),
        ("dp-gaussian-marginals", "hospitals", "classification"): ("out-of-memory", "stopped at 4.1 GB (limit 4 GB)"),
        ("dp-laplace-marginals", "nhanes", "classification"): ("skipped", "this technique answers no classification"),
    }.get((technique, dataset, task))
    if technique == "dp-laplace-marginals" and dataset == "hospitals" and task == "marginals" and i == 3:
        bad = ("crashed", "killed by signal 11 (segmentation fault)")
    if technique == "dp-gaussian-marginals" and dataset == "nhanes" and task == "group-means" and i == 4:
        bad = ("timed-out", "stopped after 300 s (limit 300 s)")
    if bad:
        return record(technique, params, status=bad[0], reason=bad[1], **where)
    noisy = error * draw.uniform(0.8, 1.25)
    if task == "classification":
        auc = max(0.5, 0.86 - error / 120) + draw.uniform(-0.01, 0.01)
        values = {"auroc": row(round(auc, 4), round(auc - 0.012, 4), round(auc + 0.012, 4), n=2776)}
        values |= dict.fromkeys(
            ("exact_cell_disclosure", "group_error_ratio"), "not-applicable: the task asks for no counts"
        )
    else:
        hits = 1.0 if not error else min(0.9, 0.6 / (1 + error)) * draw.uniform(0.8, 1.2)
        ratios = {g: draw.uniform(1.1, 2.4) for g in ("sex", "age", "ethnicity")} if error else {}
        worst = [row(v, group=g, note=f"worst served: {g} = 80+") for g, v in ratios.items()]
        values = {
            "mean_absolute_error": [row(noisy, statistic="count")],
            "mean_relative_error": [row(noisy / 300, statistic="count")],
            "total_variation": [row(min(1, noisy / 400 * k), statistic=s) for s, k in (("mean", 1), ("max", 2))],
            "group_error_ratio": [*worst, row(max(ratios.values()), statistic="max")]
            if ratios
            else "not-applicable: no group has any error",
            "exact_cell_disclosure": row(
                hits, max(0, hits - 0.04), min(1, hits + 0.05), n=180, seat="public", method="wilson"
            ),
        }
        if task == "group-means":
            values["mean_absolute_error"].append(row(noisy / 7, statistic="mean"))
    guarantee = None
    if technique.startswith("dp-"):
        guarantee = dp(params["epsilon"], params.get("delta", 0.0), unit="SEQN" if dataset == "nhanes" else "record")
        values |= {"claimed_epsilon": params["epsilon"], "claimed_delta": params.get("delta", 0.0)}
        values["noise_fit"] = draw.uniform(0.02, 0.98)
    else:
        values["claimed_epsilon"] = math.inf if technique == "raw" else "not-applicable: no guarantee is claimed"
    values |= {
        "wall_time": draw.uniform(0.2, 4),
        "cpu_time": draw.uniform(0.2, 4),
        "peak_memory": draw.uniform(2e7, 6e8),
        "bytes_sent": 0 if dataset == "nhanes" else 9.1e6,
    }
    cost = CostRow(wall_s=1.0, cpu_s=0.9, peak_bytes=1e8, sent_bytes=0, rounds=1)
    return record(technique, params, guarantee=guarantee, cost=cost, scores=scores(**values), **where)


def golden_reports():
    """The three reports of `small`, by file name."""
    from pets_eval.report.as_json import to_json
    from pets_eval.report.html import to_html
    from pets_eval.report.markdown import to_markdown
    from pets_eval.report.scorecard import scorecard

    card = scorecard(*small(), load_guideline("core"))
    return {"scorecard.json": to_json(card), "scorecard.md": to_markdown(card), "scorecard.html": to_html(card)}


if __name__ == "__main__":
    for name, text in golden_reports().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
