"""`pets-eval check`: say whether a study is valid, without running any of it."""

from __future__ import annotations

from pathlib import Path

import click

from pets_eval.cli.options import study_argument


@click.command("check")
@study_argument
def command(study: Path) -> None:
    """Check that a study is valid; runs nothing.

    Looks at the form, every name, every parameter and the guideline, and names file, line and key of a mistake.
    """
    from pets_eval.guideline.load import load_guideline
    from pets_eval.run.data import cache_dir
    from pets_eval.run.plan import make_plan
    from pets_eval.run.studyfile import read_study

    file = read_study(study)
    plan = make_plan(file)
    for data in plan.datasets.values():
        data.source.fingerprint(cache_dir())  # a file of the user's must be there and readable
    load_guideline(file.study.guideline, base=file.path.parent)
    click.echo(f"{study}: this is a valid study of {len(plan.cells)} cells")
