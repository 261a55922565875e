"""pets-eval: find out whether a privacy-enhancing technology works, how well, against whom, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pets_eval.analysis import Run

__all__ = ["__version__", "open_run"]


def open_run(directory: str) -> Run:
    """Open the run kept in *directory* as tidy DataFrames and figures (see `pets_eval.analysis`)."""
    from pets_eval.analysis import Run

    return Run(directory)
