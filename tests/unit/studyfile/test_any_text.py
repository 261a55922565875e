"""Whatever the text, the parser reads it or refuses it in one line: never another error, never a hang."""

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pets_eval.model import PetsEvalError
from pets_eval.model.study import Study
from pets_eval.run.studyfile import StudyFile, parse_study

VALID = {
    "schema": "pets-eval/study/1",
    "name": "a study",
    "purpose": "to know",
    "sharing-model": "publish",
    "expires": "2027-06-30",
    "seed": 3,
    "repeats": 2,
    "datasets": [{"use": "nhanes", "control": 0.2, "partition": {"by": "iid", "parties": 3}}],
    "tasks": [{"use": "marginals", "name": "m", "params": {"k": 2}, "of": ["nhanes"]}],
    "techniques": [{"use": "raw"}, {"use": "sampling", "grid": {"p": [0.1, 0.5]}}],
    "parties": [{"name": "bank", "roles": ["input"]}],
    "coalitions": [["bank", "site-1"]],
    "metrics": ["total-variation"],
    "limits": {"timeout": 10, "memory": 1.5},
    "attestations": [{"criterion": "GV-01", "statement": "so it is", "by": "me", "date": "2026-01-01"}],
}

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["raw", "iid", "2020-02-30", "1e-6", "No", "all", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PIECES = (
    *(
        "name",
        "use",
        "datasets",
        ": ",
        ":",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!",
        "|",
        ">",
        "'",
        '"',
    ),
    *("#", "%", "---\n", "...\n", "? ", ", ", "\t", "1", "1e9", ".inf", "~", "true", "\\", "é", "\u2028", "\x85"),
)
yamlish = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def parses_or_refuses(text):
    try:
        file = parse_study(text, Path("s.yaml"))
    except PetsEvalError as error:
        assert len(str(error).splitlines()) == 1, str(error)
        assert str(error).startswith("s.yaml")
        return None
    assert isinstance(file, StudyFile)
    return file


@given(st.text() | yamlish)
def test_any_text(text):
    parses_or_refuses(text)


@given(st.data())
def test_any_mutation_of_a_valid_study(data):
    study = yaml.safe_load(yaml.safe_dump(VALID))
    holder, key = data.draw(st.sampled_from(list(_spots(study))))
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        holder[key] = data.draw(junk)
    elif change == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder[data.draw(st.text(max_size=10) | st.sampled_from(["usee", "repeat", "data_subjects"]))] = data.draw(junk)
    else:
        holder.append(data.draw(junk))
    parses_or_refuses(yaml.safe_dump(study, allow_unicode=data.draw(st.booleans())))


@given(st.data())
def test_any_cut_or_doubled_piece_of_a_valid_study(data):
    text = yaml.safe_dump(VALID, sort_keys=False)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    piece = data.draw(st.sampled_from(["", text[start:end] * 2]))
    parses_or_refuses(text[:start] + piece + text[end:])


def test_the_valid_study_is_valid_and_comes_through_whole():
    file = parses_or_refuses(yaml.safe_dump(VALID))
    assert file is not None
    assert file.study == Study.model_validate(VALID)


def _spots(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _spots(inner)
