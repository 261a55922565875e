"""What a foreign technique says of itself, in a file beside its program: `name.claims.yaml` for `name.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from pets_eval.model import Claims, PetsEvalError
from pets_eval.model.claims import Adversary, Objective, Protects, TrustModel
from pets_eval.model.study import Strict

_MOST_BYTES = 100_000
_UNKNOWN = Claims(
    protects=frozenset({"output-privacy"}),
    trust_model="unknown",
    adversary="unknown",
    objectives=("disassociability",),
    covers="Whatever its maker claims; no claims file stands beside the program.",
    leaves="What the program does with the tables is not known here.",
)


class Stated(Strict):
    """The claims file. `tasks` lists the kinds of tasks that the program does; none listed: it may be asked any."""

    tasks: tuple[str, ...] = ()
    protects: tuple[Protects, ...] = ()
    trust_model: TrustModel = "unknown"
    adversary: Adversary = "unknown"
    objectives: tuple[Objective, ...] = ()
    covers: str = Field(min_length=1)
    leaves: str = Field(min_length=1)
    notes: str = ""
    deterministic: bool = False
    seeded: bool = False
    schema_: Literal["pets-eval/external-claims/1"] = Field(alias="schema")

    def claims(self) -> Claims:
        """In the form of the engine."""
        return Claims(
            protects=frozenset(self.protects),
            trust_model=self.trust_model,
            adversary=self.adversary,
            objectives=self.objectives or (("disassociability",) if self.protects else ()),
            covers=self.covers,
            leaves=self.leaves,
            notes=self.notes,
            deterministic=self.deterministic,
            seeded=self.seeded,
        )


def claims_path(program: Path) -> Path:
    """Where the claims of *program* stand, if it makes any."""
    return program.with_suffix(".claims.yaml")


def stated(program: Path) -> Stated | None:
    """The claims file beside *program*, None where there is none; raises `PetsEvalError` for one that is not valid."""
    import yaml

    path = claims_path(program)
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PetsEvalError(f"{path.name} is larger than {_MOST_BYTES // 1000} kB; it holds a few sentences")
        return Stated.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "its beginning"
        raise PetsEvalError(f"{path.name}: at {key[:60]!r}: {first['msg']}") from None
    except (OSError, ValueError, yaml.YAMLError):
        raise PetsEvalError(f"{path.name} is not a YAML file in UTF-8") from None


def claims_of(program: Path) -> Claims:
    """The claims beside *program*, or that nothing is known."""
    found = stated(program)
    return found.claims() if found else _UNKNOWN
