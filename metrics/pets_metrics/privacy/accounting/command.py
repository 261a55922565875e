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
@click.option("--budget", metavar="epsilon=E", help="The most that all releases together may cost; E alone will do.")
@click.option("--delta", type=float, metavar="D", help="Where epsilon is taken.  [default: the sum of those stated]")
@click.option("--publish", multiple=True, metavar="TECHNIQUE", help="Only these (by label or name); may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(directory: Path, budget: str | None, delta: float | None, publish: tuple[str, ...], as_json: bool) -> int:
    """Add up what the releases of a run cost together.

    Per data set and unit of privacy. Each repeat is a release of its own. Nothing is taken to be about different
    people. Exit code 1 if a budget is given and exceeded, with the first release in the order of the plan that goes
    past it, or void, where --publish names a release without a guarantee.
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
    return int(any(book.verdict in ("exceeded", "void") for book in found))


def _epsilon(text: str | None) -> float | None:
    if text is None:
        return None
    name, given, value = text.rpartition("=")
    try:
        epsilon = float(value)
    except ValueError:
        epsilon = math.nan
    if (given and name.strip() != "epsilon") or not 0 <= epsilon < math.inf:
        raise PetsEvalError(f"--budget must be epsilon=E or E, finite and at least 0, not {text[:40]!r}")
    return epsilon


def _plain(book: Book) -> dict[str, Any]:
    total = book.total
    return {
        "dataset": book.dataset,
        "unit": book.unit,
        "adjacency": book.adjacency,
        "delta": book.delta,
        "delta from": book.origin or "--delta",
        "budget": book.budget,
        "epsilon": None if total is None else _finite(total.epsilon),
        "pld": None if total is None else _finite(total.pld),
        "rdp": None if total is None else _finite(total.rdp),
        "added up": None if total is None else _finite(total.basic),
        "accountants agree": None if total is None else total.agree,
        "notes": [] if total is None else list(total.notes),
        "reasons": _reasons(book),
        "verdict": book.verdict or None,
        "exceeded": book.exceeded or None,
        "first past the budget": book.past or None,
        "releases": [
            {
                "technique": r.technique,
                "task": r.task,
                "releases": r.count,
                "epsilon": _finite(r.epsilon),
                "reason": r.reason or None,
            }
            for r in book.rows
        ],
        "no guarantee": [{"technique": name, "reason": reason} for name, reason in book.void.items()],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _reasons(book: Book) -> dict[str, str]:
    """Why each figure that is null has no number."""
    t = book.total
    if t is None:
        return dict.fromkeys(("epsilon", "pld", "rdp", "added up"), "no release has a guarantee")
    fails = t.failure > t.delta
    without = "the failures add up to more than delta" if fails else "a mechanism has no largest loss"
    infinite = book.reason or "infinite at this delta"
    reasons = {"epsilon": infinite, "pld": infinite, "rdp": infinite, "added up": without}
    if math.isnan(t.rdp):
        reasons["rdp"] = "the Renyi divergences of a mechanism are not known"
    figures = {"epsilon": t.epsilon, "pld": t.pld, "rdp": t.rdp, "added up": t.basic}
    return {name: reasons[name] for name, value in figures.items() if not math.isfinite(value)}


def _print(book: Book) -> None:
    origin = f", {book.origin}; choose with --delta" if book.origin else ""
    click.echo(f"{book.dataset}, per {book.unit} ({book.adjacency}), at delta = {book.delta:g}{origin}")
    width = max([len(f"{r.technique} {r.task}") for r in book.rows], default=0)
    for r in book.rows:
        times = f"{r.count} releases of" if r.count > 1 else "1 release of"
        cost = f"no epsilon ({r.reason})" if r.reason else f"epsilon {r.epsilon:.4g}"
        click.echo(f"  {f'{r.technique} {r.task}':<{width}}  {times} {cost}")
    if book.total is not None and book.reason:
        click.echo(f"  together: {book.reason}")
    elif book.total is not None:
        t = book.total
        rdp = "not known" if math.isnan(t.rdp) else f"{t.rdp:.4g}"
        click.echo(
            f"  together: epsilon {t.epsilon:.4g} (loss distributions {t.pld:.4g}, Renyi {rdp}, sum {t.basic:.4g})"
        )
    for note in () if book.total is None else book.total.notes:
        click.echo(f"  note: {note}")
    for name, reason in book.void.items():
        click.echo(f"  {name}: {_VOID} if it is published ({reason})")
    if book.budget is not None:
        click.echo(f"  budget epsilon = {book.budget:g}, delta = {book.delta:g}: {_verdict(book)}")


def _verdict(book: Book) -> str:
    if book.verdict == "void":
        return f"void: {', '.join(book.void)} {'has' if len(book.void) == 1 else 'have'} no guarantee"
    if book.verdict == "exceeded":
        return f"exceeded in {book.exceeded}, first by {book.past}"
    return book.verdict
