"""How a run shows itself while it runs: a live display on a terminal, plain lines anywhere else.

Both are reporters as the engine wants them (`run.runner.Reporter`); `stop` is for the verb that made one.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pets_eval.model.record import RunRecord


class Lines:
    """One plain line for each trouble, and a count every few seconds: fit for a log file."""

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._troubles = Troubles()
        self._total = self._ended = 0
        self._last = 0.0

    def start(self, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._total, self._ended, self._last = total, done, time.monotonic()
        click.echo(f"{total} cells" + (f", {done} of them finished already" if done else ""), err=True)

    def cell(self, record: RunRecord) -> None:
        """Say what went wrong with *record*, and now and then how far the run is."""
        self._ended += 1
        if line := self._troubles.line(record):
            click.echo(line, err=True)
        now = time.monotonic()
        if now - self._last >= self._every or self._ended == self._total:
            self._last = now
            click.echo(f"{self._ended}/{self._total} cells", err=True)

    def note(self, text: str) -> None:
        """Print *text*."""
        click.echo(_printable(text), err=True)

    def stop(self) -> None:
        """Nothing to put away."""


class Live:
    """A bar with counts and the time left, and a line above it for each trouble."""

    def __init__(self) -> None:
        self._troubles = Troubles()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._counts: Counter[str] = Counter()

    def start(self, total: int, done: int) -> None:
        """Open the display."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self._progress = Progress(
            BarColumn(bar_width=20, table_column=Column(min_width=20)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=len(f"{total}/{total}"))),
            TimeRemainingColumn(compact=True, table_column=Column(min_width=5)),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, completed=done)
        self._progress.start()

    def cell(self, record: RunRecord) -> None:
        """Move the bar."""
        if self._progress is None or self._task is None:
            return
        self._counts[record.status] += 1
        if line := self._troubles.line(record):
            self._progress.console.print(line, markup=False, highlight=False)
        troubles = ", ".join(f"{n} {status}" for status, n in self._counts.items() if status != "finished")
        last = f"{record.spec.label} · {record.spec.task} · {record.spec.dataset}"
        self._progress.update(self._task, advance=1, description=_printable(f"{troubles}  {last}".strip()))

    def note(self, text: str) -> None:
        """Print *text* above the bar."""
        if self._progress is None:
            click.echo(_printable(text), err=True)
        else:
            self._progress.console.print(_printable(text), markup=False, highlight=False)

    def stop(self) -> None:
        """Put the display away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def make_display() -> Live | Lines:
    """The display that fits where standard error goes."""
    return Live() if sys.stderr.isatty() else Lines()


class Troubles:
    """Lines on the cells that did not finish."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def line(self, record: RunRecord) -> str:
        """What became of the cell; "" if it finished, or was skipped for a reason that was said before."""
        s = record.spec
        if record.status == "finished":
            failed = [f"metric {n} failed: {r.reason}" for n, r in record.scores.items() if r.status == "failed"]
            return _printable("; ".join(self._unsaid(failed)))
        if record.status == "skipped":
            who = "" if s.technique in record.reason else f"{s.technique}: "
            line = "".join(self._unsaid([f"skipped: {who}{record.reason}"]))
        else:
            which = s.probe or f"repeat {s.repeat}"
            line = f"{record.status}: {s.label} on {s.task} of {s.dataset}, {which}: {record.reason}"
        return _printable(line)

    def _unsaid(self, lines: list[str]) -> list[str]:
        new = [line for line in lines if line not in self._said]
        self._said.update(new)
        return new


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
