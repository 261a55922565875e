"""What a table is, whatever the format: headers, rows, and what each cell says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell of a table: the main text, a smaller line under it, and a note that explains it."""

    text: str
    small: str = ""
    note: str = ""


@dataclass(frozen=True)
class Header:
    """A column: its name, a smaller line under it, and the group of columns it stands in."""

    text: str
    small: str = ""
    group: str = ""


@dataclass(frozen=True)
class Line:
    """A row: its header, whether it is an anchor, and its cells."""

    name: str
    cells: Sequence[Cell]
    anchor: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table with its caption."""

    caption: str
    first: str
    headers: Sequence[Header]
    lines: Sequence[Line]
    notes: Sequence[str] = ()

    def groups(self) -> list[tuple[str, int]]:
        """Neighbouring columns of one group, with their number."""
        found: list[tuple[str, int]] = []
        for h in self.headers:
            if found and found[-1][0] == h.group:
                found[-1] = (h.group, found[-1][1] + 1)
            else:
                found.append((h.group, 1))
        return found
