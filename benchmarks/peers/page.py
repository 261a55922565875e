"""The page docs/metrics-vs-peers.md from the results of the runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.growth import exponent


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "-|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(side: dict[str, list[float]] | None) -> str:
    """Median wall and processor seconds."""
    if not side:
        return ""
    return f"{figure(statistics.median(side['seconds']))} ({figure(statistics.median(side['cpu']))})"


def speed(found: dict[str, list[dict[str, Any]]]) -> str:
    """The table of seconds, and the remarks below it."""
    rows, remarks = [], []
    for line in (line for lines in found.values() for line in lines):
        ratio = line.get("ratio")
        memory = " / ".join(f"{m:,.0f}" for m in line["memory"] or ())
        note = ""
        if line.get("remark"):
            remarks.append(line["remark"])
            note = f" [{len(remarks)}]"
        verdict = "" if line["met"] is None else ("met" if line["met"] else "**missed**")
        rows.append(
            [
                line["work"] + note,
                str(len(line["ours"]["seconds"])),
                times(line["ours"]),
                times(line["theirs"]),
                f"{figure(ratio['seconds'])} ({figure(ratio['cpu'])})" if ratio else "",
                memory,
                line["aim"],
                verdict,
            ]
        )
    head = ["work", "runs", "ours, s (cpu)", "peer, s (cpu)", "ratio (cpu)", "peak MB, ours / peer", "aim", ""]
    return "\n".join([table(head, rows), "", *(f"[{i}] {r}.\n" for i, r in enumerate(remarks, 1))])


def parts(found: dict[str, dict[str, float]]) -> str:
    """How long each piece of the report takes."""
    return table(["metric", "seconds (cpu)"], [[n, f"{t['seconds']:.2f} ({t['cpu']:.2f})"] for n, t in found.items()])


def growth(found: dict[str, Any]) -> str:
    """The table of processor seconds by rows, with exponents."""
    sizes = sorted({t["rows"] for m in found.values() for t in m["times"]})
    rows = []
    for name, m in found.items():
        at = {t["rows"]: figure(t["cpu"]) for t in m["times"]}
        rows.append([name, *(at.get(n, "") for n in sizes), f"{exponent(m['times']):.2f}", f"{m['peak MB']:,.0f}"])
    return table(["metric", *(f"{n:,}" for n in sizes), "exponent", "peak MB"], rows)


def agreement(found: dict[str, list[dict[str, str]]]) -> str:
    """The table of cross-checks."""
    rows = [[r[k] for k in ("what", "ours", "theirs", "agreement", "remark")] for rows in found.values() for r in rows]
    return table(["comparison", "pets_metrics", "peer", "agreement", "remark"], rows)


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    machine = results["machine"]
    report = next(line for line in results["speed"]["report"] if "parts" in line)
    return f"""# The metrics against their peers

Written by `python -m benchmarks.metrics_vs_peers write DIR`. Every figure was measured on one machine
({machine}), both sides of a comparison in the same run, except where it says
"quoted" or "extrapolated"; the parts were not all run in one go. To do it again:

    python -m benchmarks.metrics_vs_peers setup DIR               # the peers, each in an environment of its own
    python -m benchmarks.metrics_vs_peers run DIR --data FOLDER   # FOLDER/nist holds NIST's excerpts
    python -m benchmarks.metrics_vs_peers write DIR               # this page and docs/growth.svg

Peers: anonymeter 1.1.0, SDMetrics 0.32, SDNist 2.4, smartnoise-eval 0.3.1, POT 0.9.7, fairlearn, statsmodels, SciPy.
All tables come from NIST's Diverse Communities Data Excerpts, made by `benchmarks/peers/inputs.py`.

## Speed and memory

Wall seconds, with processor seconds in brackets, as medians over the runs; both sides ran in turn, each run in a fresh
process, after a call on 50 rows that loads libraries and compiled loops, and without the time to read files unless it
says so. The ratio is the median of the ratios of the runs. Peak memory is that of the process with its libraries and
tables. A release of anonymeter's table is a bootstrap copy of 30,000 people with a fifth of its cells drawn anew; the
people are drawn from the national, Massachusetts and Texas excerpts of 2019, the held-out ones from those of 2018.

{speed(results["speed"])}
What the metrics of SDNist's report take, one run:

{parts(report["parts"])}

SDNist's report also has Kendall's correlation; `association-difference` has Spearman's beside Pearson's instead.

## Growth

Processor seconds (smallest of three up to 10,000 rows, else one run; two cores, so that wall time is down to half of
it) by rows of each of the real, the released and the held-out table: resampled survey rows of 22 mixed columns with a
tenth of their cells drawn anew, and three tenths more in the release. All options are at their defaults. The exponent
is the slope of log seconds over log rows in the larger half of the sizes: 1 is linear, 2 quadratic. Attacks on a fixed
number of records, and metrics that draw a sample of fixed size, grow less than the tables. The exact search for the
nearest of all records is what grows most: it skips what is provably farther away, works in pieces, and keeps to the
memory of its tables, but the more the release differs from the people, the less it can skip.

![Processor seconds by rows](growth.svg)

{growth(results["growth"])}

## Cross-checks

"Inside" counts the seeds in which each side's rate lies in the other's 95 % Wilson interval. The two draw their attacks
independently; beside it stands how many seeds are to be expected if all attacks succeed at the same rate.

{agreement(results["agreement"])}
"""
