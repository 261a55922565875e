"""What the tests of the conformance suite share."""

from pets_eval.checks import checks_for


def failed_checks(plugin):
    """Names of the checks that *plugin* fails."""
    failed = set()
    for run in checks_for(plugin):
        try:
            run(plugin)
        except AssertionError:
            failed.add(run.__name__)
    return failed
