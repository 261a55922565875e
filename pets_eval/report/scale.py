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


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str
    strip: bool = False


class Scale:
    """Maps values to pixels from *start* to *end*: linear, or logarithmic where values span more than a decade.

    Zero on a logarithmic scale, infinity, and "not measured" have strips of their own at the two ends.
    """

    def __init__(self, positions: Iterable[Position], start: float, end: float) -> None:
        positions = list(positions)
        finite = [v for p in positions for v in (p.value, p.low, p.high) if v is not None]
        values = [p.value for p in positions if p.value is not None]
        positive = [v for v in values if v > 0]
        self.log = (
            bool(positive) and min(values) >= 0 and len(positive) > 1 and _spread(positive) > _DECADES
        )  # zeros stand in their own strip
        self.infinite = any(p.infinite for p in positions)
        self.missing = any(p.value is None and not p.infinite for p in positions)
        self.zero = self.log and any(v == 0 for v in values)
        self.start, self.end = start, end
        sign = 1 if end > start else -1
        strips_after = self.infinite + self.missing
        self._from = start + sign * (_STRIP * self.zero + _PAD)
        self._to = end - sign * (_STRIP * strips_after + _PAD)
        self.lo, self.hi = self._range(positive if self.log else finite)

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

    @property
    def boundary(self) -> list[float]:
        """Where strips meet the scale."""
        sign = 1 if self.end > self.start else -1
        found = [self.start + sign * _STRIP] if self.zero else []
        return found + [self.end - sign * _STRIP * k for k in range(1, self.infinite + self.missing + 1)]

    def at(self, value: float) -> float:
        """The pixel of a finite *value*, kept inside the scale."""
        if self.log:
            if value <= 0:
                return self._zero if self.zero else self._from
            share = (math.log10(value) - math.log10(self.lo)) / (math.log10(self.hi) - math.log10(self.lo) or 1)
        else:
            share = (value - self.lo) / (self.hi - self.lo)
        return self._from + min(1.0, max(0.0, share)) * (self._to - self._from)

    def place(self, p: Position) -> float:
        """The pixel of a figure, finite or not."""
        if p.value is not None:
            return self.at(p.value)
        return self._strip(0 if p.infinite else self.infinite)

    def _strip(self, index: int) -> float:
        sign = 1 if self.end > self.start else -1
        return self._to + sign * (_PAD + _STRIP * (index + 0.5))

    @property
    def _zero(self) -> float:
        return self.start + (1 if self.end > self.start else -1) * _STRIP / 2

    def ticks(self) -> list[Tick]:
        """Marks with their labels."""
        found = [Tick(self.at(v), brief(v)) for v in (self._powers() if self.log else self._steps())]
        if self.zero:
            found.append(Tick(self._zero, "0", strip=True))
        if self.infinite:
            found.append(Tick(self._strip(0), "no limit", strip=True))
        if self.missing:
            found.append(Tick(self._strip(int(self.infinite)), "no figure", strip=True))
        return found

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
