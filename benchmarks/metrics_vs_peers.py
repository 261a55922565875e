"""pets_metrics beside its peers: `python -m benchmarks.metrics_vs_peers setup|run|write DIR`.

    setup DIR                  make an environment for each peer in DIR, with pinned versions
    run DIR --data FOLDER      measure, all or `--only NAMES`; FOLDER/nist holds NIST's excerpts; results go to DIR
    write DIR                  write docs/metrics-vs-peers.md and docs/growth.svg from these results

Names: attacks, quality, distance, k_marginal, report, nearest, marginals (`benchmarks.peers.speed`); growth; and
anonymeter, sdmetrics, sdnist, disco, smartnoise, transport, local (`benchmarks.peers.agreement`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import agreement, growth, in_process, inputs, speed
from benchmarks.peers.page import page
from benchmarks.peers.sides import ENVIRONMENTS, Sides

DOCS = Path(__file__).resolve().parents[1] / "docs"
DISCO = "https://raw.githubusercontent.com/usnistgov/SDNist/v2.5.0/sdnist/metrics/disco.py"  # 2.4 has no kDiSCO
NIST = ("data_dictionary.json", "mappings.json", "national2019.json")


def setup(home: Path) -> None:
    """One environment per peer."""
    for name, packages in ENVIRONMENTS.items():
        venv.create(home / name, with_pip=True)
        subprocess.run([str(home / name / "bin" / "pip"), "install", "--quiet", *packages], check=True)
    (home / "sdnist-2.5").mkdir(exist_ok=True)
    try:
        urllib.request.urlretrieve(DISCO, home / "sdnist-2.5" / "disco.py")
    except OSError as error:
        print(f"kDiSCO of SDNist 2.5 will be left out: {error}")


def tables(sides: Sides) -> None:
    """What both sides read; made once."""
    done = sides.tables / "done"
    if done.exists():
        return
    inputs.excerpts(sides.data, sides.tables)
    inputs.trio(sides.data, sides.tables / "trio", 30_000, 0)
    for name in NIST:
        shutil.copy(sides.data / "nist" / name, sides.tables / name)
    done.touch()


def comparisons(repeats: int, seeds: int) -> dict[str, tuple[str, Callable[[Sides], Any]]]:
    """Name -> section of the page, and what measures it."""
    found: dict[str, tuple[str, Callable[[Sides], Any]]] = {}
    for name, compare in speed.COMPARISONS.items():
        found[name] = ("speed", lambda sides, compare=compare: compare(sides, repeats))
    found["growth"] = ("growth", lambda sides: growth.measured(sides, growth.SIZES))
    for name, check in agreement.CHECKS.items():
        options = {"seeds": seeds} if name == "anonymeter" else {}
        found[name] = ("agreement", lambda sides, check=check, options=options: check(sides, **options))
    found["local"] = ("agreement", lambda _: in_process.local())
    return found


def machine() -> str:
    """What it runs on, in a few words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GB, Python {platform.python_version()}"


def run(sides: Sides, names: list[str], repeats: int, seeds: int) -> None:
    """Measure what is named and keep each answer as DIR/results/NAME.json."""
    kept = sides.home / "results"
    kept.mkdir(parents=True, exist_ok=True)
    tables(sides)
    known = comparisons(repeats, seeds)
    for name in names or known:
        section, compare = known[name]
        found = compare(sides)
        (kept / f"{name}.json").write_text(json.dumps({"section": section, "machine": machine(), "found": found}))
        print(f"{name} done", flush=True)


def write(home: Path) -> None:
    """The page and the chart, from the results in the order of the sections."""
    results: dict[str, Any] = {"speed": {}, "agreement": {}}
    for name in comparisons(0, 0):
        kept = json.loads((home / "results" / f"{name}.json").read_text())
        results["machine"] = kept["machine"]
        if name == kept["section"]:
            results[name] = kept["found"]
        else:
            results[kept["section"]][name] = kept["found"]
    DOCS.mkdir(exist_ok=True)
    (DOCS / "metrics-vs-peers.md").write_text(page(results))
    (DOCS / "growth.svg").write_text(growth.chart(results["growth"]))


def main(arguments: list[str]) -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.metrics_vs_peers")
    verbs = asked.add_subparsers(dest="verb", required=True)
    for verb in ("setup", "run", "write"):
        parser = verbs.add_parser(verb)
        parser.add_argument("home", type=Path, metavar="DIR")
        if verb == "run":
            parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
            parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
            parser.add_argument("--repeats", type=int, default=3)
            parser.add_argument("--seeds", type=int, default=20)
    given = asked.parse_args(arguments)
    if given.verb == "setup":
        setup(given.home)
    elif given.verb == "run":
        run(Sides(given.home.resolve(), given.data.resolve()), given.only, given.repeats, given.seeds)
    else:
        write(given.home)


if __name__ == "__main__":
    main(sys.argv[1:])
