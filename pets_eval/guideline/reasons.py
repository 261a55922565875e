"""The reasons of a verdict, told briefly: nothing twice, and long lists cut."""

from __future__ import annotations

from itertools import groupby

from pets_eval.guideline.model import VerdictRow

UNFINISHED = "no cell finished"


def once(rows: list[VerdictRow]) -> list[VerdictRow]:
    """The rows, where those of one figure that keeps several limits are one: "0.1 is at most 0.2 and at most 0.5"."""
    told: dict[tuple[str, ...], VerdictRow] = {}
    for i, row in enumerate(rows):
        figure, _, limit = row.reason.rpartition(" is ")
        kept = figure and row.dataset and row.verdict in ("pass", "claim-only")
        key = (row.dataset, row.task, row.verdict, figure) if kept else (str(i),)
        other = told.get(key)
        told[key] = row if other is None else other.model_copy(update={"reason": f"{other.reason} and {limit}"})
    return list(told.values())


def joined(rows: list[VerdictRow]) -> str:
    """The reasons of the rows that decided, each once with where it holds; long lists are cut.

    What was found on finished cells comes first: that a cell did not finish is told elsewhere, too.
    """
    told = []
    ordered = sorted(rows, key=lambda r: (r.reason.startswith(UNFINISHED), r.reason))
    for reason, group in groupby(ordered, key=lambda r: r.reason):
        places = [f"{r.dataset} / {r.task}" for r in group if r.dataset]
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        told.append(f"{reason}{f' on {places[0]}{more}' if places else ''}")
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")
