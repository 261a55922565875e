"""Write the reports of a run into its folder, and tell whether they still are what the records say."""

from __future__ import annotations

from pathlib import Path

from pets_eval.guideline.load import guideline_text, parse_guideline
from pets_eval.guideline.model import Guideline
from pets_eval.report.as_json import to_json
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.scorecard import scorecard
from pets_eval.run.files import write_atomic
from pets_eval.run.journal import read_manifest, read_run

_GUIDELINE = "guideline.yaml"  # the criteria that the reports of a run were made with


def write_reports(directory: Path, guideline: str | None = None, *, base: Path | None = None) -> list[Path]:
    """Write scorecard.json, .md and .html into the run *directory* and return their paths.

    *guideline* (a name, or a path from *base*) stands in for the one that the run keeps, and is kept instead of it; a
    run that keeps none has the study's. Each file is replaced whole or not at all, and none holds or links anything of
    the confidential folder. Raises `PetsEvalError` if *directory* is not a run.
    """
    text, where = _criteria(directory) if guideline is None else guideline_text(guideline, base=base)
    texts = _render(directory, parse_guideline(text, where=where))
    write_atomic(directory / _GUIDELINE, text)
    for name, content in texts.items():
        write_atomic(directory / name, content)
    return [directory / name for name in texts]


def kept_guideline(directory: Path) -> Guideline:
    """The criteria that the run in *directory* keeps, or its study's if it has no reports yet."""
    text, where = _criteria(directory)
    return parse_guideline(text, where=where)


def _criteria(directory: Path) -> tuple[str, str]:
    kept = directory / _GUIDELINE
    if kept.is_file():
        return kept.read_text("utf-8"), str(kept)
    return guideline_text(read_manifest(directory).study.guideline)


def stale_reports(directory: Path) -> list[str]:
    """Problems of the reports in *directory*: each that is not, byte for byte, what its records give."""
    texts = _render(directory, kept_guideline(directory))
    problems = []
    for name, text in texts.items():
        path = directory / name
        if not path.is_file():
            problems.append(f"lost: {name} is gone; write it again with: pets-eval report {directory}")
        elif path.read_bytes() != text.encode():
            problems.append(f"stale: {name} is not what the records give; write it again with: pets-eval report")
    return problems


def _render(directory: Path, guideline: Guideline) -> dict[str, str]:
    manifest, records = read_run(directory)
    card = scorecard(manifest, records, guideline)
    return {"scorecard.json": to_json(card), "scorecard.md": to_markdown(card), "scorecard.html": to_html(card)}
