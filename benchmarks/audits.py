"""The audits of differential privacy, audited: `python -m benchmarks.audits [NAME ...] [--seeds N] [--peer PYTHON]`.

    tightness     median lower bound at true epsilon 1, 10^4 runs on each input
    one_run       median bounds from one run at true epsilon 4.38, by number of canaries
    false_alarms  how often sound mechanisms are accused, with Clopper and Pearson's interval
    peer          the same on zero-leak scores, beside jax-privacy's `epsilon_from_gdp` (PYTHON is one that has it)
    speed         seconds to audit 10^5 runs of a numpy mechanism and of OpenDP's scalar Laplace
    sequential    runs until a sensitivity that is off by 2 is found, against those of a fixed number

Mechanisms under audit draw from numpy with fixed seeds, OpenDP's from its own source. Answers are lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from pets_metrics.intervals import clopper_pearson
from pets_metrics.privacy.audit.bounds import pair_power
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.gaussian import claimed_mu, curve_test, mu_test
from pets_metrics.privacy.audit.one_run import one_run_test
from pets_metrics.privacy.audit.outcomes import Event
from pets_metrics.privacy.audit.pair import pair_test
from pets_metrics.privacy.audit.power import caught_share
from pets_metrics.privacy.audit.sequential import sequential_test

Rng = np.random.Generator
CLAIM, DELTA = Claim(1.0), 1e-5
GAUSSIAN, WIDER = Claim(1.0, DELTA), Claim(1.0, 1e-3)
MU = claimed_mu(GAUSSIAN)  # of the Gaussian mechanism at true epsilon 1
PEER = Path(__file__).parent / "peers" / "with_jax_privacy.py"


def laplace(rng: Rng, side: int, runs: int) -> np.ndarray:
    """The Laplace mechanism at epsilon 1."""
    return rng.laplace(side, 1, runs)


def gaussian(rng: Rng, side: int, runs: int) -> np.ndarray:
    """The Gaussian mechanism at epsilon 1 and delta 1e-5."""
    return rng.normal(side * MU, 1, runs)


def wider_gaussian(rng: Rng, side: int, runs: int) -> np.ndarray:
    """The Gaussian mechanism at epsilon 1 and delta 1e-3."""
    return rng.normal(side * claimed_mu(WIDER), 1, runs)


def response(rng: Rng, side: int, runs: int) -> np.ndarray:
    """Randomised response at epsilon 1."""
    return np.where(rng.random(runs) < 1 / (1 + np.exp(-1)), side, 1 - side).astype(float)


def still(rng: Rng, side: int, runs: int) -> np.ndarray:
    """No leak at all."""
    return rng.normal(0, 1, runs)


def tightness(seeds: int, runs: int = 10_000) -> dict[str, Any]:
    """Lower bounds at true epsilon 1; the Gaussian mechanism has a mu for each delta."""
    tried: dict[str, tuple[Callable[..., Finding], Callable[[Rng, int, int], np.ndarray], Claim]] = {
        "laplace, pair test": (pair_test, laplace, CLAIM),
        "gaussian, pair test at delta 1e-5": (pair_test, gaussian, GAUSSIAN),
        "gaussian, mu-test at delta 1e-5": (mu_test, gaussian, GAUSSIAN),
        "gaussian, mu-test at delta 1e-3": (mu_test, wider_gaussian, WIDER),
    }
    found: dict[str, Any] = {"runs on each input": runs}
    for name, (test, mechanism, claim) in tried.items():
        bounds = [
            test(mechanism(rng, 0, runs), mechanism(rng, 1, runs), claim, rng=rng).epsilon for rng in generators(seeds)
        ]
        found[name] = {"median": np.median(bounds), "5 %": np.quantile(bounds, 0.05), "95 %": np.quantile(bounds, 0.95)}
    return found


def one_run(seeds: int) -> dict[str, Any]:
    """Bounds of the Gaussian mechanism at mu = 1 (epsilon 4.38 at delta 1e-5), a tenth of the canaries guessed."""
    found = {}
    for canaries, tries in ((1_000, seeds), (10_000, seeds), (100_000, max(10, seeds // 10))):
        pure, curve = [], []
        for rng in generators(tries):
            included = rng.random(canaries) < 0.5
            scores = rng.normal(size=canaries) + included
            pure.append(one_run_test(scores, included, Claim(1.0, DELTA)).epsilon)
            if len(curve) < 20:
                curve.append(one_run_test(scores, included, Claim(mu=0.1, delta=DELTA)).epsilon)
        quartiles = np.quantile(pure, [0.25, 0.5, 0.75])
        found[f"{canaries} canaries"] = {
            "quartiles": quartiles.tolist(),
            "mean": np.mean(pure),
            "median by f-DP": np.median(curve),
        }
    return found


def false_alarms(seeds: int, runs: int = 1_000) -> dict[str, Any]:
    """How often audits accuse mechanisms that keep their claim to the full."""

    def paired(test: Callable[..., Finding], mechanism: Callable[..., np.ndarray], claim: Claim) -> Callable[..., Any]:
        return lambda rng: test(mechanism(rng, 0, runs), mechanism(rng, 1, runs), claim, rng=rng)

    def stepwise(mechanism: Callable[..., np.ndarray], claim: Claim) -> Callable[..., Any]:
        return lambda rng: sequential_test(
            lambda n: mechanism(rng, 0, n), lambda n: mechanism(rng, 1, n), claim, most=400, rng=rng.spawn(1)[0]
        )

    def from_one(rng: Rng) -> Finding:
        included = rng.random(1_000) < 0.5
        scores = np.where(included, response(rng, 1, 1_000), response(rng, 0, 1_000)) + rng.normal(0, 1e-9, 1_000)
        return one_run_test(scores, included, CLAIM)

    zero = Claim(0.0)
    tests = {
        "pair test, no leak": paired(pair_test, still, zero),
        "pair test, laplace": paired(pair_test, laplace, CLAIM),
        "pair test, randomised response": paired(pair_test, response, CLAIM),
        "pair test, gaussian": paired(pair_test, gaussian, GAUSSIAN),
        "curve test, gaussian": paired(curve_test, gaussian, Claim(mu=MU)),
        "mu-test, no leak": paired(mu_test, still, Claim(mu=0.0, delta=DELTA)),
        "mu-test, gaussian": paired(mu_test, gaussian, GAUSSIAN),
        "sequential test, no leak": stepwise(still, zero),
        "sequential test, randomised response": stepwise(response, CLAIM),
        "one run, randomised response": from_one,
    }
    found = {}
    for name, test in tests.items():
        share = caught_share(test, seeds)
        found[name] = {"share": share.value, "interval": [share.low, share.high], "seeds": seeds}
    return found


def peer(seeds: int, python: str) -> dict[str, Any]:
    """Share of zero-leak scores on which each side gives a bound above 0."""
    found = {}
    for count in (200, 1_000):
        scores = [(rng.normal(size=count), rng.normal(size=count)) for rng in generators(seeds)]
        with tempfile.TemporaryDirectory() as home:
            path = Path(home) / "scores.npz"
            np.savez(path, members=[s[0] for s in scores], others=[s[1] for s in scores])
            done = subprocess.run([python, str(PEER), str(path)], check=True, capture_output=True, text=True)
        theirs = np.array(json.loads(done.stdout.splitlines()[-1]))
        ours = {
            "our pair test": [pair_test(a, b, Claim(0.0, DELTA)).epsilon for a, b in scores],
            "our mu-test": [mu_test(a, b, Claim(mu=0.0, delta=DELTA)).epsilon for a, b in scores],
        }
        sides = {"jax-privacy epsilon_from_gdp": theirs, **ours}
        found[f"{count} members and {count} others"] = {
            name: {
                "share above 0": np.mean(np.array(bounds) > 0),
                "interval": clopper_pearson(int((np.array(bounds) > 0).sum()), seeds),
                "median bound": np.median(bounds),
            }
            for name, bounds in sides.items()
        }
    return found


def speed(_: int, runs: int = 100_000) -> dict[str, Any]:
    """Seconds until a finding, the runs of the mechanism included."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    pair_test(laplace(rng, 0, runs), laplace(rng, 1, runs), CLAIM)
    found: dict[str, Any] = {f"numpy, {runs} runs on each input (s)": time.perf_counter() - start}
    import opendp.prelude as dp

    dp.enable_features("contrib")
    release = dp.m.make_laplace(dp.atom_domain(T=float, nan=False), dp.absolute_distance(T=float), scale=1.0)
    start, used = time.perf_counter(), time.process_time()
    outputs = [np.array([release(side) for _ in range(runs // 2)]) for side in (0.0, 1.0)]
    made = time.perf_counter() - start
    finding = pair_test(*outputs, CLAIM)
    found[f"OpenDP scalar Laplace, {runs} runs in all"] = {
        "wall (s)": time.perf_counter() - start,
        "processor (s)": time.process_time() - used,
        "of it its calls (s)": made,
        "bound": finding.epsilon,
    }
    return found


def sequential(seeds: int) -> dict[str, Any]:
    """Runs in all until Laplace noise of true epsilon 2 contradicts a claim of 1."""
    cuts = np.linspace(0, 1, 41)
    best = min(cuts, key=lambda c: known_runs(stats.laplace.sf(c, 1, 0.5), stats.laplace.sf(c, 0, 0.5)))
    fixed = {
        "best event known": 2 * known_runs(stats.laplace.sf(best, 1, 0.5), stats.laplace.sf(best, 0, 0.5)),
        "event chosen": 2 * chosen_runs(400),
    }
    events = {"best event known": (Event.at_least(0.85), Event.at_least(0.15).negated()), "event chosen": None}
    found: dict[str, Any] = {}
    for name, event in events.items():
        taken = []
        for rng in generators(seeds):
            one = sequential_test(
                lambda n, rng=rng: rng.laplace(1, 0.5, n),
                lambda n, rng=rng: rng.laplace(0, 0.5, n),
                CLAIM,
                event=event,
                rng=rng.spawn(1)[0],
            )
            taken.append(runs_in_all(one))
        found[name] = {
            "fixed number": fixed[name],
            "sequential, median": np.median(taken),
            "sequential, 95 %": np.quantile(taken, 0.95),
            "ratio of the median": np.median(taken) / fixed[name],
        }
    return found


def runs_in_all(finding: Finding) -> int:
    """As the finding's note has them."""
    return int(next(word for word in finding.note.split() if word.isdigit()))


def known_runs(p: float, q: float) -> int:
    """The fewest runs on each input that find an event of these probabilities with 95 % power."""
    low, high = 1, 4_096
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if pair_power(middle, middle, p, q, CLAIM) >= 0.95 else (middle + 1, high)
    return low


def chosen_runs(tries: int) -> int:
    """The fewest runs on each input, to 10, with which the pair test finds it in 95 % of *tries*."""
    low, high = 10, 60
    while low < high:
        middle = (low + high) // 2
        runs = 10 * middle
        found = caught_share(
            lambda rng, runs=runs: pair_test(rng.laplace(1, 0.5, runs), rng.laplace(0, 0.5, runs), CLAIM, rng=rng),
            tries,
        )
        low, high = (low, middle) if found.value >= 0.95 else (middle + 1, high)
    return 10 * low


def generators(count: int) -> list[Rng]:
    """One for each try."""
    return np.random.default_rng(0).spawn(count)


BENCHMARKS: dict[str, tuple[Callable[..., dict[str, Any]], int]] = {
    "tightness": (tightness, 1_000),
    "one_run": (one_run, 400),
    "speed": (speed, 1),
    "sequential": (sequential, 1_000),
    "false_alarms": (false_alarms, 3_000),
    "peer": (peer, 1_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which; all unless given")
    parser.add_argument("--seeds", type=int, help="how many tries, instead of each benchmark's own number")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has jax-privacy 2.0.0")
    asked = parser.parse_args()
    for name in asked.names or BENCHMARKS:
        measure, seeds = BENCHMARKS[name]
        if name == "peer" and not asked.peer:
            print(json.dumps({name: "not measured: no --peer given"}))
            continue
        extra = {"python": asked.peer} if name == "peer" else {}
        print(json.dumps({name: measure(asked.seeds or seeds, **extra)}, default=float), flush=True)


if __name__ == "__main__":
    main()
