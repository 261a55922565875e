"""Read a criteria file: a packaged one by its name, or one of your own by its path. Errors name file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pets_eval import registry
from pets_eval.guideline.facts import FACTS
from pets_eval.guideline.model import Check, Guideline, Plots
from pets_eval.model.errors import PetsEvalError
from pets_eval.model.params import near
from pets_eval.run.yamltext import KeyPath, parse_yaml

_SUFFIXES = (".yaml", ".yml", ".json")


def packaged() -> list[str]:
    """Names of the guidelines that come with pets-eval."""
    return sorted(f.name[:-5] for f in files("pets_eval.guideline").iterdir() if f.name.endswith(".yaml"))


def load_guideline(name_or_path: str | Path, *, base: Path | None = None) -> Guideline:
    """The guideline called *name_or_path*, or in the file of that path (it ends in .yaml, .yml or .json).

    A relative path starts at the folder *base* (default: where the process is). Raises `PetsEvalError` with one
    sentence that names the file and the line of the first mistake, also for a criterion that names a metric or fact
    that does not exist.

    >>> load_guideline("core").id
    'core'
    """
    text, where = guideline_text(name_or_path, base=base)
    return parse_guideline(text, where=where)


def guideline_text(name_or_path: str | Path, *, base: Path | None = None) -> tuple[str, str]:
    """The text of a guideline and what it is called in errors; see `load_guideline`."""
    path = Path(name_or_path)
    if path.suffix not in _SUFFIXES:
        name = str(name_or_path)
        if name not in packaged():
            raise PetsEvalError(
                f"there is no guideline {name[:60]!r}{near(name, packaged())}; the packaged ones are: "
                f"{', '.join(packaged())}; for a file of your own give its path, ending in .yaml"
            )
        return (files("pets_eval.guideline") / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    try:
        return ((base or Path()) / path).read_text("utf-8-sig"), str(path)
    except OSError as error:
        raise PetsEvalError(f"the guideline {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PetsEvalError(f"the guideline {path} is not UTF-8 text; save it as UTF-8") from None


def parse_guideline(text: str, *, where: str) -> Guideline:
    """The guideline written in *text* (YAML or JSON); *where* names it in errors."""
    parsed = parse_yaml(text, where=where)
    if not isinstance(parsed.value, dict):
        raise PetsEvalError(f"{where}: a guideline is a mapping that starts with 'schema: pets-eval/guideline/1'")
    try:
        guideline = Guideline.model_validate(parsed.value)
    except ValidationError as error:
        # A slip in a key's spelling also makes the right key missing: the unknown key is the better sentence.
        first = min(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        raise PetsEvalError(f"{where}{_line(parsed.lines, first['loc'])}: {_sentence(first)}") from None
    for loc, problem in _problems(guideline):
        raise PetsEvalError(f"{where}{_line(parsed.lines, loc)}: {problem}")
    return guideline


def _problems(guideline: Guideline) -> Iterable[tuple[KeyPath, str]]:
    """What is wrong beyond the form: ids given twice, names that do not exist, values of another type."""
    metrics = list(registry.entries("metrics"))
    known = [*metrics, *FACTS]
    seen: set[str] = set()
    for i, criterion in enumerate(guideline.criteria):
        if criterion.id in seen:
            yield ("criteria", i, "id"), f"criterion {criterion.id} is defined twice; give one of them another id"
        seen.add(criterion.id)
        about = f"criterion {criterion.id}: "
        here: KeyPath = ("criteria", i, "check")
        checks = criterion.check
        for j, name in enumerate((checks.report if checks else None) or ()):
            if name not in known:
                yield (*here, "report", j), about + _unknown("metric or fact", name, known)
        for j, check in enumerate((checks.all_ if checks else None) or ()):
            for key, used in (("metric", check.metric), ("value-of", check.value_of)):
                if used is not None and used not in known:
                    yield (*here, "all", j, key), about + _unknown("metric or fact", used, known)
            if problem := _type_problem(check):
                yield (*here, "all", j), about + problem
    for loc, name in _plotted(guideline.plots):
        if name not in metrics:
            yield loc, _unknown("metric", name, metrics)


def _plotted(plots: Plots | None) -> Iterable[tuple[KeyPath, str]]:
    """Every metric that is to be drawn, and where it is named."""
    if plots is None:
        return
    for axis in ("privacy", "utility"):
        yield from ((("plots", axis, j), name) for j, name in enumerate(getattr(plots, axis)))
    if plots.curve is not None:
        yield ("plots", "curve", "against"), plots.curve.against
        yield from ((("plots", "curve", "error", j), e.metric) for j, e in enumerate(plots.curve.error))
        yield from ((("plots", "curve", "advantage", j), t.metric) for j, t in enumerate(plots.curve.advantage))


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"unknown {what} {name[:60]!r}{near(name, known)}; see: pets-eval list metrics"


def _type_problem(check: Check) -> str:
    if check.value_of is not None:
        return ""
    kind = FACTS[check.metric].kind if check.metric in FACTS else float
    given = bool if isinstance(check.value, bool) else float if isinstance(check.value, (int, float)) else str
    words = {bool: "true or false", float: "a number", str: "a text"}
    if given is not kind:
        return f"{check.metric} is {words[kind]}, so 'value' must be {words[kind]}, too"
    if kind is not float and check.op != "==":
        return f"{check.metric} is {words[kind]}, so 'op' must be '=='"
    return ""


def _line(lines: Mapping[KeyPath, int], loc: Iterable[int | str]) -> str:
    """ ", line N" for the innermost key on the way *loc* that the file has; keys may be spelt with _ or -."""
    written = {tuple(str(k).replace("_", "-") for k in path): line for path, line in lines.items()}
    way = tuple(str(k).replace("_", "-") for k in loc)
    for depth in range(len(way), 0, -1):
        if way[:depth] in written:
            return f", line {written[way[:depth]]}"
    return ""


def _sentence(error: ErrorDetails) -> str:
    path = ".".join(str(p) for p in error["loc"] if p not in ("bool", "float", "str"))
    kind, message = error["type"], error["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"{path} is not a key that is known here; remove it or mend its spelling"
    if kind == "missing":
        return f"{path} is missing; add it"
    if kind == "value_error":
        return f"{path}: {message}" if path else message
    return f"{path}: {message[0].lower()}{message[1:]}"
