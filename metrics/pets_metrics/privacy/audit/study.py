"""Audits as metrics of a study: the technique is run again on the study's own table and on neighbours of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pandas as pd

from pets_eval.model import Estimate, Guarantee, Inputs, PetsEvalError, Release, Table, Task, Unsupported
from pets_eval.registry import metric
from pets_metrics.privacy.attack_scores import auc
from pets_metrics.privacy.audit.around import of_table
from pets_metrics.privacy.audit.audit import audit
from pets_metrics.privacy.audit.claim import Claim
from pets_metrics.privacy.audit.outcomes import Outcomes
from pets_metrics.privacy.audit.probes import clocked
from pets_metrics.privacy.audit.target import Data
from pets_metrics.privacy.audit.techniques import moved_cells, narrowed, of_releases

_LEVEL = 0.95
_WITNESSES = 20  # records whose probabilities a released model is asked for


class Rerun(Protocol):
    """Runs the technique again; see `pets_eval.run`."""

    inputs: Inputs

    def __call__(self, *, inputs: Inputs | None = None, n: int = 1) -> Sequence[Release]:
        """*n* releases of further runs on *inputs*."""
        ...


@dataclass(eq=False)
class _Study:
    """The technique of a study cell as a target."""

    name: str
    rerun: Rerun
    party: str
    table: Table
    cells: tuple[str, ...] = ()
    witnesses: pd.DataFrame = field(default_factory=pd.DataFrame)

    def run_many(self, data: Data, n: int) -> Outcomes:
        """*n* releases on the table *data* in place of the study's."""
        assert isinstance(data, pd.DataFrame)
        changed = {**self.rerun.inputs.holdings, self.party: Table(self.table.schema, data=data)}
        releases = self.rerun(inputs=replace(self.rerun.inputs, holdings=changed), n=n)
        return narrowed(of_releases(releases, self.witnesses), self.cells)


@metric(
    axis="privacy",
    goal="min",
    unit="nats; advantage as a rate",
    range=(-math.inf, math.inf),
    source="Jagielski, Ullman and Oprea, Auditing differentially private machine learning (2020), section 4",
    headline=("lower bound", "excess"),
    cannot_show="That a claim holds. Other neighbours, other events or more runs may show more.",
    effort="rerun",
)
def audited_epsilon(
    rerun: Rerun,
    guarantee: Guarantee,
    task: Task,
    rng: np.random.Generator | None = None,
    seconds: float = 60.0,
    runs: int = 20_000,
) -> dict[str, Estimate]:
    """What an audit shows of the privacy loss of this release, beside what is claimed; a lower bound, not an estimate.

    The technique is run again on the study's table and on neighbours of it: without its most exposed unit, and with a
    unit of extreme values (in another's place, where the claim is for replaced units). The worst of these is confirmed
    on fresh runs, as many as *seconds* allow and *runs* at most in all. Statistics: "lower bound" on epsilon at the
    claimed delta, with 95 % confidence; "claimed"; "excess" = lower bound - claimed, above 0 a contradiction; "floor",
    the smallest true epsilon that would have been found against the claim in 95 % of tries (not measured where there
    is none); "advantage", the largest true minus false positive rate that an attacker on a mechanism with the lower
    bound may have, (e^epsilon - 1 + 2 delta) / (e^epsilon + 1) in [0, 1] (Humphries et al. 2023, theorem 3.1), and
    "claimed advantage". Raises `Unsupported` where no epsilon is claimed, no party holds the whole table, or too few
    runs fit.
    """
    rng = rng or np.random.default_rng(0)
    claim = _claimed(guarantee)
    party, table = _only_table(rerun.inputs)
    if claim.unit != table.schema.unit:
        raise Unsupported(f"the claim is per {claim.unit}, and the people of this table are told apart by another unit")
    pairs = of_table(table.frame(), table.schema, claim.neighbours)
    target = _Study("the technique", rerun, party, table, moved_cells(task, table.schema, pairs), _records(table))
    try:
        found = audit(target, claim, pairs, runs=runs, minutes=seconds / 60, level=_LEVEL, rng=rng)
    except PetsEvalError as why:
        raise Unsupported(str(why)) from None
    worst = found.worst
    note = f"{worst.neighbours}; {worst.event}; {found.outcome}"
    bound = worst.epsilon

    def lower(value: float, note: str = "") -> Estimate:
        return Estimate(value, value, math.inf, _LEVEL, "clopper-pearson", 2 * worst.runs, note)

    floor = Estimate.exact(worst.floor, n=2 * worst.runs) if math.isfinite(worst.floor) else None
    return {
        "lower bound": lower(bound, note),
        "claimed": Estimate.exact(claim.epsilon, note=f"per {claim.unit}, {claim.neighbours}"),
        "excess": lower(bound - claim.epsilon),
        "floor": floor or Estimate.missing("so few runs cannot contradict this claim"),
        "advantage": lower(advantage(bound, claim.delta)),
        "claimed advantage": Estimate.exact(advantage(claim.epsilon, claim.delta)),
    }


@metric(
    axis="privacy",
    goal="min",
    unit="area under the ROC curve",
    range=(0.5, 1),
    source="Haeberlen, Pierce and Narayan, Differential privacy under fire (2011), section 3",
    cannot_show="That nothing else beside the answer tells: only the time of whole runs is looked at.",
    effort="rerun",
)
def timing_channel(
    rerun: Rerun,
    guarantee: Guarantee | None = None,
    rng: np.random.Generator | None = None,
    runs: int = 60,
    seconds: float = 30.0,
) -> Estimate:
    """How well the time that a run takes tells the table from one without its most exposed unit; 0.5 is guessing.

    Runs on both tables take turns, *runs* of each. The area under the ROC curve of an attacker who has a clock and
    knows in which direction to look: the larger of A and 1 - A. Raises `Unsupported` where no party holds the whole
    table, or not even eight runs of each fit in *seconds*.
    """
    rng = rng or np.random.default_rng(0)
    replaced = guarantee is not None and guarantee.adjacency.startswith("replace")
    party, table = _only_table(rerun.inputs)
    pair = of_table(table.frame(), table.schema, "replace" if replaced else "add-remove")[0]
    target = _Study("the technique", rerun, party, table, (), _records(table))
    first, second = clocked(target, pair, 2, rng)
    fit = int(seconds / max(1e-9, first.sum() + second.sum()) * len(first))
    if fit < 8:
        raise Unsupported(f"two runs take {first.mean() + second.mean():.1f} s: too few fit in {seconds:g} s")
    first, second = clocked(target, pair, min(runs, fit), rng)
    area = auc(first, second, _LEVEL)
    low, high = (area.low, area.high) if area.value >= 0.5 else (1 - area.high, 1 - area.low)
    value = max(area.value, 1 - area.value)
    note = f"{pair.name}; {1000 * float(np.median(first)):.1f} against {1000 * float(np.median(second)):.1f} ms"
    return replace(area, value=value, low=max(0.5, low), high=high, note=note)


def advantage(epsilon: float, delta: float = 0.0) -> float:
    """Largest true minus false positive rate of any attack on an (*epsilon*, *delta*) mechanism, in [0, 1].

    Source: Humphries et al., "Investigating membership inference attacks under data dependencies" (2023), theorem 3.1.

    >>> round(advantage(1.0), 4), advantage(0.0, 1e-6)
    (0.4621, 1e-06)
    """
    return min(1.0, math.tanh(epsilon / 2) + delta * (1 - math.tanh(epsilon / 2)))


def _claimed(guarantee: Guarantee) -> Claim:
    try:
        return Claim.of(guarantee)
    except PetsEvalError as why:
        raise Unsupported(str(why)) from None


def _only_table(inputs: Inputs) -> tuple[str, Table]:
    tables = inputs.tables()
    if len(tables) != 1 or inputs.layout != "pooled":
        raise Unsupported("neighbouring data can be made where one party holds one table with all rows")
    return next(iter(tables.items()))


def _records(table: Table) -> pd.DataFrame:
    return next(table.batches(size=_WITNESSES))
