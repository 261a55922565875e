"""The catalogue of metrics as a page: `python -m pets_metrics.catalogue > docs/metrics.md`."""

from __future__ import annotations

import math

from pets_eval.model import MetricSpec
from pets_eval.registry import entries, load, metric_spec

_AXES = {
    "privacy": "Privacy",
    "utility": "Utility",
    "fidelity": "Fidelity",
    "equity": "Equity",
    "cost": "Cost",
    "assurance": "Assurance",
}
_GOALS = {"min": "smaller is better", "max": "larger is better", "none": "no direction"}
_HEAD = """\
# Metrics

Each is a function of the package `pets_metrics`, called by name (`from pets_metrics import singling_out_risk`) with the
evidence that it needs, and returns estimates with their intervals. `pets_metrics.evaluate` plays all that apply. This
page is made by `python -m pets_metrics.catalogue`.
"""


def page() -> str:
    """The catalogue of the metrics that come with this distribution, by axis, as Markdown."""
    specs = [metric_spec(n) for n, entry in entries("metrics").items() if entry.distribution == "pets-eval"]
    parts = [_HEAD]
    for axis, title in _AXES.items():
        found = [s for s in specs if s.axis == axis]
        if found:
            parts.append(f"## {title}\n\n" + "\n".join(_entry(s) for s in found))
    return "\n".join(parts)


def _entry(spec: MetricSpec) -> str:
    summary = (load("metrics", spec.name).__doc__ or "").strip().split("\n\n")[0]
    low, high = ("∞" if x == math.inf else "-∞" if x == -math.inf else f"{x:g}" for x in spec.range)
    more = f", uses if there: {', '.join(spec.optional)}" if spec.optional else ""
    effort = "" if spec.effort == "stored" else " Runs the technique again."
    lines = [
        f"### `{spec.name}`",
        "",
        " ".join(summary.split()),
        "",
        f"- Unit {spec.unit}, from {low} to {high}, {_GOALS[spec.goal]}.{effort}",
        f"- Needs {', '.join(spec.needs)}{more}.",
        f"- Source: {spec.source}.",
        f"- Cannot show: {spec.cannot_show.removesuffix('.')}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
