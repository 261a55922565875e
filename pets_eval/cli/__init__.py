"""The command line: one file per verb, each imported only when it is called."""

from pets_eval.cli.app import main

__all__ = ["main"]
