"""`pets-eval assess`: a scorecard for records that somebody else released, such as a vendor's synthetic file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pets_eval.cli.options import Positive, workers_option
from pets_eval.model import PetsEvalError

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("assess")
@click.pass_obj
@click.option("--real", required=True, type=_FILE, metavar="FILE", help="The protected records, CSV or Parquet.")
@click.option("--synthetic", required=True, type=_FILE, metavar="FILE", help="The released records.")
@click.option("--control", type=_FILE, metavar="FILE", help="Records of other people, never shown to the maker.")
@click.option("--schema", type=_FILE, metavar="FILE", help="The public schema.  [default: drafted from the files]")
@click.option("-o", "--output", "directory", required=True, type=click.Path(file_okay=False, path_type=Path),
              metavar="DIR", help="Where the run is kept.")  # fmt: skip
@click.option("--guideline", default="core", show_default=True, help="The criteria to hold the release against.")
@click.option(
    "--timeout", type=Positive(), default=3600.0, metavar="SECONDS", help="Time limit of one cell.  [default: 3600]"
)
@workers_option
def command(
    typed: Sequence[str],
    real: Path,
    synthetic: Path,
    control: Path | None,
    schema: Path | None,
    directory: Path,
    guideline: str,
    timeout: float,
    workers: int | None,
) -> int:
    """Judge a release that was made elsewhere and write its scorecard.

    Without --control no attack can be told from what is true of everybody. Without --schema one is drafted from the
    files and kept as DIR.schema.yaml: read it, replace what was read from the data, say which columns identify or are
    sensitive, and assess again with it.
    """
    from pets_eval.cli.outcome import finish
    from pets_eval.cli.progress import make_display
    from pets_eval.guideline.load import load_guideline
    from pets_eval.registry import load
    from pets_eval.report.write import write_reports
    from pets_eval.run.files import write_atomic
    from pets_eval.run.runner import run_study
    from pets_eval.run.studyfile import parse_study

    load_guideline(guideline)
    if schema is None:
        schema = directory.with_name(f"{directory.name}.schema.yaml")
        if not schema.exists():
            text = load("datasets", "file").draft(real, synthetic, *([control] if control else []))
            schema.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(schema, text)
            click.echo(f"wrote {schema}: read it, mend it, and assess again with --schema", err=True)
        else:
            click.echo(f"using {schema}, which is there", err=True)
    study = _study(directory.name, real, synthetic, control, schema, guideline, timeout)
    file = parse_study(json.dumps(study), Path("assess.yaml"))
    display = make_display()
    try:
        summary = run_study(
            file, directory, workers=workers, command=shlex.join(["pets-eval", *typed]), reporter=display
        )
    finally:
        display.stop()
    return finish(summary, write_reports(directory, guideline, base=Path()))


def _study(
    name: str, real: Path, synthetic: Path, control: Path | None, schema: Path, guideline: str, timeout: float
) -> dict[str, Any]:
    """The study that asks what the release is worth: of its records, and of tables made from them."""
    from pets_eval.registry import make_dataset, make_task

    params = {"path": str(real.resolve()), "schema_file": str(schema.resolve())}
    if control:
        params["control_file"] = str(control.resolve())
    columns = make_dataset("file", params).schema()
    asked = []
    for use, settings in (("microdata", {}), ("marginals", {"k": 2}), ("classification", {})):
        try:
            make_task(use, settings).needs(columns)
        except PetsEvalError:
            continue  # no two columns with few cells, or no target
        if control or use != "classification":
            asked.append({"use": use, "params": settings})
    return {
        "schema": "pets-eval/study/1",
        "name": name,
        "purpose": "Judge a release that was made elsewhere",
        "sharing-model": "synthetic",
        "guideline": guideline,
        "repeats": 1,
        "limits": {"timeout": timeout},
        "datasets": [{"use": "file", "name": "real", "params": params, "control": 0}],
        "tasks": asked,
        "techniques": [{"use": "external-release", "params": {"path": str(synthetic.resolve())}}],
    }
