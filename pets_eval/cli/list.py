"""`pets-eval list`: what can be named in a study."""

from __future__ import annotations

import click

from pets_eval.cli.docs import facts, lacks
from pets_eval.cli.options import json_option
from pets_eval.cli.table import print_json, print_table
from pets_eval.registry import KINDS, Kind, entries


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@json_option
def command(kind: Kind | None, as_json: bool) -> None:
    """List techniques, datasets, tasks and metrics.

    One line each; the column "install" names the extra that must still be installed.
    """
    tables = {k: _rows(k) for k in ([kind] if kind else KINDS)}
    if as_json:
        print_json([{"kind": k[:-1], **row} for k, rows in tables.items() for row in rows])
        return
    for i, (k, rows) in enumerate(tables.items()):
        click.echo(f"{chr(10) if i else ''}{k.capitalize()} ({len(rows)})")
        print_table(rows, indent=2)


def _rows(kind: Kind) -> list[dict[str, str]]:
    return [
        {
            "name": e.name,
            "family": e.family,
            "install": lacks(e),
            "summary": known.summary if (known := facts(e.module).get(e.target.partition(":")[2])) else "",
        }
        for e in entries(kind).values()
    ]
