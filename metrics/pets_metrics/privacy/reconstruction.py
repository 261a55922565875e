"""Linear reconstruction of people's sensitive values from released counts (Dinur and Nissim 2003).

Each released count that involves the sensitive column is a linear equation in the unknown values of the people whom it
counts. An attacker who knows everybody's other columns solves these equations. People who agree in all columns that the
equations know cannot be told apart, so the unknowns are their groups: how many of each have the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import ArrayLike, NDArray

from pets_eval.model import Answer, Estimate, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import difference, proportion, t_interval
from pets_metrics.privacy.differencing import CountTable, cell_numbers, count_tables
from pets_metrics.privacy.secret_columns import surest
from pets_metrics.rows import distinct_rows

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Method = Literal["least-squares", "l1"]

_LEVEL = 0.95
_ROUNDING = 1 / 12  # variance of what rounding to whole people takes away
_STEPS, _ROUNDS, _PRECISION = 40, 200, 1e-2  # of Newton's method, and of the conjugate gradients in each step
_CLOSE = 1e-2  # people by which a solved equation may be wrong
_NOTHING = 1e-12  # precision of a count that is left open
_TABLES = {"attack": "real", "control": "control"}


def reconstruct(
    matrix: Any,
    answers: ArrayLike,
    sizes: ArrayLike | None = None,
    prior: float = 0.5,
    variance: ArrayLike = _ROUNDING,
    method: Method = "least-squares",
) -> Floats:
    """Share of each group that has the value, in [0, 1], shape (groups,), from sums over groups with noise.

    *matrix* (an array or a sparse one of scipy, shape (queries, groups)) is 1 where a group is counted in a query;
    *answers*, shape (queries,), are the released sums; *sizes*, shape (groups,), how many people each group has, by
    default 1: then the result, rounded, is one bit per person. *prior* is the share of all people who have the value,
    and decides what the queries leave open. "least-squares" minimises the sum of squared residuals over *variance*
    (of the noise, a number or one per query) plus that of the deviations from the prior over prior (1 - prior),
    weighted by size; "l1" the sum of absolute residuals, by linear programming with HiGHS, without a prior.
    Source: Dinur and Nissim, "Revealing information while preserving privacy" (2003), section 3; l1: Dwork,
    McSherry and Talwar, "The price of privacy and the limits of LP decoding" (2007).

    >>> queries = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    >>> reconstruct(queries, [1, 1, 2]).round().tolist()
    [1.0, 0.0, 1.0]
    """
    a, b = scipy.sparse.csr_array(matrix, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    people = np.ones(a.shape[1]) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if a.shape != (len(b), len(people)) or not np.isfinite(b).all() or not (people > 0).all():
        raise PetsEvalError("there must be one finite answer per row of the matrix, and one positive size per column")
    if method == "l1":
        return _least_absolute(a, b, people)
    return shares(a.T, multipliers(a, b, people, prior, variance), prior)


def shares(groups: Any, multiplier: Floats, prior: float) -> Floats:
    """Share with the value of groups of which *groups*, shape (groups, queries), says in which queries they count.

    The least-squares solution has this form, so that it also says what the attack would believe of other people.
    """
    done: Floats = np.clip(prior + groups @ multiplier, 0.0, 1.0)
    return done


def multipliers(a: Any, b: Floats, sizes: Floats, prior: float, variance: ArrayLike = _ROUNDING) -> Floats:
    """The queries' Lagrange multipliers, shape (queries,), of the least-squares problem of `reconstruct`.

    Newton's method on the dual, which is concave and piecewise quadratic, with backtracking; each step is solved by
    conjugate gradients, so that no matrix larger than *a* is made.
    """
    at = a.T.tocsr()
    ridge = np.broadcast_to(np.asarray(variance, dtype=np.float64), b.shape) / max(prior * (1 - prior), 1e-6)

    def dual(multiplier: Floats) -> tuple[float, Floats, Floats]:
        """The value to be maximised, its gradient, and the sizes of the groups that are neither empty nor full."""
        t = prior + at @ multiplier
        x = np.clip(t, 0.0, 1.0)
        value = b @ multiplier - 0.5 * (ridge * multiplier) @ multiplier - sizes @ (x * t - 0.5 * x * x)
        return float(value), b - ridge * multiplier - a @ (sizes * x), np.where((t > 0) & (t < 1), sizes, 0.0)

    now = np.zeros(len(b))
    value, gradient, inside = dual(now)
    for _ in range(_STEPS):
        if np.abs(gradient).max(initial=0) < _CLOSE:
            break
        step = _solve(a, at, inside, ridge, gradient)
        slope, length = float(gradient @ step), 1.0
        tried = dual(now + step)
        while tried[0] < value + 1e-4 * length * slope and length > 1e-9:
            length /= 2
            tried = dual(now + length * step)
        if tried[0] <= value:
            break
        now = now + length * step
        value, gradient, inside = tried
    return now


def _solve(a: Any, at: Any, weights: Floats, ridge: Floats, right: Floats) -> Floats:
    """About (A D A' + diag(ridge))^-1 right, D the *weights* of the groups."""
    size = len(right)
    diagonal = ridge + a @ weights  # the entries of A are 0 and 1
    product = scipy.sparse.linalg.LinearOperator((size, size), lambda v: a @ (weights * (at @ v)) + ridge * v)
    scaled = scipy.sparse.linalg.LinearOperator((size, size), lambda v: v / diagonal)
    return np.asarray(scipy.sparse.linalg.cg(product, right, rtol=_PRECISION, maxiter=_ROUNDS, M=scaled)[0])


def _least_absolute(a: Any, b: Floats, sizes: Floats) -> Floats:
    queries, groups = a.shape
    eye = scipy.sparse.eye_array(queries)
    cost = np.concatenate([np.zeros(groups), np.ones(2 * queries)])  # b = A x + over - under
    equations: Any = scipy.sparse.hstack([a, eye, -eye]).tocsr()
    limits: Any = np.column_stack([np.zeros(len(cost)), np.concatenate([sizes, np.full(2 * queries, np.inf)])])
    found = scipy.optimize.linprog(cost, A_eq=equations, b_eq=b, bounds=limits, method="highs")
    if found.x is None:
        raise PetsEvalError(f"the linear program was not solved: {found.message}")
    return np.clip(np.asarray(found.x[:groups]) / sizes, 0.0, 1.0)


# -- the attack on released tables ------------------------------------------------------------------


@metric(
    axis="privacy",
    goal="min",
    unit="share of people",
    range=(-1, 1),
    source="Dinur and Nissim, Revealing information while preserving privacy (2003), section 3; control: ours",
    headline=("excess",),
    cannot_show="That an attacker who also uses non-linear facts, such as that values come whole, would learn no more.",
)
def reconstruction_rate(
    answer: Answer,
    truth: Answer,
    real: pd.DataFrame,
    schema: Schema,
    task: object,
    control: pd.DataFrame | None = None,
    column: str = "",
    method: Method = "least-squares",
) -> list[Score]:
    """Share of people whose sensitive value is reconstructed from released counts, beyond guessing; 0 is best.

    The attacker knows everybody's quasi-identifiers (without such roles, all columns that are not sensitive). For each
    public cell of the sensitive column against the rest, it solves the equations of all released tables that contain
    it; columns that are not known are summed out. The cell with the largest share is guessed. Statistics for each
    tabulated column with the role "sensitive" or "target" (as group; or *column* alone): "attack", the share of people
    guessed rightly; "baseline", the share of people who have the most common cell; "advantage", attack
    minus baseline with Student's interval of the paired difference, 0 is best. With *control*, held-out people, also
    "control", what the same solution says rightly of them, and "excess", attack minus control with Newcombe's interval,
    0 is best: what the attack reaches on people who are in no count is knowledge of the population, and the excess is
    the disclosure. These two are not measured by "l1", whose solution says nothing of others. The rows for everybody
    are those of the column with the surest excess (without control: advantage), whose interval begins highest; the
    intervals of both are widened after Bonferroni to hold for all columns at once. Counts with a released standard
    error are weighed by it, and those that are left open give no equation.
    Raises `Unsupported` unless the task tabulates such a column with a known one.

    >>> from pets_eval.model import Column, cell_index
    >>> schema = Schema({"sex": Column("categorical", domain=("F", "M"), roles=("quasi-identifier",)),
    ...                  "sick": Column("categorical", domain=("no", "yes"), roles=("sensitive",))})
    >>> class OneTable:
    ...     def blocks(self, schema): return [("sex", "sick")]
    >>> cells = cell_index([("sex x sick", f"{a} | {b}", "count") for a in "FM" for b in ("no", "yes")])
    >>> real = schema.conform(pd.DataFrame({"sex": [*"FFFMM"], "sick": ["no"] * 3 + ["yes"] * 2}), where="example")
    >>> exact = Answer.of(cells, [3, 0, 0, 2])
    >>> scores = reconstruction_rate(exact, exact, real, schema, OneTable())
    >>> [(s.statistic, round(s.estimate.value, 2)) for s in scores[:3]]
    [('attack', 1.0), ('baseline', 0.6), ('advantage', 0.4)]
    """
    tables = count_tables(answer, truth, schema, task)
    errors = Answer(answer.table.assign(value=answer.table["se"]))  # laid out as the counts are
    variances = [np.nan_to_num(t.released) ** 2 + _ROUNDING for t in count_tables(errors, truth, schema, task)]
    sensitive = list(dict.fromkeys([*schema.with_role("sensitive"), *schema.with_role("target")]))
    names = [column] if column else sensitive
    quasi = schema.with_role("quasi-identifier") or [n for n in schema.tabular() if n not in sensitive]
    tabulated = {c for t in tables for c in t.columns}
    frames = {"attack": real} | ({} if control is None or method == "l1" else {"control": control})
    scores: dict[str, list[Score]] = {}
    level = 1 - (1 - _LEVEL) / max(1, len(names))  # so that the largest figure is not accused for being the largest
    for name in names:
        known = [c for c in quasi if c in tabulated and c != name]
        system = _system(name, known, tables, variances)
        if system:
            scores[name] = _attacked(name, system, frames, schema, method, level)
    if not scores:
        raise Unsupported("no sensitive column is tabulated with a column that the attacker knows")
    headline = "excess" if "control" in frames else "advantage"
    worst = max(scores, key=lambda n: next(surest(s.estimate) for s in scores[n] if s.statistic == headline))
    note = f"most exposed: {worst}"
    overall = [Score(replace(s.estimate, note=note), statistic=s.statistic) for s in scores[worst]]
    return [*(s for rows in scores.values() for s in rows), *overall]


System = list[tuple[tuple[str, ...], Floats, Floats]]


def _system(name: str, known: Sequence[str], tables: Sequence[CountTable], variances: Sequence[Floats]) -> System:
    """The released tables of *known* columns by *name*: columns, counts and variances, the cells of *name* last.

    Tables over the same known columns are averaged, weighted by precision; the variance is huge where none of them has
    the cell. Empty if no known column is tabulated.
    """
    sums: dict[tuple[str, ...], list[tuple[Floats, Floats]]] = {}
    for table, variance in zip(tables, variances, strict=True):
        if name not in table.columns:
            continue
        kept = tuple(c for c in table.columns if c in known)
        away = tuple(i for i, c in enumerate(table.columns) if c not in kept and c != name)
        last = [c for c in table.columns if c in kept or c == name].index(name)
        counted, unsure = (np.moveaxis(x.sum(axis=away), last, -1) for x in (table.released, variance))
        order = sorted(range(len(kept)), key=lambda i: kept[i])
        axes = (*order, len(kept))
        sums.setdefault(tuple(sorted(kept)), []).append((counted.transpose(axes), unsure.transpose(axes)))
    if not any(sums):
        return []
    system = []
    for kept, found in sums.items():
        precision = np.sum([np.where(np.isnan(x), 0.0, 1 / v) for x, v in found], axis=0) + _NOTHING
        system.append((kept, np.sum([np.nan_to_num(x) / v for x, v in found], axis=0) / precision, 1 / precision))
    return system


def _attacked(
    name: str, system: System, frames: dict[str, pd.DataFrame], schema: Schema, method: Method, level: float
) -> list[Score]:
    """The statistics of one sensitive column; `frames` are the people who are counted, and those who are not."""
    known = list(dict.fromkeys(c for kept, _, _ in system for c in kept))
    sizes = {c: len(schema.column(c).cells()) for c in known}
    cells = {k: cell_numbers(f, [*known, name], schema, f"the {_TABLES[k]} table") for k, f in frames.items()}
    codes = {k: np.column_stack([numbers[c] for c in known]) for k, numbers in cells.items()}
    first, members, group = distinct_rows(codes["attack"])
    profiles = codes["attack"][first]
    place = [[known.index(c) for c in kept] for kept, _, _ in system]
    shape = [tuple(sizes[c] for c in kept) for kept, _, _ in system]
    counted = np.concatenate([x.reshape(-1, x.shape[-1]) for _, x, _ in system])  # (queries, cells of the column)
    unsure = np.concatenate([v.reshape(-1, v.shape[-1]) for _, _, v in system])
    membership = _membership(profiles, place, shape)
    a, people = membership.T.tocsr(), members.astype(float)
    others = _membership(codes["control"], place, shape) if "control" in frames else None
    totals = np.maximum(np.mean([x.reshape(-1, x.shape[-1]).sum(axis=0) for _, x, _ in system], axis=0), 0)
    rarest = 1 / (2 * len(group))
    common = np.clip(totals / max(float(totals.sum()), 1.0), rarest, 1 - rarest)
    believed, elsewhere = [], []
    for cell in range(counted.shape[1]):
        if method == "l1":
            there = unsure[:, cell] < 1 / (2 * _NOTHING)
            believed.append(_least_absolute(a[there], counted[there, cell], people))
            continue
        solved = multipliers(a, counted[:, cell], people, common[cell], unsure[:, cell])
        believed.append(shares(membership, solved, common[cell]))
        if others is not None:
            elsewhere.append(shares(others, solved, common[cell]))
    true = {k: numbers[name] for k, numbers in cells.items()}
    right = np.argmax(believed, axis=0)[group.ravel()] == true["attack"]
    guessed = true["attack"] == int(np.bincount(true["attack"]).argmax())
    n = len(right)
    gain = right.astype(float) - guessed
    low, high = (float(end) for end in np.clip(t_interval(gain, level), -1, 1))
    found = {
        "attack": proportion(int(right.sum()), n, _LEVEL),
        "baseline": proportion(int(guessed.sum()), n, _LEVEL),
        "advantage": Estimate(float(gain.mean()), low, high, _LEVEL, "t", n),
    }
    if elsewhere:
        hits = np.argmax(elsewhere, axis=0) == true["control"]
        found["control"] = proportion(int(hits.sum()), len(hits), _LEVEL)
        excess = difference(int(right.sum()), n, int(hits.sum()), len(hits), level)
        found["excess"] = replace(excess, level=_LEVEL)
    return [Score(estimate, group=name, statistic=statistic) for statistic, estimate in found.items()]


def _membership(profiles: Codes, place: Sequence[Sequence[int]], shape: Sequence[tuple[int, ...]]) -> Any:
    """In which queries each profile is counted: a sparse array of 0 and 1, shape (profiles, queries)."""
    columns, start = [], 0
    for places, sizes in zip(place, shape, strict=True):
        flat = np.zeros(len(profiles), dtype=np.int64)
        for i, size in zip(places, sizes, strict=True):
            flat = flat * size + profiles[:, i]
        columns.append(flat + start)
        start += int(np.prod(sizes, dtype=np.int64))
    where = np.column_stack(columns)
    rows = np.repeat(np.arange(len(profiles)), where.shape[1])
    ones = np.ones(where.size)
    return scipy.sparse.csr_array((ones, (rows, where.ravel())), shape=(len(profiles), start))
