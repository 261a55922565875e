"""Make the flawed twins importable, here and in the benchmark that counts how often they are caught."""

from __future__ import annotations

import sys
from pathlib import Path

TWINS = str(Path(__file__).parent)

if TWINS not in sys.path:
    sys.path.insert(0, TWINS)
