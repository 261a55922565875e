"""Tables on the terminal: aligned text for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

_LEAST = 24  # characters the last column keeps however narrow the terminal is


def print_json(value: Any) -> None:
    """Print *value* as JSON."""
    click.echo(json.dumps(value, indent=2, default=str, allow_nan=False))


def print_table(rows: Sequence[Mapping[str, Any]], *, indent: int = 0) -> None:
    """Print *rows* (mappings with the same keys) under their keys; a column that is empty throughout is left out.

    The last column is wrapped to the width of the terminal; a pipe or a file gets one line per row.
    """
    if not rows:
        return
    names = [n for n in rows[0] if any(_shown(r[n]) for r in rows)]
    texts = [names, *([_shown(r[n]) for n in names] for r in rows)]
    widths = [max(len(t[i]) for t in texts) for i in range(len(names) - 1)]
    left = [any(isinstance(r[n], (str, list, tuple)) for r in rows) for n in names]
    start = indent + sum(widths) + 2 * len(widths)
    room = max(shutil.get_terminal_size().columns - start, _LEAST) if sys.stdout.isatty() else sys.maxsize
    for text in texts:
        head = "".join(f"{t:<{w}}  " if is_left else f"{t:>{w}}  " for t, w, is_left in zip(text, widths, left))
        wrapped = textwrap.wrap(text[-1], room) or [""]
        click.echo((" " * indent + head + wrapped[0]).rstrip())
        for more in wrapped[1:]:
            click.echo(" " * start + more)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)
