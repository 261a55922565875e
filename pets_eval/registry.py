"""Names -> plug-ins, lazily; the decorators that make plug-ins; the injector that calls metrics by parameter name.

A plug-in is announced by an entry point of its distribution, one per name, in one of the groups in `GROUPS`:

    [project.entry-points."pets_eval.techniques"]
    dp-laplace-marginals = "pets_techniques.dp.marginals:LaplaceMarginals"

so that listing names imports nothing, and the engine never names a plug-in package.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, dataclass_transform

from pets_eval.model.data import Source, Task
from pets_eval.model.errors import MissingExtra, PetsEvalError
from pets_eval.model.evidence import Axis, Effort, Estimate, Goal, MetricSpec, Score
from pets_eval.model.params import build, near, param
from pets_eval.model.technique import Technique
from pets_eval.sources import source_digest

Kind = Literal["techniques", "datasets", "tasks", "metrics"]
KINDS: tuple[Kind, ...] = ("techniques", "datasets", "tasks", "metrics")
GROUPS: dict[Kind, str] = {kind: f"pets_eval.{kind}" for kind in KINDS}

C = TypeVar("C", bound=type)
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


# -- decorators -----------------------------------------------------------------------------------


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def technique(name: str, *, extra: str = "", requires: Iterable[str] = ()) -> Callable[[C], C]:
    """Make a class a technique called *name*: a frozen dataclass of its parameters.

    *requires* lists the packages it needs (or the modules of them, which the runner then imports beforehand); the
    optional *extra* brings them, and where one is missing, its cells are recorded as skipped.
    """

    def decorate(cls: C) -> C:
        return _plugin(cls, name, extra=extra, requires=tuple(requires))

    return decorate


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def dataset(name: str) -> Callable[[C], C]:
    """Make a `Source` subclass the dataset called *name*."""
    return lambda cls: _plugin(cls, name)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def task(name: str) -> Callable[[C], C]:
    """Make a `Task` subclass the task called *name*; `kind` is its name unless the class sets another."""

    def decorate(cls: C) -> C:
        made = _plugin(cls, name)
        if "kind" not in vars(made):
            made.kind = name  # type: ignore[attr-defined]
        return made

    return decorate


def metric(
    *,
    axis: Axis,
    goal: Goal,
    unit: str,
    range: tuple[float, float] = (-math.inf, math.inf),
    anchored: bool = False,
    source: str = "",
    headline: Iterable[str] = (),
    cannot_show: str = "",
    effort: Effort = "stored",
    extra: str = "",
    uses: Iterable[str] = (),
) -> Callable[[F], F]:
    """Make a plain function a metric, named after the function (`total_variation` -> "total-variation").

    The function's parameter names are its needs: those without a default must be there for the metric to apply,
    those with one are filled where the evidence has them.
    """

    def decorate(fn: F) -> F:
        signature = inspect.signature(fn).parameters.values()
        fn.spec = MetricSpec(  # type: ignore[attr-defined]
            name=fn.__name__.replace("_", "-"),
            fn=fn,
            axis=axis,
            goal=goal,
            unit=unit,
            range=range,
            needs=tuple(p.name for p in signature if p.default is p.empty),
            optional=tuple(p.name for p in signature if p.default is not p.empty),
            anchored=anchored,
            source=source,
            headline=tuple(headline),
            cannot_show=cannot_show,
            effort=effort,
            extra=extra,
            uses=tuple(uses),
        )
        return fn

    return decorate


def _plugin(cls: C, name: str, **facts: Any) -> C:
    if not _NAME.match(name):
        raise ValueError(f"a plug-in's name is kebab-case, not {name!r}")
    made = cast(C, dataclass(frozen=True, kw_only=True)(cls))
    for key, value in {"name": name, **facts}.items():
        setattr(made, key, value)
    return made


# -- look-up --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A name and where it comes from, known without importing it."""

    kind: Kind
    name: str
    target: str
    distribution: str
    version: str

    @property
    def module(self) -> str:
        """Import name of the module that defines it."""
        return self.target.partition(":")[0]

    @property
    def family(self) -> str:
        """The family: the sub-package that a first-party plug-in lives in, else the distribution."""
        parts = self.module.split(".")
        return parts[1] if len(parts) > 2 else self.distribution

    def summary(self) -> str:
        """First line of the docstring, read from the source without importing the module."""
        return _summaries(self.module).get(self.target.partition(":")[2], "")


@functools.cache
def entries(kind: Kind) -> Mapping[str, Entry]:
    """All registered names of *kind*, sorted. Two distributions that register one name are an error."""
    found: dict[str, Entry] = {}
    for point in sorted(entry_points(group=GROUPS[kind]), key=lambda p: p.name):
        dist = point.dist
        entry = Entry(kind, point.name, point.value, dist.name if dist else "?", dist.version if dist else "?")
        known = found.setdefault(point.name, entry)
        if known.target != entry.target:
            raise PetsEvalError(
                f"two installed packages register the {kind[:-1]} {point.name!r}: {known.distribution} and "
                f"{entry.distribution}; uninstall one of them"
            )
    return found


def entry(kind: Kind, name: str, *, where: str = "") -> Entry:
    """The entry called *name*; raises `PetsEvalError` that suggests the near name."""
    known = entries(kind)
    if name not in known:
        prefix = f"{where}: " if where else ""
        raise PetsEvalError(
            f"{prefix}unknown {kind[:-1]} {str(name)[:60]!r}{near(name, known)}; see: pets-eval list {kind}"
        )
    return known[name]


@functools.cache
def load(kind: Kind, name: str) -> Any:
    """Import and return the plug-in called *name*: a class, or for a metric the decorated function."""
    found = entry(kind, name)
    try:
        plugin = EntryPoint(name, found.target, GROUPS[kind]).load()
    except Exception as error:
        raise PetsEvalError(
            f"the {kind[:-1]} {name!r} of {found.distribution} {found.version} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    own = plugin.spec.name if kind == "metrics" else plugin.name
    if own != name:
        raise PetsEvalError(f"the entry point {name!r} of {found.distribution} leads to a plug-in called {own!r}")
    return plugin


def make_technique(name: str, params: Mapping[str, Any], *, where: str = "") -> Technique:
    """The technique called *name* with *params*, checked."""
    return _make("techniques", Technique, name, params, where)


def make_dataset(name: str, params: Mapping[str, Any], *, where: str = "") -> Source:
    """The dataset source called *name* with *params*, checked."""
    return _make("datasets", Source, name, params, where)


def make_task(name: str, params: Mapping[str, Any], *, where: str = "") -> Task:
    """The task called *name* with *params*, checked."""
    return _make("tasks", Task, name, params, where)


def metric_spec(name: str, *, where: str = "") -> MetricSpec:
    """The spec of the metric called *name*."""
    entry("metrics", name, where=where)
    spec: MetricSpec = load("metrics", name).spec
    return spec


def _make(kind: Kind, base: Callable[..., T], name: str, params: Mapping[str, Any], where: str) -> T:
    entry(kind, name, where=where)
    made = build(load(kind, name), params, where=f"{where} {name}".strip())
    if not isinstance(made, cast(type, base)):
        raise PetsEvalError(f"the {kind[:-1]} {name!r} is not a {base.__name__}; its package must be mended")
    return cast(T, made)


def check_installed(plugin: Technique) -> None:
    """Raise `MissingExtra` if a package that *plugin* requires is not installed."""
    for module in plugin.requires:
        package = module.partition(".")[0]
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, plugin.extra)


# -- identity -------------------------------------------------------------------------------------


def source_hash(kind: Kind, name: str) -> str:
    """SHA-256 over the source a plug-in is made of: its module and what that imports from its own package."""
    try:
        return source_digest(entry(kind, name).module)
    except ImportError:
        raise PetsEvalError(f"the source of the {kind[:-1]} {name!r} is not there; reinstall its package") from None


@functools.cache
def _summaries(module: str) -> dict[str, str]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    tree = ast.parse(Path(spec.origin).read_bytes())
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {n.name: (ast.get_docstring(n) or "").split("\n")[0] for n in tree.body if isinstance(n, kinds)}


# -- the injector ---------------------------------------------------------------------------------


def inject(fn: Callable[..., Any], evidence: Mapping[str, Any]) -> Any:
    """Call the metric *fn* with the pieces of *evidence* that its parameters name.

    Raises `KeyError` with the first missing name; use `lacking` to ask beforehand.
    """
    spec: MetricSpec = fn.spec  # type: ignore[attr-defined]
    given = {name: evidence[name] for name in spec.needs}
    given |= {name: evidence[name] for name in spec.optional if name in evidence}
    return fn(**given)


def lacking(spec: MetricSpec, evidence: Iterable[str]) -> list[str]:
    """Names that *spec* needs and *evidence* does not have."""
    there = set(evidence)
    return [name for name in spec.needs if name not in there]


def as_scores(spec: MetricSpec, result: Any, *, seat: str = "") -> list[Score]:
    """Bring what a metric returned (an Estimate, a mapping of statistic to Estimate, Scores) into one form."""
    if isinstance(result, Estimate):
        rows: Sequence[Score] = [Score(result)]
    elif isinstance(result, Mapping):
        rows = [Score(estimate, statistic=str(name)) for name, estimate in result.items()]
    else:
        rows = list(result)
    for row in rows:
        if not isinstance(row, Score) or not isinstance(row.estimate, Estimate):
            raise TypeError(f"metric {spec.name} must return an Estimate, a mapping of them, or Scores")
    return [Score(r.estimate, spec.name, r.seat or seat, r.group, r.statistic) for r in rows]
