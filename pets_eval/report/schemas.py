"""The JSON Schemas of all that is written to disk: `python -m pets_eval.report.schemas DIR` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pets_eval.guideline.model import Guideline
from pets_eval.model.record import Manifest, RunRecord
from pets_eval.model.study import Strict, Study
from pets_eval.report.model import Scorecard

DOCUMENTS: dict[str, type[Strict]] = {
    "study": Study,
    "manifest": Manifest,
    "run-record": RunRecord,
    "guideline": Guideline,
    "scorecard": Scorecard,
}


def schema_texts() -> dict[str, str]:
    """The published JSON Schemas (draft 2020-12), by file name."""
    done = {}
    for name, model in DOCUMENTS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
        done[f"{name}.schema.json"] = json.dumps(schema, indent=2, sort_keys=True) + "\n"
    return done


def main(directory: Path) -> None:
    """Write the schemas into *directory*."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
