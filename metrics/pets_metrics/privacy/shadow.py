"""Membership inference by an attacker who runs the technique himself: shadow-model attacks on one person at a time.

He makes releases from data with the target and without, learns from a half of them to tell the two kinds apart by
summary features, and is measured on the other half. That is GroundHog (Stadler et al. 2022) in the terms of TAPAS
(Houssiau et al. 2022). It is stronger than any attack on a single release (`membership`), and costs many runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, Inputs, PetsEvalError, Release, Schema, Score, Table, Unsupported
from pets_eval.registry import metric
from pets_metrics.intervals import difference, proportion
from pets_metrics.nearest import Index, coordinates
from pets_metrics.privacy.attack_scores import auc, privacy_loss, widened
from pets_metrics.privacy.shadow_features import Features, gathered, summaries, watched
from pets_metrics.rows import owners
from pets_metrics.tables import align

Floats = NDArray[np.float64]

_LEVEL = 0.95
_BEST = 10  # features that the attacker keeps: those that differ most in the half he learns from
_FEWEST = 8  # runs of each kind for one person, below which nothing can be said
_AT_ONCE = 5  # releases in memory
_CROWD = 5_000  # candidates for the most exposed person


class Rerun(Protocol):
    """Runs the technique again; see `pets_eval.run`."""

    inputs: Inputs

    def __call__(self, *, inputs: Inputs | None = None, n: int = 1) -> list[Release]:
        """*n* releases of further runs on *inputs*."""
        ...


@metric(
    axis="privacy",
    goal="min",
    unit="advantage, rate or area; effective epsilon in nats",
    range=(-1, np.inf),
    source="Stadler, Oprisanu and Troncoso (USENIX Security 2022), section 4; Houssiau et al., TAPAS (2022), section 3",
    headline=("auc",),
    cannot_show="That everybody is safe: a few people are attacked, by summary features; others may be more exposed.",
    effort="train",
)
def shadow_membership_advantage(
    rerun: Rerun,
    control: pd.DataFrame | None = None,
    rng: np.random.Generator | None = None,
    people: int = 4,
    shadows: int = 40,
    seconds: float = 60.0,
) -> list[Score]:
    """How well an attacker who knows everybody else tells releases with a person from those without; less is better.

    The first half of the *people* are the most exposed: farthest (Gower) from their fifth nearest record, among 5,000
    drawn at random; the others are drawn at random. For each, the technique is run *shadows* times on the data as they
    are and as often with that person's records replaced by another's: a control person's, else a copy of somebody
    else's (of a person with several rows, features look at the first). Attacker, features and figures are those of
    `shadow_membership`; an answer is its own feature ("answer").
    Groups "SET, most exposed people" and "SET, random people" pool the tests on them; group "" is the group with the
    highest area, widened by Bonferroni for the choice.

    Where one run takes so long that all would take more than *seconds*, fewer runs are made (the note says so), then
    fewer people attacked. Raises `Unsupported` if not even 8 runs of each kind for one person fit, unless one party
    holds one table, and for released models (see the attacks on models).
    """
    if people < 1 or shadows < _FEWEST:
        raise PetsEvalError(f"people must be at least 1 and shadows at least {_FEWEST}")
    rng = rng or np.random.default_rng(0)
    party, table = _only_table(rerun.inputs)
    frame = table.frame()
    owner = owners(frame, table.schema.unit)
    targets = _targets(frame, owner, table.schema, people, rng)

    def releases(data: pd.DataFrame, n: int) -> Iterator[Release]:
        changed = replace(rerun.inputs, holdings={**rerun.inputs.holdings, party: Table(table.schema, data=data)})
        for start in range(0, n, _AT_ONCE):
            yield from rerun(inputs=changed, n=min(_AT_ONCE, n - start))

    scale = align(frame, frame, None, table.schema).real
    run = np.inf
    for _ in range(2):  # the first run may have had something to prepare
        begin = time.perf_counter()
        list(watched(releases(frame, 1), frame.iloc[[0]], scale, table.schema))
        run = min(run, time.perf_counter() - begin)
    fitting = [t for t in range(len(targets), 0, -1) if 2 * t * _FEWEST * run <= seconds]
    if not fitting:
        raise Unsupported(f"one run takes {run:.1f} s: {2 * _FEWEST} of them need more than {seconds:g} s")
    targets = targets[: fitting[0]]
    count = min(shadows, int(seconds / (2 * len(targets) * run)))
    note = f"{len(targets)} people, {count} runs with and {count} without each"
    scores: dict[str, tuple[list[Floats], list[Floats]]] = {}
    for i, who in enumerate(targets):
        kind = "most exposed people" if i < (people + 1) // 2 else "random people"
        theirs = owner == who
        target = frame[theirs].iloc[[0]]
        worlds = (frame, _without(frame, theirs, owner, control, table.schema, rng))
        seen = [gathered(watched(releases(world, count), target, scale, table.schema)) for world in worlds]
        for name, (inside, outside) in _told_apart(seen[0], seen[1]).items():
            lists = scores.setdefault(f"{name}, {kind}", ([], []))
            lists[0].append(inside)
            lists[1].append(outside)
    return _rows({g: (np.concatenate(a), np.concatenate(b)) for g, (a, b) in scores.items()}, note)


def shadow_membership(
    generate: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame],
    population: pd.DataFrame,
    target: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    size: int | None = None,
    shadows: int = 40,
) -> list[Score]:
    """How well an attacker tells what *generate* makes of data with the *target* (one row) from what it makes without.

    *generate* takes a training table and a generator of random numbers and returns a table. It is run *shadows* times
    on *size* rows of which one is the target, and as often on *size* rows of the *population* (other people). By
    default the attacker knows all other rows: they are always the same. With a *size* below that of the population
    they are drawn anew for each run, and he knows the population only (GroundHog).

    Feature sets: "naive" (numbers: mean, median, variance, share missing; categories: how many occur, share of the
    commonest and of the target's), "histogram" (share of each public cell of each column), "correlations" (Pearson's,
    a category being coded as whether it is the target's), "nearest" (log distances from the target to the 1st, 2nd,
    3rd, 5th and 10th nearest released record). On half of the runs the attacker chooses the 10 features that differ
    most and learns a linear discriminant of them; the other half is for the figures.

    Returns one group per feature set with the statistics "auc" in [0, 1], "advantage" = "true positive rate" - "false
    positive rate" at the attacker's own threshold (the note has TAPAS' privacy gain, 1 - advantage), and "effective
    epsilon" in [0, inf), whose `low` is a lower bound by Clopper and Pearson. Group "" is the set with the highest
    area, its intervals widened by Bonferroni. Raises `PetsEvalError` for bad arguments.

    >>> people = pd.DataFrame({"x": np.arange(30.0)})
    >>> copy = lambda data, rng: data
    >>> rows = shadow_membership(copy, people, pd.DataFrame({"x": [99.0]}), shadows=8)
    >>> [r.estimate.value for r in rows if r.group == "" and r.statistic in ("auc", "advantage")]
    [1.0, 1.0]
    """
    if len(target) != 1 or len(population) < 2:
        raise PetsEvalError("shadow_membership needs a target of one row and a population of at least two")
    size = len(population) if size is None else size
    if not 1 < size <= len(population) or shadows < _FEWEST:
        raise PetsEvalError(f"size must be 2 to the number of people in the population, and shadows at least {_FEWEST}")
    rng = rng or np.random.default_rng(0)
    everybody = pd.concat([population, target], ignore_index=True)
    aligned = align(everybody, everybody, None, schema)
    schema = schema or aligned.schema
    base = rng.permutation(len(population))
    seen: list[Features] = []
    for with_target in (True, False):

        def tables(inside: bool = with_target) -> Iterator[pd.DataFrame]:
            for _ in range(shadows):
                chosen = (base if size == len(population) else rng.permutation(len(population)))[:size]
                rows = population.iloc[chosen[1:] if inside else chosen]
                data = pd.concat([target, rows], ignore_index=True) if inside else rows.reset_index(drop=True)
                yield generate(data, rng)

        seen.append(gathered(summaries(t, target, aligned.real, schema) for t in tables()))
    note = f"{shadows} runs with the target and {shadows} without"
    return _rows(_told_apart(seen[0], seen[1]), note)


# -- the attacker ------------------------------------------------------------------------------------------------------


def _told_apart(inside: Features, outside: Features) -> dict[str, tuple[Floats, Floats]]:
    """By feature set, scores of the tested releases with and without the target; above 0 the attacker says "in"."""
    scores = {}
    for name in inside:
        x, y = np.array(inside[name]), np.array(outside[name])
        if not x.shape[1]:
            continue
        learn = len(x) // 2
        weights, middle, scale = _discriminant(x[:learn], y[:learn])
        scores[name] = (x[learn:] - middle) @ weights / scale, (y[learn:] - middle) @ weights / scale
    return scores


def _discriminant(x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """Weights and middle of the diagonal linear discriminant on the features that differ most, and its scale."""
    gap, middle = x.mean(axis=0) - y.mean(axis=0), (x.mean(axis=0) + y.mean(axis=0)) / 2
    size = np.maximum(np.abs(x).max(axis=0), np.abs(y).max(axis=0))
    spread = (x.var(axis=0) + y.var(axis=0)) / 2 + (1e-9 * size) ** 2 + 1e-300
    apart = gap**2 / spread
    weights = np.where(apart >= np.sort(apart)[-min(_BEST, len(apart))], gap / spread, 0.0)
    scale = float(np.abs(np.concatenate([x - middle, y - middle]) @ weights).max())
    return weights, middle, scale if scale > 0 else 1.0


def _figures(scores: tuple[Floats, Floats], level: float, note: str) -> dict[str, Estimate]:
    (hits, m), (misses, n) = ((int((s > 0).sum()), len(s)) for s in scores)
    one_of_two = (1 + level) / 2  # the loss is the larger of two: that of being named, and that of not being named
    losses = [privacy_loss(hits, m, misses, n, one_of_two), privacy_loss(n - misses, n, m - hits, m, one_of_two)]
    value, low = (max(loss[i] for loss in losses) for i in (0, 1))
    gained = difference(hits, m, misses, n, level)
    return {
        "advantage": replace(gained, note=f"privacy gain {1 - gained.value:.2f}; {note}"),
        "auc": auc(*scores, level),
        "true positive rate": proportion(hits, m, level),
        "false positive rate": proportion(misses, n, level),
        "effective epsilon": Estimate(value, low, np.inf, level, "clopper-pearson", m + n),
    }


def _rows(groups: Mapping[str, tuple[Floats, Floats]], note: str) -> list[Score]:
    """The figures of all groups, before them as group "" those of the one with the highest area."""
    if not groups:
        raise Unsupported("the release has nothing to look at")
    worst = max(groups, key=lambda g: auc(*groups[g]).value)
    overall = _figures(groups[worst], 1 - (1 - _LEVEL) / len(groups), note)
    rows = [Score(widened(e, f"strongest of {len(groups)}: {worst}"), statistic=s) for s, e in overall.items()]
    plain = {group: _figures(scores, _LEVEL, note) for group, scores in groups.items()}
    return rows + [Score(e, group=g, statistic=s) for g, figures in plain.items() for s, e in figures.items()]


# -- the people who are attacked, and the data without them ------------------------------------------------------------


def _only_table(inputs: Inputs) -> tuple[str, Table]:
    tables = inputs.tables()
    if len(tables) != 1 or inputs.layout != "pooled":
        raise Unsupported("neighbouring data can be made where one party holds one table with all rows")
    return next(iter(tables.items()))


def _targets(
    frame: pd.DataFrame, owner: NDArray[np.int64], schema: Schema, people: int, rng: np.random.Generator
) -> list[int]:
    """Numbers of the attacked people: the most exposed first, then random ones; all different."""
    order = rng.permutation(len(frame))[:_CROWD]
    t = align(frame, frame, None, schema)
    points = coordinates(t.schema, t.real)[0]
    far = Index(points).search(points[order], min(6, len(points)))[0][:, -1]  # the nearest is the record itself
    exposed = owner[order[np.argsort(-far, kind="stable")]]
    first = list(dict.fromkeys(exposed.tolist()))[: (people + 1) // 2]
    others = [who for who in dict.fromkeys(owner[order].tolist()) if who not in first]
    return [*first, *others[: people - len(first)]]


def _without(
    frame: pd.DataFrame,
    theirs: NDArray[np.bool_],
    owner: NDArray[np.int64],
    control: pd.DataFrame | None,
    schema: Schema,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The data with one person's rows replaced by those of another, under the same id."""
    if control is not None and len(control):
        pool, whose = control, owners(control, schema.unit)
    else:
        pool, whose = frame[~theirs], owner[~theirs]
    if not len(pool):
        raise Unsupported("there is nobody else to put in a person's place")
    other = pool[whose == whose[int(rng.integers(len(whose)))]][list(frame.columns)].copy()
    for name in {schema.unit} & set(frame.columns):
        other[name] = frame.loc[theirs, name].iloc[0]
    return schema.conform(pd.concat([frame[~theirs], other], ignore_index=True), where="neighbouring data")
