"""What the source of a plug-in or a verb says of itself, read without importing it."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from pets_eval.registry import Entry


@dataclass(frozen=True)
class Facts:
    """First line of the docstring, the optional extra, and the packages that the extra brings."""

    summary: str
    extra: str = ""
    requires: tuple[str, ...] = ()


@functools.cache
def facts(module: str) -> dict[str, Facts]:
    """Facts on every class and function at the top of *module*, by its Python name; {} if there is no source."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return {}
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError):  # a broken plug-in says so when it is loaded
        return {}
    return {n.name: _facts(n) for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}


def lacks(entry: Entry) -> str:
    """The extra that must be installed before *entry* can run, as for pip: "pets-eval[dp]"; "" if nothing is."""
    own = facts(entry.module).get(entry.target.partition(":")[2])
    if own is None or not own.extra:
        return ""
    if own.requires:
        there = all(importlib.util.find_spec(name.partition(".")[0]) is not None for name in own.requires)
    else:
        there = _has_extra(entry.distribution, own.extra)
    return "" if there else f"{entry.distribution}[{own.extra}]"


def _facts(node: ast.ClassDef | ast.FunctionDef) -> Facts:
    said: dict[str, object] = {}
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            said |= {k.arg: k.value.value for k in decorator.keywords if k.arg and isinstance(k.value, ast.Constant)}
            said |= {
                k.arg: tuple(e.value for e in k.value.elts if isinstance(e, ast.Constant))
                for k in decorator.keywords
                if k.arg and isinstance(k.value, (ast.Tuple, ast.List))
            }
    needed = said.get("requires", ())
    first = (ast.get_docstring(node) or "").split("\n")[0]
    return Facts(first, str(said.get("extra", "")), needed if isinstance(needed, tuple) else ())


@functools.cache
def _has_extra(package: str, extra: str) -> bool:
    """Whether every requirement of *package* under *extra* is installed."""
    for requirement in requires(package) or []:
        name, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""", marker):
            try:
                distribution(re.split(r"[^\w.-]", name.strip())[0])
            except PackageNotFoundError:
                return False
    return True
