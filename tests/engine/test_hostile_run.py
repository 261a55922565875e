"""A run directory that somebody tampered with reads, writes and deletes nothing outside itself."""

from __future__ import annotations

import json
import threading

import pytest

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.journal import read_run
from pets_eval.run.score import score_run
from pets_eval.run.store import load_held, load_release
from pets_eval.run.transcript import read_transcript
from pets_eval.run.verify import verify_run

from .conftest import Quiet


@pytest.mark.parametrize("name", ["../../../victim", "/etc", "ABC", ""])
def test_a_planned_identity_that_leads_elsewhere(run, tmp_path, name):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text("keep me")
    _, _, directory = run(techniques=[{"use": "test-plain"}])
    manifest = json.loads((directory / "run.json").read_text())
    planned = manifest["plan"][0]
    manifest["plan"].append({"identity": name, "spec": {**planned["spec"], "kind": "probe", "probe": "test-tamper"}})
    (directory / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(PetsEvalError, match="damaged"):
        score_run(directory, ["test-error"], probe=False, reporter=Quiet())
    assert (victim / "precious.txt").read_text() == "keep me"


def test_kept_files_are_read_from_their_own_folder_only(run, tmp_path):
    _, reporter, directory = run(techniques=[{"use": "test-signed"}], metrics=["test-error"])
    (record,) = [r for r in reporter.records if r.spec.technique == "test-signed"]
    home = directory / "confidential" / "cells" / record.identity / "release"
    facts = json.loads((home / "release.json").read_text())
    secret = tmp_path / "secret"
    secret.write_text("s")
    for name in (str(secret), "../../../secret"):
        (home / "release.json").write_text(json.dumps({**facts, "attachments": {"mac": name}}))
        with pytest.raises(PetsEvalError, match="tampered"):
            load_release(home)
    held = tmp_path / "held"
    held.mkdir()
    (held / "held.json").write_text(json.dumps([["a", "b", "../secret"]]))
    with pytest.raises(PetsEvalError, match="tampered"):
        load_held(held)


def test_a_spool_with_absurd_lengths_ends(tmp_path):
    (tmp_path / "a.spool").write_bytes(b'{"kept": -40, "nbytes": 1}\n' * 3)
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.append(read_transcript(tmp_path)), daemon=True)
    reader.start()
    reader.join(10)
    assert found == [()]


def test_a_copied_record_is_a_double(run):
    _, records = read_run(run()[2])
    directory = run()[2]
    source = directory / "cells" / f"{records[0].identity}.json"
    (directory / "cells" / "extra.json").write_bytes(source.read_bytes())
    assert [p.split(":")[0] for p in verify_run(directory)] == ["doubled"]


def test_an_altered_record_is_not_taken_for_good_by_the_next_run(run):
    _, _, directory = run()
    path = next((directory / "cells").glob("*.json"))
    document = json.loads(path.read_text())
    document["scores"] = {}
    path.write_text(json.dumps(document))
    assert any(p.startswith("altered") for p in verify_run(directory))
    run()
    assert any(p.startswith("altered") for p in verify_run(directory))
