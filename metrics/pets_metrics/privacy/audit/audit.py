"""A whole audit: try neighbours with few runs, confirm the worst with many fresh ones, and say how strong that was.

What explores never judges, so that the number of neighbours and events that were tried needs no correction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pets_eval.model import PetsEvalError, Unsupported
from pets_metrics.privacy.audit.bounds import epsilon_lower, pair_power
from pets_metrics.privacy.audit.claim import Claim, Finding
from pets_metrics.privacy.audit.events import choose
from pets_metrics.privacy.audit.ledger import ledger_test
from pets_metrics.privacy.audit.neighbours import Pair
from pets_metrics.privacy.audit.outcomes import Outcomes, together
from pets_metrics.privacy.audit.pair import judged, pair_test
from pets_metrics.privacy.audit.power import planted_floor, tilted
from pets_metrics.privacy.audit.probes import as_target, last_bits_test, reused_noise, timing_channel
from pets_metrics.privacy.audit.replay import Calibrated, Replayable, replay
from pets_metrics.privacy.audit.sampling import Sampler, concatenated
from pets_metrics.privacy.audit.scores import MATCHED, RATIO, learned
from pets_metrics.privacy.audit.target import Data, Target, from_scratch
from pets_metrics.privacy.audit.techniques import Released
from pets_metrics.privacy.audit.verdict import Audit, Planted

_MOST = 100_000  # runs that are made where the time would allow for more, unless they are asked for
_REHEARSING = 2_000  # runs at most that find out what one takes
_EXPLORING, _COMPARING, _PLANTING = 0.15, 0.15, 0.15  # shares of the runs; the others confirm
_LEARNING = 0.05  # share of them that learns a score, where an output has many numbers
_TIMES = (2, 4, 8)  # units changed at once
_COMPARED = 3  # pairs that are looked at more closely
_LEAST = 8  # runs on one input with which a pair can be looked at
_SMALL = 0.01  # share of the error that goes to each check beside the pair test
_GUESSED = 0.8  # error of bounds that rank the pairs: little caution, so that few runs tell them apart
_NUMBERS = 8  # of an output, among which it is looked for
_TRIES = 4  # times that a planted violation is looked for
_TIMED = 200
_SLACK = 0.8  # of the time that is left, how much the runs are planned to take


def audit(
    target: Target | Callable[..., Any],
    claim: Claim,
    pairs: Sequence[Pair],
    *,
    runs: int | None = None,
    minutes: float | None = None,
    level: float = 0.95,
    strict: bool = False,
    rng: np.random.Generator | None = None,
) -> Audit:
    """Look for evidence against *claim* in what *target* gives on *pairs* of neighbours.

    Makes *runs* runs in all (100,000 unless given), or as many of them as *minutes* allow. A mechanism that keeps the
    claim is accused with probability 1 - *level* at most. Pairs outside the stated domain, the last bits of the
    outputs, and the time taken, count with *strict* only: otherwise the first two are looked at beside the verdict.
    Raises `PetsEvalError` if the target cannot be run, or too few runs are possible. If a call for many runs raises, it
    begins anew with a call for each, in the time that is left.

    >>> from pets_metrics.privacy.audit.neighbours import of_bounds
    >>> noise = np.random.default_rng(0)
    >>> def total(data, size): return data.clip(0, 1).sum() + noise.laplace(0, 0.5, size)
    >>> found = audit(total, Claim(1.0), of_bounds(0, 1), runs=20_000)
    >>> found.outcome, 1.7 < found.worst.epsilon < 2, found.p_value < 1e-6
    ('violation found', True, True)
    """
    rng = np.random.default_rng() if rng is None else rng
    started = time.monotonic()

    def whole(target: Target) -> Audit:
        left = None if minutes is None else minutes - (time.monotonic() - started) / 60
        return _Auditor(target, claim, level, strict, rng).audit(list(pairs), runs, left)

    return from_scratch(as_target(target), whole)


class _Auditor:
    """One audit while it goes on."""

    def __init__(self, target: Target, claim: Claim, level: float, strict: bool, rng: np.random.Generator) -> None:
        if not 0.5 <= level < 1:
            raise PetsEvalError(f"level must be at least 0.5 and below 1, not {level:g}")
        self.target, self.claim, self.strict, self.rng = target, claim, strict, rng
        self.level = 1 - (1 - level) * (1 - 4 * _SMALL)  # of the pair test; the other checks have a hundredth each
        self.strict_level = 1 - (1 - level) * _SMALL
        self.sampler = Sampler(target)
        self.kept: dict[int, Outcomes] = {}
        self.scorers: dict[str, Callable[[Outcomes], Outcomes]] = {}

    def audit(self, pairs: list[Pair], runs: int | None, minutes: float | None) -> Audit:
        started = time.monotonic()
        self.deadline = math.inf if minutes is None else started + 60 * minutes
        plain = next(p.first for p in reversed(pairs) if len(p.first))
        self._must_work(plain, _REHEARSING if runs is None else max(2, runs // 50))
        total = min(_MOST if runs is None else runs, self._affordable())
        fewest = 2 * _LEAST * len(_inputs(pairs))
        if total < 5 * fewest and not self.strict:
            pairs = [p for p in pairs if not p.outside]
            fewest = 2 * _LEAST * len(_inputs(pairs))
        if total < fewest:
            raise PetsEvalError(
                f"an audit needs at least {fewest} runs of {self.target.name}, and {max(0, total)} are what was asked "
                "for, or what fits into the time; give it more"
            )
        inside = self._explore(pairs, total)
        shown = {pair.name: self._seems(pair) for pair in inside}
        worst = self._compare(inside, shown, total)
        finding = self._confirm(worst, total)
        also, beside = self._other_checks(inside, worst)
        if not finding.violated and not self.strict:
            beside += self._beyond([p for p in pairs if p not in inside])
        return Audit(
            target=self.target.name,
            claim=self.claim,
            worst=finding,
            also=tuple(also),
            beside=tuple(beside),
            explored=shown,
            planted=None if finding.violated else self._plant(worst, finding.runs, total),
            caught=self._caught(worst, finding.runs),
            runs=self.sampler.done,
            seconds=time.monotonic() - started,
        )

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _must_work(self, data: Data, most: int) -> None:
        """Refuse what raises on everyday input, in the words of the error's type."""
        found = self.sampler.rehearse(data, most)
        ends = set(found.labels.tolist())
        if not np.isfinite(found.values).any() and all(e.startswith(("raised", "nothing", "exit")) for e in ends):
            end = next(iter(ends))
            how = {"nothing": "returned nothing"}.get(end, end if end.startswith("raised") else f"ended with {end}")
            raise PetsEvalError(
                f"{self.target.name} {how} on each run on a plain input ({len(data)} rows within the stated domain); "
                "mend it, or state its domain by --bounds or --schema"
            )

    def _affordable(self) -> int:
        if self.deadline == math.inf:
            return 10**9
        left = self.deadline - time.monotonic()
        return int(min(max(0.0, _SLACK * left) / max(self.sampler.seconds, 1e-9), 1e9))

    def _within(self, n: float) -> int:
        """*n* runs, or as many as there is time for; in any case enough to look at."""
        return max(2 * _LEAST, min(int(n), self._affordable()))

    def _runs(self, data: Data, n: int) -> Outcomes:
        """*n* further runs on *data*, kept with those before, which explore."""
        before = [self.kept[id(data)]] if id(data) in self.kept else []
        self.kept[id(data)] = concatenated([*before, self.sampler.draw(data, n)])
        return self.kept[id(data)]

    def _sides(self, pair: Pair) -> tuple[Outcomes, Outcomes]:
        """The runs on both inputs that explore, with the scores that were learned."""
        return self._scored(pair, self.kept[id(pair.first)], self.kept[id(pair.second)])

    # -- the stages ----------------------------------------------------------------------------------------------------

    def _explore(self, pairs: list[Pair], total: int) -> list[Pair]:
        """Run every input a little; returns the pairs on which the verdict rests."""
        inputs = _inputs(pairs)
        n = max(_LEAST, int(_EXPLORING * total / (len(inputs) + len(pairs))))
        for data in inputs:
            self._runs(data, n)
        for pair in pairs:
            self._learn_score(pair, n)
        return [p for p in pairs if (self.strict or not p.outside) and not self._refuses_emptiness(p)]

    def _learn_score(self, pair: Pair, n: int) -> None:
        """Where an output has many numbers, learn which of them move from *n* runs with many units changed."""
        first = self.kept[id(pair.first)]
        if len(first.keys) > 1:
            self.scorers[pair.name] = learned(first, self.sampler.draw(pair.times(_TIMES[-1]), n), _TIMES[-1])

    def _refuses_emptiness(self, pair: Pair) -> bool:
        """Whether no run on an empty input gave a number: who may be empty is known to have refused."""
        return len(pair.first) == 0 and not self.strict and not np.isfinite(self.kept[id(pair.first)].values).any()

    def _seems(self, pair: Pair) -> float:
        """The epsilon that *pair* seems to show, by the runs so far: half of them choose an event, half try it."""
        (choosing_1, first), (choosing_2, second) = (_halves(o) for o in self._sides(pair))
        choice = choose(choosing_1, choosing_2, (len(first), len(second)), self.claim, _GUESSED)
        seen = int(choice.event.holds(first).sum()), len(first), int(choice.event.holds(second).sum()), len(second)
        counts = seen if choice.first else seen[2:] + seen[:2]
        return epsilon_lower(*counts, self.claim.delta, 1 - _GUESSED)

    def _compare(self, pairs: list[Pair], shown: dict[str, float], total: int) -> Pair:
        """Look at the best few more closely, and return the one that still seems to give the greatest bound."""
        if not pairs:
            raise PetsEvalError(f"{self.target.name} refuses every input that could be tried; give another --schema")
        best = sorted(pairs, key=lambda p: -shown[p.name])[:_COMPARED]
        n = int(_COMPARING * total / len(_inputs(best)))
        if n >= _LEAST and len(best) > 1:
            for data in _inputs(best):
                self._runs(data, n)
        shown |= {p.name: self._seems(p) for p in best}
        return max(best, key=lambda p: shown[p.name])

    def _confirm(self, pair: Pair, total: int) -> Finding:
        """Choose the event by all runs so far, and judge it by fresh ones."""
        self._learn_score(pair, self._within(_LEARNING * total))
        left = int((total * (1 - _PLANTING) - self.sampler.done) / 2)
        judges = max(_LEAST, min(left, int(self._affordable() * (1 - _PLANTING) / 2)))
        choice = choose(*self._sides(pair), (judges, judges), self.claim, 1 - self.level)
        first, second = (self.sampler.draw(data, judges) for data in (pair.first, pair.second))
        return judged(*self._scored(pair, first, second), [choice], self.claim, level=self.level, neighbours=pair.name)

    def _caught(self, pair: Pair, judges: int) -> float:
        """The smallest violation that so many runs find, planted in the outcomes of the first input."""
        seen = self._sides(pair)[0]
        seen = seen.on((MATCHED, RATIO)) if MATCHED in seen.keys else seen.on(seen.keys[:_NUMBERS])
        try:
            return planted_floor(tilted(seen, self.claim), self.claim, judges, level=self.level, tries=_TRIES)
        except PetsEvalError:  # all outcomes are alike
            return math.nan

    def _scored(self, pair: Pair, first: Outcomes, second: Outcomes) -> tuple[Outcomes, Outcomes]:
        add = self.scorers.get(pair.name)
        return together(first, second) if add is None else together(add(first), add(second))

    def _plant(self, pair: Pair, judges: int, total: int) -> Planted | None:
        """The smallest number of units that, passed off as one, would surely be caught by as many runs.

        Else the largest that was tried, with its power.
        """
        found = None
        for times in _TIMES:
            far = self.sampler.draw(pair.times(times), self._within(_PLANTING * total / len(_TIMES)))
            sides = self._scored(pair, self.kept[id(pair.first)], far)
            (choosing_1, first), (choosing_2, second) = (_halves(o) for o in sides)
            choice = choose(choosing_1, choosing_2, (judges, judges), self.claim, 1 - self.level)
            shares = [(float(choice.event.holds(o).sum()) + 0.5) / (len(o) + 1) for o in (first, second)]
            p, q = shares if choice.first else shares[::-1]
            found = Planted(times, pair_power(judges, judges, p, q, self.claim, self.level))
            if found.power >= 0.95:
                return found
        return found

    def _other_checks(self, inside: list[Pair], worst: Pair) -> tuple[list[Finding], list[Finding]]:
        """Findings that count, and those against the claim that do not."""
        level, claim = self.strict_level, self.claim
        also = [reused_noise(self.target, worst, claim, level=level)] if self._time_for(128) else []
        if isinstance(self.target, Released):
            also += self._of_the_technique(self.target, inside)
        plain = together(*(self.kept[id(d)] for d in (inside[0].first, inside[0].second)))
        aside = [last_bits_test(*plain, claim, level=level, neighbours=inside[0].name)]
        if self.strict:
            if self._time_for(2 * _TIMED):
                also.append(timing_channel(self.target, worst, claim, _TIMED, level=level, rng=self.rng))
            return also + aside, []
        return also, [f for f in aside if f.violated]

    def _of_the_technique(self, target: Released, pairs: list[Pair]) -> list[Finding]:
        """What its own mechanism and events say, where there are any; neither needs a run."""
        found, guarantee = [], target.guarantee
        if isinstance(target.mechanism, Replayable) and isinstance(target.mechanism.noise, Calibrated):
            found.append(replay(target.mechanism, target, pairs, self.claim))
        if guarantee is not None and "epsilon" in guarantee.parameters and Claim.of(guarantee) == self.claim:
            try:
                found.append(ledger_test([guarantee], self.claim))
            except (PetsEvalError, Unsupported) as why:
                found.append(Finding(check="ledger", outcome="not measured", note=str(why)))
        return found

    def _time_for(self, runs: int) -> bool:
        return runs * self.sampler.seconds < 0.1 * max(0.0, min(self.deadline - time.monotonic(), 600))

    def _beyond(self, pairs: list[Pair]) -> list[Finding]:
        """What tells inputs outside the stated domain apart, each pair judged on its own by the runs that explored."""
        level = self.strict_level
        found = [pair_test(*self._sides(p), self.claim, level=level, neighbours=p.name) for p in pairs]
        return [replace(f, check="outside the domain") for f in found if f.violated]


def _inputs(pairs: Sequence[Pair]) -> list[Data]:
    """The inputs of *pairs*, each once."""
    return list({id(data): data for pair in pairs for data in (pair.first, pair.second)}.values())


def _halves(outcomes: Outcomes) -> tuple[Outcomes, Outcomes]:
    half = len(outcomes) // 2
    return outcomes.part(slice(None, half)), outcomes.part(slice(half, None))
