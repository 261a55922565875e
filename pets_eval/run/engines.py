"""The engines by name."""

from __future__ import annotations

from pathlib import Path

from pets_eval.model.errors import PetsEvalError
from pets_eval.run.engine import Engine, LocalEngine, available_cpus

ENGINES = ("local", "ray")


def make_engine(name: str, workers: int | None, root: Path, address: str | None) -> Engine:
    """The engine called *name*; raises `PetsEvalError` for an unknown one or one that is not installed."""
    if name == "local":
        return LocalEngine(workers or available_cpus())
    if name == "ray":
        from pets_eval.run.ray_engine import RayEngine

        return RayEngine(workers, root, address)
    raise PetsEvalError(f"unknown engine {name!r}; engines are {', '.join(ENGINES)}")
