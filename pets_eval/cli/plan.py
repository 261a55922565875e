"""`pets-eval plan`: what a run would do, and about how long it would take."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pets_eval.cli.options import json_option, study_argument, workers_option
from pets_eval.cli.table import print_json, print_table

if TYPE_CHECKING:
    from pets_eval.run.plan import Estimated


@click.command("plan")
@study_argument
@workers_option
@json_option
def command(study: Path, workers: int | None, as_json: bool) -> None:
    """Show what a run would do, and for how long.

    Times and memory are those of earlier runs on this machine; where there were none, only the limit is known.
    """
    from pets_eval.run.plan import estimate, make_plan, total_seconds
    from pets_eval.run.studyfile import read_study

    plan = make_plan(read_study(study))
    rows = estimate(plan)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table([_shown(row) for row in rows if not row.skip])
    for reason, count in Counter(row.skip for row in rows if row.skip).items():
        click.echo(f"skipped ({count} cell{'s' if count > 1 else ''}): {reason}")
    workers = workers or os.cpu_count() or 1
    total, most = total_seconds(rows, workers), sum(row.at_most_s for row in rows) / workers
    known = "not known before a first run on this machine" if math.isnan(total) else f"about {duration(total)}"
    words = "1 worker" if workers == 1 else f"{workers} workers"
    click.echo(f"{len(plan.cells)} cells with {words}: {known}, at most {duration(most)} by the study's time limit")


def _shown(row: Estimated) -> dict[str, Any]:
    return {
        "dataset": row.dataset,
        "task": row.task,
        "technique": row.technique,
        "cells": row.cells,
        "time": "" if row.seconds is None else duration(row.seconds),
        "memory": "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f} MB",
        "at most": duration(row.at_most_s),
    }


def duration(seconds: float) -> str:
    """Seconds in words: "0.4 s", "3 min", "2.5 h".

    >>> [duration(s) for s in (0, 0.42, 75, 9000)]
    ['0 s', '0.42 s', '1.2 min', '2.5 h']
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
