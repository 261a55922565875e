"""`pets-eval show`: the card of a plug-in."""

from __future__ import annotations

import inspect
import math
from dataclasses import asdict
from typing import Any

import click

from pets_eval.cli.docs import lacks
from pets_eval.cli.options import PluginName, json_option
from pets_eval.cli.table import print_json, print_table
from pets_eval.model import MetricSpec, PetsEvalError, Source, Technique, describe, near
from pets_eval.registry import KINDS, Entry, entries, load

_NEEDS_PARAMETERS = "depends on its parameters"


@click.command("show")
@click.argument("name", type=PluginName())
@json_option
def command(name: str, as_json: bool) -> None:
    """Show the card of a technique, dataset, task or metric.

    Parameters with defaults and ranges, claims or facts, source, and the extra needed.
    """
    found = [known[name] for kind in KINDS if name in (known := entries(kind))]
    if not found:
        everything = [n for kind in KINDS for n in entries(kind)]
        raise PetsEvalError(f"nothing is called {name[:60]!r}{near(name, everything)}; see: pets-eval list")
    cards = [card(entry) for entry in found]
    if as_json:
        print_json(cards[0] if len(cards) == 1 else cards)
        return
    for i, shown in enumerate(cards):
        if i:
            click.echo()
        _print(shown)


def card(entry: Entry) -> dict[str, Any]:
    """All that is known of a plug-in, as plain values."""
    plugin = load(entry.kind, entry.name)
    facts: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind[:-1],
        "family": entry.family,
        "package": f"{entry.distribution} {entry.version}",
        "install": lacks(entry),
        "about": inspect.getdoc(plugin) or "",
    }
    if entry.kind == "metrics":
        return facts | _metric(plugin.spec)
    facts["parameters"] = [asdict(row) for row in describe(plugin)]
    if entry.kind == "techniques":
        return facts | _technique(plugin)
    return facts | (_dataset(plugin) if entry.kind == "datasets" else {})


def _metric(spec: MetricSpec) -> dict[str, Any]:
    low, high = (None if math.isinf(x) else x for x in spec.range)
    return {
        "axis": spec.axis,
        "goal": {"min": "smaller is better", "max": "larger is better", "none": "no direction"}[spec.goal],
        "unit": spec.unit,
        "range": [low, high],
        "needs": list(spec.needs),
        "uses if there": list(spec.optional),
        "effort": spec.effort,
        "anchored": spec.anchored,
        "source": spec.source,
        "cannot show": spec.cannot_show,
    }


def _technique(plugin: type[Technique]) -> dict[str, Any]:
    facts: dict[str, Any] = {"extra": plugin.extra, "requires": list(plugin.requires)}
    if any(row.required for row in describe(plugin)):
        return facts | {"claims": _NEEDS_PARAMETERS}
    claims = asdict(plugin().claims())
    return facts | {"claims": claims | {"protects": sorted(claims["protects"])}}


def _dataset(plugin: type[Source]) -> dict[str, Any]:
    if any(row.required for row in describe(plugin)):
        return {"facts": _NEEDS_PARAMETERS}
    source = plugin()
    schema = source.schema()
    facts: dict[str, Any] = asdict(source.card())
    facts |= {"unit of privacy": schema.unit, "rows": schema.rows, "most rows per unit": schema.max_rows_per_unit}
    plain = schema.to_json()
    return facts | {"columns": plain["columns"], "constraints": plain.get("constraints", [])}


def _print(shown: dict[str, Any]) -> None:
    for key, value in shown.items():
        if key == "parameters":
            click.echo("parameters:" if value else "parameters: none")
            print_table([_parameter(row) for row in value], indent=2)
        elif key == "columns":
            click.echo("columns:")
            print_table([_column(name, facts) for name, facts in value.items()], indent=2)
        elif key == "range":
            low, high = value
            click.echo(f"range: {'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}")
        elif isinstance(value, dict):
            click.echo(f"{key}:")
            for inner, text in value.items():
                _line(f"  {inner.replace('_', ' ')}", text)
        elif key == "about":
            click.echo("\n" + "\n".join(f"  {line}".rstrip() for line in value.splitlines()) + "\n")
        else:
            _line(key.replace("_", " "), value)


def _line(key: str, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        if any(" " in str(v) for v in value):  # sentences: one per line
            indent = " " * (len(key) - len(key.lstrip()) + 2)
            click.echo("\n".join([f"{key}:", *(f"{indent}- {v}" for v in value)]))
            return
        value = ", ".join(str(v) for v in value)
    if value not in ("", None):
        click.echo(f"{key}: {('yes' if value else 'no') if isinstance(value, bool) else value}")


def _parameter(row: dict[str, Any]) -> dict[str, Any]:
    default = "(required)" if row["required"] else repr(row["default"])
    return {"name": row["name"], "type": row["type"], "default": default, "range": row["range"], "about": row["help"]}


def _column(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    values = (
        f"{facts['bounds'][0]} to {facts['bounds'][1]}" if "bounds" in facts else " | ".join(facts.get("domain", []))
    )
    return {
        "name": name,
        "kind": facts["kind"],
        "roles": facts.get("roles", []),
        "from data": "yes" if facts.get("from-data") else "",
        "label": facts.get("label", ""),
        "values": values,
    }
