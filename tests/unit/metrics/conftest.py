"""Answers made from plain numbers."""

import pytest

from pets_eval.model import Answer, cell_index


@pytest.fixture
def answer():
    """Make an answer from {(block, cell, statistic): value}."""
    return lambda values: Answer.of(cell_index(list(values)), list(values.values()))
