"""The studies that come with the package: valid, and the default one an example of every key."""

import re

import pytest

from pets_eval.cli import main
from pets_eval.model.study import Attestation, DatasetPick, Limits, Partition, PartySpec, Pick, Strict, Study, TaskPick
from pets_eval.run.studyfile import packaged_studies, packaged_study

STUDIES = packaged_studies()
MODELS = (Study, DatasetPick, Partition, TaskPick, Pick, PartySpec, Limits, Attestation)


def test_there_is_a_default_and_some_examples():
    assert {"default", "hospitals", "visits", "own-data"} <= set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_every_shipped_study_passes_check(name, capsys):
    assert main(["check", name]) == 0
    assert "this is a valid study of" in capsys.readouterr().out
    assert main(["check", str(STUDIES[name])]) == 0


@pytest.mark.parametrize("name", STUDIES)
def test_every_shipped_study_says_what_the_guideline_asks_for(name):
    from pets_eval.run.studyfile import read_study

    study = read_study(STUDIES[name]).study
    assert study.name.replace(" ", "-") == name
    assert study.purpose and study.data_subjects and study.threat_model and study.residual_risks
    assert study.sharing_model and study.expires


@pytest.mark.parametrize("model", MODELS)
def test_the_default_study_shows_every_key(model: type[Strict]):
    text = packaged_study("default").read_text()
    for name, field in model.model_fields.items():
        key = field.alias or name
        assert re.search(rf"(^|[\s{{]){key}:", text, re.MULTILINE), key
