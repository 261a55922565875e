"""Randomness by name: adding a technique to a study changes nobody else's draws."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def entropy(seed: int, *names: object) -> int:
    """A 128-bit integer that depends on the study's seed and the names of what is drawn for.

    >>> entropy(1, "nhanes", "split") == entropy(1, "nhanes", "split") != entropy(2, "nhanes", "split")
    True
    """
    text = json.dumps([seed, *names], sort_keys=True, separators=(",", ":"), default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for these names."""
    import numpy as np

    return np.random.default_rng(np.random.SeedSequence(entropy(seed, *names)))
