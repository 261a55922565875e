"""`pets-eval purge`: remove what must not outlive its purpose."""

from __future__ import annotations

from pathlib import Path

import click

from pets_eval.cli.options import run_argument


@click.command("purge")
@run_argument
def command(directory: Path) -> None:
    """Remove the confidential folder of a run.

    It holds prepared data, releases and transcripts. Records and reports stay.
    """
    from pets_eval.run.journal import purge

    purge(directory)
    click.echo(f"{directory}: the confidential folder is gone; the records and reports are still there")
