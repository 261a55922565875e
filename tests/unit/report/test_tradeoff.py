"""Who beats whom, by hand."""

import math

import pytest

from pets_eval.guideline.model import Plots
from pets_eval.report.model import Position, TechniqueCard
from pets_eval.report.tradeoff import beats, relation, tradeoffs


def at(value, low=None, high=None):
    return Position(value=value, low=value if low is None else low, high=value if high is None else high)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (at(1), at(2), "better"),
        (at(2), at(1), "worse"),
        (at(1), at(1), "equal"),
        (at(1, 0.5, 1.5), at(2, 1.4, 3), "unclear"),
        (at(1, 0.5, 1.5), at(2, 1.5, 3), "unclear"),  # touching is not apart
        (at(1, 0.5, 1.5), at(1, 0.5, 1.5), "unclear"),
        (at(9), at(math.inf), "better"),
        (at(-math.inf), at(9), "better"),
        (at(-math.inf), at(math.inf), "better"),
        (at(math.inf), at(math.inf), "equal"),
        (at(1, -math.inf, math.inf), at(2), "unclear"),
        (at(9), Position(value=None, low=None, high=None), "unclear"),
        (Position(value=1, low=None, high=None), at(2), "unclear"),  # no interval, no ranking
        (Position(value=1, low=0, high=None), at(2), "unclear"),  # unbounded above
    ],
)
def test_relation(a, b, expected):
    assert relation(a, b, "min") == expected
    assert relation(b, a, "max") == expected


@pytest.mark.parametrize("b", [at(2), at(1), at(math.inf)])
def test_nothing_is_ranked_where_no_direction_is_better(b):
    assert relation(at(1), b, "none") == relation(b, at(1), "none") == "unclear"


@pytest.mark.parametrize(
    ("x", "y", "wins"),
    [
        ("better", "better", True),
        ("better", "equal", True),
        ("equal", "better", True),
        ("equal", "equal", False),
        ("better", "unclear", False),
        ("better", "worse", False),
    ],
)
def test_beats(x, y, wins):
    assert beats(x, y) is wins


def chart(example, points, plots=None, **columns):
    """The chart of techniques given as name -> (epsilon, error rows); `columns` changes what a metric is."""
    from pets_eval.guideline.subject import labeller
    from pets_eval.report.aggregate import aggregate

    records = [
        example.record(name, scores=example.scores(claimed_epsilon=x, mean_absolute_error=y))
        for name, (x, y) in points.items()
    ]
    for r in records:
        r.scores["claimed-epsilon"] = r.scores["claimed-epsilon"].model_copy(update=columns)
    figures = aggregate(records, labeller([r.spec for r in records]))
    claims = {"raw": example.RAW_CLAIMS, "null": example.NULL_CLAIMS}
    cards = [
        TechniqueCard(label=n, technique=n, family="dp", anchor=n in claims, claims=claims.get(n, example.DP_CLAIMS))
        for n in points
    ]
    (found,) = tradeoffs(figures, cards, plots)
    return {p.technique: p for p in found.points}


def test_nobody_is_in_the_pareto_set_of_an_axis_without_a_better_direction(example):
    plots = Plots(privacy=["claimed-epsilon"], utility=["mean-absolute-error"])
    points = chart(example, {"dp-a": (1.0, 1.0), "dp-b": (2.0, 3.0)}, plots, goal="none")
    assert [p.pareto for p in points.values()] == [False, False]
    assert [p.better for p in points.values()] == [[], []]
    assert [p.alike_privacy for p in points.values()] == [[], []]


def test_the_pareto_set(example):
    row = example.row
    points = chart(
        example,
        {
            "raw": (float("inf"), 0),
            "null": ("not-applicable: none", 50),
            "dp-a": (1.0, row(5, 4, 6)),
            "dp-b": (1.0, row(9, 8, 10)),  # same epsilon, clearly worse
            "dp-c": (1.0, row(5.5, 4.5, 6.5)),  # cannot be told from a
            "dp-d": (0.1, row(30, 25, 35)),  # more private, less exact
            "dp-e": (2.0, row(7, 6.6, 7.5)),  # beaten by a and c
            "dp-g": (0.01, row(60, 55, 65)),  # worse than an answer without data
            "dp-f": (3.0, row(None, method="none", note="x")),
        },
    )
    assert {n for n, p in points.items() if p.pareto} == {"dp-a", "dp-c", "dp-d"}
    assert points["dp-b"].better == ["dp-a", "dp-c"]
    assert points["dp-e"].better == ["dp-a", "dp-c"]
    assert points["dp-g"].better == ["null"]
    assert points["null"].better == points["raw"].better == []
    assert points["dp-a"].alike == ["dp-c"]
    assert points["dp-f"].alike == []
    assert points["raw"].x.value == math.inf
    assert not points["raw"].pareto, "an anchor is a mark to read against, not a choice"
