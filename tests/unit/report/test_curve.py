"""Curves over what is claimed: which figures make one, what it says of them, and what is drawn, by hand."""

import math
import re
from xml.etree import ElementTree

import pytest

from pets_eval.guideline.figures import Figure
from pets_eval.guideline.load import load_guideline
from pets_eval.guideline.model import CurvePlot, Error, Plots, Trace
from pets_eval.report.as_json import to_json
from pets_eval.report.curve import curves
from pets_eval.report.curve_chart import curve_svg
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.model import TechniqueCard
from pets_eval.report.places import curve_remarks, curve_sheet
from pets_eval.report.scorecard import scorecard

SVG = "{http://www.w3.org/2000/svg}"
GRID = (0.1, 1.0, 10.0)
PLOT = CurvePlot(
    against="claim",
    error=[Error(metric="rare-error"), Error(metric="error", statistic="mean"), Error(metric="error")],
    advantage=[
        Trace(metric="implied", statistic="advantage", name="Claimed: the most that is admitted", mark="ceiling"),
        Trace(metric="described", statistic="advantage", name="what the mechanism admits", mark="limit"),
        Trace(metric="audit", statistic="advantage", name="what is certified", mark="floor"),
        Trace(metric="attack", statistic="advantage", name="what an attack reached", mark="estimate"),
        Trace(metric="audit", statistic="lower bound", name="audited epsilon", mark="none"),
    ],
    note="How to read it.",
)


def figure(technique, metric, value, low=None, high=None, *, axis="privacy", **more):
    return Figure(
        technique=technique, dataset="people", task="counts", metric=metric, axis=axis, goal="min", unit="nats",
        value=value, low=low, high=high, **more,
    )  # fmt: skip


def about(label, technique="dp-noise", *, anchor=False, **params):
    return TechniqueCard(label=label, technique=technique, family="dp", params=params, anchor=anchor)


def of_claim(label, epsilon):
    """Made-up figures of a technique that claims *epsilon*: the error falls, the advantages rise."""
    admitted = math.tanh(epsilon / 2)
    return [
        figure(label, "claim", epsilon),
        figure(label, "error", 9 / epsilon, 8 / epsilon, 10 / epsilon, axis="utility", statistic="count"),
        figure(label, "implied", admitted, admitted, admitted, statistic="advantage"),
        figure(label, "described", 0.9 * admitted, statistic="advantage"),
        figure(label, "audit", 0.7 * admitted, 0.7 * admitted, math.inf, statistic="advantage"),
        figure(label, "audit", 0.6 * epsilon, statistic="lower bound"),
        figure(label, "attack", 0.5 * admitted, 0.5 * admitted - 0.1, 0.5 * admitted + 0.1, statistic="advantage"),
    ]


def drawn(cards, figures, plot=PLOT):
    return curves(figures, cards, Plots(privacy=["claim"], utility=["error"], curve=plot))


@pytest.fixture
def curve():
    """One technique over a grid of three claims, beside the two anchors."""
    cards = [about("raw", "raw", anchor=True), about("null", "null", anchor=True)]
    cards += [about(f"dp-noise (epsilon={e:g})", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"dp-noise (epsilon={e:g})", e)]
    figures += [
        figure(t, "error", v, v, v, axis="utility", statistic="count") for t, v in (("raw", 0.0), ("null", 70.0))
    ]
    (found,) = drawn(cards, figures)
    return found


def test_a_grid_of_claims_makes_a_curve(curve):
    assert (curve.dataset, curve.task, curve.against.metric) == ("people", "counts", "claim")
    assert curve.lines == ["dp-noise"]
    assert [p.x for p in curve.points] == list(GRID)
    assert [c.mark for c in curve.columns] == ["error", "ceiling", "limit", "floor", "estimate", "none"]
    assert curve.columns[0].metric == "error", "the first error that was measured"
    assert [a.technique for a in curve.anchors] == ["raw", "null"]
    middle = curve.points[1]
    admitted = math.tanh(0.5)
    expected = [9, admitted, 0.9 * admitted, 0.7 * admitted, 0.5 * admitted, 0.6]
    assert [p.value for p in middle.figures] == pytest.approx(expected)
    assert (middle.figures[0].low, middle.figures[0].high) == (8, 10)


@pytest.mark.parametrize(
    ("without", "why"),
    [
        (lambda f: f.technique != "dp-noise (epsilon=1)", "two points make no curve"),
        (lambda f: f.metric != "error", "no error"),
        (lambda f: f.metric != "claim", "nothing claimed"),
        (
            lambda f: f.metric not in ("implied", "attack") and f.statistic != "advantage",
            "only what stands in the table",
        ),
    ],
)
def test_no_curve_without_its_parts(without, why):
    cards = [about(f"dp-noise (epsilon={e:g})", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"dp-noise (epsilon={e:g})", e)]
    assert drawn(cards, figures)
    assert drawn(cards, [f for f in figures if without(f)]) == [], why


def test_no_curve_unless_the_guideline_asks():
    cards = [about(f"a {e}", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"a {e}", e)]
    assert curves(figures, cards, None) == []
    assert curves(figures, cards, Plots(privacy=["claim"], utility=["error"])) == []


def test_what_the_run_has_no_figure_of_is_named(curve):
    assert curve.absent == []
    cards = [about(f"dp-noise (epsilon={e:g})", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"dp-noise (epsilon={e:g})", e) if f.metric != "audit"]
    (found,) = drawn(cards, figures)
    assert found.absent == ["what is certified", "audited epsilon"]
    assert [c.mark for c in found.columns] == ["error", "ceiling", "limit", "estimate"]
    assert curve_remarks(found) == ["How to read it.", "Not measured in this run: what is certified, audited epsilon."]


def test_another_parameter_makes_another_line():
    settings = [(e, d) for d in (1e-9, 1e-6) for e in GRID]
    cards = [about(f"dp-noise ({e:g}, {d:g})", epsilon=e, delta=d) for e, d in settings]
    figures = [f for e, d in settings for f in of_claim(f"dp-noise ({e:g}, {d:g})", e)]
    (found,) = drawn(cards, figures)
    assert len(found.lines) == 2
    assert all("δ = " in name and "ε" not in name for name in found.lines)
    for line in (1, 2):
        assert [p.x for p in found.points if p.line == line] == list(GRID)


def test_the_statistic_that_comes_first_is_the_error_where_it_was_measured():
    cards = [about(f"dp-noise (epsilon={e:g})", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"dp-noise (epsilon={e:g})", e)]
    assert drawn(cards, figures)[0].columns[0].statistic == "count"
    figures += [figure(c.label, "error", 1.5, axis="utility", statistic="mean") for c in cards]
    (found,) = drawn(cards, figures)
    assert found.columns[0].statistic == "mean"
    assert [p.figures[0].value for p in found.points] == [1.5, 1.5, 1.5]


def test_several_techniques_share_a_task_and_claims_without_a_place_are_left_out():
    cards = [about(f"{t} {e:g}", t, epsilon=e) for t in ("dp-a", "dp-b") for e in (*GRID, math.inf)]
    figures = [f for t in ("dp-a", "dp-b") for e in GRID for f in of_claim(f"{t} {e:g}", e)]
    figures += [figure(f"{t} inf", "claim", math.inf) for t in ("dp-a", "dp-b")]
    (found,) = drawn(cards, figures)
    assert found.lines == ["dp-a", "dp-b"]
    assert len(found.points) == 6


def test_the_row_for_everybody_and_the_worst_seat_are_shown():
    cards = [about(f"dp-noise (epsilon={e:g})", epsilon=e) for e in GRID]
    figures = [f for e in GRID for f in of_claim(f"dp-noise (epsilon={e:g})", e)]
    label = "dp-noise (epsilon=1)"
    figures.append(figure(label, "attack", 0.99, statistic="advantage", group="some people"))
    figures.append(figure(label, "attack", 0.4, statistic="advantage", seat="a+b"))
    (found,) = drawn(cards, figures)
    assert found.points[1].figures[4].value == 0.4


def test_the_table_says_every_figure(curve):
    sheet = curve_sheet(curve)
    heads = ["Claim", "Error", "Claimed", "what the mechanism admits", "what is certified", "what an attack reached"]
    assert [h.text for h in sheet.headers] == [*heads, "audited epsilon"]
    assert sheet.headers[2].small == "the most that is admitted"
    assert [line.name for line in sheet.lines] == ["dp-noise"] * 3 + ["raw", "null"]
    assert [c.text for c in sheet.lines[1].cells] == ["1", "9.0", "0.462", "0.416", "≥ 0.323", "0.23", "0.6"]
    assert sheet.lines[1].cells[1].small == "8.0 to 10.0"
    assert [c.text for c in sheet.lines[3].cells] == ["–", "0", "–", "–", "–", "–", "–"]
    assert sheet.lines[3].anchor


def test_the_chart_is_well_formed_and_told_without_colour(curve):
    root = ElementTree.fromstring(curve_svg(curve))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Error and advantage of an attacker over claim, people / counts"
    description = root.find(f"{SVG}desc").text
    for e in ("0.1", "1", "10"):
        assert f"1. dp-noise at {e}: error " in description
    assert "what is certified ≥ 0.323" in description
    assert "Anchor null: 70." in description
    kinds = [e.get("class") for e in root.iter()]
    assert kinds.count("floor") == 2, "dashes: in the panel and in the legend"
    assert kinds.count("hollow") == 3 + 1
    assert kinds.count("level") == 2 + 1
    numbers = [float(v) for e in root.iter() for k, v in e.attrib.items() if k in ("x", "y", "cx", "cy", "x1", "y2")]
    assert all(0 <= v <= 960 for v in numbers)


def test_marks_stand_where_their_figures_are(curve):
    root = ElementTree.fromstring(curve_svg(curve))
    rings = [e for e in root.iter() if e.get("class") == "hollow"][:3]
    heights = [float(e.get("cy")) for e in rings]
    zero, one = (_label(root, t) for t in ("0", "1"))  # the last of each are those of the lower panel
    for p, height in zip(curve.points, heights, strict=True):
        assert height == pytest.approx(zero + (one - zero) * p.figures[4].value, abs=0.2)


def _label(root, text):
    return [float(e.get("y")) - 4 for e in root.iter(f"{SVG}text") if e.text == text and e.get("text-anchor") == "end"][
        -1
    ]


def test_values_beyond_the_scale_stay_inside(curve):
    worse = curve.points[0].model_copy(
        update={
            "figures": [p.model_copy(update={"value": -0.2, "low": -0.5, "high": 1.4}) for p in curve.points[0].figures]
        }
    )
    odd = curve.points[2].model_copy(
        update={"figures": [p.model_copy(update={"value": math.inf, "low": None}) for p in curve.points[2].figures]}
    )
    svg = curve_svg(curve.model_copy(update={"points": [worse, curve.points[1], odd]}))
    ElementTree.fromstring(svg)
    assert not re.search(r"nan|inf\b", re.sub(r"<(desc|style).*?</\1>", "", svg, flags=re.S))


def test_text_is_escaped(curve):
    nasty = '<script>alert("1")</script>'
    column = curve.columns[2].model_copy(update={"name": nasty})
    svg = curve_svg(
        curve.model_copy(
            update={"lines": [nasty], "task": nasty, "columns": [*curve.columns[:2], column, *curve.columns[3:]]}
        )
    )
    assert "<script>" not in svg
    ElementTree.fromstring(svg)


def test_a_run_over_a_grid_has_the_curve_on_every_page(example):
    records = [example.record(t, scores=example.scores(mean_absolute_error=e)) for t, e in (("raw", 0), ("null", 40))]
    for e in GRID:
        figures = {"claimed_epsilon": e, "mean_absolute_error": example.row(9 / e, 8 / e, 10 / e)}
        risk = example.row(math.tanh(e / 2), statistic="advantage")
        records.append(
            example.record(
                params={"epsilon": e}, guarantee=example.dp(e), scores=example.scores(**figures, implied_risk=risk)
            )
        )
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    (found,) = card.curves
    assert [c.mark for c in found.columns] == ["error", "limit"]
    assert len(found.absent) == 5, "what only a rerun tells"
    html, markdown = to_html(card), to_markdown(card)
    caption = "Data of the curve over claimed epsilon: people / counts"
    assert html.count('<svg class="pe-chart pe-curve"') == 1
    assert f"<caption>{caption}</caption>" in html
    assert f"*{caption}*" in markdown
    for page in (html, markdown):
        assert "Not measured in this run: " in page
        assert "the figures do not say" in page
    assert '"curves": [\n  {' in to_json(card)
