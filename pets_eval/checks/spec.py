"""What techniques, datasets and tasks share: a frozen dataclass of parameters that refuses bad values clearly."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from typing import Any, get_origin, get_type_hints

from pets_eval.model import Param, PetsEvalError, build, describe

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class _Wrong:
    """A value of a type that no parameter takes."""


def check_spec(plugin: Any) -> None:
    """It has a kebab-case name and a docstring, its parameters say what they mean, and it pickles and is rebuilt."""
    cls = type(plugin)
    assert _NAME.fullmatch(plugin.name), f"the name {plugin.name!r} is not kebab-case"
    assert (cls.__doc__ or "").strip(), f"{plugin.name} has no docstring"
    rows = describe(cls)
    for row in rows:
        assert row.help.strip(), f"parameter {row.name!r} of {plugin.name} has no help"
    given = {row.name: getattr(plugin, row.name) for row in rows}
    assert build(cls, given) == plugin, f"{plugin.name} is not rebuilt from its own parameters"
    if not any(row.required for row in rows):
        build(cls, {row.name: row.default for row in rows})
    assert pickle.dumps(plugin) and copy.deepcopy(plugin) == plugin, f"{plugin.name} does not survive pickling"
    for row in rows:
        try:
            setattr(plugin, row.name, row.default)
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(f"parameter {row.name!r} of {plugin.name} can be changed after the fact")


def check_bad_parameters(plugin: Any) -> None:
    """Every parameter of a wrong type or out of range, and every unknown name, raises one clear `PetsEvalError`."""
    cls = type(plugin)
    hints = get_type_hints(cls)
    good = {row.name: getattr(plugin, row.name) for row in describe(cls)}
    for f in dataclasses.fields(cls):
        known = next((p for p in f.metadata.values() if isinstance(p, Param)), Param())
        bad: list[Any] = [] if hints[f.name] is Any else [_Wrong()]
        outside = _outside(known)
        if hints[f.name] in (float, tuple[float, ...]):
            outside += [float("nan"), float("inf")]
        bad += [[v] for v in outside] if get_origin(hints[f.name]) is tuple else outside
        for value in bad:
            _refused(cls, {**good, f.name: value}, f.name)
    _refused(cls, {**good, "no_such_parameter": 1}, "no_such_parameter")
    for name in good:
        if len(name) >= 4:
            message = _refused(cls, {**good, f"{name}x": 1}, f"{name}x")
            assert "did you mean" in message, f"{cls.__name__} suggests nothing for a misspelt {name!r}"


def _outside(known: Param) -> list[Any]:
    values: list[Any] = ["no such choice"] if known.choices else []
    values += [known.ge - 1] if known.ge is not None else []
    values += [known.gt] if known.gt is not None else []
    values += [known.le + 1] if known.le is not None else []
    values += [known.lt] if known.lt is not None else []
    return values


def _refused(cls: type, values: dict[str, Any], name: str) -> str:
    try:
        build(cls, values, where="here")
    except PetsEvalError as error:
        message = str(error)
        assert message.startswith("here: ") and name in message and "\n" not in message, (
            f"the error about {name!r} must say where it is and name it, in one line: {message!r}"
        )
        return message
    raise AssertionError(f"{cls.__name__} accepts {name!r} = {values[name]!r}, which is outside its declared values")
