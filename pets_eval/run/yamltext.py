"""YAML text to plain values, with the line of every key; nothing in it can run, explode or be said twice.

Scalars are read by the core schema of YAML 1.2: `1e-6` is a number and `No` a text, where YAML 1.1 has it the other
way round. Keys are always text. Tags, aliases, duplicate keys, infinities and deep nesting are refused: no file of
ours needs them, and each has been used to mislead a reader or to exhaust one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pets_eval.model import PetsEvalError

KeyPath = tuple[str | int, ...]

_DEPTH = 40
_DIGITS = 1000
_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it: 10 times faster


class _Loader(_Base):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}


for _name, _pattern, _first in (
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


@dataclass(frozen=True)
class Parsed:
    """The plain value of a YAML text, and the line (from 1) of every key and list element by its path."""

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)


def parse_yaml(text: str, *, where: str) -> Parsed:
    """Read *text*; raises `PetsEvalError` with one sentence that starts with *where* and the line.

    >>> parse_yaml("delta: 1e-6\\nanswers: [Yes, No]", where="study.yaml").value
    {'delta': 1e-06, 'answers': ['Yes', 'No']}
    """
    try:
        _check_form(text, where)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise PetsEvalError(f"{where}{line}: this is not valid YAML: {_plain(error)}") from None
    except yaml.YAMLError:
        raise PetsEvalError(f"{where}: the file holds characters that no YAML text may hold") from None
    lines: dict[KeyPath, int] = {}
    return Parsed(None if node is None else _value(node, (), lines, where), lines)


def _check_form(text: str, where: str) -> None:
    """Refuse what a recursive reader would choke on, before one reads it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            raise PetsEvalError(f"{where}, line {line}: aliases (*name) are not read here; write the value out")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > _DEPTH:
            raise PetsEvalError(f"{where}, line {line}: this is nested more than {_DEPTH} levels deep")
        if documents > 1:
            raise PetsEvalError(f"{where}, line {line}: a second document starts here; keep one document per file")


def _value(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], where: str) -> Any:
    if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
        return _mapping(node, path, lines, where)
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
        items = []
        for i, item in enumerate(node.value):
            lines[(*path, i)] = item.start_mark.line + 1
            items.append(_value(item, (*path, i), lines, where))
        return items
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, where)
    raise PetsEvalError(f"{where}, line {_line(node)}: tags (!name) are not read here; write a plain value")


def _mapping(node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise PetsEvalError(f"{where}, line {_line(key)}: a key must be a word or a quoted text")
        name, line = str(key.value), _line(key)
        if name in found:
            first = lines[(*path, name)]
            raise PetsEvalError(
                f"{where}, line {line}: the key {name[:60]!r} stands here twice (first in line {first})"
            )
        lines[(*path, name)] = line
        found[name] = _value(value, (*path, name), lines, where)
    return found


def _scalar(node: yaml.ScalarNode, where: str) -> Any:
    text, kind = str(node.value), node.tag.removeprefix(_TAG)
    try:
        if kind in ("str", "!"):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int" and len(text) <= _DIGITS:
            return int(text)
        if kind == "float":
            number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            if math.isfinite(number):
                return number
        if kind in ("int", "float"):
            raise PetsEvalError(f"{where}, line {_line(node)}: a number must be finite, not {text[:20]}")
    except (KeyError, ValueError):  # an explicit tag that does not fit its text, such as !!int x
        pass
    raise PetsEvalError(f"{where}, line {_line(node)}: tags (!name) are not read here; write a plain value")


def _line(item: Any) -> int:
    """The line of a node or an event, from 1."""
    return int(item.start_mark.line) + 1


def _plain(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "unreadable")
    hints = {
        "cannot start any token": "a tab or a mark such as @ stands where none may (indent by spaces, quote texts)",
        "mapping values are not allowed": "a colon stands where none may (wrong indentation, or a text to be quoted)",
        "could not find expected ':'": "a key has no colon after it",
        "did not find expected key": "a key is not indented like its neighbours",
        "did not find expected '-' indicator": "a list element does not start with '- ' like its neighbours",
        "did not find expected ',' or": "a bracket is not closed",
        "found unexpected end of stream": "a quote or a bracket is not closed",
    }
    return next((hint for jargon, hint in hints.items() if jargon in problem), problem)
