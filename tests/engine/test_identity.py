"""A cell is the same cell however it is spelt, and another one when anything that matters changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pets_eval.model.errors import PetsEvalError
from pets_eval.run import identity as identities
from pets_eval.run.plan import make_plan
from pets_eval.run.works import planned
from pets_eval.sources import source_digest


def identities_of(file, technique="test-noisy"):
    plan = make_plan(file)
    return {
        planned(c.spec, plan.tasks[c.spec.task], "test-people", "ab" * 16, plan.study.seed).identity
        for c in plan.cells
        if c.spec.technique == technique
    }


@pytest.mark.parametrize(
    "spelling",
    [
        {"use": "test-noisy", "params": {"scale": 1}},
        {"use": "test-noisy", "params": {"scale": 1.0}},
        {"use": "test-noisy", "grid": {"scale": [1.0]}},
    ],
)
def test_spelling_does_not_matter(study, spelling):
    plain = identities_of(study(techniques=[{"use": "test-noisy"}]))
    assert identities_of(study(techniques=[spelling])) == plain


def test_a_default_that_is_named_is_a_double(study):
    techniques = [{"use": "test-noisy"}, {"use": "test-noisy", "params": {"scale": 1.0}}]
    with pytest.raises(PetsEvalError, match="named twice"):
        make_plan(study(techniques=techniques))


def test_values_that_look_alike_are_not_the_same(study):
    plan = make_plan(study(techniques=[{"use": "test-noisy", "grid": {"scale": [1.0000001, 1.0000002]}}]))
    assert len({c.spec.label for c in plan.cells if c.spec.technique == "test-noisy"}) == 2


def test_an_exploding_grid_is_refused_before_it_is_made(study):
    grid = {"scale": list(range(1, 1000)), "other": list(range(3000))}
    with pytest.raises(PetsEvalError, match="split it"):
        make_plan(study(techniques=[{"use": "test-noisy", "grid": grid}]))


def test_versions_of_the_base_matter(study, monkeypatch):
    file = study(techniques=[{"use": "test-noisy"}])
    before = identities_of(file)
    identities._versions.cache_clear()
    monkeypatch.setattr(identities, "base_versions", lambda: {"numpy": "0.0"})
    assert identities_of(file) != before
    identities._versions.cache_clear()


def test_the_source_of_all_that_is_imported_matters(tmp_path: Path, monkeypatch):
    home = tmp_path / "pets_layers"
    (home / "deep").mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "deep" / "__init__.py").write_text("")
    (home / "deep" / "plug.py").write_text("from pets_layers.shared import helper\nfrom ..other import thing\n")
    (home / "shared.py").write_text("def helper(): return 1\n")
    (home / "other.py").write_text("thing = 1\n")
    (home / "unused.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest() -> str:
        for cached in (source_digest, sys.modules["pets_eval.sources"]._imported):
            cached.cache_clear()
        return source_digest("pets_layers.deep.plug")

    first = digest()
    (home / "unused.py").write_text("x = 2\n")
    assert digest() == first
    (home / "shared.py").write_text("def helper(): return 2\n")
    second = digest()
    assert second != first
    (home / "other.py").write_text("thing = 2\n")
    assert digest() != second
    with pytest.raises(ImportError):
        source_digest("pets_layers.nothing")


def test_two_input_parties_need_a_partition(study):
    parties = [{"name": "hospital", "roles": ["input"]}, {"name": "agency", "roles": ["input", "result"]}]
    with pytest.raises(PetsEvalError, match="hospital and agency are input parties"):
        make_plan(study(parties=parties))
    plan = make_plan(study(parties=parties[:1]))
    assert {p.name for p in plan.datasets["test-people"].parties} == {"hospital", "curator"}
