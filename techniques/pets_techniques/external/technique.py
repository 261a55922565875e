"""Run a technique in another environment, for libraries that cannot live beside ours."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pets_eval.model import Claims, Context, Inputs, Party, PetsEvalError, Release, Schema, Task, Technique, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, from_parquet, to_parquet
from pets_techniques.dp.contributions import hazards
from pets_techniques.external.exchange import read_release, write_request
from pets_techniques.external.stated import claims_of, claims_path, stated

if TYPE_CHECKING:
    import pandas as pd

# What the program's environment keeps of ours: how to find programs, and how many threads it may use. Not our Python
# path, nor the user's settings and secrets.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


@runtime_checkable
class Selective(Protocol):
    """A task that needs some columns only."""

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed."""
        ...


@technique("external")
class External(Technique):
    """Run a program in another environment: tables and a request in, a release and its guarantee out, as files."""

    command: str = param(path=True, help="the program or script, relative to the study file")
    python: str = param("", path=True, help="interpreter of its environment; none: ours for .py, else the program")
    params: Mapping[str, Any] = param({}, help="handed to the program as they are")

    def __post_init__(self) -> None:
        try:
            json.dumps(dict(self.params), allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("parameter 'params' must hold what JSON can: texts, finite numbers, lists") from None

    def supports(self, task: Task, schema: Schema, parties: tuple[Party, ...]) -> str | None:
        """Tasks that its claims file lists, all where it lists none; not where the interpreter is missing."""
        if self.python and not Path(self.python).is_file():
            return f"there is no interpreter {os.path.normpath(self.python)}; make that environment first"
        if task.wants_query:
            return f"{task.name} is about people who were held out, and a foreign program is not shown them"
        known = stated(Path(self.command))
        if known and known.tasks and task.kind not in known.tasks:
            return f"{Path(self.command).name} does {', '.join(known.tasks)}, and not {task.kind}"
        return None

    def claims(self) -> Claims:
        """As the file `name.claims.yaml` beside the program states them, else unknown."""
        return claims_of(Path(self.command))

    def fingerprint(self) -> str:
        """SHA-256 over the program, its claims, the version of its interpreter and the packages beside that."""
        program = Path(self.command)
        digest = hashlib.sha256()
        try:
            digest.update(program.read_bytes())
        except OSError as error:
            raise PetsEvalError(f"cannot read the program {program} ({error.strerror}); check its path") from None
        if claims_path(program).is_file():
            digest.update(claims_path(program).read_bytes())
        digest.update(json.dumps(_environment(self.python)).encode())
        return digest.hexdigest()

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Send every table to the curator, have the program make a release there, check it and read it in."""
        holder = curator(inputs)
        columns = task.columns_used(inputs.schema) if isinstance(task, Selective) else list(inputs.schema.columns)
        where = f"external: {Path(self.command).name}"
        with tempfile.TemporaryDirectory(dir=ctx.workdir, prefix="exchange-") as name:
            folder = Path(name)
            with ctx.phase("write", holder.name):
                tables = dict(_arrived(inputs, ctx, holder, columns))
                write_request(folder, task, inputs, tables, self.params, int(ctx.rng.integers(2**32)))
                del tables
            with ctx.phase("program", holder.name):
                self._execute(folder, where)
            with ctx.phase("read", holder.name):
                return read_release(folder, task, inputs.schema, hazards(columns, inputs.schema), where=where)

    def _execute(self, folder: Path, where: str) -> None:
        """Run the program in *folder*; what it says goes where ours goes, into the cell's log."""
        program = str(Path(self.command).absolute())
        interpreter = self.python or (sys.executable if program.endswith(".py") else "")
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment = {**kept, "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}
        try:
            code = subprocess.run(
                [*([interpreter] if interpreter else []), program],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                check=False,
            ).returncode
        except OSError as error:
            raise PetsEvalError(f"{where} cannot be run ({error.strerror}); check the interpreter") from None
        if code:
            ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
            raise PetsEvalError(f"{where} {ended}; what it said is kept in the cell's confidential log")


def _arrived(inputs: Inputs, ctx: Context, holder: Party, columns: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each party's table as *holder* has it: what is not its own crosses as Parquet, and is recorded."""
    for name, table in inputs.tables().items():
        part = table.schema.select([n for n in table.schema.columns if n in columns])
        frame = table.frame(list(part.columns))
        if name != holder.name:
            payload = ctx.send(name, holder.name, "table", to_parquet(frame))
            frame = from_parquet(payload, part, where=f"the table that {name!r} sent")
        yield name, frame


@functools.cache
def _environment(python: str) -> tuple[str, tuple[str, ...]]:
    """Version of the interpreter (of ours where none is named) and the packages that stand beside it.

    A missing one has no version: its cells are skipped, and become others once it is there.
    """
    if not python:
        return sys.version, ()
    try:
        said = subprocess.run([python, "--version"], capture_output=True, timeout=60, check=False, env={}).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "", ()
    beside = Path(python).parent.parent.glob("lib/python*/site-packages/*.dist-info")
    return said.decode(errors="replace").strip(), tuple(sorted(path.name for path in beside))
