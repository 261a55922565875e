"""Schema files: YAML in which a category is always the text that stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pets_eval.model import PetsEvalError, Schema

_TEXT = "tag:yaml.org,2002:str"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MOST = 1_000_000  # values in a schema file, aliases written out


def read_schema(path: Path) -> Schema:
    """The schema in the YAML file at *path*; raises `PetsEvalError` with one sentence that names file and key."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else type(error).__name__
        raise PetsEvalError(
            f"cannot read the schema file {path.name} ({reason}); draft one with: pets-eval schema DATA -o SCHEMA.yaml"
        ) from None
    return Schema.from_json(parse(text, where=path.name), where=path.name)


def parse(text: str, *, where: str) -> Any:
    """Plain values of the YAML *text*: no tags, no repeated keys, and domains and codes as they are written.

    Plain YAML would read the category No as false, 007 as 7 and 2020-01-01 as a date.

    >>> parse("domain: [No, 007, 1e3]", where="x")
    {'domain': ['No', '007', '1e3']}
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise PetsEvalError(f"{where} is empty; draft a schema with: pets-eval schema DATA")
            _check(node, where, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PetsEvalError(f"{where} is not well-formed YAML{line}; mend its indentation or quoting") from None
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise PetsEvalError(f"{where} is not a well-formed schema file; mend it or draft it anew") from None


def _check(node: yaml.Node, where: str, sizes: dict[int, int]) -> int:
    """Refuse repeated keys and bombs below *node*, mark texts as texts, and return how many values it stands for."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise PetsEvalError(f"{where} refers to itself at line {node.start_mark.line + 1}; write the values out")
        return sizes[id(node)]
    sizes[id(node)] = 0
    below: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        below = node.value
    elif isinstance(node, yaml.MappingNode):
        _keys(node, where)
        below = [value for _, value in node.value]
    size = 1 + sum(_check(child, where, sizes) for child in below)
    if size > _MOST:
        raise PetsEvalError(f"{where} describes more than {_MOST:,} values; shorten it")
    sizes[id(node)] = size
    return size


def _keys(node: yaml.MappingNode, where: str) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PetsEvalError(f"{where}: the key at line {line} must be a name")
        if key.value in seen:
            raise PetsEvalError(f"{where}: the key {key.value[:40]!r} at line {line} occurs twice; remove one")
        seen.add(key.value)
        key.tag = _TEXT
        if key.value in ("domain", "missing"):
            _as_text(value, numbers_too=True)
        if key.value == "forbid" and isinstance(value, yaml.MappingNode):
            for _, condition in value.value:
                _as_text(condition, numbers_too=False)  # bounds of a numeric column stay numbers


def _as_text(node: yaml.Node, *, numbers_too: bool) -> None:
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        if isinstance(item, yaml.ScalarNode) and (numbers_too or item.tag not in _NUMBERS or _padded(item.value)):
            item.tag = _TEXT


def _padded(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and text.isdigit()
