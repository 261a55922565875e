"""The YAML reader: values by YAML 1.2, the line of every key, and refusals in one sentence."""

import pytest

from pets_eval.model import PetsEvalError
from pets_eval.run.yamltext import parse_yaml


def value(text):
    return parse_yaml(text, where="f.yaml").value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-6", 1e-6),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("007", 7),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("False", False),
        ("Yes", "Yes"),
        ("No", "No"),
        ("on", "on"),
        ("~", None),
        ("null", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("<<", "<<"),
        ("=", "="),
        ("", None),
        ("[a, 2, [b]]", ["a", 2, ["b"]]),
        ("{1: a, yes: b, null: c}", {"1": "a", "yes": "b", "null": "c"}),
        ("a: &anchor 1", {"a": 1}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_follow_yaml_1_2_core(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_every_key_and_element_has_its_line():
    parsed = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3,\n      f: 4}\n", where="f.yaml")
    assert parsed.lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 5,
        ("b", 1, "d", "e"): 5,
        ("b", 1, "d", "f"): 6,
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' stands here twice (first in line 1)"),
        ("a: {b: 1, b: 2}", 1, "'b' stands here twice"),
        ("a: &x [1]\nb: *x", 2, "aliases"),
        ("a: &x [*x]", 1, "aliases"),
        ("a: !!python/object/apply:os.system ['true']", 1, "tags"),
        ("!!python/name:os.system", 1, "tags"),
        ("a: !!binary aGk=", 1, "tags"),
        ("a: !!int x", 1, "tags"),
        ("a: !!bool x", 1, "tags"),
        ("a: !!set {b, c}", 1, "tags"),
        ("a: !mine 1", 1, "tags"),
        ("a: .inf", 1, "finite"),
        ("a: -.INF", 1, "finite"),
        ("a: .nan", 1, "finite"),
        ("a: 1e999", 1, "finite"),
        ("a: " + "9" * 5000, 1, "finite"),
        ("[" * 50 + "]" * 50, 1, "nested more than 40"),
        ("[" * 200_000, 1, "nested more than 40"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("? [a]\n: b", 1, "a key must be"),
        ('"": b', 1, "a key must be"),
        ("a:\n\t- b", 2, "not valid YAML: a tab"),
        ("a: b: c", 1, "not valid YAML: a colon"),
        ("a: [1\nb: 2", 2, "not valid YAML"),
        ("a: 'x", 1, "not valid YAML: a quote or a bracket is not closed"),
        ('"\\ud800"', 1, "not valid YAML"),
    ],
)
def test_what_can_mislead_or_exhaust_is_refused_with_its_line(text, line, words):
    with pytest.raises(PetsEvalError) as error:
        value(text)
    message = str(error.value)
    assert message.startswith(f"f.yaml, line {line}: ")
    assert words in message
    assert len(message.splitlines()) == 1


def test_characters_outside_yaml_are_refused():
    with pytest.raises(PetsEvalError, match="characters that no YAML text may hold"):
        value("a: \x00")
