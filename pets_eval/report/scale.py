"""One axis of a chart: from figures to positions, with room for zero and for what has no place on a scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pets_eval.guideline.numbers import brief
from pets_eval.report.model import Position

_DECADES = 1.3  # a wider spread than this power of ten calls for a logarithmic scale
_PAD = 14.0  # pixels between the frame, or a strip, and the first mark
_STRIP = 46.0  # pixels for each strip beside the scale
_ZERO, _LEAST, _MOST, _MISSING = "0", "−infinite", "infinite", "no figure"


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str
    strip: bool = False


class Scale:
    """Maps values to pixels from *start* to *end*: linear, or logarithmic where values span more than a decade.

    Zero on a logarithmic scale, the two infinities, and "not measured" have strips of their own at the ends: `before`
    and `after` the scale, from its start to its end. *log* forces a logarithmic scale on positive values, *limits* a
    linear one with these ends.
    """

    def __init__(
        self,
        positions: Iterable[Position],
        start: float,
        end: float,
        *,
        log: bool = False,
        limits: tuple[float, float] | None = None,
    ) -> None:
        positions = list(positions)
        shown = [p.value for p in positions if p.value is not None]
        values = [v for v in shown if math.isfinite(v)]
        ends = [v for p in positions for v in (p.low, p.high) if v is not None and math.isfinite(v)]
        positive = [v for v in values if v > 0]
        wide = bool(positive) and min(values) >= 0 and len(positive) > 1 and _spread(positive) > _DECADES
        self.log = limits is None and (log or wide)  # zeros stand in their own strip
        self.before = [s for s, there in ((_LEAST, -math.inf in shown), (_ZERO, self.log and 0 in values)) if there]
        self.after = [s for s, there in ((_MOST, math.inf in shown), (_MISSING, len(shown) < len(positions))) if there]
        self._start, self._end, self._sign = start, end, 1 if end > start else -1
        self.inner = (start + self._sign * _STRIP * len(self.before), end - self._sign * _STRIP * len(self.after))
        self._from, self._to = self.inner[0] + self._sign * _PAD, self.inner[1] - self._sign * _PAD
        self.lo, self.hi = limits or self._range(positive if self.log else [*values, *ends])

    def _range(self, values: list[float]) -> tuple[float, float]:
        if not values:
            return 0.0, 1.0
        lo, hi = min(values), max(values)
        if self.log:
            return 10 ** math.floor(math.log10(lo) + 1e-9), 10 ** math.ceil(math.log10(hi) - 1e-9)
        if lo == hi:
            return (lo - 0.5, hi + 0.5) if lo == 0 else (min(lo * 0.5, lo * 1.5), max(lo * 0.5, lo * 1.5))
        if 0 < lo < hi / 2:
            lo = 0.0
        return lo, hi

    def at(self, value: float) -> float:
        """The pixel of *value*, kept inside the scale."""
        if self.log:
            if value <= 0:
                return self._strip(_ZERO) if _ZERO in self.before else self._from
            share = (math.log10(value) - math.log10(self.lo)) / (math.log10(self.hi) - math.log10(self.lo) or 1)
        else:
            share = (value - self.lo) / (self.hi - self.lo)
        return self._from + min(1.0, max(0.0, share)) * (self._to - self._from)

    def place(self, p: Position) -> float:
        """The pixel of a figure, finite or not."""
        if p.value is None:
            return self._strip(_MISSING)
        if math.isinf(p.value):
            return self._strip(_MOST if p.value > 0 else _LEAST)
        return self.at(p.value)

    def _strip(self, name: str) -> float:
        if name in self.before:
            return self._start + self._sign * _STRIP * (self.before.index(name) + 0.5)
        return self.inner[1] + self._sign * _STRIP * (self.after.index(name) + 0.5)

    def ticks(self) -> list[Tick]:
        """Marks with their labels."""
        found = [Tick(self.at(v), brief(v)) for v in (self._powers() if self.log else self._steps())]
        return found + [Tick(self._strip(name), name, strip=True) for name in (*self.before, *self.after)]

    def _powers(self) -> list[float]:
        low, high = round(math.log10(self.lo)), round(math.log10(self.hi))
        step = max(1, (high - low) // 6)
        return [10.0**k for k in range(low, high + 1, step)]

    def _steps(self) -> list[float]:
        raw = (self.hi - self.lo) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
        first = math.ceil(self.lo / step - 1e-9)
        last = math.floor(self.hi / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


def _spread(values: list[float]) -> float:
    return math.log10(max(values)) - math.log10(min(values))
