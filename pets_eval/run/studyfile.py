"""The study file as its author sees it: values, with the line of every key, and sentences for every mistake."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

import pets_eval
from pets_eval.model import PetsEvalError, near
from pets_eval.model.study import Study
from pets_eval.run.yamltext import KeyPath, parse_yaml

_MOST_BYTES = 1_000_000
_SUFFIXES = (".yaml", ".yml")
_WORD = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True)
class StudyFile:
    """A study that was read, and where each of its keys stands."""

    path: Path
    text: str
    study: Study
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def where(self, *keys: str | int) -> str:
        """Name a place in the file: "study.yaml, line 12, techniques[0].params.epsilon".

        The line is that of the innermost key that the file has; keys may be spelt as fields (`data_subjects`).
        """
        return _where(self.path, self.lines, keys)


def read_study(path: Path) -> StudyFile:
    """Read the study file at *path*, of at most 1 MB.

    Raises `PetsEvalError` with one sentence that names the file, the line, the key, what is wrong and what belongs
    there. Checks the form only; whether the names exist is for `run.plan` to say.
    """
    return parse_study(_text(path), path)


def parse_study(text: str, path: Path) -> StudyFile:
    """Read *text* as the content that *path* has or is to have; see `read_study`."""
    parsed = parse_yaml(text, where=str(path))
    if not isinstance(parsed.value, dict):
        what = "is empty" if parsed.value is None else f"holds {_said(parsed.value)}"
        raise PetsEvalError(f"{path}: the file {what}; a study has the keys name, datasets, tasks and techniques")
    try:
        # JSON mode is strict about types ("5" is no number, 1 is no text) and still reads dates from text.
        study = Study.model_validate_json(json.dumps(parsed.value), strict=True)
    except ValidationError as error:
        raise PetsEvalError(_sentence(error, path, parsed.lines)) from None
    return StudyFile(path, text, study, parsed.lines)


def packaged_studies() -> dict[str, Path]:
    """The studies shipped with the package, by name: in a wheel inside the package, in a checkout beside it."""
    package = Path(pets_eval.__file__).parent
    for folder in (package / "studies", package.parent / "studies"):
        if folder.is_dir():
            return {p.stem: p for p in sorted(folder.glob("*.yaml"))}
    return {}


def packaged_study(name: str) -> Path:
    """The path of the shipped study called *name*; raises `PetsEvalError` that suggests the near name."""
    known = packaged_studies()
    if name not in known:
        raise PetsEvalError(
            f"there is no file {name[:80]!r}, and no shipped study of that name{near(name, known)}; "
            f"shipped studies: {', '.join(known) or 'none'}"
        )
    return known[name]


def find_study(given: str) -> Path:
    """The study file meant by what a user typed: a path, or the name of a shipped study."""
    path = Path(given)
    if path.is_file():
        return path
    if path.is_dir():
        raise PetsEvalError(f"{given}: this is a folder; name a study file")
    if path.suffix in _SUFFIXES or len(path.parts) > 1:
        beside = [p.name for p in path.parent.glob("*") if p.suffix in _SUFFIXES] if path.parent.is_dir() else []
        raise PetsEvalError(f"{given}: there is no such file{near(path.name, beside)}")
    return packaged_study(given)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise PetsEvalError(f"{path}: the file cannot be read: {error.strerror or error}") from None
    if len(raw) > _MOST_BYTES:
        raise PetsEvalError(f"{path}: the file is larger than 1 MB; a study file names data, it does not hold them")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PetsEvalError(f"{path}: the file is not UTF-8 text; save it as UTF-8") from None


def _where(path: Path, lines: Mapping[KeyPath, int], keys: KeyPath) -> str:
    written = {_kebab(known): line for known, line in lines.items()}
    depths = range(len(keys), 0, -1)
    line = next((written[k] for n in depths if (k := _kebab(keys[:n])) in written), None)
    return ", ".join([str(path), *([f"line {line}"] if line else []), *([_dotted(keys)] if keys else [])])


def _kebab(keys: KeyPath) -> KeyPath:
    return tuple(k.replace("_", "-") if isinstance(k, str) else k for k in keys)


def _dotted(keys: KeyPath) -> str:
    """`techniques[0].params.epsilon`; a key that is no plain word is quoted."""
    words = (k if isinstance(k, int) or _WORD.fullmatch(k) else _cut(k) for k in keys)
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in words).removeprefix(".")


# -- from pydantic's errors to a sentence -----------------------------------------------------------


def _sentence(error: ValidationError, path: Path, lines: Mapping[KeyPath, int]) -> str:
    """One sentence on the mistake to mend first.

    An unknown key comes first, since a slip in spelling also makes the right key missing; then the first in the file.
    """

    def rank(e: Any) -> tuple[bool, int]:
        loc = _place(e["loc"], lines)
        return e["type"] != "extra_forbidden", lines.get(loc, lines.get(loc[:-1], 0))

    first: Any = min(error.errors(include_url=False), key=rank)
    loc = _place(first["loc"], lines)
    if first["type"] == "extra_forbidden":
        known = _keys(_form(first["loc"][:-1]))
        name = first["loc"][-1]
        close = near(_kebab((name,))[0], known) or f"; the keys here are {', '.join(known)}"
        return f"{_where(path, lines, (*loc[:-1], name))}: unknown key {_cut(name)}{close}"
    if first["type"] == "missing":
        return f"{_where(path, lines, loc)}: the key {first['loc'][-1]!r} is missing"
    return f"{_where(path, lines, loc)}: {_problem(first, loc)}"


def _place(loc: KeyPath, lines: Mapping[KeyPath, int]) -> KeyPath:
    """*loc* without what pydantic adds to it: the branch of a union, such as "list[str]"."""
    if "metrics" in loc[:1]:
        return ("metrics", *(k for k in loc[1:] if isinstance(k, int)))
    return loc


def _form(loc: Iterable[str | int]) -> Any:
    """The type that the study has at *loc*."""
    here: Any = Study
    for key in loc:
        here = _bare(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields: dict[Any, Any] = {f.alias or n: f.annotation for n, f in here.model_fields.items()}
            here = fields.get(_kebab((key,))[0])
        else:
            here = typing.get_args(here)[-1]
    return _bare(here)


def _bare(hint: Any) -> Any:
    """*hint* without "or None"."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def _keys(model: Any) -> list[str]:
    return [f.alias or n for n, f in model.model_fields.items()]


_FORMS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "date": "a date as YYYY-MM-DD",
}
_RANGES = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _problem(error: Any, loc: KeyPath) -> str:
    kind, given, ctx = error["type"], error["input"], error.get("ctx", {})
    if loc[:1] == ("metrics",):
        return f"metrics must be a list of metrics' names, or one of all, stored; not {_said(given)}"
    if kind in _RANGES:
        words, key = _RANGES[kind]
        return f"this must be {words} {ctx[key]:g}, not {_said(given)}"
    if kind == "literal_error":
        choices = typing.get_args(_form(loc))
        words = f"one of {', '.join(choices)};" if len(choices) > 1 else f"{choices[0]},"
        return f"this must be {words} not {_said(given)}{near(given, choices)}"
    if kind == "string_pattern_mismatch":
        return f"a name starts with a letter or digit and goes on with these, spaces, . _ or -; not {_said(given)}"
    if kind in ("too_short", "string_too_short"):
        least = ctx["min_length"]
        return "this must not be empty" if least == 1 else f"this needs at least {least} elements"
    if kind == "value_error":
        return " ".join(str(ctx["error"]).split())
    form = _FORMS.get(kind) or _FORMS.get(kind.split("_")[0])
    return f"this must be {form}, not {_said(given)}" if form else f"{_said(given)} does not belong here"


def _said(value: Any) -> str:
    if value is None:
        return "nothing (leave the key out, or give it a value)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {_cut(value)}"
    if isinstance(value, str):
        return f"the text {_cut(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
