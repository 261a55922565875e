"""Parameters: the fields of a frozen dataclass, each with a range, checked in one place with one kind of sentence.

Techniques, tasks and dataset sources are all described this way, so that a study file, `pets-eval show`, and
a notebook speak of the same names, defaults and ranges.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pets_eval.model.errors import PetsEvalError

T = TypeVar("T")
_META = "pets_eval.param"


@dataclass(frozen=True)
class Param:
    """What is known of one parameter: what it means and which values it may take."""

    help: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[Any, ...] = ()
    path: bool = False

    def problem(self, value: Any) -> str | None:
        """Say why *value* (or an element of it, for a list) is out of range; None if it is in range."""
        if isinstance(value, (tuple, list)):
            return next((p for p in map(self.problem, value) if p), None)
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}, not {value!r}{near(value, self.choices)}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be a finite number, not {value}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            tests = (
                (self.ge, "at least", operator.ge),
                (self.gt, "greater than", operator.gt),
                (self.le, "at most", operator.le),
                (self.lt, "less than", operator.lt),
            )
            for bound, words, holds in tests:
                if bound is not None and not holds(value, bound):
                    return f"must be {words} {bound:g}, not {value:g}"
        return None

    def range(self) -> str:
        """The admitted values in words: "> 0, <= 1", "one of a, b", or "" where anything goes."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        signs = ((self.gt, ">"), (self.ge, ">="), (self.lt, "<"), (self.le, "<="))
        return ", ".join(f"{sign} {bound:g}" for bound, sign in signs if bound is not None)


def param(
    default: Any = dataclasses.MISSING,
    *,
    help: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: Iterable[Any] = (),
    path: bool = False,
) -> Any:
    """Declare a parameter as a dataclass field with its help and range; without a default it must be given.

    *path* marks the name of a user's file: in a study file it is relative to that file.
    """
    meta = {_META: Param(help=help, ge=ge, gt=gt, le=le, lt=lt, choices=tuple(choices), path=path)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=meta)
    if isinstance(default, Mapping):  # each plug-in gets its own
        return dataclasses.field(default_factory=lambda: dict(default), metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


@dataclass(frozen=True)
class Described:
    """One row of `pets-eval show`: a parameter's name, type, default (None if required) and range."""

    name: str
    type: str
    default: Any
    required: bool
    range: str
    help: str
    path: bool = False


def describe(cls: type) -> list[Described]:
    """List the parameters of *cls* in the order of its fields."""
    hints = get_type_hints(cls)
    rows = []
    for f in dataclasses.fields(cls):
        p = f.metadata.get(_META, Param())
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        given = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        default = None if required else given
        rows.append(Described(f.name, _type_name(hints[f.name]), default, required, p.range(), p.help, p.path))
    return rows


def build(cls: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """Make a *cls* from plain *values*, checking names, types and ranges.

    Raises `PetsEvalError` with one sentence that starts with *where* (such as "techniques[0] dp-laplace-marginals").
    """
    where = f"{where}: " if where else ""
    hints = get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise PetsEvalError(f"{where}unknown parameter {name!r}{near(name, fields)}; it takes: {known}")
        try:
            value = _coerce(value, hints[name])
        except (TypeError, ValueError, OverflowError):
            raise PetsEvalError(
                f"{where}parameter {name!r} must be {_type_name(hints[name])}, not {_shown(value)}"
            ) from None
        problem = fields[name].metadata.get(_META, Param()).problem(value)
        if problem:
            raise PetsEvalError(f"{where}parameter {name!r} {problem}")
        checked[name] = value
    for name, f in fields.items():
        if name not in checked and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise PetsEvalError(f"{where}parameter {name!r} is required")
    try:
        return cls(**checked)
    except ValueError as error:  # a __post_init__ that relates several parameters
        raise PetsEvalError(f"{where}{error}") from None


def canonical(made: Any) -> dict[str, Any]:
    """All parameters of a built plug-in in the order of its fields, as plain JSON values: one spelling for each.

    >>> from dataclasses import make_dataclass
    >>> canonical(make_dataclass("T", [("scale", float), ("of", tuple)])(2.0, ("a", "b")))
    {'scale': 2.0, 'of': ['a', 'b']}
    """
    return {f.name: _plain(getattr(made, f.name)) for f in dataclasses.fields(made)}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def near(name: Any, known: Iterable[Any]) -> str:
    """Return " (did you mean 'x'?)" for the closest of *known*, or "" if nothing is close."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _coerce(value: Any, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for arg in sorted(args, key=lambda a: a is str):
            try:
                return _coerce(value, arg)
            except (TypeError, ValueError):
                continue
        raise TypeError
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError
        return tuple(_coerce(v, args[0]) for v in value)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError
        return {_coerce(k, args[0]): _coerce(v, args[1]) for k, v in value.items()}
    if origin is typing.Literal:
        if value not in args:
            raise TypeError
        return value
    if hint is type(None):
        if value is not None:
            raise TypeError
        return None
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError
        return float(value)
    if hint is int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise TypeError
        return int(value)
    if not isinstance(value, hint):
        raise TypeError
    return value


def _type_name(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(a) for a in args)
    if origin is tuple:
        return f"a list of {_type_name(args[0])}"
    if origin in (dict, Mapping):
        return f"a mapping of {_type_name(args[0])} to {_type_name(args[1])}"
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, args))
    words = {float: "a number", int: "a whole number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
