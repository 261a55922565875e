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

_ABOUT = ("purpose", "data-subjects", "sharing-model", "threat-model", "residual-risks", "expires", "attestations")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("assess")
@click.pass_obj
@click.option("--real", required=True, type=_FILE, metavar="FILE", help="The protected records, CSV or Parquet.")
@click.option("--synthetic", required=True, type=_FILE, metavar="FILE", help="The released records.")
@click.option("--control", type=_FILE, metavar="FILE", help="Records of other people, never shown to the maker.")
@click.option("--schema", type=_FILE, metavar="FILE", help="The public schema.  [default: drafted from the files]")
@click.option("-o", "--output", "directory", required=True, type=click.Path(file_okay=False, path_type=Path),
              metavar="DIR", help="Where the run is kept.")  # fmt: skip
@click.option("--about", type=_FILE, metavar="FILE", help="YAML with purpose, threat-model and so on, as a study.")
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
    about: Path | None,
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
    from pets_eval.report.write import write_reports
    from pets_eval.run.runner import run_study
    from pets_eval.run.studyfile import parse_study

    load_guideline(guideline)
    directory = directory.resolve()
    draft = directory.with_name(f"{directory.name}.schema.yaml")
    fresh = schema is None and not draft.exists()
    display = make_display()
    try:
        schema = schema or _drafted(draft, real, synthetic, control)
        study = _study(directory.name, real, synthetic, control, schema)
        study |= {"guideline": guideline, "limits": {"timeout": timeout}, **_context(about)}
        file = parse_study(json.dumps(study), about or Path("assess.yaml"))
        _must_be_readable(study)
        summary = run_study(
            file, directory, workers=workers, command=shlex.join(["pets-eval", *typed]), reporter=display
        )
    except PetsEvalError:
        if fresh and not directory.exists():
            draft.unlink(missing_ok=True)  # nothing is left of what could not begin
        raise
    except KeyboardInterrupt:
        display.stop()
        click.echo("interrupted: finished cells are kept; the same command goes on from there", err=True)
        return 130
    finally:
        display.stop()
    return finish(summary, write_reports(directory, guideline, base=Path()))


def _drafted(path: Path, real: Path, synthetic: Path, control: Path | None) -> Path:
    """A schema file at *path* for these tables; one that is there already must be the same."""
    from pets_eval.registry import load
    from pets_eval.run.files import write_atomic

    text = load("datasets", "file").draft(real, synthetic, *([control] if control else []))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
        click.echo(f"wrote {path}: read it, mend it, and assess again with --schema", err=True)
    elif path.read_text(encoding="utf-8") != text:
        raise PetsEvalError(
            f"{path} is there already and is no draft of these tables; assess with --schema {path}, or remove it"
        )
    return path


def _context(about: Path | None) -> dict[str, Any]:
    """What a study file would say of purpose, people, threat model and the like."""
    if about is None:
        return {}
    from pets_eval.run.yamltext import parse_yaml

    try:
        value = parse_yaml(about.read_text(encoding="utf-8-sig"), where=str(about)).value
    except (OSError, UnicodeDecodeError):
        raise PetsEvalError(f"{about}: the file cannot be read as text in UTF-8; check its path") from None
    if not isinstance(value, dict) or not set(value) <= set(_ABOUT):
        raise PetsEvalError(f"{about}: a file about the release has the keys {', '.join(_ABOUT)} and no other")
    return value


def _must_be_readable(study: dict[str, Any]) -> None:
    """Read the released file once by the schema, so that a fault in it comes to light before anything is run."""
    from pets_eval.registry import make_dataset, make_technique

    released = make_technique("external-release", study["techniques"][0]["params"])
    read = getattr(released, "read", None)
    if read is not None:
        read(make_dataset("file", study["datasets"][0]["params"]).schema())


def _study(name: str, real: Path, synthetic: Path, control: Path | None, schema: Path) -> dict[str, Any]:
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
        "repeats": 5,
        "datasets": [{"use": "file", "name": "real", "params": params, "control": 0}],
        "tasks": asked,
        "techniques": [{"use": "external-release", "params": {"path": str(synthetic.resolve())}}],
    }
