"""How often planted flaws are caught, and sound twins accused: `python -m benchmarks.flaws [SEEDS]`.

Writes docs/flaws.md. Each of the flawed twins under tests/flaws is judged SEEDS times (1,000 unless given) by the check
made for it, at level 95 % and with the listed number of runs, and so is its sound twin; what chance has no part in,
once. OpenDP's live bugs go through the library itself, a fiftieth as often.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "flaws"))

from flawed_twins.catalogue import TWINS  # noqa: E402
from flawed_twins.opendp_bugs import BUGS, Bug  # noqa: E402
from flawed_twins.twins import Check, Twins  # noqa: E402

from pets_metrics.privacy.audit.claim import Claim, Finding  # noqa: E402

WANTED = 0.95  # of the flaws, at the listed number of runs
NOMINAL = 0.05  # of the sound twins
STRICT = 1 - 1e-6  # level for OpenDP, whose noise has no seed

INTRODUCTION = """# Flawed twins

Written by `python -m benchmarks.flaws {seeds}` ({processors} processors, Python {python}).

Each flaw is planted into a small mechanism, beside the same mechanism without it (`tests/flaws/flawed_twins`), and both
are judged by the check of `pets_metrics.privacy.audit` that is made for it, at level 95 %, over many seeds. Runs are
per input, seconds per finding. In brackets, Clopper and Pearson's interval at 95 %. A flaw counts as caught where the
interval of its share does not exclude 95 %: the numbers of runs were computed for that power, with one cut known in
advance (`tests/flaws/test_flaws.py` does it exactly for the pair tests). What chance has no part in was judged once.
"""
NOTES = """
Row 7: a joint audit in 25 runs suffices where five times the epsilon goes into one number, as in row 11. Five numbers
at epsilon = 1 each take 90 runs: their evidence adds up, but rarely to all of it. Row 9: matches are held against those
of held-out rows, that is against chance, and not against an epsilon. Row 23: the clock is the machine's own.

## Live bugs of OpenDP {version}

The query is built with the library, the claim is what its own privacy map says of it, and the audit is held against
that at level 1 - 1e-6, with fresh cryptographic noise in each of {tries} tries.
"""


@dataclass
class Share:
    """In how many of so many tries a violation was found, and what each took."""

    found: int = 0
    tries: int = 0
    seconds: float = 0.0
    last: Finding | None = field(default=None, repr=False)

    @staticmethod
    def of(judge: Callable[[int], Finding], tries: int) -> Share:
        """Over the seeds 0 to *tries* - 1."""
        share, start = Share(tries=tries), time.perf_counter()
        for seed in range(tries):
            share.last = judge(seed)
            share.found += share.last.violated
        share.seconds = (time.perf_counter() - start) / tries
        return share

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's, at 95 %."""
        low, high = stats.binomtest(self.found, self.tries).proportion_ci(0.95, "exact")
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval
        shown = f"{self.found} of {self.tries}"
        return shown + (f" ({low:.1%} to {high:.1%})" if self.tries > 1 else "")


@dataclass(frozen=True)
class Row:
    """One check on one pair of twins."""

    twins: Twins
    check: Check
    caught: Share
    accused: Share

    @property
    def verdict(self) -> str:
        """In words; a share counts as reached where its interval does not exclude it."""
        if self.caught.interval[1] < WANTED or not self.caught.found:
            return "missed"
        return "false alarm" if self.accused.interval[0] > NOMINAL else "caught"


def rows(seeds: int) -> Iterator[Row]:
    """Every check of every pair of twins."""
    for twins in TWINS:
        for check in twins.checks:
            yield judged(twins, check, seeds if check.seeded else 1)


def judged(twins: Twins, check: Check, seeds: int) -> Row:
    """Both of them, on so many seeds."""
    caught = Share.of(lambda seed: twins.judge(check, seed, flawed=True), seeds)
    return Row(twins, check, caught, Share.of(lambda seed: twins.judge(check, seed, flawed=False), seeds))


def bugs(tries: int) -> Iterator[tuple[Bug, Claim, Share, Share]]:
    """OpenDP's bugs, and the same queries without them."""
    for bug in BUGS:
        _, claim = bug.find(flawed=True, level=STRICT)
        yield (
            bug,
            claim,
            *(
                Share.of(lambda _, f=flawed, b=bug: b.find(flawed=f, level=STRICT)[0], tries)
                for flawed in (True, False)
            ),
        )


def page(table: list[Row], live: list[tuple[Bug, Claim, Share, Share]], seeds: int) -> str:
    """The page, in Markdown."""
    numbers = {r.twins.number for r in table}
    caught = {r.twins.number for r in table if r.verdict != "missed"}
    weak = [named(r) for r in table if r.verdict == "missed" and r.twins.number in caught]
    alarms = [named(r) for r in table if r.accused.interval[0] > NOMINAL]
    accused = Share(sum(r.accused.found for r in table), sum(r.accused.tries for r in table))
    parts = [
        INTRODUCTION.format(seeds=seeds, processors=os.cpu_count(), python=platform.python_version()),
        f"**{len(caught)} of {len(numbers)} flaws are caught; missed: {listed(sorted(numbers - caught))}.**\n"
        f"Checks that miss what another check of the same flaw catches: {listed(weak)}.\n"
        f"Sound twins were accused in {accused} tries; more often than the nominal 5 %: {listed(alarms)}.\n",
        "| # | flaw | modelled on | check | runs | flaw caught | sound twin accused | seconds | |\n"
        "|-|-|-|-|-|-|-|-|-|\n" + "\n".join(map(line, table)) + "\n",
        "What is wrong in each:\n\n"
        + "\n".join(f"- {t.number}, {t.name}: {t.flaw}. Claimed: {t.claim}." for t in TWINS),
        NOTES.format(version=version("opendp"), tries=live[0][2].tries),
        "| issue | bug | claim of the library | check | runs | lower bound | caught | mended accused | seconds |\n"
        "|-|-|-|-|-|-|-|-|-|\n" + "\n".join(live_line(*found) for found in live),
    ]
    return "\n".join(parts) + "\n"


def listed(names: list[Any]) -> str:
    """In words."""
    return ", ".join(map(str, names)) or "none"


def named(row: Row) -> str:
    """A flaw with its check."""
    return f"{row.twins.name} ({row.check.name})"


def live_line(bug: Bug, claim: Claim, caught: Share, accused: Share) -> str:
    """A line of the table of OpenDP's bugs."""
    found = caught.last
    assert found is not None
    return (
        f"| #{bug.issue} | {bug.name} | {claim} | {found.check} | {bug.runs} | {found.epsilon:.2f} "
        f"| {caught} | {accused} | {caught.seconds:.2f} |"
    )


def line(row: Row) -> str:
    """A line of the table."""
    t = row.twins
    return (
        f"| {t.number} | {t.name} | {t.modelled_on} | {row.check.name} | {row.check.runs} "
        f"| {row.caught} | {row.accused} | {row.caught.seconds:.3f} | {row.verdict} |"
    )


def main(seeds: int) -> None:
    """Judge all, print as it goes, and write the page."""
    table = []
    for row in rows(seeds):
        table.append(row)
        print(line(row), flush=True)
    live = list(bugs(max(2, seeds // 50)))
    (ROOT / "docs" / "flaws.md").write_text(page(table, live, seeds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
