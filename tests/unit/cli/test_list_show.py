"""`list` and `show`: what can be named in a study, and the card of each."""

import json
import math

import pytest

from pets_eval.cli import docs, main
from pets_eval.cli.docs import facts, lacks
from pets_eval.registry import KINDS, Entry, entries, load

ALL = [(kind, name) for kind in KINDS for name in entries(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_list_names_all_of_a_kind_with_the_docstring_of_the_imported_plugin(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["summary"] for row in rows} == {
        name: load(kind, name).__doc__.strip().split("\n")[0] for name in entries(kind)
    }
    assert all(row["summary"] for row in rows)


def test_list_shows_every_kind(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for kind in KINDS:
        assert f"{kind.capitalize()} ({len(entries(kind))})" in out
    assert "dp-laplace-marginals" in out


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An entry for a technique in a module of the given source."""

    def write(decorator):
        (tmp_path / "odd_plugin.py").write_text(f'@technique("odd", {decorator})\nclass Odd:\n    """An odd one."""\n')
        monkeypatch.syspath_prepend(tmp_path)
        facts.cache_clear()
        return Entry("techniques", "odd", "odd_plugin:Odd", "odd-package", "1")

    yield write
    facts.cache_clear()


def test_a_missing_package_names_the_extra(plugin):
    assert lacks(plugin('extra="odd", requires=("no_such_package_anywhere",)')) == "odd-package[odd]"


def test_an_installed_package_needs_nothing(plugin):
    assert lacks(plugin('extra="odd", requires=["json"]')) == ""
    assert lacks(plugin("")) == ""


def test_an_extra_without_packages_is_looked_up_in_the_distribution(plugin, monkeypatch):
    entry = plugin('extra="odd"')
    known = ["numpy>=2; extra == 'even'", "no-such-distribution[x]<3; extra == 'odd'"]
    monkeypatch.setattr(docs, "requires", lambda package: known)
    docs._has_extra.cache_clear()
    assert lacks(entry) == "odd-package[odd]"
    docs._has_extra.cache_clear()
    monkeypatch.setattr(docs, "requires", lambda package: known[:1])
    assert lacks(entry) == ""
    docs._has_extra.cache_clear()


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_plugin_has_a_card(kind, name, capsys):
    assert main(["show", name]) == 0
    assert f"kind: {kind[:-1]}" in capsys.readouterr().out
    assert main(["show", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    cards = found if isinstance(found, list) else [found]
    assert name in [card["name"] for card in cards]


def test_the_card_of_a_technique(capsys):
    assert main(["show", "dp-gaussian-marginals"]) == 0
    out = capsys.readouterr().out
    epsilon = next(line for line in out.splitlines() if line.strip().startswith("epsilon"))
    assert "a number" in epsilon
    assert ">= 0.001" in epsilon
    assert "protects: output-privacy" in out
    assert "leaves:" in out
    assert "extra: dp" in out


def test_the_card_of_a_dataset(capsys):
    assert main(["show", "nhanes"]) == 0
    out = capsys.readouterr().out
    gender = next(line for line in out.splitlines() if line.strip().startswith("gender"))
    assert gender.split()[1:3] == ["categorical", "quasi-identifier"]
    assert gender.endswith("Female | Male")
    assert "licence: US public domain" in out
    assert "unit of privacy: record" in out


def test_a_dataset_that_depends_on_its_parameters_says_so(capsys):
    assert main(["show", "file"]) == 0
    out = capsys.readouterr().out
    assert "(required)" in out
    assert "facts: depends on its parameters" in out


def test_the_card_of_a_metric(capsys):
    assert main(["show", "total-variation", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    spec = load("metrics", "total-variation").spec
    assert (card["axis"], card["unit"], card["needs"]) == (spec.axis, spec.unit, list(spec.needs))
    assert card["range"] == [None if math.isinf(x) else x for x in spec.range]
    assert card["goal"] == "smaller is better"
