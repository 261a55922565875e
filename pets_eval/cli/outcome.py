"""The last lines of `run` and `score`: how many cells came out how, where the scorecard is, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pets_eval.run.runner import RunSummary


def finish(summary: RunSummary, reports: Sequence[Path]) -> int:
    """Print the counts and the reports, scorecard.html last; return 1 if a cell failed, else 0.

    A skipped cell (a technique that does not apply, an extra that is not installed) is no failure.
    """
    counts = ", ".join(f"{n} {status}" for status, n in summary.counts.items() if n)
    kept = summary.resumed - summary.counts.get("skipped", 0)  # what is skipped is never run in the first place
    done = f"; {kept} of them were done before" if kept > 0 else ""
    click.echo(f"{sum(summary.counts.values())} cells: {counts or 'none'}{done}")
    for path in sorted(reports, key=lambda p: p.suffix == ".html"):
        click.echo(str(path))
    return int(summary.unfinished > 0)
