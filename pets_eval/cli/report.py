"""`pets-eval report`: write the scorecard of a run again, perhaps under another guideline."""

from __future__ import annotations

from pathlib import Path

import click

from pets_eval.cli.options import run_argument


@click.command("report")
@run_argument
@click.option("--guideline", metavar="NAME", help="A guideline, by name or file.  [default: the study's]")
def command(directory: Path, guideline: str | None) -> None:
    """Write the scorecard of a run from its records."""
    from pets_eval.report.write import write_reports

    for path in sorted(write_reports(directory, guideline), key=lambda p: p.suffix == ".html"):
        click.echo(str(path))
