"""`pets-eval ledger RUN`: what publishing the releases of a run costs the people of each data set together."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pets_eval.model import PetsEvalError

if TYPE_CHECKING:
    from pets_metrics.privacy.accounting.publishing import Book

_VOID = "no guarantee: composition is void"


@click.command("ledger")
@click.argument("directory", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--budget", metavar="epsilon=E", help="The most that all releases together may cost.")
@click.option("--delta", type=float, metavar="D", help="Where epsilon is taken.  [default: the largest delta stated]")
@click.option("--publish", multiple=True, metavar="TECHNIQUE", help="Only these (by label or name); may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(directory: Path, budget: str | None, delta: float | None, publish: tuple[str, ...], as_json: bool) -> int:
    """Add up what the releases of a run cost together.

    Per data set and unit of privacy. Each repeat is a release of its own. Nothing is taken to be about different
    people. Exit code 1 if a budget is given and exceeded, with the first release in the order of the plan that goes
    past it.
    """
    from pets_metrics.privacy.accounting.publishing import books

    found = books(directory, publish=publish, delta=delta, budget=_epsilon(budget))
    if as_json:
        click.echo(json.dumps([_plain(book) for book in found], indent=2, allow_nan=False))
    else:
        for i, book in enumerate(found):
            if i:
                click.echo()
            _print(book)
        if not found:
            click.echo("no release of this run was kept: there is nothing to add up")
    return int(any(book.past for book in found))


def _epsilon(text: str | None) -> float | None:
    if text is None:
        return None
    name, _, value = text.rpartition("=")
    try:
        epsilon = float(value)
    except ValueError:
        epsilon = math.nan
    if name.strip() not in ("", "epsilon") or not 0 <= epsilon < math.inf:
        raise PetsEvalError(f"--budget must be epsilon=E with a finite E of at least 0, not {text[:40]!r}")
    return epsilon


def _plain(book: Book) -> dict[str, Any]:
    total = book.total
    return {
        "dataset": book.dataset,
        "unit": book.unit,
        "adjacency": book.adjacency,
        "delta": book.delta,
        "budget": book.budget,
        "epsilon": None if total is None else _finite(total.epsilon),
        "pld": None if total is None else _finite(total.pld),
        "rdp": None if total is None else _finite(total.rdp),
        "added up": None if total is None else _finite(total.basic),
        "accountants agree": None if total is None else total.agree,
        "notes": [] if total is None else list(total.notes),
        "first past the budget": book.past or None,
        "releases": [
            {"technique": r.technique, "task": r.task, "releases": r.count, "epsilon": _finite(r.epsilon)}
            for r in book.rows
        ],
        "no guarantee": [{"technique": name, "reason": reason} for name, reason in book.void.items()],
    }


def _finite(value: float) -> float | str | None:
    return None if math.isnan(value) else "Infinity" if math.isinf(value) else value


def _print(book: Book) -> None:
    click.echo(f"{book.dataset}, per {book.unit} ({book.adjacency}), at delta = {book.delta:g}")
    width = max([len(f"{r.technique} {r.task}") for r in book.rows], default=0)
    for r in book.rows:
        times = f"{r.count} releases of" if r.count > 1 else "1 release of"
        click.echo(f"  {f'{r.technique} {r.task}':<{width}}  {times} epsilon {r.epsilon:.4g}")
    if book.total is not None:
        t = book.total
        rdp = "not known" if math.isnan(t.rdp) else f"{t.rdp:.4g}"
        click.echo(
            f"  together: epsilon {t.epsilon:.4g} (loss distributions {t.pld:.4g}, Renyi {rdp}, sum {t.basic:.4g})"
        )
        for note in t.notes:
            click.echo(f"  note: {note}")
    for name, reason in book.void.items():
        click.echo(f"  {name}: {_VOID} if it is published ({reason})")
    if book.budget is not None:
        verdict = f"exceeded, first by {book.past}" if book.past else "kept"
        click.echo(f"  budget epsilon = {book.budget:g}: {verdict}")
