"""The scorecard as JSON, after its published schema."""

from __future__ import annotations

from pets_eval.report.model import Scorecard


def to_json(card: Scorecard) -> str:
    """The scorecard as indented JSON with kebab-case keys; what was not measured is null."""
    return card.model_dump_json(by_alias=True, indent=1) + "\n"
