"""The conformance suite: what every plug-in promises, as tests that a plug-in's own test suite can run.

    from pets_eval.checks import parametrize_with_checks

    @parametrize_with_checks(["my-technique", "my-metric", MyTask(k=3)])
    def test_conformance(plugin, check):
        check(plugin)

A name is looked up among the registered techniques, datasets, tasks and metrics, and made with its defaults; where a
parameter has no default, pass an instance. All checks work on tiny data in memory and take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pets_eval.checks import datasets, metrics, tasks, techniques
from pets_eval.checks.toy import MemoryContext, toy
from pets_eval.model import PetsEvalError, Source, Task, Technique, build, near
from pets_eval.registry import KINDS, Kind, entries, load

if TYPE_CHECKING:
    import pytest

__all__ = ["MemoryContext", "checks_for", "parametrize_with_checks", "toy"]

Check = Callable[[Any], None]


def parametrize_with_checks(plugins: Iterable[Any]) -> pytest.MarkDecorator:
    """A pytest decorator that runs a test once per plug-in and check, as arguments `plugin` and `check`.

    *plugins* are registered names, instances of techniques, datasets and tasks, or metric functions. Raises
    `PetsEvalError` for an unknown name and for one whose parameters have no defaults.
    """
    import pytest

    made = [_made(plugin) for plugin in plugins]
    cases = [
        pytest.param(plugin, check, id=f"{_name(plugin)}-{check.__name__.removeprefix('check_')}")
        for plugin in made
        for check in checks_for(plugin)
    ]
    return pytest.mark.parametrize(("plugin", "check"), cases)


def checks_for(plugin: Any) -> tuple[Check, ...]:
    """The checks that apply to *plugin*, by what it is."""
    if isinstance(plugin, Technique):
        return techniques.CHECKS
    if isinstance(plugin, Source):
        return datasets.CHECKS
    if isinstance(plugin, Task):
        return tasks.CHECKS
    if callable(plugin) and hasattr(plugin, "spec"):
        return metrics.CHECKS
    raise PetsEvalError(f"{type(plugin).__name__} is no technique, dataset, task or metric; was it decorated?")


def _made(plugin: Any) -> Any:
    if not isinstance(plugin, str):
        return plugin
    kinds: list[Kind] = [kind for kind in KINDS if plugin in entries(kind)]
    if not kinds:
        raise PetsEvalError(
            f"nothing is registered as {plugin!r}{near(plugin, [n for k in KINDS for n in entries(k)])}"
        )
    if len(kinds) > 1:
        raise PetsEvalError(f"{plugin!r} is registered among {' and '.join(kinds)}; pass an instance instead")
    found = load(kinds[0], plugin)
    return found if kinds[0] == "metrics" else build(found, {}, where=plugin)


def _name(plugin: Any) -> str:
    return str(plugin.spec.name if hasattr(plugin, "spec") else plugin.name)
