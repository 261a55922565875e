"""`pets-eval run`: the main job, from a study file to a scorecard."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from pets_eval.cli.options import Positive, study_argument, workers_option


@click.command("run")
@click.pass_obj
@study_argument
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the run is kept.  [default: runs/NAME-OF-THE-STUDY]",
)
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Who runs.")
@click.option("--ray-address", metavar="ADDRESS", help="Head of a Ray cluster, for --engine ray.")
@workers_option
@click.option("--timeout", type=Positive(), metavar="SECONDS", help="Time limit of one cell.  [default: the study's]")
@click.option("--memory", type=Positive(), metavar="GB", help="Memory limit of one cell.  [default: the study's]")
def command(
    typed: Sequence[str],
    study: Path,
    directory: Path | None,
    engine: str,
    ray_address: str | None,
    workers: int | None,
    timeout: float | None,
    memory: float | None,
) -> int:
    """Run a study and write its scorecard.

    STUDY is a file, or the name of a shipped study such as `default`. Run it again to go on where it was interrupted:
    finished cells are not run again.
    """
    if ray_address is not None and engine != "ray":
        raise click.UsageError("--ray-address needs --engine ray")
    from pets_eval.cli.outcome import finish
    from pets_eval.cli.progress import make_display
    from pets_eval.guideline.load import load_guideline
    from pets_eval.report.write import write_reports
    from pets_eval.run.runner import run_study
    from pets_eval.run.studyfile import read_study

    file = read_study(study)
    base = file.path.parent
    load_guideline(file.study.guideline, base=base)  # a slip in its name must not come to light after an hour
    target = directory or Path("runs") / slug(file.study.name)
    display = make_display()
    try:
        summary = run_study(
            file,
            target,
            engine=engine,
            workers=workers,
            timeout=timeout,
            memory=memory,
            ray_address=ray_address,
            command=shlex.join(["pets-eval", *typed]),
            reporter=display,
        )
    except KeyboardInterrupt:
        display.stop()  # before the last words, which it would overwrite
        kept = f"finished cells are kept in {target}" if target.exists() else "nothing was written yet"
        click.echo(f"interrupted: {kept}; the same command goes on from there", err=True)
        return 130
    finally:
        display.stop()
    return finish(summary, write_reports(target, file.study.guideline, base=base))


def slug(name: str) -> str:
    """A folder name for a study: "My first study!" -> "my-first-study"."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")[:60] or "study"
