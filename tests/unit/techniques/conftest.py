"""A context per test, and a table of counts with known noise."""

import numpy as np
import pytest

from pets_eval.checks import MemoryContext


@pytest.fixture
def context(tmp_path):
    return MemoryContext(np.random.default_rng(0), tmp_path)
