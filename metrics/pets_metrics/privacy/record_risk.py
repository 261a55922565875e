"""Which people a release comes closer to than it comes to people who were not used: never only on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import bounded_mean
from pets_metrics.nearest import Index, coordinates
from pets_metrics.tables import Aligned, align, one_row_each, quasi_identifiers
from pets_metrics.utility.prediction import area_under_curve

Floats = NDArray[np.float64]

_LEVEL = 0.95
_RESAMPLES = 500


@metric(
    axis="privacy",
    goal="min",
    unit="risk",
    range=(0, 1),
    source="Distance calibrated per record: Watson et al., Difficulty calibration in membership inference (ICLR 2022); "
    "rank among held-out people: conformal p-values, Bates et al., Annals of Statistics 51 (2023)",
    headline=("mean", "most exposed decile"),
    cannot_show="That a person is safe: one at no risk from this attacker by distance may be at risk from another.",
)
def record_risk(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    least: int = 10,
    rng: np.random.Generator | None = None,
) -> list[Score]:
    """Risk of the people in *real* that the release comes closer to them than it should; 0.5 is chance, 1 is worst.

    See `record_risks` for a person's risk. Statistics: "mean", which is the area under the ROC curve of a membership
    attack by that distance (its interval as of `auroc`), or the mean alone without *control* (`bounded_mean`'s); "most
    exposed decile", the mean over the tenth of the people with the largest risks (bootstrap over the people of both
    tables), and "most exposed decile of control", the same for the held-out people among themselves: what chance gives,
    so it is exact. For each quasi-identifier, as group, the mean of the smallest group that has at least *least* people
    (`bounded_mean`'s interval); numbers are grouped by the schema's public cells. A category that was read from the
    rows is not told. Quasi-identifiers are those with the role, else all categorical columns.

    Of each unit of privacy, one real or control row is drawn by *rng*, so that people are compared and not their rows.
    Raises `Unsupported` where *real* has one person, and `align`'s errors.

    >>> table = lambda values: pd.DataFrame({"a": values})
    >>> real, control = table(np.arange(0.5, 40)), table(np.arange(0.7, 40))
    >>> [(s.statistic, round(s.estimate.value, 3)) for s in record_risk(real, real, control)]
    [('mean', 1.0), ('most exposed decile', 1.0), ('most exposed decile of control', 0.5)]
    """
    rng = np.random.default_rng(0) if rng is None else rng
    real = one_row_each(real, schema, rng)
    control = None if control is None else one_row_each(control, schema, rng)
    t = align(real, synthetic, control, schema)
    near = _nearness(t)
    risks = _risks(near)
    if near.control is None:
        mean = bounded_mean(risks, level=_LEVEL, note="no held-out people: not calibrated")
    else:
        mean = _area(near)
    scores = [Score(mean, statistic="mean"), Score(_exposed(near, rng), statistic="most exposed decile")]
    if near.control is not None:
        chance = _top_mean(_ranked(near.control, np.sort(near.control)))
        scores.append(Score(Estimate.exact(chance, n=len(near.control)), statistic="most exposed decile of control"))
    return scores + _smallest(t, risks, least)


def record_risks(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
) -> Floats:
    """The risk of each row of *real*, shape (rows,), in [0, 1]: how much closer the release comes to this person than
    to held-out people.

    For each person, d is the distance to the nearest released row and e that to the nearest other real row (Gower's,
    over all columns but ids and weights), and d / (d + e) tells how near the release comes for a person in such a
    neighbourhood: 0 for a copy, 0.5 where it is as near as others are (or both are 0). The risk is the share of the
    held-out people for whom that is larger, plus half of those for whom it is the same. If the release knows no more of
    this person than of held-out people, the risk is uniform between 0 and 1; one minus it is a conformal p-value of
    that hypothesis. Without *control* the risk is e / (d + e), which is not calibrated. The values are those of single
    people: keep them as confidential as the rows. Each row is taken for a person, whatever the unit of privacy. Raises
    `Unsupported` where *real* has one row.

    >>> real = pd.DataFrame({"a": [0.5, 10.5, 20.5]})
    >>> record_risks(real, pd.DataFrame({"a": [0.5, 15.5, 40.5]})).round(3).tolist()
    [1.0, 0.667, 0.667]
    """
    return _risks(_nearness(align(real, synthetic, control, schema)))


@dataclass(frozen=True, eq=False)
class _Nearness:
    """d / (d + e) of the real and of the held-out people; see `record_risks`."""

    real: Floats
    control: Floats | None


def _nearness(t: Aligned) -> _Nearness:
    if len(t.real) < 2:
        raise Unsupported("the real table has one row, so nobody is near this person")
    real, released = coordinates(t.schema, t.real, t.synthetic)
    others, release = Index(real), Index(released)
    own = _relative(release.search(real)[0][:, 0], others.search(real, 2)[0][:, 1])
    if t.control is None:
        return _Nearness(own, None)
    held = coordinates(t.schema, t.control, scale=t.real)[0]
    return _Nearness(own, _relative(release.search(held)[0][:, 0], others.search(held)[0][:, 0]))


def _relative(d: Floats, e: Floats) -> Floats:
    relative: Floats = np.divide(d, d + e, out=np.full_like(d, 0.5), where=d + e > 0)
    return relative.round(12)  # so that ties are ties


def _risks(near: _Nearness) -> Floats:
    return 1 - near.real if near.control is None else _ranked(near.real, np.sort(near.control))


def _ranked(values: Floats, ordered: Floats) -> Floats:
    """The share of *ordered* that is larger than each value, those that are the same counting half."""
    larger = len(ordered) - np.searchsorted(ordered, values, side="right")
    reached = len(ordered) - np.searchsorted(ordered, values, side="left")
    share: Floats = (larger + reached) / (2 * len(ordered))
    return share


def _area(near: _Nearness) -> Estimate:
    """Probability that the release comes closer to a real person than to a held-out one."""
    assert near.control is not None
    return area_under_curve(-near.real, -near.control, _LEVEL)


def _exposed(near: _Nearness, rng: np.random.Generator) -> Estimate:
    """The mean risk of the tenth of the people that has the largest; the bootstrap counts people instead of copying."""
    real = np.sort(near.real)  # the largest risks first
    held = None if near.control is None else np.sort(near.control)
    n, count = len(real), max(1, round(len(real) / 10))
    above = np.zeros((2, n), dtype=np.int64)
    if held is not None:
        above = np.stack([np.searchsorted(held, real, side=side) for side in ("left", "right")])

    def exposed(people: NDArray[np.int64], others: NDArray[np.int64] | None) -> float:
        """The figure if each real and each held-out person is there so many times."""
        if others is None:
            risks = 1 - real
        else:
            upto = np.concatenate([[0], np.cumsum(others)])
            risks = 1 - upto[above].mean(axis=0) / len(others)
        taken = np.clip(count - (np.cumsum(people) - people), 0, people)
        return float((taken * risks).sum()) / count

    def drawn(size: int) -> NDArray[np.int64]:
        return np.bincount(rng.integers(0, size, size), minlength=size)

    value = exposed(np.ones(n, dtype=np.int64), None if held is None else np.ones(len(held), dtype=np.int64))
    values = [exposed(drawn(n), None if held is None else drawn(len(held))) for _ in range(_RESAMPLES)]
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]).tolist()
    return Estimate(value, min(low, value), max(high, value), _LEVEL, "bootstrap", n)


def _top_mean(risks: Floats) -> float:
    count = max(1, round(len(risks) / 10))
    return float(np.partition(risks, len(risks) - count)[-count:].mean())


def _smallest(t: Aligned, risks: Floats, least: int) -> list[Score]:
    """The mean risk in the smallest group of each quasi-identifier."""
    scores = []
    for name in [n for n in t.names if n in _quasi(t.schema)]:
        column = t.schema.columns[name]
        codes = column.codes(t.real[name])
        sizes = np.bincount(codes)
        large = np.flatnonzero(sizes >= max(2, least))
        if len(large) < 2:
            continue
        group = int(large[sizes[large].argmin()])
        estimate = bounded_mean(risks[codes == group], level=_LEVEL)
        shown = "its smallest group" if column.from_data else column.cells()[group]
        scores.append(Score(estimate, group=f"{name} = {shown}", statistic="mean of the smallest group"))
    return scores


def _quasi(schema: Schema) -> list[str]:
    try:
        return quasi_identifiers(schema)
    except Unsupported:
        return []
