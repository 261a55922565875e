"""jax-privacy's lower bounds on epsilon from scores of members and others; run by an interpreter that has it.

`with_jax_privacy.py FILE` reads `members` and `others`, shapes (seeds, n), from FILE (npz). It answers with one line of
JSON: for each seed the bound of `epsilon_from_gdp` at significance 0.05 and delta 1e-5.
"""

import json
import sys

import numpy as np
from jax_privacy.auditing import CanaryScoreAuditor

with np.load(sys.argv[1]) as scores:
    pairs = list(zip(scores["members"], scores["others"], strict=True))
print(json.dumps([float(CanaryScoreAuditor(a, b).epsilon_from_gdp(significance=0.05, delta=1e-5)) for a, b in pairs]))
