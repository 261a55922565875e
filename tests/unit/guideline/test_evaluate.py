"""Every verdict, and every rule by which it comes about, against tables written by hand."""

import math

import pytest

from pets_eval.guideline.evaluate import evaluate
from pets_eval.guideline.load import load_guideline, parse_guideline
from pets_eval.guideline.subject import labeller, subjects
from pets_eval.model import PetsEvalError
from pets_eval.report.aggregate import aggregate

HEAD = "schema: pets-eval/guideline/1\nid: x\ntitle: X\nversion: 1.0.0\ncriteria:\n"


def judge(criterion, records, manifest):
    """The verdict of each technique, by its label."""
    text = "\n".join(f"  {line}" for line in criterion.strip().splitlines())
    guideline = parse_guideline(f"{HEAD}- id: AA-01\n  text: T\n  sources: [S]\n{text}\n", where="x.yaml")
    label = labeller([r.spec for r in records])
    found = subjects(manifest, records, aggregate(records, label, manifest.plan))
    return {v.technique: v for v in evaluate(guideline, found)}


def measured(check, evidence="measured", families="all"):
    return f"families: [{families}]\nevidence: {evidence}\ncheck:\n  all:\n  - {{{check}}}"


@pytest.fixture
def judged(example):
    """The verdict on one technique with these score rows for the error, under a check."""

    def judged(check, *rows, evidence="measured", attestations=(), families="all"):
        records = [example.record(scores=example.scores(mean_absolute_error=list(rows)))]
        manifest = example.manifest(records, attestations=list(attestations))
        return judge(measured(check, evidence, families), records, manifest)["dp-noise"]

    return judged


AT_MOST_2 = "metric: mean-absolute-error, op: <=, value: 2, on-miss: fail"
AT_LEAST_2 = "metric: mean-absolute-error, op: '>=', value: 2, on-miss: flag"


@pytest.mark.parametrize(
    ("value", "low", "high", "at_most", "at_least"),
    [
        (2.0, 2.0, 2.0, "pass", "pass"),  # an exact figure on the limit
        (1.0, 0.5, 1.9, "pass", "flag"),
        (1.0, 0.5, 2.1, "fail", "flag"),  # the value is inside, the unfavourable end is not
        (3.0, 2.5, 4.0, "fail", "pass"),
        (3.0, 1.9, 4.0, "fail", "flag"),
        (1.0, 0.5, None, "fail", "flag"),  # unbounded above
        (3.0, None, 4.0, "fail", "flag"),  # unbounded below
        (1.0, None, None, "pass", "flag"),  # no interval: the value decides
        (1.0, -math.inf, math.inf, "fail", "flag"),  # an interval that knows nothing
        (3.0, -math.inf, math.inf, "fail", "flag"),
        (math.inf, math.inf, math.inf, "fail", "pass"),
        (-math.inf, -math.inf, -math.inf, "pass", "flag"),  # as low as can be is no high value
        (math.inf, None, None, "fail", "pass"),
        (-math.inf, None, None, "pass", "flag"),
        (None, None, None, "not-evaluated", "not-evaluated"),
    ],
)
def test_the_unfavourable_end_decides(example, judged, value, low, high, at_most, at_least):
    row = example.row(value, low, high, method="bootstrap")
    assert judged(AT_MOST_2, row).verdict == at_most
    assert judged(AT_LEAST_2, row).verdict == at_least


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (1.0, 0.5, 1.9, "pass"),
        (1.0, 0.5, 2.1, "flag"),  # within the limit, and perhaps not
        (3.0, 1.9, 4.0, "flag"),  # beyond it, and perhaps not
        (3.0, 2.5, 4.0, "fail"),  # beyond it for certain
        (3.0, None, None, "flag"),  # no interval: nothing is proven
        (3.0, -math.inf, math.inf, "flag"),
    ],
)
def test_a_doubt_is_flagged_and_only_what_is_proven_fails(example, value, low, high, verdict):
    doubt = "{metric: mean-absolute-error, op: <=, value: 2, on-miss: flag}"
    proof = "{metric: mean-absolute-error, op: <=, value: 2, proven: true, on-miss: fail}"
    criterion = f"families: [all]\nevidence: measured\ncheck:\n  all:\n  - {doubt}\n  - {proof}"
    row = example.row(value, low, high, method="bootstrap")
    records = [example.record(scores=example.scores(mean_absolute_error=row))]
    found = judge(criterion, records, example.manifest(records))["dp-noise"]
    assert found.verdict == verdict
    if low is not None and verdict != "pass":
        assert f"its {'favourable' if verdict == 'fail' else 'unfavourable'} end decides" in found.reason


def test_what_only_a_person_can_say_waits_for_one(example):
    records = [example.record()]
    word = {"criterion": "AA-01", "statement": "It is so", "by": "A. Person", "date": "2025-01-01"}
    unchecked = "families: [all]\nevidence: attested"
    alone = judge(unchecked, records, example.manifest(records))["dp-noise"]
    assert (alone.verdict, alone.reason) == (
        "waiting",
        "nobody has attested this; add it under 'attestations' in the study",
    )
    vouched = judge(unchecked, records, example.manifest(records, attestations=[word]))["dp-noise"]
    assert (vouched.verdict, vouched.reason) == ("attested", "It is so (A. Person, 2025-01-01)")


def test_a_missing_interval_is_noted(example, judged):
    assert "without an interval" in judged(AT_MOST_2, example.row(1.0, method="point")).reason


def test_a_lower_bound_is_told_as_one(example, judged):
    row = example.row(1.5, 1.5, math.inf, method="clopper-pearson")
    found = judged(AT_MOST_2.replace("on-miss", "proven: true, on-miss"), row)
    assert (found.verdict, found.reason) == (
        "pass",
        "mean-absolute-error 1.5 (a 95% lower bound) is at most 2 on people / counts",
    )
    assert "unfavourable end" in judged(AT_MOST_2, row).reason


def test_equality_needs_both_ends(example, judged):
    check = "metric: mean-absolute-error, op: ==, value: 2, on-miss: flag"
    assert judged(check, example.row(2.0)).verdict == "pass"
    assert judged(check, example.row(2.0, 1.9, 2.0)).verdict == "flag"


def test_infinite_is_a_miss_and_not_unmeasured(example):
    records = [example.record(scores=example.scores(claimed_epsilon=math.inf))]
    check = measured("metric: claimed-epsilon, op: <=, value: 10, on-miss: flag", "claimed")
    assert judge(check, records, example.manifest(records))["dp-noise"].verdict == "flag"


def test_a_note_that_says_infinite_is_no_infinity(example, judged):
    row = example.row(None, method="none", note="infinite")
    assert judged(AT_LEAST_2, row).verdict == "not-evaluated"


@pytest.mark.parametrize(
    ("measured_in", "value", "evidence", "verdict"),
    [
        (5, 1.0, "measured", "pass"),
        (3, 1.0, "measured", "pass"),
        (2, 1.0, "measured", "not-evaluated"),  # fewer than half
        (1, 1.0, "measured", "not-evaluated"),
        (1, 3.0, "measured", "fail"),  # little evidence, and it is bad
        (1, 1.0, "claimed", "claim-only"),
    ],
)
def test_few_repeats_pass_nothing(example, measured_in, value, evidence, verdict):
    """Five repeats were planned; the others ended in each of the ways that leave no figure."""
    gaps = [
        {"scores": example.scores(mean_absolute_error=example.row(None, method="none", note="empty"))},
        {"status": "crashed", "reason": "signal 11"},
        {"scores": example.scores(mean_absolute_error="failed: ValueError")},
        {"status": "timed-out", "reason": "stopped"},
    ]
    there = [{"scores": example.scores(mean_absolute_error=value)}] * measured_in
    records = [example.record(repeat=i, **more) for i, more in enumerate([*there, *gaps[: 5 - measured_in]])]
    found = judge(measured(AT_MOST_2, evidence), records, example.manifest(records))["dp-noise"]
    assert found.verdict == verdict
    assert (f"measured in {measured_in} of 5 repeats" in found.reason) is (measured_in < 5)


def test_repeats_that_have_not_run_yet_count_as_missing(example):
    records = [example.record(repeat=i, scores=example.scores(mean_absolute_error=1)) for i in range(5)]
    manifest = example.manifest(records)
    assert judge(measured(AT_MOST_2), records, manifest)["dp-noise"].verdict == "pass"
    found = judge(measured(AT_MOST_2), records[:2], manifest)["dp-noise"]
    assert (found.verdict, "measured in 2 of 5 repeats" in found.reason) == ("not-evaluated", True)


def test_the_worst_seat_decides_unless_one_is_named(example, judged):
    rows = [example.row(1.0, seat="a"), example.row(3.0, seat="b")]
    assert judged(AT_MOST_2, *rows).verdict == "fail"
    assert "seat b" in judged(AT_MOST_2, *rows).reason
    assert judged(f"seat: a, {AT_MOST_2}", *rows).verdict == "pass"
    assert judged(f"seat: c, {AT_MOST_2}", *rows).verdict == "not-evaluated"


def test_the_row_for_everybody_decides_and_else_the_worst_group(example, judged):
    groups = [example.row(1.0, group="f"), example.row(3.0, group="m")]
    assert judged(AT_MOST_2, *groups).verdict == "fail"
    assert judged(AT_MOST_2, example.row(2.0), *groups).verdict == "pass"
    assert judged(f"group: m, {AT_MOST_2}", example.row(2.0), *groups).verdict == "fail"
    statistics = [example.row(1.0, statistic="mean"), example.row(3.0, statistic="max")]
    assert judged(AT_MOST_2, *statistics).verdict == "fail"
    assert judged(f"statistic: mean, {AT_MOST_2}", *statistics).verdict == "pass"


def test_the_worst_task_decides_and_each_has_its_row(example):
    records = [
        example.record(task="one", scores=example.scores(mean_absolute_error=1)),
        example.record(task="two", scores=example.scores(mean_absolute_error=3)),
        example.record(task="three", scores=example.scores(mean_absolute_error="not-applicable: no counts")),
        example.record(task="four", status="skipped", reason="cannot"),
        example.record(task="five", status="crashed", reason="signal 11"),
        example.record(task="six", scores=example.scores(mean_absolute_error="failed: ValueError")),
    ]
    verdict = judge(measured(AT_MOST_2), records, example.manifest(records))["dp-noise"]
    assert verdict.verdict == "fail"
    assert [(r.task, r.verdict) for r in verdict.rows] == [
        ("one", "pass"),
        ("two", "fail"),
        ("three", "not-applicable"),
        ("four", "not-applicable"),
        ("five", "not-evaluated"),
        ("six", "not-evaluated"),
    ]
    assert "signal 11" in verdict.rows[4].reason
    kept = [r for r in records if r.spec.task not in ("two", "five", "six")]
    assert judge(measured(AT_MOST_2), kept, example.manifest(kept))["dp-noise"].verdict == "pass"


def test_a_technique_of_which_nothing_finished_is_not_evaluated(example):
    records = [example.record(status="skipped", reason="install the extra")]
    verdict = judge(measured(AT_MOST_2), records, example.manifest(records))["dp-noise"]
    assert (verdict.verdict, "install the extra" in verdict.reason) == ("not-evaluated", True)


def test_a_claim_never_passes(judged, example):
    assert judged(AT_MOST_2, example.row(1.0), evidence="claimed").verdict == "claim-only"
    assert judged(AT_MOST_2, example.row(3.0), evidence="claimed").verdict == "fail"


def test_a_claim_that_nobody_makes_is_not_evaluated(example):
    records = [example.record(scores=example.scores(claimed_epsilon="not-applicable: this release has no guarantee"))]
    check = measured("metric: claimed-epsilon, op: <=, value: 10, on-miss: flag", "claimed")
    assert judge(check, records, example.manifest(records))["dp-noise"].verdict == "not-evaluated"


def test_attested_needs_a_person_and_cannot_override_the_record(judged, example):
    word = {"criterion": "AA-01", "statement": "It is so", "by": "A. Person", "date": "2025-01-01"}
    other = word | {"criterion": "AA-02"}
    assert judged(AT_MOST_2, example.row(1.0), evidence="attested").verdict == "waiting"
    assert judged(AT_MOST_2, example.row(1.0), evidence="attested", attestations=[other]).verdict == "waiting"
    attested = judged(AT_MOST_2, example.row(1.0), evidence="attested", attestations=[word])
    assert (attested.verdict, attested.reason) == ("attested", "It is so (A. Person, 2025-01-01)")
    assert judged(AT_MOST_2, example.row(3.0), evidence="attested", attestations=[word]).verdict == "fail"


def test_reported_shows_what_is_there(example):
    records = [
        example.record(
            scores=example.scores(wall_time=1.0, cpu_time=example.row(None, method="none", note="no meter"))
        ),
        example.record("raw"),
    ]
    check = "families: [all]\nevidence: measured\ncheck: {report: [wall-time, cpu-time]}"
    found = judge(check, records, example.manifest(records))
    assert found["dp-noise"].verdict == "reported"
    assert found["dp-noise"].reason == "shown: wall-time; not measured: cpu-time on people / counts"
    assert found["raw"].verdict == "not-evaluated"


@pytest.mark.parametrize(
    ("families", "technique", "applies"),
    [
        ("dp", "dp-noise", True),
        ("dp", "raw", False),
        ("baseline", "raw", True),
        ("he, mpc", "dp-noise", False),
        ("all-output", "dp-noise", True),
        ("all-output", "raw", False),  # claims no output privacy
    ],
)
def test_families(example, families, technique, applies):
    records = [example.record(technique, scores=example.scores(mean_absolute_error=1))]
    verdict = judge(measured(AT_MOST_2, families=families), records, example.manifest(records))[technique]
    assert verdict.verdict == ("pass" if applies else "not-applicable")


@pytest.mark.parametrize("status", ["crashed", "failed", "timed-out"])
def test_what_protects_the_output_is_not_excused_by_crashing(example, status):
    records = [example.record("sampling", status=status, reason="signal 11")]
    found = judge(measured(AT_MOST_2, families="all-output"), records, example.manifest(records))["sampling"]
    assert (found.verdict, "signal 11" in found.reason) == ("not-evaluated", True)
    fact = "metric: repeats, op: '>=', value: 1, on-miss: fail"
    found = judge(measured(fact, families="all-output"), records, example.manifest(records))["sampling"]
    assert found.verdict == "not-evaluated"


def test_a_metric_that_is_absent_because_scoring_broke_says_so(example):
    records = [example.record(reason="scoring crashed: signal 9")]
    found = judge(measured(AT_MOST_2), records, example.manifest(records))["dp-noise"]
    assert (found.verdict, "scoring crashed: signal 9" in found.reason) == ("not-evaluated", True)


def test_when_narrows_by_release_and_notion(example):
    records = [example.record(guarantee=example.dp(1.0), scores=example.scores(mean_absolute_error=1))]
    manifest = example.manifest(records)
    for when, expected in (
        ("{release-kind: [microdata]}", "not-applicable"),
        ("{release-kind: [answer, microdata]}", "pass"),
        ("{notion: [zcdp]}", "not-applicable"),
        ("{notion: [pure-dp]}", "pass"),
    ):
        assert judge(f"when: {when}\n{measured(AT_MOST_2)}", records, manifest)["dp-noise"].verdict == expected


def test_value_of_takes_the_strictest_other_figure(example):
    check = measured("metric: mean-absolute-error, op: <=, value-of: claimed-epsilon, on-miss: fail")
    for error, limit, expected in (
        (example.row(1.0, 0.9, 1.1), 1.2, "pass"),
        (example.row(1.0, 0.9, 1.1), 1.05, "fail"),
        (example.row(1.0, 0.9, 1.1), example.row(2.0, 1.0, 3.0), "fail"),  # the limit's own low end is 1.0
        (example.row(1.0, 0.9, 1.1), "not-applicable: none", "not-evaluated"),
    ):
        records = [example.record(scores=example.scores(mean_absolute_error=error, claimed_epsilon=limit))]
        assert judge(check, records, example.manifest(records))["dp-noise"].verdict == expected


def test_p_values_are_compared_after_correction(example):
    """0.004 alone would fail at 0.01 ... and does not once it is one of four tests: 4 x 0.004 = 0.016."""
    check = measured("metric: noise-fit, op: '>=', value: 0.01, on-miss: fail")
    tests = [example.record(repeat=i, scores=example.scores(noise_fit=p)) for i, p in enumerate([0.004, 0.5, 0.6, 0.7])]
    assert judge(check, tests[:1], example.manifest(tests[:1]))["dp-noise"].verdict == "fail"
    verdict = judge(check, tests, example.manifest(tests))["dp-noise"]
    assert verdict.verdict == "pass"
    assert "0.016" in verdict.reason


@pytest.mark.parametrize(
    ("p", "permutations", "tests", "verdict"),
    [
        (0.5, 999, 5, "pass"),  # 5 x 0.001 could have failed at 0.01
        (0.5, 999, 10, "not-evaluated"),  # 10 x 0.001 is 0.01: at the limit, not below it
        (0.5, 99, 1, "not-evaluated"),
        (0.001, 999, 5, "fail"),
        (0.5, None, 20, "pass"),  # an exact test can always fail
    ],
)
def test_too_many_tests_for_so_few_permutations(example, p, permutations, tests, verdict):
    check = measured("metric: noise-fit, op: '>=', value: 0.01, on-miss: fail")
    floor = {"low": 1 / (permutations + 1), "method": "permutation"} if permutations else {}
    rows = [example.row(p if i == 0 else 0.9, **floor) for i in range(tests)]
    records = [example.record(repeat=i, scores=example.scores(noise_fit=r)) for i, r in enumerate(rows)]
    found = judge(check, records, example.manifest(records))["dp-noise"]
    assert found.verdict == verdict
    assert ("too many tests for so few permutations" in found.reason) is (verdict == "not-evaluated")


def test_study_wide_facts_are_refused_with_the_wrong_type():
    with pytest.raises(PetsEvalError, match=r"^x.yaml, line \d+: .*context-complete is true or false"):
        parse_guideline(
            f"{HEAD}- id: AA-01\n  text: T\n  sources: [S]\n  families: [all]\n  evidence: measured\n  check:\n"
            "    all: [{metric: context-complete, op: <=, value: 3, on-miss: fail}]\n",
            where="x.yaml",
        )


def test_a_person_may_vouch_for_a_claim_but_not_for_a_miss(judged, example):
    word = {"criterion": "AA-01", "statement": "I checked", "by": "A. Person", "date": "2025-01-01"}
    vouched = judged(AT_MOST_2, example.row(1.0), evidence="claimed", attestations=[word])
    assert vouched.verdict == "attested"
    assert vouched.reason.startswith("I checked (A. Person, 2025-01-01); mean-absolute-error 1 is at most 2")
    assert judged(AT_MOST_2, example.row(3.0), evidence="claimed", attestations=[word]).verdict == "fail"
    assert judged(AT_MOST_2, example.row(1.0), attestations=[word]).verdict == "pass"


DISCLOSED = "metric: exact-cell-disclosure, op: <=, value: 0.2, on-miss: flag"


@pytest.mark.parametrize(
    ("own", "anchor", "verdict"),
    [
        ((0.0, 0.0, 0.30), (0.0, 0.0, 0.30), "not-evaluated"),  # nine cells: nobody can tell
        ((0.1, 0.05, 0.25), (0.0, 0.0, 0.06), "not-evaluated"),  # the intervals overlap
        ((0.15, 0.08, 0.25), (0.0, 0.0, 0.05), "flag"),  # apart: the miss is its own
        ((0.25, 0.05, 0.45), (0.0, 0.0, 0.30), "not-evaluated"),  # a few hits among few cells
        ((0.35, 0.22, 0.45), (0.0, 0.0, 0.30), "flag"),  # even the favourable end misses
        ((0.1, 0.05, 0.19), (0.0, 0.0, 0.06), "pass"),
    ],
)
def test_chance_is_not_accused_where_the_check_says_so(example, own, anchor, verdict):
    records = [
        example.record("dp-noise", scores=example.scores(exact_cell_disclosure=example.row(*own))),
        example.record("null", scores=example.scores(exact_cell_disclosure=example.row(*anchor))),
    ]
    manifest = example.manifest(records)
    found = judge(measured(f"{DISCLOSED}, beyond: data-free-anchor"), records, manifest)
    assert found["dp-noise"].verdict == verdict
    assert ("to tell it from the data-free anchor (null" in found["dp-noise"].reason) is (verdict == "not-evaluated")
    assert found["null"].verdict == ("pass" if anchor[2] <= 0.2 else "not-evaluated")
    strict = judge(measured(DISCLOSED), records, manifest)["dp-noise"].verdict
    assert strict == ("flag" if own[2] > 0.2 else "pass"), "without the key the unfavourable end decides alone"
    alone = judge(measured(f"{DISCLOSED}, beyond: data-free-anchor"), records[:1], example.manifest(records[:1]))
    assert alone["dp-noise"].verdict == strict, "without an anchor there is nothing to compare with"


def test_raw_is_no_data_free_anchor(example):
    records = [
        example.record("dp-noise", scores=example.scores(exact_cell_disclosure=example.row(0.1, 0.05, 0.25))),
        example.record("raw", scores=example.scores(exact_cell_disclosure=example.row(0.1, 0.05, 0.25))),
    ]
    found = judge(measured(f"{DISCLOSED}, beyond: data-free-anchor"), records, example.manifest(records))
    assert [v.verdict for v in found.values()] == ["flag", "flag"]


def test_a_figure_that_keeps_two_limits_is_told_once(example):
    check = f"{measured(DISCLOSED)}\n  - {{{DISCLOSED.replace('0.2', '0.5')}}}"
    records = [example.record(scores=example.scores(exact_cell_disclosure=0.1))]
    found = judge(check, records, example.manifest(records))["dp-noise"]
    assert found.reason == "exact-cell-disclosure 0.1 is at most 0.2 and at most 0.5 on people / counts"
    records = [example.record(scores=example.scores(exact_cell_disclosure=0.3))]
    found = judge(check, records, example.manifest(records))["dp-noise"]
    assert (found.verdict, len(found.rows)) == ("flag", 2)


def test_what_comes_with_a_guarantee_is_asked_whatever_its_name(example):
    check = measured("metric: claimed-epsilon, op: <=, value: 10, on-miss: flag", "claimed", "dp, all-dp")
    scored = example.scores(claimed_epsilon=50)
    records = [example.record("synth-x", guarantee=example.dp(50.0), scores=scored), example.record("sampling")]
    found = judge(check, records, example.manifest(records))
    assert [v.verdict for v in found.values()] == ["flag", "not-applicable"]


def core(records, manifest):
    label = labeller([r.spec for r in records])
    found = subjects(manifest, records, aggregate(records, label, manifest.plan))
    return {(v.criterion, v.technique): v for v in evaluate(load_guideline("core"), found)}


def test_core_asks_by_evidence_and_not_by_name(example):
    unfair = example.scores(group_error_ratio=3, exact_cell_disclosure=0.9)
    records = [example.record(t, scores=unfair) for t in ("sampling", "dp-noise", "he-sum", "anything")]
    found = core(records, example.manifest(records))
    for technique in ("sampling", "dp-noise", "he-sum", "anything"):
        assert found["UT-03", technique].verdict == "flag"
        assert found["RR-09", technique].verdict == "fail"
    records = [example.record("sampling", scores=example.scores(group_error_ratio="not-applicable: no groups"))]
    assert core(records, example.manifest(records))["UT-03", "sampling"].verdict == "not-applicable"


def test_core_takes_a_text_for_a_statement_and_its_own_findings_for_evidence(example):
    records = [example.record(repeat=i) for i in range(5)]
    records += [example.record(t, repeat=i) for t in ("raw", "null") for i in range(5)]
    found = core(records, example.manifest(records))
    assert {found[c, "dp-noise"].verdict for c in ("GV-01", "GV-06", "GV-07", "PV-03")} == {"claim-only"}
    assert {found[c, "dp-noise"].verdict for c in ("GV-05", "PV-01", "PV-02", "PV-04", "PV-05")} == {"pass"}


def test_core_flags_an_epsilon_that_rests_on_a_violated_assumption(example):
    for hazards, verdict in (((), "claim-only"), (("bounds of 'age' were read from the data",), "flag")):
        guarantee = example.dp(1.0, hazards=hazards)
        records = [example.record(guarantee=guarantee, scores=example.scores(claimed_epsilon=1.0))]
        found = core(records, example.manifest(records))["DP-02", "dp-noise"]
        assert found.verdict == verdict
        assert ("violated here: bounds of 'age'" in found.reason) is bool(hazards)
