"""The last lines of `run` and `score`: how many cells came out how, where the scorecard is, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pets_eval.run.runner import RunSummary


def finish(summary: RunSummary, reports: Sequence[Path]) -> int:
    """Print the counts and the reports, scorecard.html last; return 1 if a cell or a metric failed, else 0.

    A skipped cell (a technique that does not apply, an extra that is not installed) is no failure.
    """
    counts = ", ".join(f"{n} {status}" for status, n in summary.counts.items() if n)
    done = f"; {summary.resumed} of them were done before" if summary.resumed > 0 else ""
    click.echo(f"{sum(summary.counts.values())} cells: {counts or 'none'}{done}")
    if summary.failed_metrics:
        click.echo(f"{summary.failed_metrics} of them have a metric that could not be computed; see the scorecard")
    for reason in summary.not_installed:
        click.echo(f"skipped: {reason}")
    for path in sorted(reports, key=lambda p: p.suffix == ".html"):
        click.echo(str(path))
    return int(summary.unfinished + summary.failed_metrics > 0)
