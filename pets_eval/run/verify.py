"""Replay the journal of a run: nothing lost, nothing doubled, nothing altered since it was written."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

from pets_eval.model.errors import PetsEvalError
from pets_eval.model.record import Manifest, RunRecord
from pets_eval.run.files import digest
from pets_eval.run.journal import purged_at, read_manifest, read_record


def verify_run(directory: Path) -> list[str]:
    """Problems of the run in *directory*, one sentence each; an empty list means that it is sound.

    Checks that every planned cell has exactly one record of its own spec, that documents are as the index remembers
    them, and that kept releases still have the digests in their records (unless they were purged).
    """
    manifest = read_manifest(directory)
    problems = _plan_problems(manifest)
    known = _indexed(directory)
    purged = purged_at(directory)
    for planned in manifest.plan:
        path = directory / "cells" / f"{planned.identity}.json"
        name = f"{planned.spec.label} on {planned.spec.dataset}/{planned.spec.task}, repeat {planned.spec.repeat}"
        if not path.is_file():
            problems.append(f"lost: there is no record of {name}; run the study again")
            continue
        try:
            record = read_record(path)
        except PetsEvalError as error:
            problems.append(f"damaged: {error}")
            continue
        if record.identity != planned.identity or record.spec != planned.spec:
            problems.append(f"altered: {path.name} is not the record of {name}")
        if planned.identity not in known:
            problems.append(f"unknown: {path.name} is not in the index; run the study again to take it in")
        elif digest(path) != known[planned.identity]:
            problems.append(f"altered: {path.name} was changed after it was written")
        if record.ended > purged:
            problems += _artifact_problems(record, directory)
    return problems + _strays(directory)


def _strays(directory: Path) -> list[str]:
    """Documents that are not named after their record: copies, or records under a false name."""
    problems = []
    for path in sorted((directory / "cells").glob("*.json")):
        try:
            name = json.loads(path.read_bytes())["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a planned one was reported as damaged
        if name != path.stem:
            problems.append(f"doubled: {path.name} is a second document of the record {str(name)[:64]}; remove it")
    return problems


def _plan_problems(manifest: Manifest) -> list[str]:
    twice = [i for i, n in Counter(p.identity for p in manifest.plan).items() if n > 1]
    return [f"doubled: the plan names {identity} twice" for identity in twice]


def _indexed(directory: Path) -> dict[str, str]:
    try:
        db = sqlite3.connect(f"file:{directory / 'index.sqlite'}?mode=ro", uri=True)
        try:
            return dict(db.execute("SELECT identity, digest FROM cells"))
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return {}


def _artifact_problems(record: RunRecord, directory: Path) -> list[str]:
    problems = []
    for kept in record.artifacts:
        path = directory / "confidential" / kept.path
        if not path.is_file():
            problems.append(f"lost: {kept.path} of {record.identity} is gone")
        elif digest(path) != kept.sha256:
            problems.append(f"altered: {kept.path} of {record.identity} was changed after it was written")
    return problems
