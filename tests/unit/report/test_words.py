"""Numbers as a reader sees them."""

import math

import pytest

from pets_eval.guideline.numbers import brief, together
from pets_eval.report.words import value_and_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.1, "0.1"),
        (0.01234, "0.0123"),
        (99.96, "100"),
        (1234.5, "1,230"),
        (1e6, "1,000,000"),
        (1e-7, "1 × 10⁻⁷"),
        (-0.5, "−0.5"),
        (3.2e9, "3.2 × 10⁹"),
        (math.nan, "not measured"),
        (math.inf, "infinite"),
    ],
)
def test_brief(value, text):
    assert brief(value) == text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((12.3456, 11.9, 12.8), ("12.3", "11.9", "12.8")),
        ((1234.5, 1200.0, 1270.0), ("1,230", "1,200", "1,270")),
        ((0.5, 0.5, 0.5), ("0.5", "0.5", "0.5")),
        ((1.93, 1.9299, 1.9301), ("1.930", "1.930", "1.930")),
        ((0.004, 0.001, 0.5), ("0.004", "0.001", "0.50")),  # small is not told as zero
        ((0.0, -0.5, 0.5), ("0", "−0.50", "0.50")),
        ((3.0, -math.inf, 4.0), ("3", "minus infinite", "4")),
    ],
)
def test_together(given, told):
    assert together(*given) == told


def test_bytes_are_scaled_and_absence_has_words(example):
    records = [
        example.record(
            scores=example.scores(
                peak_memory=example.row(2.5e8, 2.4e8, 2.6e8),
                bytes_sent=0,
                wall_time="not-applicable: elsewhere",
                cpu_time=example.row(None, method="none", note="x"),
            )
        )
    ]
    from pets_eval.guideline.subject import labeller
    from pets_eval.report.aggregate import aggregate

    told = {f.metric: value_and_interval(f) for f in aggregate(records, labeller([r.spec for r in records]))}
    assert told["peak-memory"] == ("250 MB", "240 to 260")
    assert told["bytes-sent"] == ("0 bytes", "")
    assert told["wall-time"] == ("does not apply", "")
    assert told["cpu-time"] == ("not measured", "")
