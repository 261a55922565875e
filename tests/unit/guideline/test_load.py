"""Criteria files: the packaged one is sound, and each mistake gives one sentence with its line."""

import pytest

from pets_eval import registry
from pets_eval.guideline.facts import FACTS
from pets_eval.guideline.load import load_guideline, packaged, parse_guideline
from pets_eval.model import PetsEvalError

GOOD = """\
schema: pets-eval/guideline/1
id: mine
title: Mine
version: 1.0.0
criteria:
- id: AA-01
  text: Something
  families: [all]
  evidence: measured
  check:
    all:
    - {metric: wall-time, op: <=, value: 3, on-miss: fail}
  sources: [me]
"""

CURVE = """\
plots:
  privacy: [wall-time]
  utility: [auroc]
  curve:
    against: {}
    error:
    - metric: {}
    advantage:
    - {{metric: {}, name: what it is, mark: floor}}
criteria:"""


def test_packaged_guidelines_load_and_name_only_what_exists():
    assert "core" in packaged()
    for name in packaged():
        for criterion in load_guideline(name).criteria:
            assert set(criterion.names()) <= {*registry.entries("metrics"), *FACTS}


def test_a_path_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    assert load_guideline(str(path)).id == "mine"
    assert load_guideline(path).criteria[0].check.all_[0].value == 3


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("wall-time", "wall-tim", 12, "unknown metric or fact 'wall-tim' (did you mean 'wall-time'?)"),
        ("{metric: wall-time, op: <=, value: 3", "{metric: wall-time, op: <=, value-of: nothing-here", 12, "unknown"),
        ("op: <=", "op: =<", 12, "op"),
        ("on-miss: fail", "on-miss: pass", 12, "on-miss"),
        ("value: 3, ", "", 12, "either 'value' or 'value-of'"),
        ("value: 3,", "value: many,", 12, "'value' must be a number"),
        ("families: [all]", "families: [sdg]", 8, "families"),
        ("evidence: measured", "evidence: guessed", 9, "evidence"),
        ("id: AA-01", "id: a1", 6, "id"),
        ("  sources: [me]", "  source: [me]", 13, "source"),
        ("  sources: [me]", "  sources: []", 13, "sources"),
        ("title: Mine\n", "", 0, "title is missing"),
        ("guideline/1", "guideline/9", 1, "schema"),
        ("    all:\n    - {metric: wall-time, op: <=, value: 3, on-miss: fail}", "    report: [sped]", 11, "unknown"),
        ("  check:\n", "  check: {}\n  other:\n", 11, "other is not a key"),
        ("criteria:", "plots: {privacy: [nope], utility: [auroc]}\ncriteria:", 5, "unknown metric 'nope'"),
        ("criteria:", CURVE.format("nope", "auroc", "auroc"), 9, "unknown metric 'nope'"),
        ("criteria:", CURVE.format("wall-time", "nope", "auroc"), 11, "unknown metric 'nope'"),
        ("criteria:", CURVE.format("wall-time", "auroc", "nope"), 13, "unknown metric 'nope'"),
        ("  check:\n    all:\n    - {metric: wall-time, op: <=, value: 3, on-miss: fail}\n", "", 6, "needs a 'check'"),
        ("version: 1.0.0", "version: [", 6, "not valid YAML"),
        ("title: Mine", "title: Mine\ntitle: Yours", 4, "twice"),
    ],
)
def test_mistakes_are_one_sentence_with_a_line(old, new, line, says):
    assert old in GOOD
    with pytest.raises(PetsEvalError) as caught:
        parse_guideline(GOOD.replace(old, new), where="mine.yaml")
    message = str(caught.value)
    assert message.startswith(f"mine.yaml, line {line}: " if line else "mine.yaml: ")
    assert says in message
    assert "\n" not in message


def test_a_criterion_defined_twice_is_refused():
    with pytest.raises(PetsEvalError, match="line 14: criterion AA-01 is defined twice"):
        parse_guideline(GOOD + GOOD.partition("criteria:\n")[2], where="mine.yaml")


def test_what_a_person_attests_may_do_without_a_check():
    text = GOOD.replace("evidence: measured", "evidence: attested").replace("AA-01", "AA-01b")
    check = text[text.index("  check:") : text.index("  sources:")]
    (criterion,) = parse_guideline(text.replace(check, ""), where="mine.yaml").criteria
    assert (criterion.id, criterion.check, criterion.names()) == ("AA-01b", None, [])


def test_unreadable_files(tmp_path):
    with pytest.raises(PetsEvalError, match=r"there is no guideline 'cor' .did you mean 'core'"):
        load_guideline("cor")
    with pytest.raises(PetsEvalError, match="cannot be read: No such file"):
        load_guideline(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"id: \xe9")
    with pytest.raises(PetsEvalError, match="not UTF-8"):
        load_guideline(tmp_path / "latin.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(PetsEvalError, match="a guideline is a mapping"):
        load_guideline(tmp_path / "list.yaml")
