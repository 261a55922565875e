"""`pets-eval score`: measure more on releases that are kept, without running the techniques again."""

from __future__ import annotations

from pathlib import Path

import click

from pets_eval.cli.options import PluginName, run_argument, workers_option


@click.command("score")
@run_argument
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=PluginName("metrics"),
    metavar="NAME",
    help="A metric to apply (may be repeated).  [default: those of the study]",
)
@click.option("--probe", is_flag=True, help="Also metrics that run the techniques again (audits, shadow models).")
@workers_option
def command(directory: Path, metrics: tuple[str, ...], probe: bool, workers: int | None) -> int:
    """Apply more metrics to the releases of a run.

    No technique runs again (but for --probe), what was scored before is kept, and the reports are written anew.
    """
    from pets_eval.cli.outcome import finish
    from pets_eval.cli.progress import make_display
    from pets_eval.registry import entry
    from pets_eval.report.write import write_reports
    from pets_eval.run.score import score_run

    for name in metrics:
        entry("metrics", name, where="--metric")
    display = make_display()
    try:
        summary = score_run(directory, list(metrics) or None, probe=probe, workers=workers, reporter=display)
    except KeyboardInterrupt:
        display.stop()  # before the last words, which it would overwrite
        click.echo("interrupted: what was scored is kept; the same command goes on from there", err=True)
        return 130
    finally:
        display.stop()
    return finish(summary, write_reports(directory))
