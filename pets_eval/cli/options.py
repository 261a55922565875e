"""The arguments and options that several verbs share, with values that make no sense refused in a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class Positive(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A finite number greater than 0, or a whole number of at least 1."""

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        self.name = "whole number" if whole else "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int:
        """The number that *value* spells."""
        try:
            number = int(value) if self.whole else float(value)
        except (ValueError, OverflowError):
            number = 0
        if not math.isfinite(number) or number <= 0:
            form = "a whole number of at least 1" if self.whole else "a finite number greater than 0"
            self.fail(f"this must be {form}, not {str(value)[:40]!r}", param, ctx)
        return number


class StudyName(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A study file, or the name of a study that is shipped with the package."""

    name = "study"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path of the study that *value* names."""
        from pets_eval.run.studyfile import find_study

        return value if isinstance(value, Path) else find_study(str(value))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Shipped studies, then files."""
        from pets_eval.run.studyfile import packaged_studies

        shipped = [CompletionItem(n, help="shipped study") for n in packaged_studies() if n.startswith(incomplete)]
        return [*shipped, CompletionItem(incomplete, type="file")]


class PluginName(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """The registered name of a technique, dataset, task or metric."""

    name = "name"

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Every registered name that begins with what was typed."""
        from pets_eval.registry import KINDS, entries

        return [
            CompletionItem(name, help=kind[:-1])
            for kind in KINDS
            if not self.kinds or kind in self.kinds
            for name in entries(kind)
            if name.startswith(incomplete)
        ]


def study_argument(command: F) -> F:
    """Add the argument STUDY."""
    return click.argument("study", type=StudyName())(command)


def run_argument(command: F) -> F:
    """Add the argument DIR, the directory of a run."""
    kind = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.argument("directory", metavar="DIR", type=kind)(command)


def json_option(command: F) -> F:
    """Add the flag --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def workers_option(command: F) -> F:
    """Add the option --workers."""
    text = "Cells that run at the same time.  [default: the number of processors]"
    return click.option("--workers", type=Positive(whole=True), metavar="N", help=text)(command)
