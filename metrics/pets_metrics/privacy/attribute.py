"""Whether released records tell an attacker what he did not know of a person: attribute inference.

He knows all of a target's columns but the secret one. What he guesses rightly of people who were not in the data
(control) is what the population tells of them; only the excess on people who were in it is the release's doing.
`privacy.inference` plays the game of Anonymeter (Giomi et al. 2023) by one nearest neighbour; here an attacker also
learns a model, and `privacy.attribution` reads whole classes of people who share their keys.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score
from pets_eval.registry import metric
from pets_metrics.intervals import difference
from pets_metrics.nearest import coordinates, nearest
from pets_metrics.privacy.secret_columns import CANNOT, NOBODY, Rows, known_columns, secret_columns, share, worst_first
from pets_metrics.tables import Aligned, align, one_row_each

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEVEL = 0.95
_CLOSE = 0.05  # of a number's spread: a guess this near is right
_LEARNT = 20_000  # released rows that a model learns from
_TREES = 40
_CLASSES = 30  # categories that a model may guess: the commonest


@metric(
    axis="privacy",
    goal="min",
    unit="share of right guesses",
    range=(-1, 1),
    source="Stadler et al. (USENIX Security 2022), section 5; control after Giomi et al. (PETS 2023)",
    headline=("excess",),
    cannot_show=CANNOT,
)
def attribute_inference(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame,
    schema: Schema | None = None,
    rng: np.random.Generator | None = None,
    secrets: Sequence[str] = (),
    targets: int = 2_000,
) -> list[Score]:
    """Share of people in the data whose secret is guessed rightly, minus that of people who were not; 0 is best.

    Two attackers per secret, on at most *targets* real and as many control rows, drawn by *rng*: "nearest" takes the
    secret of the released record that is nearest (Gower) on the quasi-identifiers, or without any on all other columns;
    "model" learns it from all other columns of the release (extremely randomised trees, which remember single records
    as well as rules; on 20,000 released rows at most, on fewer from 16 secrets on). A category must be hit; a number
    must be met within 5 % of the distance between the 5th and 95th percentile of real and control rows. Secrets are
    *secrets*, else the sensitive columns, else the targets, else all columns in turn. Rows that lack the secret are
    left out.

    One group "SECRET, nearest" or "SECRET, model" for each, with the statistics "attack" and "control" (rates in
    [0, 1], Wilson), "baseline" (rate on the same people when everybody is given the release's commonest value or
    median), and "excess" = attack - control in [-1, 1] (Newcombe); an excess near 0 is good. Group "" is that with the
    surest excess, whose interval begins highest; its intervals are widened by Bonferroni for the choice. Where the
    schema names a unit of privacy, one row of each real and control person is attacked.
    Raises `Unsupported` without another column to infer from, `PetsEvalError` for a secret that is not there.

    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"x": rng.normal(size=400), "ill": rng.choice(["yes", "no"], size=400)})
    >>> rows = attribute_inference(people[:200], people[:200], people[200:], secrets=["ill"])
    >>> [(r.statistic, r.estimate.value) for r in rows if r.group == "ill, nearest" and r.statistic == "attack"]
    [('attack', 1.0)]
    """
    if targets < 1:
        raise PetsEvalError("targets must be at least 1")
    rng = rng or np.random.default_rng(0)
    t = align(one_row_each(real, schema, rng), synthetic, one_row_each(control, schema, rng), schema)
    names = secret_columns(t, secrets)
    assert t.control is not None
    seed = int(rng.integers(2**31))
    people = replace(t, real=_some(t.real, targets, rng), control=_some(t.control, targets, rng))
    release = _some(t.synthetic, _LEARNT // max(1, len(names) // 8), rng)
    guessed: dict[str, Rows] = {}
    for name in names:
        guessed[f"{name}, nearest"] = _judged(people, name, _by_nearest(people, name, rng))
        guessed[f"{name}, model"] = _judged(people, name, _by_model(people, name, release, seed))
    return worst_first(guessed, "excess")


# -- guesses ----------------------------------------------------------------------------------------------------------


def _judged(people: Aligned, name: str, guesses: Sequence[Floats]) -> Rows:
    """The figures of an attacker who made these guesses of the real and the control people's secrets."""
    real, release, control = (_values(people.schema, f, name) for f in _frames(people))
    tolerance = _tolerance(people.schema, name, real, control)
    told = release[~np.isnan(release)]
    common = np.nan
    if told.size:
        numeric = people.schema.columns[name].numeric
        common = float(np.median(told)) if numeric else float(np.bincount(told.astype(np.int64)).argmax())
    right, luck, baseline = (
        _right(guess, truth, tolerance)
        for guess, truth in ((guesses[0], real), (guesses[1], control), (np.full(len(real), common), real))
    )

    def rows(level: float) -> dict[str, Estimate]:
        real_hits, control_hits = (int(right.sum()), len(right)), (int(luck.sum()), len(luck))
        return {
            "excess": difference(*real_hits, *control_hits, level, "" if len(right) and len(luck) else NOBODY),
            "attack": share(*real_hits, level, NOBODY),
            "control": share(*control_hits, level, NOBODY),
            "baseline": share(int(baseline.sum()), len(right), level, NOBODY),
        }

    return rows


def _right(guess: Floats, truth: Floats, tolerance: float) -> Bools:
    """Which guesses are right, of the people who have the secret; where the attacker has no guess, none is."""
    known = ~np.isnan(truth)
    right: Bools = np.abs(guess[known] - truth[known]) <= tolerance
    return right


def _tolerance(schema: Schema, name: str, real: Floats, control: Floats) -> float:
    if not schema.columns[name].numeric:
        return 0.0
    both = np.concatenate([real, control])
    both = both[~np.isnan(both)]
    return _CLOSE * float(np.subtract(*np.percentile(both, [95, 5]))) if both.size else 0.0


def _by_nearest(people: Aligned, name: str, rng: np.random.Generator) -> list[Floats]:
    """The secret of the released record that is nearest on what the attacker knows, for real and control people.

    Of equally near records the first is taken, so they are shuffled: their order in the release says nothing.
    """
    release = _some(people.synthetic[people.synthetic[name].notna()], len(people.synthetic), rng)
    real, _, control = _frames(people)
    if not len(release):
        return [np.full(len(f), np.nan) for f in (real, control)]
    known = {n: people.schema.columns[n] for n in sorted(known_columns(people, name))}
    part = Schema(known)
    everybody = pd.concat([real, control], ignore_index=True)
    points = coordinates(part, release, real, control, scale=everybody)
    told = _values(people.schema, release, name)
    return [told[nearest(p, points[0])[1][:, 0]] for p in points[1:]]


def _by_model(people: Aligned, name: str, release: pd.DataFrame, seed: int) -> list[Floats]:
    """What a model learnt from the *release* predicts of real and control people."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    release = release[release[name].notna()]
    told = _values(people.schema, release, name)
    real, _, control = _frames(people)
    if not len(release):
        return [np.full(len(f), np.nan) for f in (real, control)]
    numeric = people.schema.columns[name].numeric
    if not numeric:
        tally = np.bincount(told.astype(np.int64))
        kept = np.isin(told, np.argsort(tally, kind="stable")[::-1][:_CLASSES])  # rarer ones are guessed by nobody
        release, told = release[kept], told[kept]
    known = [n for n in sorted(people.schema.columns) if n != name]
    points = [_ranks(people.schema, release, f, known) for f in (release, real, control)]
    trees = _TREES if numeric or len(np.unique(told)) <= 10 else _TREES // 2
    kind = ExtraTreesRegressor if numeric else ExtraTreesClassifier
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        model = kind(trees, random_state=seed, n_jobs=2).fit(points[0], told)
    return [np.asarray(model.predict(p), dtype=np.float64) for p in points[1:]]


def _ranks(schema: Schema, release: pd.DataFrame, frame: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Columns *names* of *frame* as places among the *release*'s numbers, or in its categories from common to rare."""
    done = np.empty((len(frame), len(names)))
    for i, name in enumerate(names):
        there, x = (_values(schema, f, name) for f in (release, frame))
        there = np.sort(there[~np.isnan(there)])
        if schema.columns[name].numeric:
            place = (np.searchsorted(there, x) + np.searchsorted(there, x, side="right")) / (2 * max(1, len(there)))
        else:
            width = len(schema.columns[name].domain)
            order = np.argsort(-np.bincount(there.astype(np.int64), minlength=width), kind="stable")
            place = np.argsort(order)[np.nan_to_num(x, nan=0.0).astype(np.int64)].astype(np.float64)
        done[:, i] = np.where(np.isnan(x), -1.0, place)
    return done


def _values(schema: Schema, frame: pd.DataFrame, name: str) -> Floats:
    """Numbers, or the codes of categories; NaN where missing."""
    if schema.columns[name].numeric:
        return schema.columns[name].numbers(frame[name])
    codes = frame[name].cat.codes.to_numpy().astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def _frames(people: Aligned) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    assert people.control is not None
    return people.real, people.synthetic, people.control


def _some(frame: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[rng.permutation(len(frame))[:most]].reset_index(drop=True)
