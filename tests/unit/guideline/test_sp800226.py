"""The checklist after SP 800-226, and the criteria of `core` on the same evidence: each row speaks, and rightly."""

import math
import re

import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.scorecard import scorecard

# The rows of the checklist, in its order, and whether software can measure or read something of them.
ROWS = {
    "01": "epsilon",
    "02": "delta",
    "03": "variants",
    "04": "bounded and unbounded",
    "05": "unit of privacy",
    "06": "composition",
    "07": "mixing with releases",
    "08": "algorithms and correctness",
    "09": "clipping, bins, tuning",
    "10": "utility",
    "11": "bias",
    "12": "machine learning",
    "13": "synthetic data",
    "14": "query model",
    "15": "side channels",
    "16": "trust model",
    "17": "access control",
    "18": "data collection",
}
ONLY_A_PERSON = {"17", "18"}
NO_PERSON = {"03"}


@pytest.fixture(scope="module")
def guideline():
    return load_guideline("sp800-226")


def test_every_row_has_its_criteria(guideline):
    rows = {}
    for c in guideline.criteria:
        rows.setdefault(c.id[3:5], []).append(c)
    assert list(rows) == list(ROWS)
    for row, criteria in rows.items():
        assert [c.id[5:] for c in criteria] == list("abcdef")[: len(criteria)]
        assert all(ROWS[row] in " ".join(c.sources) for c in criteria)
        by_software = any(c.evidence != "attested" for c in criteria)
        assert by_software == (row not in ONLY_A_PERSON), row
        assert (criteria[-1].evidence == "attested") == (row not in NO_PERSON), row


def test_it_says_where_it_comes_from_and_gives_no_badge(guideline):
    assert "third-party digest" in guideline.note
    assert re.search(r"no badge .NIST compliant.", guideline.note)
    assert "proves nothing" in guideline.note
    assert guideline.plots.curve == load_guideline("core").plots.curve


@pytest.fixture
def judged(example):
    """The verdicts on one technique with these figures under a packaged guideline, by criterion."""

    def judged(name="sp800-226", attestations=(), **figures):
        good = {"claimed_epsilon": 1.0, "claimed_delta": 1e-8, "noise_fit": 0.4, "mean_absolute_error": 3.0}
        guarantee = example.dp(1.0, 1e-8).model_copy(update={"events": [{"mechanism": "gaussian", "scale": 9.0}]})
        made = example.record("dp-gaussian-marginals", guarantee=guarantee, scores=example.scores(**good | figures))
        records = [example.record(t, scores=example.scores(mean_absolute_error=1)) for t in ("raw", "null")] + [made]
        card = scorecard(example.manifest(records, attestations=list(attestations)), records, load_guideline(name))
        return card, {v.criterion: v for v in card.verdicts if v.technique == "dp-gaussian-marginals"}

    return judged


def lower(example, bound, claimed=1.0):
    """What an audit shows, as the metric gives it."""
    ends = {"high": math.inf, "method": "clopper-pearson", "n": 1000}
    return [
        example.row(bound, bound, statistic="lower bound", **ends),
        example.row(claimed, statistic="claimed"),
        example.row(bound - claimed, bound - claimed, statistic="excess", **ends),
        example.row(math.tanh(bound / 2), math.tanh(bound / 2), statistic="advantage", **ends),
        example.row(math.tanh(claimed / 2), statistic="claimed advantage"),
    ]


def reckoned(example, excess, *, proven):
    """Epsilon reckoned anew, as the metric gives it."""
    return [
        example.row(1 + excess, statistic="pld"),
        example.row(excess, statistic="excess"),
        example.row(excess if proven else min(excess, 0.0), statistic="proven excess"),
    ]


def test_each_row_is_measured_claimed_or_waits_for_a_person(judged, example):
    card, verdicts = judged(
        audited_epsilon=lower(example, 0.7),
        recomputed_epsilon=reckoned(example, -0.05, proven=True),
        implied_risk=example.row(0.07, statistic="advantage"),
        timing_channel=example.row(0.52, 0.5, 0.6, method="bootstrap"),
    )
    expected = {"measured": {"pass", "reported"}, "claimed": {"claim-only"}, "attested": {"waiting"}}
    for c in load_guideline("sp800-226").criteria:
        found = verdicts[c.id]
        if c.when is not None:
            assert found.verdict == "not-applicable", c.id
        elif found.verdict != "not-evaluated":  # the run has not everything
            assert found.verdict in expected[c.evidence], (c.id, found.reason)
    passed = {c for c, v in verdicts.items() if v.verdict == "pass"}
    assert passed >= {"SP-01a", "SP-06a", "SP-08a", "SP-08b", "SP-08c", "SP-09b", "SP-15a"}
    assert verdicts["SP-01c"].verdict == verdicts["SP-04b"].verdict == "reported"
    assert {v.verdict for v in card.verdicts if v.technique in ("raw", "null")} == {"not-applicable"}
    for page in (to_html(card), to_markdown(card)):
        assert "Asked of dp-gaussian-marginals only" in page
        assert "waiting" in page


def test_a_person_who_vouches_ends_the_waiting(judged):
    word = {"criterion": "SP-01d", "statement": "Chosen by the board", "by": "A. Person", "date": "2025-01-01"}
    _, verdicts = judged(attestations=[word])
    assert (verdicts["SP-01d"].verdict, verdicts["SP-02b"].verdict) == ("attested", "waiting")
    assert "Chosen by the board" in verdicts["SP-01d"].reason


@pytest.mark.parametrize(
    ("name", "audit", "again", "clock"),
    [("core", "DP-04", "DP-09", "DP-08"), ("sp800-226", "SP-08b", "SP-06a", "SP-15a")],
)
def test_evidence_against_the_claim_fails(judged, example, name, audit, again, clock):
    _, verdicts = judged(
        name,
        audited_epsilon=lower(example, 1.4),
        recomputed_epsilon=reckoned(example, 0.2, proven=True),
        timing_channel=example.row(0.9, 0.8, 0.97, method="bootstrap"),
    )
    assert [verdicts[c].verdict for c in (audit, again, clock)] == ["fail"] * 3
    assert "1.4" in verdicts[audit].reason


@pytest.mark.parametrize(
    ("name", "asked"),
    [("core", ("DP-04", "DP-08", "DP-09", "DP-10")), ("sp800-226", ("SP-08b", "SP-15a", "SP-06a", "SP-01c"))],
)
def test_what_the_study_did_not_ask_for_is_not_evaluated(judged, name, asked):
    _, verdicts = judged(name)
    assert [verdicts[c].verdict for c in asked] == ["not-evaluated"] * len(asked)


def test_a_claim_below_an_account_that_is_not_exact_is_flagged(judged, example):
    _, verdicts = judged("core", recomputed_epsilon=reckoned(example, 0.2, proven=False))
    assert verdicts["DP-09"].verdict == "flag"


def test_a_doubtful_clock_is_flagged(judged, example):
    _, verdicts = judged("core", timing_channel=example.row(0.7, 0.58, 0.8, method="bootstrap"))
    assert verdicts["DP-08"].verdict == "flag"


@pytest.mark.parametrize(("delta", "epsilon"), [(1e-4, 1.0), (1e-8, 10.0)])
def test_a_careless_claim_is_flagged(judged, delta, epsilon):
    _, verdicts = judged(claimed_delta=delta, claimed_epsilon=epsilon)
    assert "flag" in (verdicts["SP-02a"].verdict, verdicts["SP-01b"].verdict)
