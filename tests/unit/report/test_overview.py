"""How verdicts are told briefly, without losing one."""

import pytest

from pets_eval.guideline.load import load_guideline
from pets_eval.report.html import to_html
from pets_eval.report.markdown import to_markdown
from pets_eval.report.overview import held
from pets_eval.report.scorecard import scorecard


@pytest.fixture(scope="module")
def card(example):
    return scorecard(*example.rich(), load_guideline("core"))


def test_every_verdict_is_told_once(card):
    told = held(card)
    everybody = [t.label for t in card.techniques]
    found = {(c, t): "not-applicable" for c in told.unasked for t in everybody}
    for j in told.shared:
        assert len({(v.verdict, v.reason) for v in j.verdicts}) == 1
        found |= {(j.criterion.id, v.technique): v.verdict for v in j.verdicts}
    for m in told.matrices:
        assert 1 <= len(m.criteria) <= 7
        assert [t.label for t, _ in m.rows] == [t for t in everybody if t not in m.excused]
        for t, verdicts in m.rows:
            assert len(verdicts) == len(m.criteria)
            found |= {(c.id, t.label): v.verdict for c, v in zip(m.criteria, verdicts, strict=True)}
        found |= {(c.id, t): "not-applicable" for c in m.criteria for t in m.excused}
    assert found == {(v.criterion, v.technique): v.verdict for v in card.verdicts}
    widths = [len(m.criteria) for m in told.matrices]
    assert len(widths) > 1
    assert max(widths) - min(widths) <= 1


def test_criteria_of_other_families_are_one_line(example):
    records = [example.record(t, scores=example.scores(mean_absolute_error=1)) for t in ("raw", "null")]
    told = held(scorecard(example.manifest(records), records, load_guideline("core")))
    assert {"DP-01", "DP-02", "DP-03", "DP-05", "DP-07"} <= set(told.unasked)
    assert not {j.criterion.id for j in told.shared} & set(told.unasked)


def test_what_is_asked_of_one_technique_alone_is_a_checklist(example):
    records = [example.record(t, scores=example.scores(mean_absolute_error=1)) for t in ("raw", "null")]
    records.append(example.record(guarantee=example.dp(1.0), scores=example.scores(claimed_epsilon=1.0)))
    card = scorecard(example.manifest(records), records, load_guideline("core"))
    told = held(card)
    (found,) = told.alone
    assert found.technique.label == "dp-noise"
    assert {"DP-01", "DP-02", "DP-03"} <= {c.id for c, _ in found.rows}
    assert all(v.technique == "dp-noise" and v.verdict != "not-applicable" for _, v in found.rows)
    assert "1 waiting" in found.counts, "nobody vouches for DP-07"
    elsewhere = {j.criterion.id for j in told.shared} | {c.id for m in told.matrices for c in m.criteria}
    assert not elsewhere & {c.id for c, _ in found.rows}
    for page in (to_html(card), to_markdown(card)):
        assert "Asked of dp-noise only" in page
