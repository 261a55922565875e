"""What the words of an audit's target mean: a function of a module or file, a registered technique, or a command."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pets_eval.model import Column, PetsEvalError, Schema, near
from pets_eval.registry import entries, make_dataset, make_task, make_technique
from pets_metrics.privacy.audit.commands import of_command
from pets_metrics.privacy.audit.target import Function, Target, limited, of_callable
from pets_metrics.privacy.audit.techniques import of_technique

_FUNCTION = re.compile(r"(?P<place>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)")


def find_target(
    text: str, params: Mapping[str, Any], task: str, schema: Schema | None, patience: float, rng: np.random.Generator
) -> Target:
    """The target that *text* names; see `pets-eval audit --help`.

    *params* are a technique's parameters, or further arguments of a function; *task* is what a technique answers.
    Raises `PetsEvalError` where nothing is called so, or it cannot be imported.
    """
    if text in entries("techniques"):
        asked = make_task(task, {}) if task else None
        return of_technique(make_technique(text, params), asked, schema or built_in(), rng)
    if task:
        raise PetsEvalError("--task is for techniques; a function or a command is audited as it is")
    function = _FUNCTION.fullmatch(text)
    if function:
        return _function(function["place"], function["name"], params, patience)
    if params:
        raise PetsEvalError("--param is for techniques and functions; write the command as it is to be run")
    return _command(text, patience)


def parameters(given: Iterable[str]) -> dict[str, Any]:
    """The mapping that texts such as "epsilon=2" and "name=plain" spell; values are JSON where they can be.

    >>> parameters(["epsilon=2", "kind=plain"])
    {'epsilon': 2, 'kind': 'plain'}
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise PetsEvalError(f"--param must be written as name=value, not {text[:40]!r}")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found


def find_schema(file: str, dataset: str, unit: str, *, default: bool) -> Schema | None:
    """The public schema of a file or a dataset, else the built-in one where *default*, else none; with its *unit*."""
    if file and dataset:
        raise PetsEvalError("give either --schema or --dataset, not both")
    if file:
        schema: Schema | None = make_dataset("file", {"path": file, "schema_file": file}).schema()
    elif dataset:
        schema = make_dataset(dataset, {}).schema()
    else:
        schema = built_in() if default else None
    if not unit or (schema is not None and unit == schema.unit):
        return schema
    if schema is None:
        if unit == "record":
            return None
        raise PetsEvalError(f"an array of numbers has no unit {unit!r}; describe the table by --schema")
    if unit != "record":
        schema.column(unit)
    return replace(schema, unit=unit)


def built_in() -> Schema:
    """A small public schema with a column of every kind that techniques tell apart, for lack of a better one."""
    return Schema(
        {
            "person": Column("id", roles=("identifier",)),
            "region": Column("categorical", domain=("North", "East", "South"), nullable=True),
            "age": Column("integer", bounds=(0, 99), bins=(0, 30, 60, 100)),
            "income": Column("real", bounds=(0, 1000), bins=(0, 500, 1000), nullable=True),
            "sick": Column("categorical", domain=("no", "yes"), roles=("target",)),
        },
        max_rows_per_unit=3,
    )


def _function(place: str, name: str, params: Mapping[str, Any], patience: float) -> Function:
    found: Any = _imported(place, patience)
    for part in name.split("."):
        if not hasattr(found, part):
            near_by = near(
                part, [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else ()
            )
            raise PetsEvalError(f"there is no {name!r} in {place}{near_by}")
        found = getattr(found, part)
    if params:
        _must_take(found, name, params)
        found = functools.partial(found, **params)
    return of_callable(found, f"{place}:{name}", patience)


def _must_take(call: Any, name: str, params: Mapping[str, Any]) -> None:
    try:
        known = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for given in params:
        if given not in known:
            raise PetsEvalError(f"{name} takes no argument {given!r}{near(given, known)}")


def _imported(place: str, patience: float) -> ModuleType:
    """The module called *place*, looked for in the current folder first, or the one in the file *place*."""
    try:
        with limited(patience, f"the import of {place}"):
            if place.endswith(".py"):
                return _from_file(Path(place))
            if str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(place)
    except PetsEvalError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(error.name + ".")):
            raise PetsEvalError(
                f"there is no module {place!r} in this folder or among the installed packages; check its name"
            ) from None
        raise PetsEvalError(f"{place} cannot be imported: it needs the module {error.name!r}; install it") from None
    except (Exception, SystemExit) as error:
        raise PetsEvalError(f"{place} cannot be imported: it raises {type(error).__name__}: {error}") from None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise PetsEvalError(f"there is no file {path}; check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise PetsEvalError(f"{path} cannot be imported; give a Python file")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # its neighbours are found, as where it is run as a program
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _command(text: str, patience: float) -> Target:
    try:
        words = shlex.split(text)
    except ValueError:
        raise PetsEvalError("the command has a quotation mark that is not closed; close it") from None
    if not words:
        raise PetsEvalError("name what is to be audited: module:function, a technique, or a command")
    if len(words) == 1 and not shutil.which(words[0]):
        techniques = list(entries("techniques"))
        raise PetsEvalError(
            f"{text[:60]!r} is neither a registered technique{near(text, techniques)} nor a program; a function is "
            "named as module:function or path/to/file.py:function"
        )
    return of_command(words, patience)
