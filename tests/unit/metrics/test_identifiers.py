"""Planted direct identifiers are found, of every kind; what looks alike is not; and no value is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Column, PetsEvalError, Schema
from pets_eval.registry import make_dataset
from pets_metrics.privacy.identifiers import direct_identifiers

PLANTED = {
    "e-mail address": ["jo.doe+x@mail.example.org", "please write to a_b@c.io!"],
    "telephone number": ["+1 202-555-0143", "(202) 555-0143", "202-555-0143", "+49 30 123456", "call 202.555.0143."],
    "US social security number": ["123-45-6789", "ssn 001-01-0001"],
    "card number": ["4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009", "card 4111111111111111."],
    "IBAN": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "IPv4 address": ["192.168.1.255", "from 10.0.0.1"],
    "IPv6 address": ["2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:db8:85a3:8d3:1319:8a2e::"],
    "web address": ["https://example.org/~jo"],
}
HARMLESS = [
    *("2019-01-02", "2020-01-02 10:11:12", "10:11:12", "01-01301", "1.234.567.890", "+3.14159265", "+12.345678"),
    *("000-12-3456", "123-00-6789", "999.1.1.1", "1.2.3.4.5", "4111 1111 1111 1112", "GB83 WEST 1234 5698 7654 32"),
    *("a@b", "twenty", "< 20,000", "$ 45,000 to $ 54,999", "C50.9", "v1.2.3", "3/4", "90210", "12345678901234567890"),
]


def figures(scores):
    """The figures by group and statistic, without the share of all cells that is made up."""
    found = {(s.group, s.statistic): s.estimate.value for s in scores}
    return {key: value for key, value in found.items() if key != ("", "made-up cells")}


@pytest.mark.parametrize("kind", PLANTED)
def test_every_kind_is_found(kind):
    texts = PLANTED[kind]
    release = pd.DataFrame({"age": np.arange(len(texts) + 2), "remark": [*texts, "none", None]})
    scores = direct_identifiers(release)
    found = figures(scores)
    assert found["remark", "cells"] == len(texts) / (len(texts) + 1), "the missing cell does not count"
    assert found["", "columns"] == 0.5
    assert found["", "cells"] == len(texts) / (2 * len(texts) + 3)
    assert scores[-1].estimate.note.startswith(f"{kind}: {len(texts)} cell")
    assert not any(text in str(scores) for text in texts), "no value is told"


def test_what_looks_alike_is_not_flagged():
    scores = direct_identifiers(pd.DataFrame({"code": HARMLESS, "n": np.linspace(0, 1, len(HARMLESS))}))
    assert figures(scores) == {("", "columns"): 0, ("", "cells"): 0}


def test_public_survey_data_have_none(tmp_path: Path):
    source = make_dataset("nhanes", {})
    frame = source.load(tmp_path, tmp_path / "rows.parquet").frame()
    assert figures(direct_identifiers(frame, frame, source.schema())) == {("", "columns"): 0, ("", "cells"): 0}


def test_card_numbers_that_are_numbers_are_found():
    release = pd.DataFrame({"n": [4111111111111111, 12], "f": [4111111111111111.0, None], "g": [1e15 + 0.5, 1.0]})
    assert figures(direct_identifiers(release)) == {
        ("", "columns"): 2 / 3,
        ("", "cells"): 2 / 5,
        ("n", "cells"): 0.5,
        ("f", "cells"): 1,
    }


@pytest.mark.parametrize("name", ["last_name", "eMail", "E-Mail", "PHONE", "home address", "firstName", "ssn", "IP"])
def test_columns_with_the_name_of_an_identifier_are_flagged(name):
    values = [*(f"v{i}" for i in range(20)), None]
    found = figures(direct_identifiers(pd.DataFrame({name: values, "b": range(21)})))
    assert found[name, "cells"] == 1 and found["", "cells"] == 20 / 41
    numbers = pd.DataFrame({name: np.arange(20) * 977_131 % 899_999_981 + 100_000_000})
    assert figures(direct_identifiers(numbers))["", "columns"] == 1
    assert figures(direct_identifiers(pd.DataFrame({name: [None, None]})))["", "columns"] == 0


LISTS = {
    "country_name": ["Kent", "Essex", "Surrey"],
    "state_name": ["AL", "AK"],
    "mobile": ["yes", "no"],
    "license_type": ["A", "B", "C"],
    "ip_rating": ["IP65", "IP67"],
    "street_type": ["road", "lane"],
    "occupation_name": [f"work {i}" for i in range(30)],
    "address_changed": [f"2019-{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 11)],
    "mail_order": list(np.arange(120) * 1.37),
    "phone": list(range(0, 360, 3)),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_name_of_an_identifier_alone_is_only_noted(name):
    release = pd.DataFrame({name: (LISTS[name] * 120)[:120]})
    for real in (None, release):
        scores = direct_identifiers(release, real)
        assert figures(scores) == {("", "columns"): 0, ("", "cells"): 0, (name, "cells"): 0}
        assert "do not look like it" in scores[-1].estimate.note


def test_values_count_whatever_the_columns_name_is():
    release = pd.DataFrame({"mail_order": ["yes", "no", "jo@example.org"] * 10})
    assert figures(direct_identifiers(release))["mail_order", "cells"] == pytest.approx(1 / 3)


def test_made_up_identifiers_are_told_apart_from_real_ones():
    real = pd.DataFrame(
        {"remark": ["write to Jo@Example.org", "call (202) 555-0143"] * 10, "last_name": [f"n{i}" for i in range(20)]}
    )
    release = pd.DataFrame(
        {
            "note": ["jo@example.org", "al@example.org", "202-555-0143", "202-555-0199"] * 5,
            "last_name": [f"n{i}" for i in range(15, 35)],
            "card": ["4111 1111 1111 1111"] * 20,
        }
    )
    scores = direct_identifiers(release, real)
    assert figures(scores) == {
        ("", "columns"): pytest.approx(2 / 3),
        ("", "cells"): pytest.approx(15 / 60),
        ("note", "cells"): 0.5,
        ("note", "made-up cells"): 0.5,
        ("last_name", "cells"): 0.25,
        ("last_name", "made-up cells"): 0.75,
        ("card", "cells"): 0,
        ("card", "made-up cells"): 1,
    }
    assert (scores[2].statistic, scores[2].estimate.value) == ("made-up cells", 45 / scores[2].estimate.n)
    assert figures(direct_identifiers(release))["", "cells"] == 1, "without the real table all count"
    fake = release.assign(note="none", last_name="x" + release["last_name"])
    assert figures(direct_identifiers(fake, real))["", "columns"] == 0


def test_names_that_are_drawn_again_and_again_are_found_where_they_nearly_all_differ_in_the_real_table():
    real = pd.DataFrame({"last_name": [f"n{i}" for i in range(50)]})
    release = pd.DataFrame({"last_name": ["n3", "n4"] * 20})
    assert figures(direct_identifiers(release, real))["last_name", "cells"] == 1


@pytest.mark.parametrize("name", ["HOUSING_TYPE", "SHIP", "zip", "nameplate", "SEX", "marital_status", "skipped"])
def test_other_names_are_not(name):
    assert figures(direct_identifiers(pd.DataFrame({name: ["x", "y"]})))["", "columns"] == 0


def test_a_public_list_of_categories_names_no_person():
    schema = Schema({"county_name": Column("categorical", domain=("Kent", "Essex"))})
    assert figures(direct_identifiers(pd.DataFrame({"county_name": ["Kent"]}), schema=schema))["", "columns"] == 0
    names = tuple(f"n{i}" for i in range(20))
    schema = Schema({"last_name": Column("categorical", domain=names, from_data=True)})
    assert figures(direct_identifiers(pd.DataFrame({"last_name": names}), schema=schema))["", "columns"] == 1


def test_values_of_the_real_tables_names_are_found():
    real = pd.DataFrame({"who": [f"person {i}" for i in range(50)], "kind": ["a", "b"] * 25, "no": np.arange(50)})
    release = pd.DataFrame({"who": ["person 3", "nobody", "person 7", None], "kind": list("abab"), "no": range(4)})
    scores = direct_identifiers(release, real)
    assert figures(scores) == {("", "columns"): 1 / 3, ("", "cells"): 2 / 11, ("who", "cells"): 2 / 3}
    assert scores[-1].estimate.note == "value of the real table's identifier: 2 cells"
    assert figures(direct_identifiers(release))["", "columns"] == 0


def test_identifiers_of_the_schema_are_compared_as_numbers_too():
    schema = Schema({"pid": Column("id", roles=("unit", "identifier")), "a": Column("real", bounds=(0, 1))}, unit="pid")
    real = pd.DataFrame({"pid": [501, 777, 903, 903], "a": [0.1, 0.2, 0.3, 0.4]})
    release = pd.DataFrame({"pid": [777, 778], "a": [0.1, 0.2]})
    assert figures(direct_identifiers(release, real, schema))["pid", "cells"] == 0.5
    running = real.assign(pid=[1, 2, 3, 4])
    assert figures(direct_identifiers(release.assign(pid=[1, 2]), running, schema))["", "columns"] == 0


@pytest.mark.parametrize(
    "release",
    [
        pd.DataFrame({"a": ["x"]}),
        pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]}),
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None]), "b": pd.Categorical(["x", None])}),
        pd.DataFrame({"a": [1, "x@y.org"], "b": [True, False], 3: [1.5, None]}),
        pd.DataFrame({"a": [f"v{i}" for i in range(1000)]}, dtype="string"),
    ],
)
def test_odd_tables_do_not_crash(release):
    for real in (None, release):
        assert all(0 <= v <= 1 for v in figures(direct_identifiers(release, real)).values())


def test_an_empty_table_is_refused():
    with pytest.raises(PetsEvalError, match="no rows"):
        direct_identifiers(pd.DataFrame({"a": []}))


def test_rows_and_columns_may_stand_in_any_order():
    release = pd.DataFrame({"a": ["x", "j@d.org", "y"], "mail": list("pqr")})
    turned = release.sample(frac=1, random_state=1)[["mail", "a"]]
    assert figures(direct_identifiers(turned)) == figures(direct_identifiers(release))
