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
    return {(s.group, s.statistic): s.estimate.value for s in scores}


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
    found = figures(direct_identifiers(pd.DataFrame({name: ["x", None, "y"], "b": [1, 2, 3]})))
    assert found[name, "cells"] == 1 and found["", "cells"] == 2 / 5
    assert figures(direct_identifiers(pd.DataFrame({name: [None, None]})))["", "columns"] == 0


@pytest.mark.parametrize("name", ["HOUSING_TYPE", "SHIP", "zip", "nameplate", "SEX", "marital_status", "skipped"])
def test_other_names_are_not(name):
    assert figures(direct_identifiers(pd.DataFrame({name: ["x", "y"]})))["", "columns"] == 0


def test_a_public_list_of_categories_names_no_person():
    schema = Schema({"county_name": Column("categorical", domain=("Kent", "Essex"))})
    assert figures(direct_identifiers(pd.DataFrame({"county_name": ["Kent"]}), schema=schema))["", "columns"] == 0
    schema = Schema({"last_name": Column("categorical", domain=("Kent", "Essex"), from_data=True)})
    assert figures(direct_identifiers(pd.DataFrame({"last_name": ["Kent"]}), schema=schema))["", "columns"] == 1


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
