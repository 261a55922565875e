"""`pets-eval audit TARGET`: look for evidence against a claim of differential privacy."""

from __future__ import annotations

import json
import math
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from pets_eval.model import PetsEvalError, near

if TYPE_CHECKING:
    from pets_eval.model import Schema
    from pets_metrics.privacy.audit.claim import Claim
    from pets_metrics.privacy.audit.neighbours import Pair
    from pets_metrics.privacy.audit.target import Target

_NAMES = ("epsilon", "delta", "mu")
_LEAST_PATIENCE = 30.0  # seconds that one call may take
_SHARE = 0.2  # or this share of the time, where that is more


@click.command("audit")
@click.argument("target")
@click.option("--claim", help='What is claimed: "epsilon=1", "epsilon=1,delta=1e-6" or "mu=0.5".')
@click.option("--delta", type=float, help="The claimed delta.  [default: 0]")
@click.option("--unit", default="", help="Whose data are protected: a column of the schema, or record.")
@click.option("--neighbours", type=click.Choice(["add-remove", "replace"]), help="[default: add-remove]")
@click.option("--runs", type=int, help="Runs of the target in all.  [default: 100,000, as far as there is time]")
@click.option("--minutes", type=float, help="Time to plan for, in place of --runs.  [default: 1]")
@click.option("--bounds", type=float, nargs=2, metavar="LOW HIGH", help="Of the numbers it takes.  [default: 0 1]")
@click.option("--schema", "schema_file", default="", help="It takes a table with the schema in this file.")
@click.option("--dataset", default="", help="It takes a table with the public schema of this dataset.")
@click.option("--task", default="", help="What a technique answers.  [default: the first it supports]")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Of a technique or function; repeatable.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence of the lower bound.")
@click.option("--strict", is_flag=True, help="Count the last bits, the time taken, and inputs outside the domain.")
@click.option("--seed", type=click.IntRange(min=0), help="For the audit's own random choices.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    target: str,
    claim: str | None,
    delta: float | None,
    unit: str,
    neighbours: str | None,
    runs: int | None,
    minutes: float | None,
    bounds: tuple[float, float] | None,
    schema_file: str,
    dataset: str,
    task: str,
    params: tuple[str, ...],
    level: float,
    strict: bool,
    seed: int | None,
    as_json: bool,
) -> int:
    """Look for evidence against a claim of differential privacy.

    TARGET is a function (module:function or path/to/file.py:function) that takes an array of numbers, or with --schema
    a DataFrame; a registered technique, whose own claim is audited unless --claim is given; or a command that reads a
    CSV file ({} is its path, else the last word) and prints a number or JSON.

    Exit code 0: no violation found; 1: violation found; 2: bad input.
    """
    import numpy as np

    from pets_eval.registry import entries
    from pets_metrics.privacy.audit import locate, report
    from pets_metrics.privacy.audit.audit import audit

    time = _minutes(runs, minutes)
    rng = np.random.default_rng(seed)
    technique = target in entries("techniques")
    schema = locate.find_schema(schema_file, dataset, unit, default=technique)
    if bounds and schema:
        raise PetsEvalError("--bounds is for arrays of numbers; the bounds of a table stand in its schema")
    stated = _stated(claim, delta, schema.unit if schema else "record", neighbours) if claim or not technique else None
    patience = max(_LEAST_PATIENCE, _SHARE * 60 * time)
    with redirect_stdout(sys.stderr):  # what the target prints is no part of the answer
        found = locate.find_target(target, locate.parameters(params), task, schema, patience, rng)
        stated = stated or _own(found, delta, neighbours)
        pairs = _pairs(found, stated, bounds or (0.0, 1.0), schema)
        limit = None if runs else time
        done = audit(found, stated, pairs, runs=runs, minutes=limit, level=level, strict=strict, rng=rng)
    click.echo(json.dumps(report.as_json(done), indent=2, allow_nan=False) if as_json else report.as_text(done))
    return int(done.outcome == "violation found")


def _minutes(runs: int | None, minutes: float | None) -> float:
    if runs is not None and minutes is not None:
        raise PetsEvalError("give either --runs or --minutes, not both")
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise PetsEvalError(f"--minutes must be a finite number greater than 0, not {minutes:g}")
    return 1.0 if minutes is None else minutes


def _stated(text: str | None, delta: float | None, unit: str, neighbours: str | None) -> Claim:
    """The claim that *text* spells."""
    from pets_metrics.privacy.audit.claim import Claim

    if text is None:
        raise PetsEvalError('say what is claimed, such as --claim "epsilon=1"')
    found: dict[str, float] = {} if delta is None else {"delta": delta}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in _NAMES:
            raise PetsEvalError(f'--claim must be written as "epsilon=1,delta=1e-6" or "mu=0.5"{near(name, _NAMES)}')
        if name in found:
            raise PetsEvalError(f"{name} is claimed twice; give it once")
        try:
            found[name] = float(value)
        except ValueError:
            raise PetsEvalError(f"{name} must be a number, not {value[:40]!r}") from None
    if "epsilon" not in found and "mu" not in found:
        raise PetsEvalError("a claim needs an epsilon or a mu; a delta alone says nothing")
    if "epsilon" in found and "mu" in found:
        raise PetsEvalError("claim an epsilon (with a delta) or a mu, not both: they are different promises")
    return Claim(unit=unit, neighbours=neighbours or "add-remove", **found)  # type: ignore[arg-type]


def _own(target: Target, delta: float | None, neighbours: str | None) -> Claim:
    """The claim that a technique's release carries itself, by its own kind of neighbours."""
    from pets_metrics.privacy.audit.claim import Claim
    from pets_metrics.privacy.audit.neighbours import of_schema
    from pets_metrics.privacy.audit.techniques import Released

    assert isinstance(target, Released)
    target.run_many(of_schema(target.schema, "replace", conforming=True)[0].first, 1)
    if target.guarantee is None:
        raise PetsEvalError(f"the release of {target.name} claims nothing; say what is claimed by --claim")
    claim = Claim.of(target.guarantee)
    if neighbours and neighbours != claim.neighbours:
        raise PetsEvalError(
            f"{target.name} claims epsilon for neighbours by {claim.neighbours}; for others, give --claim as well"
        )
    if delta is not None:
        raise PetsEvalError("--delta needs --claim; without it, the claim of the technique's own release is audited")
    return claim


def _pairs(target: Target, claim: Claim, bounds: tuple[float, float], schema: Schema | None) -> list[Pair]:
    """The neighbours to try: of a table where there is a schema, else of an array of numbers."""
    from pets_metrics.privacy.audit.neighbours import of_bounds, of_schema
    from pets_metrics.privacy.audit.techniques import Released

    if schema is None:
        return of_bounds(*bounds, claim.neighbours)
    if not isinstance(target, Released):
        return of_schema(schema, claim.neighbours)
    pairs = of_schema(target.schema, claim.neighbours, conforming=True)
    target.focus(pairs)
    return pairs
