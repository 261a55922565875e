"""How numbers are written for a reader: two or three significant digits, no false precision, never a bare NaN."""

from __future__ import annotations

import math

NOT_MEASURED = "not measured"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def brief(value: float, digits: int = 3) -> str:
    """*value* with *digits* significant digits.

    >>> brief(1234.5), brief(0.012345), brief(3.0), brief(1e-7), brief(float("inf"))
    ('1,230', '0.0123', '3', '1 × 10⁻⁷', 'infinite')
    """
    if math.isnan(value):
        return NOT_MEASURED
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if value == 0:
        return "0"
    places = digits - 1 - magnitude(value)
    text = fixed(value, places)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def magnitude(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(abs(value)))


def fixed(value: float, places: int) -> str:
    """*value* rounded to *places* decimals (negative: tens, hundreds), in powers of ten when very large or small.

    >>> fixed(0.5, 2), fixed(1234.0, -1), fixed(0.00001234, 7)
    ('0.50', '1,230', '1.23 × 10⁻⁵')
    """
    rounded = round(value, places)
    if rounded == 0:
        return "0"
    power = magnitude(rounded)
    if power >= 7 or power <= -5:
        mantissa = f"{rounded / 10.0**power:.{max(0, min(places + power, 3))}f}"
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa} × 10{str(power).translate(_SUPERSCRIPT)}".replace("-", "−", 1)
    return f"{rounded:,.{max(0, places)}f}".replace("-", "−")


def together(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A value and its interval, rounded alike: to the interval's size, with at most four digits of the value.

    >>> together(12.3456, 11.9, 12.8)
    ('12.3', '11.9', '12.8')
    >>> together(1234.5, 1200.0, 1270.0)
    ('1,230', '1,200', '1,270')
    """
    half = max(high - value, value - low)
    if not math.isfinite(half) or half <= 0 or not math.isfinite(value):
        return brief(value), brief(low), brief(high)
    places = 1 - magnitude(half)
    if value != 0:
        size = magnitude(value)
        places = min(places, max(2 - size, -magnitude(half)), 3 - size)
    value_text, low_text, high_text = (
        brief(v, 2) if v != 0 and round(v, places) == 0 else fixed(v, places) for v in (value, low, high)
    )
    return value_text, low_text, high_text
