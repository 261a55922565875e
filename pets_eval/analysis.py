"""A finished run as tidy DataFrames and figures, for notebooks.

from pets_eval import open_run
run = open_run("out")
run.scores.query("metric == 'mean-absolute-error'").groupby("technique").value.mean()
run.figure("marginals")
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pets_eval.guideline.load import load_guideline
from pets_eval.guideline.model import Plots
from pets_eval.guideline.subject import labeller
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.params import near
from pets_eval.model.record import Manifest, RunRecord
from pets_eval.report.chart import chart_svg
from pets_eval.report.model import Position, Scorecard, Tradeoff
from pets_eval.report.places import tradeoff_sheet
from pets_eval.report.scorecard import scorecard
from pets_eval.report.tradeoff import tradeoffs
from pets_eval.report.words import guarantee_status
from pets_eval.report.write import kept_guideline
from pets_eval.run.journal import read_run

if TYPE_CHECKING:
    import pandas as pd

_SPEC = ("dataset", "task", "technique", "repeat")


class Run:
    """The run kept in a directory: its records as values and as tables of one row per fact.

    Every table starts with identity, dataset, task, technique (with its parameters), repeat. Raises `PetsEvalError` if
    the directory is not a run.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.manifest: Manifest
        self.records: list[RunRecord]
        self.manifest, self.records = read_run(self.directory)
        self._label = labeller([p.spec for p in self.manifest.plan] + [r.spec for r in self.records])

    def __repr__(self) -> str:
        finished = sum(r.status == "finished" for r in self.records)
        return f"Run({str(self.directory)!r}: {self.manifest.study.name!r}, {finished} of {len(self.records)} finished)"

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: how it ended, when, and its parameters (columns `param_...`)."""
        rows = (
            {
                **self._key(r),
                "name": r.spec.technique,
                "family": r.spec.family,
                "anchor": r.spec.anchor,
                "kind": r.spec.kind,
                "status": r.status,
                "reason": r.reason,
                "attempts": r.attempts,
                "started": r.started,
                "ended": r.ended,
                "overhead_s": r.overhead_s,
                "release_kind": r.release_kind,
                **{f"param_{k}": v for k, v in r.spec.params.items()},
            }
            for r in self.records
        )
        return _frame(rows, ["status", "reason"])

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per figure of each metric on each cell: value, low, high (NaN: not measured), seat, group."""
        rows = (
            {
                **self._key(r),
                "metric": metric,
                "axis": m.axis,
                "goal": m.goal,
                "unit": m.unit,
                **row.model_dump(),
            }
            for r in self.records
            for metric, m in r.scores.items()
            for row in m.rows
        )
        frame = _frame(rows, ["metric", "value", "low", "high"])
        return frame.astype({"value": "float64", "low": "float64", "high": "float64"})

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row per cell that stated something: its claims, and the guarantee of its release if there is one."""
        rows = []
        for r in self.records:
            if r.claims is None:
                continue
            row = {**self._key(r), **r.claims.model_dump()}
            if r.guarantee is not None:
                g = r.guarantee.guarantee()
                row |= {
                    "notion": g.notion,
                    "unit": g.unit,
                    "adjacency": g.adjacency,
                    "status": guarantee_status(r.guarantee),
                }
                row["proven"] = g.status == "proven" and not g.hazards  # what rests on a violated assumption is not
                row |= {"hazards": list(g.hazards), **{f"claimed_{k}": v for k, v in g.parameters.items()}}
            rows.append(row)
        return _frame(rows, ["protects", "covers", "leaves"])

    @cached_property
    def costs(self) -> pd.DataFrame:
        """One row per cell with a meter reading: seconds, bytes and rounds (NaN: not measured)."""
        rows = ({**self._key(r), **r.cost.model_dump(exclude={"phases"})} for r in self.records if r.cost is not None)
        numbers = ["wall_s", "cpu_s", "peak_bytes", "sent_bytes", "rounds"]
        return _frame(rows, numbers).astype(dict.fromkeys(numbers, "float64"))

    def scorecard(self, guideline: str | None = None) -> Scorecard:
        """The scorecard under the guideline that the run keeps, or under *guideline* (a name or a path)."""
        criteria = load_guideline(guideline) if guideline else kept_guideline(self.directory)
        return scorecard(self.manifest, self.records, criteria)

    def figure(self, task: str, *, dataset: str | None = None, x: str | None = None, y: str | None = None) -> Chart:
        """Privacy (*x*) against utility (*y*) on one task, as the scorecard draws it.

        *dataset* defaults to the first one with figures, *x* and *y* to the metrics that the guideline prefers.
        Raises `PetsEvalError` if there is nothing to draw.
        """
        card = self._card
        names = {t.label for t in self.manifest.study.tasks}
        if task not in names:
            raise PetsEvalError(f"the run has no task {task!r}{near(task, names)}; it has: {', '.join(sorted(names))}")
        charts = self._charts(card, x, y)
        for chart in charts:
            if chart.task == task and dataset in (None, chart.dataset):
                return Chart(chart)
        asked = " and ".join(n for n in (x, y) if n) or "privacy and utility"
        raise PetsEvalError(f"too few techniques have figures of {asked} on {dataset or 'any dataset'} / {task}")

    def _charts(self, card: Scorecard, x: str | None, y: str | None) -> list[Tradeoff]:
        if x is None and y is None:
            return card.tradeoffs
        preferred = kept_guideline(self.directory).plots
        chosen: dict[str, list[str]] = {}
        for axis, asked in (("privacy", x), ("utility", y)):
            there = sorted({f.metric for f in card.figures if f.axis == axis})
            chosen[axis] = [asked] if asked else getattr(preferred, axis, None) or there
            if not chosen[axis]:
                raise PetsEvalError(
                    f"the run has no figure of {axis} to draw; run or score it with a metric of {axis} "
                    f"(see: pets-eval list metrics), or name a metric of another kind as x or y"
                )
        return tradeoffs(card.figures, card.techniques, Plots(privacy=chosen["privacy"], utility=chosen["utility"]))

    @cached_property
    def _card(self) -> Scorecard:
        return self.scorecard()

    def _key(self, record: RunRecord) -> dict[str, Any]:
        spec = record.spec
        values = (spec.dataset, spec.task, self._label(spec), spec.repeat)
        return {"identity": record.identity, **dict(zip(_SPEC, values, strict=True))}


@dataclass(frozen=True)
class Chart:
    """A chart that a notebook shows; `table` has its data."""

    data: Tradeoff

    def _repr_svg_(self) -> str:
        d = self.data
        # ids must differ between the charts of one notebook, and be the same in the next run of it
        key = hashlib.sha256("/".join((d.dataset, d.task, d.x.metric, d.y.metric)).encode()).hexdigest()[:8]
        return chart_svg(d, f"chart-{key}")

    def _repr_html_(self) -> str:
        sheet = tradeoff_sheet(self.data)
        heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in [sheet.first, *(h.text for h in sheet.headers)])
        rows = "".join(
            f'<tr><th scope="row">{escape(line.name)}</th>'
            + "".join(f"<td>{escape(c.text)} <small>{escape(c.small)}</small></td>" for c in line.cells)
            + "</tr>"
            for line in sheet.lines
        )
        return (
            f"<div>{self._repr_svg_()}<table><caption>{escape(sheet.caption)}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    @property
    def table(self) -> pd.DataFrame:
        """The points: privacy (x) and utility (y) with their ends, whether in the Pareto set, and who is alike."""
        import pandas as pd

        return pd.DataFrame(
            {
                "technique": p.technique,
                "anchor": p.anchor,
                **_ends("x", p.x),
                **_ends("y", p.y),
                "pareto": p.pareto,
                "beaten_by": p.better,
                "not_distinguishable_from": p.alike,
            }
            for p in self.data.points
        )

    def save(self, path: str | Path) -> Path:
        """Write the chart as an SVG file."""
        target = Path(path)
        target.write_text(self._repr_svg_(), encoding="utf-8")
        return target


def _ends(axis: str, p: Position) -> dict[str, float]:
    ends = {axis: p.value, f"{axis}_low": p.low, f"{axis}_high": p.high}
    return {name: math.nan if value is None else value for name, value in ends.items()}


def _frame(rows: Iterable[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a DataFrame that has the key columns and *columns* even when there is no row."""
    import pandas as pd

    frame = pd.DataFrame(list(rows))
    return frame.reindex(columns=list(dict.fromkeys(["identity", *_SPEC, *columns, *frame.columns])))
