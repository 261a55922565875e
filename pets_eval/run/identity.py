"""The identity of a cell: what would have to change for its result to be another one."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

from pets_eval import __version__
from pets_eval.model.record import Spec
from pets_eval.model.technique import Technique
from pets_eval.registry import load, make_technique, source_hash
from pets_eval.run.files import canonical_hash

_BASE = ("numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "statsmodels")


def identity(spec: Spec, task_use: str, task_params: dict[str, Any], dataset_use: str, data_key: str, seed: int) -> str:
    """Hash of the spec, the sources of its plug-ins, the versions of its packages and the prepared data."""
    facts = {
        "spec": spec.model_dump(mode="json"),
        "task": [task_use, task_params],
        "seed": seed,
        "data": data_key,
        "sources": [
            source_hash("techniques", spec.technique),
            source_hash("tasks", task_use),
            source_hash("datasets", dataset_use),
            source_hash("metrics", spec.probe) if spec.probe else "",
        ],
        "versions": versions(spec.technique),
        "files": make_technique(spec.technique, spec.params).fingerprint(),
    }
    return canonical_hash(facts)[:32]


@cache
def base_versions() -> dict[str, str]:
    """Versions of the packages that every truth, draw and figure rests on."""
    return {name: metadata.version(name) for name in _BASE}


@cache
def _versions(technique: str) -> tuple[tuple[str, str], ...]:
    plugin: type[Technique] = load("techniques", technique)
    found = {"pets-eval": __version__, **base_versions()}
    for package in plugin.requires:
        for name in distributions(package.partition(".")[0]):
            found[name] = metadata.version(name)
    return tuple(sorted(found.items()))


def versions(technique: str) -> dict[str, str]:
    """Versions of the packages that a technique is made of: ours and those of its family."""
    return dict(_versions(technique))


def distributions(package: str) -> list[str]:
    """Names of the installed distributions that bring an import package."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return sorted(set(_import_map().get(package, [])))
    return [package]


@cache
def _import_map() -> dict[str, list[str]]:
    return {name: list(dists) for name, dists in metadata.packages_distributions().items()}
