"""What can go wrong, as the user sees it: each error is one sentence that says what, where and what to do."""

from __future__ import annotations


class PetsEvalError(Exception):
    """Bad input. The CLI prints the sentence and leaves with exit code 2; never a traceback."""


class Conflict(PetsEvalError):
    """Two things that cannot both hold, such as two runs that write to one directory."""


class Unsupported(Exception):
    """This technique does not apply here; the cell is recorded as skipped with this reason."""


class MissingExtra(Unsupported):
    """A library of an optional extra is not installed; the reason names the extra."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'pets-eval[{extra}]'")
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, (self.package, self.extra)
