"""What the release tells for sure about single columns, and rightly: disclosive in synthetic, correct in original."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import bounded_mean
from pets_metrics.privacy.secret_columns import mean_difference
from pets_metrics.rows import Codes, group_numbers
from pets_metrics.tables import align, cell_codes

_MOST = 1 << 22  # groups that are numbered without being looked for
_WIDE = 5_000  # questions; with more of them, this many are drawn


@metric(
    axis="privacy",
    goal="min",
    unit="share of people",
    range=(-1, 1),
    source="Raab, Nowok and Dibben, Practical privacy metrics for synthetic data (2024), DiSCO; SDNist's k-DiSCO",
    headline=("difference",),
    cannot_show="What attackers learn who know more columns, or who are content with likely values.",
)
def k_disco(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    stable: Iterable[str] | None = None,
    k: int = 2,
    rng: np.random.Generator | None = None,
) -> list[Score]:
    """Mean share of real people about whom the release tells one more column for sure, and rightly; 0 is best.

    An attacker knows the *stable* columns and *k* others of a person, and asks for one more. If all released rows with
    these values agree in it, and the person has that value, it is disclosed. The share of all real people is averaged
    over every choice of the *k* columns and of the one that is asked for; of more than 5,000 choices, so many are drawn
    with *rng*. Values are public cells of the schema; missing is a value.

    Statistics: "real"; with *control* also "control", the same for held-out people, of whom the release can only say
    what holds for people in general, and "difference", the first minus the second: what it says of its own people.
    For each column that is asked for, as group, "real" and "difference". The intervals are Student's over people,
    each with the share of questions in which they are disclosed (so the columns are held fixed), or where all shares
    are the same Clopper and Pearson's; those of both tables are joined for the difference as Newcombe does.

    *stable* columns are by default RAC1P and SEX where the tables have them (SDNist's choice), else none. Raises
    `PetsEvalError` for a stable column that is not there or a *k* below 1, `Unsupported` where too few columns are
    left.

    >>> real = pd.DataFrame({"a": list("xxyy"), "b": list("pqpq"), "c": list("mnmn")})
    >>> [(s.group, s.estimate.value) for s in k_disco(real, real, k=1) if not s.group or s.group == "a"]
    [('', 0.3333333333333333), ('a', 0.0)]
    """
    t = align(real, synthetic, control, schema)
    usual = [n for n in ("RAC1P", "SEX") if n in t.names]
    fixed = (usual if len(usual) == 2 else []) if stable is None else list(dict.fromkeys(stable))
    for name in fixed:
        t.schema.column(name)
    if k < 1:
        raise PetsEvalError("k, the number of columns that an attacker knows, must be at least 1")
    free = [i for i, n in enumerate(t.names) if n not in fixed]
    if len(free) <= k:
        raise Unsupported(f"{len(free)} columns are too few to know {k} of them and to ask for another")
    frames = [t.synthetic, t.real] if t.control is None else [t.synthetic, t.real, t.control]
    codes = np.concatenate([cell_codes(f, t.schema)[0] for f in frames]).astype(np.int64)
    codes = np.column_stack([np.unique(c, return_inverse=True)[1] for c in codes.T])
    released = len(t.synthetic)
    base = group_numbers(codes[:, [t.names.index(n) for n in fixed]])
    plan = _plan(free, k, np.random.default_rng(0) if rng is None else rng)
    asked = np.zeros(len(t.names), dtype=np.int64)
    for targets in plan.values():
        asked[targets] += 1
    hits = _disclosed(codes, base, released, plan)
    real_hits, control_hits = hits[:, : len(t.real)], hits[:, len(t.real) :]
    whole = asked.sum()
    scores = _scores("", real_hits.sum(axis=0) / whole, control_hits.sum(axis=0) / whole)
    for i in free:
        if asked[i]:
            scores += _scores(t.names[i], real_hits[i] / asked[i], control_hits[i] / asked[i])
    return scores


def _plan(free: list[int], k: int, rng: np.random.Generator) -> dict[tuple[int, ...], list[int]]:
    """The columns that are asked for, by the k columns that are known."""
    known = list(itertools.islice(itertools.combinations(free, k), _WIDE + 1))
    if len(known) * (len(free) - k) <= _WIDE:
        return {pair: [i for i in free if i not in pair] for pair in known}
    plan: dict[tuple[int, ...], list[int]] = {}
    for _ in range(_WIDE):
        *chosen, target = (free[i] for i in rng.choice(len(free), k + 1, replace=False))
        plan.setdefault(tuple(sorted(chosen)), []).append(target)
    return plan


def _disclosed(codes: Codes, base: Codes, released: int, plan: dict[tuple[int, ...], list[int]]) -> NDArray[np.int32]:
    """For each column and each person: in how many of the questions for that column they are disclosed.

    Rows of *codes* and *base* are the released ones, then the people; the result has shape (columns, people).
    """
    columns = np.ascontiguousarray(codes.T.astype(np.int32))
    hits = np.zeros((len(columns), codes.shape[0] - released), dtype=np.int32)

    def answer(target: int, questions: list[NDArray[np.int64]]) -> None:
        mine, theirs = columns[target, :released], columns[target, released:]
        for group in questions:
            ours, people = group[:released], group[released:]
            told = np.full(int(group.max()) + 1, -1, dtype=np.int32)
            told[ours] = mine
            told[ours[told[ours] != mine]] = -1  # the rows of this group do not agree
            hits[target] += told[people] == theirs

    pairs = list(plan)
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(pairs), 8):
            some = pairs[start : start + 8]
            groups = list(pool.map(lambda pair: _groups(columns, base, pair), some))
            by_target: dict[int, list[NDArray[np.int64]]] = {}
            for pair, group in zip(some, groups, strict=True):
                for target in plan[pair]:
                    by_target.setdefault(target, []).append(group)
            list(pool.map(lambda item: answer(*item), by_target.items()))
    return hits


def _groups(columns: NDArray[np.int32], base: Codes, known: tuple[int, ...]) -> Codes:
    """A number for each row's group: the same for rows with the same values of *base* and the *known* columns."""
    done, size = base, int(base.max()) + 1
    for i in known:
        width = int(columns[i].max()) + 1
        if size * width > _MOST:
            done = pd.factorize(done)[0].astype(np.int64)
            size = int(done.max()) + 1
        done = done * width + columns[i]
        size *= width
    return pd.factorize(done)[0].astype(np.int64) if size > _MOST else done


def _scores(group: str, real: NDArray[np.float64], control: NDArray[np.float64]) -> list[Score]:
    found = {"real": bounded_mean(real)}
    if len(control):
        other = bounded_mean(control)
        found["difference"] = mean_difference(found["real"], other)
        if not group:
            found["control"] = other
    order = ("real", "control", "difference")
    return [Score(found[s], group=group, statistic=s) for s in order if s in found]
