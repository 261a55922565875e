"""`pets-eval verify`: find out whether a run's records can be relied on."""

from __future__ import annotations

from pathlib import Path

import click

from pets_eval.cli.options import json_option, run_argument
from pets_eval.cli.table import print_json


@click.command("verify")
@run_argument
@json_option
def command(directory: Path, as_json: bool) -> int:
    """Check that the records of a run are sound.

    No cell may be lost or doubled, every hash must match, the reports must be reproducible; if not, exit code 1.
    """
    from pets_eval.report.write import stale_reports
    from pets_eval.run.verify import verify_run

    problems = verify_run(directory) or stale_reports(directory)
    if as_json:
        print_json({"directory": str(directory), "problems": problems})
    elif problems:
        for problem in problems:
            click.echo(problem)
    else:
        click.echo(f"{directory}: every planned cell has one record, all hashes match, the reports are reproducible")
    return int(bool(problems))
