"""`pets-eval init`: write a first study file, by asking or from flags."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from pets_eval.cli.options import PluginName, Positive
from pets_eval.model import PetsEvalError, describe
from pets_eval.registry import Kind, entries, entry, load

_PICK = 'A name, or a name with parameters in quotes: "{}" (may be repeated).'
_WORD = re.compile(r"[A-Za-z][\w-]*")


@dataclass
class Choice:
    """A plug-in and its parameters, as a user gave them."""

    use: str
    params: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="study.yaml")
@click.option("--name", help="What the study is called.  [default: the name of FILE]")
@click.option("--purpose", help="What the release is for, in a sentence.")
@click.option("--dataset", "datasets", multiple=True, type=PluginName("datasets"), help=_PICK.format("file path=a.csv"))
@click.option("--task", "tasks", multiple=True, type=PluginName("tasks"), help=_PICK.format("marginals k=2"))
@click.option(
    "--technique",
    "techniques",
    multiple=True,
    type=PluginName("techniques"),
    help=_PICK.format("dp-laplace-marginals epsilon=0.1,1") + " Values with commas between them form a grid.",
)
@click.option("--repeats", type=Positive(whole=True), default=5, show_default=True, help="Runs of each cell.")
@click.option("--guideline", default="core", show_default=True, help="The criteria to hold the study against.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
def command(
    file: Path,
    name: str | None,
    purpose: str | None,
    datasets: Sequence[str],
    tasks: Sequence[str],
    techniques: Sequence[str],
    repeats: int,
    guideline: str,
    force: bool,
) -> None:
    """Write a first study file, by asking or from flags."""
    from pets_eval.guideline.load import load_guideline
    from pets_eval.run.files import write_atomic
    from pets_eval.run.plan import make_plan
    from pets_eval.run.studyfile import parse_study

    if file.exists() and not force:
        raise PetsEvalError(f"{file}: the file is there already; name another one, or overwrite it with --force")
    if not file.absolute().parent.is_dir():
        raise PetsEvalError(f"{file}: its folder is not there; make it first")
    load_guideline(guideline)
    asking = not (datasets and tasks and techniques)
    if asking and not sys.stdin.isatty():
        raise PetsEvalError(
            "name at least one --dataset, one --task and one --technique, or run this on a terminal to be asked"
        )
    if asking:
        name = name or click.prompt("What is the study called?", default=file.stem)
        purpose = purpose or click.prompt("What is the release for?", default="", show_default=False)
    text = study_text(
        name=name or file.stem,
        purpose=purpose or "",
        datasets=_choices("datasets", datasets),
        tasks=_choices("tasks", tasks),
        techniques=_choices("techniques", techniques),
        repeats=repeats,
        guideline=guideline,
    )
    plan = make_plan(parse_study(text, file))
    write_atomic(file, text)
    click.echo(f"{file}: a study of {len(plan.cells)} cells; run it with: pets-eval run {shlex.quote(str(file))}")


def study_text(
    *,
    name: str,
    purpose: str,
    datasets: Sequence[Choice],
    tasks: Sequence[Choice],
    techniques: Sequence[Choice],
    repeats: int,
    guideline: str,
) -> str:
    """The text of a study file, with a comment for what a person should still fill in."""
    lines = [
        "# A study for pets-eval. `pets-eval check` says whether it is valid, `pets-eval run` runs it.",
        "schema: pets-eval/study/1",
        f"name: {_scalar(name)}",
        "",
        "# What the release is for, who the data are about, how it is shared (publish, synthetic, query, enclave or",
        "# joint-compute), and who might attack it: these stand on the scorecard, and the guideline asks for them.",
        f"purpose: {_scalar(purpose)}",
        'data-subjects: ""',
        "sharing-model: publish",
        'threat-model: ""',
        "residual-risks: []",
        "",
        f"repeats: {repeats}",
        f"guideline: {_scalar(guideline)}",
    ]
    for key, choices in (("datasets", datasets), ("tasks", tasks), ("techniques", techniques)):
        lines += ["", f"{key}:"]
        for choice in choices:
            lines += _pick(choice)
    return "\n".join(lines) + "\n"


def _pick(choice: Choice) -> list[str]:
    lines = [f"  - use: {_scalar(choice.use)}"]
    for key, chosen in (("params", choice.params), ("grid", choice.grid)):
        if chosen:
            lines += [f"    {key}:", *(f"      {_scalar(n)}: {_flow(v)}" for n, v in chosen.items())]
    return lines


def _choices(kind: Kind, given: Sequence[str]) -> list[Choice]:
    """What the flags name, or what a person answers, with a question for each parameter that must be given."""
    chosen = [_parse(kind, text) for text in given] or _ask(kind)
    for choice in chosen:
        entry(kind, choice.use)
        for row in describe(load(kind, choice.use)):
            given_already = row.name in choice.params or row.name in choice.grid
            if row.required and not given_already and sys.stdin.isatty():
                _set(kind, choice, row.name, click.prompt(f"{choice.use}: {row.name} ({row.help or row.type})"))
    return chosen


def _ask(kind: Kind) -> list[Choice]:
    known = entries(kind)
    click.echo(f"{kind.capitalize()}: {', '.join(known)}")
    first = {"datasets": "nhanes", "tasks": "marginals", "techniques": "dp-laplace-marginals"}.get(kind, "")
    default = first if first in known else next(iter(known))
    answer = click.prompt(f"Which {kind}? (names with commas between them)", default=default)
    return [Choice(name.strip()) for name in answer.split(",") if name.strip()]


def _parse(kind: Kind, text: str) -> Choice:
    """Read "dp-laplace-marginals epsilon=0.1,1"."""
    try:
        use, *settings = shlex.split(text)
    except ValueError:
        raise PetsEvalError(f"{text[:60]!r} is no name with parameters; write: name parameter=value") from None
    choice = Choice(use)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (equals and name):
            raise PetsEvalError(f"{setting[:60]!r} is no parameter; write: name=value")
        _set(kind, choice, name, value)
    return choice


def _set(kind: Kind, choice: Choice, name: str, text: str) -> None:
    """Set a parameter. Several values with commas are a grid for a technique, and a list for anything else."""
    from pets_eval.run.yamltext import parse_yaml

    several = "," in text and not text.startswith(("[", "{"))
    value = parse_yaml(f"[{text}]" if several else text, where=f"{choice.use}: {name}").value
    if several and kind == "techniques":
        choice.grid[name] = value
    else:
        choice.params[name] = value


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flow(v) for v in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(str(k))}: {_flow(v)}' for k, v in value.items())}}}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as the study parser reads it back: words as they are, all other text in double quotes."""
    import yaml

    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value)
    if _WORD.fullmatch(value) and value.lower() not in ("true", "false", "null"):
        return value
    quoted: str = yaml.safe_dump(value, default_style='"', width=sys.maxsize, allow_unicode=True)
    return quoted.strip()
