"""Four bugs of OpenDP 0.16.0 are caught by name through the library itself, against the epsilon it certifies itself.

OpenDP's noise cannot be seeded: at the level used here a sound query is accused less than once in a million times, and
a flawed one missed less often than that. A later version that mends a bug makes its test skip, and say so.
"""

from importlib.metadata import version

import pytest
from flawed_twins.opendp_bugs import BUGS

pytest.importorskip("polars")

LEVEL = 1 - 1e-6
SHOWN_BY, INSTALLED = "0.16.0", version("opendp")
CASES = [pytest.param(bug, id=f"{bug.issue}-{bug.name}") for bug in BUGS]


@pytest.mark.parametrize("bug", CASES)
def test_the_bug_is_caught(bug):
    try:
        found, claim = bug.find(flawed=True, level=LEVEL)
    except Exception as error:
        if INSTALLED == SHOWN_BY:
            raise
        pytest.skip(f"opendp {INSTALLED} refuses the query of #{bug.issue} ({type(error).__name__}): mended, it seems")
    if not found.violated and INSTALLED != SHOWN_BY:
        pytest.skip(f"opendp {INSTALLED} no longer shows #{bug.issue} against {claim}: mended, it seems")
    assert found.violated, found
    assert found.epsilon > claim.epsilon


@pytest.mark.parametrize("bug", CASES)
def test_the_same_query_without_it_is_not_accused(bug):
    found, claim = bug.find(flawed=False, level=LEVEL)
    assert found.outcome == "no violation found", (found, claim)
