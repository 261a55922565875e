"""Whether both sides say the same: each function is one peer and gives rows of the cross-check table."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from benchmarks.peers.inputs import trio
from benchmarks.peers.sides import Sides
from benchmarks.peers.speed import LEFT, RIGHT

Rows = list[dict[str, str]]
Pair = tuple[float, float]  # successes and attacks
EVERY = 3000  # more than there are univariate predicates: both sides then try all of them, in whatever order
JOINT = ["PUMA", "EDU", "RAC1P"]
NUMBERS = ["AGEP", "DENSITY", "PINCP", "POVPIP"]


def line(what: str, ours: str, theirs: str, agreement: str, remark: str = "") -> dict[str, str]:
    return {"what": what, "ours": ours, "theirs": theirs, "agreement": agreement, "remark": remark}


def equal(what: str, ours: float, theirs: float, remark: str = "", digits: int = 6) -> dict[str, str]:
    """Two figures that must be the same."""
    gap = abs(ours - theirs)
    told = "equal" if gap < 1e-9 else f"differ by {gap:.2g}"
    return line(
        what, f"{ours:.{digits}f}", f"{theirs:.{digits}f}", f"{told} ({gap:.0e})" if 0 < gap < 1e-9 else told, remark
    )


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval."""
    z2 = 1.959964**2
    middle, half = (hits + z2 / 2) / (n + z2), math.sqrt(z2 * (hits * (n - hits) / n + z2 / 4)) / (n + z2)
    return middle - half, middle + half


def inside(x: Pair, y: Pair) -> bool:
    """Whether each of two rates lies in the other's interval."""
    (a, b), (c, d) = wilson(*x), wilson(*y)
    return a <= y[0] / y[1] <= b and c <= x[0] / x[1] <= d


def expected(rate: float, n: int, m: int) -> float:
    """How often that is so of *n* and *m* attacks that succeed with the same *rate*."""
    from scipy.stats import binom

    tries, chances = (n, m), []
    for size in tries:
        hits = np.arange(size + 1)
        likely = binom.pmf(hits, size, rate)
        chances.append([(int(h), float(p)) for h, p in zip(hits, likely, strict=True) if p > 1e-6])
    return sum(p * q for (h, p), (g, q) in product(*chances) if inside((h, n), (g, m)))


def anonymeter(sides: Sides, seeds: int = 20, rows: int = 4000, attacks: int = 500) -> Rows:
    """The rates of both on the same tables over many seeds, and the cases in which anonymeter is wrong."""
    runs = []
    options: dict[str, Any] = {"attacks": attacks, "aux": (LEFT, RIGHT), "secrets": ["MSP", "EDU"], "every": EVERY}
    for seed in range(seeds):
        folder = sides.tables / "agreement"
        trio(sides.data, folder, rows, seed)
        runs.append(
            [sides.ask(s, "trio", folder, seed=seed, **options)["attacks"] for s in ("ours", "with_anonymeter")]
        )
    found = []
    for name in runs[0][1]:
        for rate in ("attack", "control"):
            pairs = [(mine[name][rate], other[name][rate]) for mine, other in runs]
            if name == "univariate":  # theirs divides by the number that was asked for: see below
                pairs = [((x, n), (y, n)) for (x, n), (y, _) in pairs]
            found.append(rates(f"anonymeter {name}, {rate} rate", pairs))
    return [*found, *wrong(sides.ask("ours", "defects"), sides.ask("with_anonymeter", "defects"))]


def rates(what: str, pairs: list[tuple[Pair, Pair]]) -> dict[str, str]:
    """The pooled rates of both, in how many seeds each lies in the other's interval, and the pooled difference."""
    (x, n), (y, m) = np.sum(pairs, axis=0)
    pooled = (x + y) / (n + m)
    z = (x / n - y / m) / (math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) or 1)
    chance = sum(expected(pooled, round(a[1]), round(b[1])) for a, b in pairs)
    told = f"{sum(inside(*p) for p in pairs)} of {len(pairs)} seeds inside ({chance:.1f} expected)"
    return line(what, f"{x / n:.4f}", f"{y / m:.4f}", told, f"pooled difference {z:+.1f} standard errors")


def wrong(ours: dict[str, float], theirs: dict[str, float]) -> Rows:
    """Anonymeter 1.1.0's defects, each on a case of which the right answer is known."""
    return [
        line(
            "anonymeter, baseline of inference where a random guess is right in 10 %",
            f"{ours['baseline']:.3f}",
            f"{theirs['baseline']:.3f}",
            "anonymeter is wrong",
            "its random guesses are re-indexed by the labels of the people, which loses most of them",
        ),
        line(
            "anonymeter, univariate risk of a full copy at 500 and at 5,000 attacks",
            f"{ours['risk of 500']:.2f}, {ours['risk of 5000']:.2f}",
            f"{theirs['risk of 500']:.2f}, {theirs['risk of 5000']:.2f}",
            "anonymeter is wrong",
            "it divides by the number of attacks that was asked for, not by that of the predicates that it found",
        ),
        line(
            "anonymeter, share of guesses of -1 that pass for secrets between 0 and 1,000",
            f"{ours['negative']:.2f}",
            f"{theirs['negative']:.2f}",
            "anonymeter is wrong",
            "its tolerance is relative to the guess, and a negative guess lets every error pass",
        ),
        line(
            "anonymeter, distance of a row with a missing number from itself",
            f"{ours['missing']:.0f}",
            f"{theirs['missing']:.0f}",
            "anonymeter is wrong" if theirs["missing"] else "equal",
            "missing differs from missing, so that such copies are not seen as copies",
        ),
    ]


def sdmetrics(sides: Sides) -> Rows:
    """Its two properties and its distance score, and the cases in which they mislead."""
    national = sides.tables / "national"
    mine, other = sides.ask("ours", "quality"), sides.ask("with_sdmetrics", "quality", national)
    rows = [
        equal(f"SDMetrics {name}, national 2019 against 2018", mine["values"][i], other["values"][i], digits=9)
        for i, name in enumerate(("Column Shapes", "Column Pair Trends"))
    ]
    mine, other = sides.ask("ours", "dcr", rows=1000), sides.ask("with_sdmetrics", "dcr", national, rows=1000)
    rows.append(equal("SDMetrics DCROverfittingProtection, 1,000 rows", mine["value"], other["value"], digits=9))
    mine, other = sides.ask("ours", "defects"), sides.ask("with_sdmetrics", "defects", national)
    return [
        *rows,
        line(
            "SDMetrics pair trends of a release of 1,000 x + 7, with a category",
            f"{mine['binned']:.3f}; k-marginal error {mine['k-marginal error']:.3f}",
            f"{other['binned']:.3f}",
            "equal, and misleading",
            "each table is cut into bins of its own; `k_marginal_error` sees what is wrong (0 is best)",
        ),
        line(
            "SDMetrics DCROverfittingProtection of a full copy, people being often alike (1 is best)",
            f"{mine['copies']:.2f} of rows closer to training, p = {mine['p-value']:.0e}",
            f"{other['copies']:.2f}",
            "SDMetrics is wrong",
            "ties count as closer to the holdout; here they are split",
        ),
    ]


def sdnist(sides: Sides) -> Rows:
    """The k-marginal score of the three excerpts to the printed digit, and the other figures of the report."""
    rows = []
    for area in ("national", "ma", "tx"):
        mine, other = (sides.ask(s, "k-marginal", area=area)["values"] for s in ("ours", "with_sdnist"))
        for name, a, b in zip(("with PUMA", "worst PUMA", "without PUMA"), mine, other, strict=True):
            rows.append(equal(f"SDNist k-marginal, {area} 2019 against 2018, {name}", a, b))
            rows[-1]["agreement"] += f", printed {int(a)} and {int(b)}"
    mine, other = sides.ask("ours", "everything")["values"], sides.ask("with_sdnist", "report")["values"]
    rows += [
        equal("SDNist propensity (tree of depth 6), on its encoding", mine["propensity, encoded"], other["propensity"]),
        line(
            "SDNist propensity, on the columns as they are",
            f"{mine['propensity']:.6f}",
            f"{other['propensity']:.6f}",
            "differ",
            "SDNist codes a missing income as the largest; here it is a value of its own",
        ),
        equal("SDNist unique exact matches", mine["unique exact matches"], other["unique exact matches"], digits=0),
        equal("SDNist rows that are unique", mine["unique"], other["unique"], digits=0),
        equal("SDNist apparent matches", mine["apparent matches"], other["apparent matches"], digits=0),
        equal("SDNist mean agreement of apparent matches", 100 * mine["mean agreement"], other["mean agreement"]),
        line(
            "SDNist equivalent sub-sample",
            f"{100 * mine['sub-sample']:.0f} %",
            f"{other['sub-sample']} %",
            "differ by definition",
            "SDNist takes the nearest of 11 fractions, one sample each, by its score with PUMA; here it is a "
            "curve of 20 samples each, of all pairs",
        ),
    ]
    return rows


def disco(sides: Sides, rows: int = 1000) -> Rows:
    """kDiSCO by the file of SDNist 2.5, where `setup` found it; on few rows, for it takes minutes on all."""
    source = sides.home / "sdnist-2.5"
    if not (source / "disco.py").is_file():
        return []
    mine = sides.ask("ours", "disco", rows=rows)
    other = sides.ask("with_sdnist", "disco", source=str(source), rows=rows)
    told = f"{rows:,} rows; {mine['seconds']:.1f} s against {other['seconds']:.0f} s"
    return [equal("SDNist 2.5 kDiSCO, its disco.py by itself (without its plots)", mine["value"], other["value"], told)]


def smartnoise(sides: Sides) -> Rows:
    """What smartnoise-eval measures of a joint table, where pets_metrics has the same."""
    folder = sides.tables / "national"
    mine = sides.ask("ours", "compare", folder, columns=JOINT, k=5)["values"]
    other = sides.ask("with_smartnoise", "compare", folder, columns=JOINT, k=5)["values"]
    told = "cells of PUMA x EDU x RAC1P that the real rows have"
    below = other["BelowKCount"]["Percentage"] / 100
    suppressed, made_up = other["SuppressedCombinationCount"], other["FabricatedCombinationCount"]
    return [
        equal(
            "smartnoise-eval MeanAbsoluteErrorInCount", mine["error"], other["MeanAbsoluteErrorInCount"]["Bin 1"], told
        ),
        equal("smartnoise-eval MeanError (bias)", mine["bias"], other["MeanError"], told),
        equal(
            "smartnoise-eval SingledOutCount (uniqueness)", mine["alone"], other["SingledOutCount"]["Count"], digits=0
        ),
        equal("smartnoise-eval BelowKCount, k = 5 (1 - share in classes of 5)", 1 - mine["classes"], below),
        line(
            "smartnoise-eval Suppressed and FabricatedCombinationCount",
            "not a metric of its own",
            f"{suppressed}, {made_up}",
            "not compared",
            "counts of cells that vanish or appear; `k_marginal_error` weighs them by their people. Its other figures "
            "describe one table (entropy, moments, percentiles) and compare nothing",
        ),
    ]


def transport(sides: Sides) -> Rows:
    """POT's Wasserstein distances."""
    mine = sides.ask("ours", "wasserstein", sides.tables / "trio", columns=NUMBERS)["values"]
    other = sides.ask("with_pot", "wasserstein", sides.tables / "trio", columns=NUMBERS)
    rows = [equal(f"POT wasserstein_1d of {n}", mine[n], other["values"][n], digits=9) for n in NUMBERS]
    broken = [n for n in NUMBERS if abs(other["as read"][n] - mine[n]) > 1e-9]
    if broken:
        rows.append(
            line(
                f"POT wasserstein_1d of the integer columns {', '.join(broken)}",
                ", ".join(f"{mine[n]:.6f}" for n in broken),
                ", ".join(f"{other['as read'][n]:.6f}" for n in broken),
                "POT is wrong",
                "its uniform weights take the type of the values, so that for integers each is 0: pass floats",
            )
        )
    return rows


CHECKS = {f.__name__: f for f in (anonymeter, sdmetrics, sdnist, disco, smartnoise, transport)}
