"""The pages: harmless whatever the data say, self-contained, and readable by those who do not see them."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.model.study import TaskPick
from pets_eval.report.chart import chart_svg
from pets_eval.report.html import to_html
from pets_eval.report.markdown import text, to_markdown
from pets_eval.report.scorecard import scorecard

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "'+alert(2)+'",
    "{{ 7*7 }}",
    "a|b",
    "[x](http://evil.example)",
)


class Page(HTMLParser):
    """Every tag with its attributes, and what must be looked at together."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [a for t, a in self.tags if t == tag]


@pytest.fixture(scope="module")
def card(example):
    return scorecard(*example.rich(), load_guideline("core"))


@pytest.fixture(scope="module")
def page(card):
    return Page(to_html(card))


@pytest.fixture(scope="module")
def hostile(example):
    """A scorecard in which every text that data or a study can set is an attack."""
    nasty = " ".join(EVIL)
    rows = [example.row(2, group=e, seat=e, statistic=e, note=e) for e in EVIL]
    names = [("raw", "raw"), ("null", "null"), (nasty, nasty + " (x=1)")]
    claims = example.DP_CLAIMS.model_copy(update={"covers": nasty, "leaves": nasty, "notes": nasty})
    guarantee = example.dp(1.0, hazards=[nasty]).model_copy(update={"assumes": [nasty], "unit": nasty})
    records = [
        example.record(
            t,
            label=label,
            dataset=nasty,
            task=nasty,
            claims=claims,
            guarantee=guarantee,
            release_notes=[nasty],
            versions={nasty: nasty},
            scores=example.scores(mean_absolute_error=rows, claimed_epsilon=1 + i, auroc="failed: " + nasty),
        )
        for i, (t, label) in enumerate(names)
    ] + [example.record(nasty, label=nasty, dataset=nasty, task=nasty, repeat=1, status="failed", reason=nasty)]
    facts = example.facts(
        nasty,
        title=nasty,
        description=nasty,
        source=nasty,
        licence=nasty,
        url=nasty,
        columns={nasty: {"kind": "categorical", "domain": [nasty], "roles": ["weight"]}},
        from_data=[nasty],
        not_for=[nasty],
        notes=[nasty],
        parties={nasty: 1, "b": 2},
    )
    manifest = example.manifest(
        records,
        datasets={nasty: facts},
        name=nasty,
        purpose=nasty,
        data_subjects=nasty,
        threat_model=nasty,
        residual_risks=[nasty],
        attestations=[{"criterion": "DP-07", "statement": nasty, "by": nasty, "date": "2025-01-01"}],
    )
    manifest = manifest.model_copy(update={"command": nasty, "platform": nasty})
    study = manifest.study.model_copy(update={"tasks": [TaskPick(use="t", name=nasty, params={nasty: nasty})]})
    return scorecard(manifest.model_copy(update={"study": study}), records, load_guideline("core"))


def test_nothing_from_data_becomes_markup(hostile):
    html = to_html(hostile)
    tags = Page(html).tags
    assert not {"script", "img", "iframe", "object", "link", "form"} & {t for t, _ in tags}
    assert not [a for _, attrs in tags for a in attrs if a.startswith("on")]
    assert "{{ 7*7 }}" in html, "templates in data stay text"
    assert html.count("&lt;script&gt;alert(1)") > 30


def test_markdown_has_no_markup_from_data(hostile):
    markdown = to_markdown(hostile)
    assert "<" not in markdown.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", markdown)
    assert "://" not in markdown
    tables = [b for b in markdown.split("\n\n") if b.startswith("| ")]
    assert len(tables) > 5
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, "a pipe in data would add a column"


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("# head", "\\# head"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("2025-03-01", "2025-03-01"),
        ("0.5", "0.5"),
        ("--- rule", "\\--- rule"),
        ("1)", "1\\)"),
        ("a\nb", "a b"),
        ("`x`", "\\`x\\`"),
        ("&amp;", "&amp;amp;"),
        ("*b* _i_ ~s~ $m$", "\\*b\\* \\_i\\_ \\~s\\~ \\$m\\$"),
        ("www.x.org me@x.org", "www&#46;x.org me&#64;x.org"),
        ("tab\x00\x1b[0m", "tab\\[0m"),
        ("dp-laplace 0.5", "dp-laplace 0.5"),
    ],
)
def test_markdown_text(raw, safe):
    assert text(raw) == safe


def test_nothing_is_fetched_and_nothing_runs(page, card):
    allowed = ("#",)
    for _, attrs in page.tags:
        for key in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            assert attrs.get(key, "#").startswith(allowed)
    html = to_html(card)
    assert not re.search(r"@import|url\(|<script|javascript:", html)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_structure_for_assistive_technology(page):
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for a in page.all("a"):
        assert a["href"][1:] in ids
    for _, attrs in page.tags:
        for target in attrs.get("aria-labelledby", "").split():
            assert target in ids
    levels = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "no heading level is skipped"


def test_every_table_has_a_caption_and_scoped_headers(page):
    tables = len(page.all("table"))
    assert tables > 10
    assert len(page.all("caption")) == tables
    assert all(a.get("scope") in ("col", "row", "colgroup") for a in page.all("th"))
    regions = [a for a in page.all("div") if a.get("role") == "region"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions), "a scrolling box can be reached by key"
    assert len(regions) >= tables
    labels = [a["aria-label"] for a in regions]
    assert len(labels) == len(set(labels))


def test_every_status_is_a_word(card):
    html = to_html(card)
    badges = re.findall(r'<span class="verdict v-([a-z-]+)">(.*?)</span> ([a-z-]+)</span>', html)
    assert len(badges) == len(re.findall('class="verdict', html))
    assert all(kind == word for kind, _, word in badges)


def test_charts_have_names_and_data_tables(page, card):
    charts = page.all("svg")
    assert len(charts) == len(card.tradeoffs) > 0
    assert all(a["role"] == "img" and a["aria-labelledby"] for a in charts)
    assert len(page.all("desc")) == len(charts)
    html = to_html(card)
    assert html.count("<caption>Data of the chart") == len(charts)


def test_a_chart_alone_is_well_formed_and_told_without_colour(card):
    for chart in card.tradeoffs:
        root = ElementTree.fromstring(chart_svg(chart))
        ns = "{http://www.w3.org/2000/svg}"
        assert root.find(f"{ns}title").text
        description = root.find(f"{ns}desc").text
        for p in chart.points:
            assert f"{p.number}. {p.technique}" in description
        drawn = [e for e in root if e.get("class") in ("anchor", "pareto", "plain")]
        assert len(drawn) == 2 * len(chart.points) + 3  # in the plot, in the legend, and the legend's key
        numbers = [float(v) for e in root.iter() for k, v in e.attrib.items() if k in ("x", "y", "cx", "cy")]
        assert all(0 <= v <= 1000 for v in numbers)


def test_not_measured_is_never_zero(example):
    records = [
        example.record("raw", scores=example.scores(bytes_sent=example.row(None, method="none", note="no meter"))),
        example.record("null", scores=example.scores(bytes_sent=0)),
    ]
    html = to_html(scorecard(example.manifest(records), records, load_guideline("core")))
    cells = re.search(r'<th scope="row">raw.*?</tr>.*?</tr>', html, re.S)[0]
    assert "not measured" in cells
    assert cells.count("0 bytes") == 1


def test_no_overall_grade(card):
    words = re.sub(r"<[^>]+>", " ", to_html(card)).lower()
    assert "no overall grade" in words
    assert not re.search(r"overall (score|verdict)|total score|ranked \d", words)
