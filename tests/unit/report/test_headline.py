"""Which row of a metric is shown."""

import pytest

from pets_eval.guideline.subject import labeller
from pets_eval.report.aggregate import aggregate
from pets_eval.report.headline import headline


@pytest.fixture
def shown(example):
    """statistic -> technique -> value, from rows per technique."""

    def shown(**techniques):
        records = [example.record(t, scores=example.scores(group_error_ratio=rows)) for t, rows in techniques.items()]
        found = headline(aggregate(records, labeller([r.spec for r in records])))
        return {s: {t: f.value for t, f in line.items()} for s, line in found.items()}

    return shown


def test_everybody_before_groups_and_the_worst_seat(shown, example):
    row = example.row
    assert shown(raw=[row(3, group="f"), row(5, group="m"), row(4)]) == {"": {"raw": 4}}
    assert shown(raw=[row(3, group="f"), row(5, group="m")]) == {"": {"raw": 5}}
    assert shown(raw=[row(3, seat="a"), row(5, seat="b")]) == {"": {"raw": 5}}


def test_a_technique_without_the_row_is_shown_under_each_statistic(shown, example):
    row = example.row
    full = [row(3, group="f"), row(4, statistic="max"), row(2, statistic="mean")]
    only_groups = [row(None, group="f", method="none", note="no error")]
    expected = {"max": {"null": 4, "raw": None}, "mean": {"null": 2, "raw": None}}
    assert shown(null=full, raw=only_groups) == expected
    assert shown(null=full, raw="not-applicable: no") == expected
    assert shown(raw="not-applicable: no") == {"": {"raw": None}}
