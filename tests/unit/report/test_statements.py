"""What the page says in words where a figure would mislead, or is missing."""

import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.report import overview
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.places import place_views
from pets_eval.report.scorecard import scorecard
from pets_eval.report.words import settings

HAZARD = "bounds of column 'age' were read from the data"
VIOLATED = "proven, but an assumption is violated here"


def card_of(example, records, **study):
    return scorecard(example.manifest(records, **study), records, load_guideline("core"))


def view(example, *records, **study):
    (found,) = place_views(card_of(example, records, **study))
    return found


def test_a_violated_assumption_stands_beside_the_parameters(example):
    records = [
        example.record(
            params={"epsilon": 1.0},
            guarantee=example.dp(1.0, hazards=[HAZARD]),
            scores=example.scores(claimed_epsilon=1.0),
        ),
        example.record("dp-sound", guarantee=example.dp(2.0)),
    ]
    card = card_of(example, records)
    assert [s.status for t in card.techniques for s in t.guarantees] == [VIOLATED, "proven"]
    for page in (to_html(card), to_markdown(card)):
        assert page.count(VIOLATED) == 1
        assert page.count("They hold only if all of this is true. Where the status") == 1
        assert page.count("They hold only if:") == 1
        assert "The guarantee of dp-noise (epsilon=1) is stated, but an assumption is violated here" in page.replace(
            "\\", ""
        )


def test_privacy_never_vanishes_silently(example):
    silent = "not-applicable: the task asks for no counts"
    records = [
        example.record(
            t, scores=example.scores(auroc=a, exact_cell_disclosure=silent, claimed_epsilon="not-applicable: none")
        )
        for t, a in (("raw", 0.9), ("null", 0.5))
    ]
    found = view(example, *records)
    assert found.tradeoffs == []
    assert found.privacy == [
        "Privacy was not measured on this task: the task asks for no counts (exact cell disclosure); "
        "none (claimed epsilon).",
        "There is no chart of privacy against utility: no technique has a figure of privacy.",
    ]
    card = card_of(example, records)
    for page in (to_html(card), to_markdown(card)):
        assert all(s.replace("(", "").replace(")", "") in page.replace("(", "").replace(")", "") for s in found.privacy)


def test_who_has_no_figure_of_privacy_is_named(example):
    found = view(
        example,
        example.record("raw", scores=example.scores(mean_absolute_error=0, claimed_epsilon="not-applicable: none")),
        example.record("dp-noise", scores=example.scores(mean_absolute_error=1, claimed_epsilon=1.0)),
    )
    assert found.privacy == ["Privacy was not measured on this task for raw: none (claimed epsilon)."]
    assert [t.x.metric for t in found.tradeoffs] == ["claimed-epsilon"], "one claim is enough for a chart"


def test_no_metric_of_privacy_at_all(example):
    found = view(example, example.record("raw", scores=example.scores(mean_absolute_error=0)))
    assert found.privacy[0] == "Privacy was not measured on this task: no metric of privacy was asked for."


def test_a_chart_that_utility_prevents_says_so(example):
    found = view(example, example.record(scores=example.scores(claimed_epsilon=1.0, mean_absolute_error=1)))
    assert found.privacy == [
        "There is no chart of privacy against utility: fewer than two techniques have a figure of utility."
    ]


@pytest.mark.parametrize(
    ("technique", "more", "said"),
    [
        ("anything", {"release_kind": "microdata"}, True),
        ("anything", {"release_kind": "answer"}, False),
        ("raw", {"release_kind": "microdata"}, True),
        ("null", {"release_kind": "microdata"}, False),  # never looked at a person
    ],
)
def test_records_without_a_guarantee_are_called_that(example, technique, more, said):
    records = [example.record(technique, **more, scores=example.scores(exact_cell_disclosure=0.1))]
    card = card_of(example, records)
    for page in (to_html(card), to_markdown(card)):
        assert ("publishes a table of records about persons, without a formal guarantee" in page) is said


def test_records_with_a_guarantee_or_under_attack_are_not(example):
    guaranteed = [example.record("dp-x", release_kind="microdata", guarantee=example.dp(1.0))]
    card = card_of(example, guaranteed)
    assert overview.unattacked(card, card.techniques) == []
    scores = example.scores(exact_cell_disclosure=0.5)
    scores = {n: r.model_copy(update={"needs": ["real", "synthetic"]}) for n, r in scores.items()}
    card = card_of(example, [example.record("sampling", release_kind="microdata", scores=scores)])
    assert overview.unattacked(card, card.techniques) == []


def test_failures_come_first_and_skips_are_grouped(example):
    records = [example.record(repeat=i) for i in range(5)]
    for e in (0.1, 1.0, 10.0):
        for task in ("quantiles", "regression"):
            why = f"dp-count releases counts, which do not answer the task {task}"
            records.append(example.record("dp-count", {"epsilon": e}, task=task, status="skipped", reason=why))
    records.append(example.record("dp-count", {"epsilon": 1.0}, repeat=4, status="crashed", reason="signal 11"))
    card = card_of(example, records)
    (failed,) = overview.ended_sheet(card.ended).lines
    assert (failed.name, [c.text for c in failed.cells]) == (
        "dp-count (epsilon=1)",
        ["people / counts", "Crashed", "5th", "signal 11"],
    )
    (skipped,) = overview.skipped_sheet(card.ended, card.techniques).lines
    assert (skipped.name, [c.text for c in skipped.cells]) == (
        "dp-count",
        [
            "3 settings",
            "people / quantiles, people / regression",
            "6",
            "dp-count releases counts, which do not answer these tasks",
        ],
    )
    for page in (to_html(card), to_markdown(card)):
        assert 0 < page.index("Cells that did not finish") < page.index("Cells that were skipped")


def test_only_skipped_cells_is_said(example):
    records = [example.record(), example.record("dp-x", status="skipped", reason="cannot")]
    card = card_of(example, records)
    for page in (to_html(card), to_markdown(card)):
        assert "No cell failed, was stopped or is still to run" in page
        assert "Cells that did not finish" not in page


COLUMNS = {
    "age": {"kind": "integer"},
    "bmi": {"kind": "real"},
    "sex": {"kind": "categorical"},
    "seen": {"kind": "date"},
}


@pytest.mark.parametrize(
    ("metric", "statistic", "params", "told"),
    [
        ("mean_absolute_error", "coefficient", {"target": "bmi", "predictors": ["age", "sex"]}, "mixed units"),
        ("mean_absolute_error", "p50", {"column": "bmi", "by": "sex"}, ""),
        ("mean_absolute_error", "mean of bmi by sex", {"of": ["bmi", "age"], "by": "sex"}, ""),
        ("mean_absolute_error", "count", {"tables": [["age", "bmi"]]}, ""),
        ("mean_relative_error", "p50", {"column": "seen"}, "zero is arbitrary"),
        ("mean_absolute_error", "p50", {"column": "seen"}, ""),
    ],
)
def test_mixed_units_are_told_in_the_head(example, metric, statistic, params, told):
    records = [example.record(scores=example.scores(**{metric: example.row(1, statistic=statistic)}))]
    found = view(
        example,
        *records,
        datasets={"people": example.facts(columns=COLUMNS)},
        tasks=[{"use": "counts", "params": params}],
    )
    (header,) = found.sheets[0].headers
    assert (told in header.small) if told else ("compare techniques" not in header.small)


def test_details_say_observations_and_not_repeats(example):
    rows = [example.row(0.1, 0.0, 0.2, seat="a", n=102), example.row(0.1, 0.0, 0.2, seat="b", n=9)]
    found = view(example, example.record(scores=example.scores(exact_cell_disclosure=rows)))
    (sheet,) = found.details
    assert [h.text for h in sheet.headers][4] == "Observations"
    assert [line.cells[4].text for line in sheet.lines] == ["102", "9"]


def test_task_parameters_are_words():
    told = settings({"tables": [["gender", "age"], ["race"]], "of": ["bmi", "age"], "deep": {"a": [1, 2]}})
    assert told == "tables = gender x age; race, of = bmi, age, deep = a: 1, 2"
    assert "[" not in told


def test_what_is_wider_than_the_page_hints_at_it(example):
    page = to_html(card_of(example, [example.record(scores=example.scores(mean_absolute_error=1))]))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "Scroll sideways for all of the chart" in style
    assert "Scroll sideways where the table is wider" in style
    assert "display:none" in style.partition("@media print")[2], "paper does not scroll"
