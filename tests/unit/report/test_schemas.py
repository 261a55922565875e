"""The published JSON Schemas are those of the code, and accept what the code writes."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pets_eval.guideline.load import packaged
from pets_eval.report.schemas import main, schema_texts

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_committed_schemas_are_up_to_date(name):
    """If not: python -m pets_eval.report.schemas schemas"""
    assert (ROOT / "schemas" / name).read_text() == schema_texts()[name]
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_texts()[name]))


def test_they_are_written(tmp_path):
    main(tmp_path / "new")
    assert {p.name: p.read_text() for p in (tmp_path / "new").iterdir()} == schema_texts()


def validate(name, value):
    jsonschema.validate(value, json.loads(schema_texts()[f"{name}.schema.json"]))


def test_what_is_written_validates(example):
    manifest, records = example.rich()
    validate("manifest", json.loads(manifest.model_dump_json(by_alias=True)))
    for record in records[:40]:
        validate("run-record", json.loads(record.model_dump_json(by_alias=True)))


def test_packaged_guidelines_validate():
    for name in packaged():
        validate("guideline", yaml.safe_load((ROOT / "pets_eval" / "guideline" / f"{name}.yaml").read_text()))


def test_unknown_keys_are_refused():
    with pytest.raises(jsonschema.ValidationError):
        validate("study", {"name": "x", "datasets": [], "tasks": [], "techniques": [], "nonsense": 1})
