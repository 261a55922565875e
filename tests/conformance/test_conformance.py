"""Everything that this distribution registers keeps the promises of its kind."""

from pets_eval.checks import parametrize_with_checks
from pets_eval.registry import KINDS, entries

# downloaded, or made by the user
NOT_HERE = {"acs-pums", "nist-excerpts", "adult", "heart-disease", "file", "external", "external-release"}


@parametrize_with_checks(
    name
    for kind in KINDS
    for name, entry in entries(kind).items()
    if entry.distribution == "pets-eval" and name not in NOT_HERE
)
def test_conformance(plugin, check):
    check(plugin)
