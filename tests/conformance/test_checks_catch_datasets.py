"""The conformance suite fails a flawed dataset by the check of its flaw, beside a sound twin."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pets_eval.model import Card, Column, Schema, Source, Table
from pets_eval.registry import dataset

from .conftest import failed_checks


class Digits(Source):
    """Ten rows, on which the flawed datasets are built."""

    def card(self):
        return Card(title="digits", description="ten rows", source="made up", licence="CC0-1.0", generated=True)

    def schema(self):
        return Schema({"x": Column("integer", bounds=(0, 9))}, rows=10)

    def fingerprint(self, cache):
        return "0" * 64

    def load(self, cache, target):
        schema = self.schema()
        return Table(schema, data=schema.conform(pd.DataFrame({"x": self.rows()}), where="digits"))

    def rows(self):
        return range(10)


@dataset("digits")
class SoundDigits(Digits):
    """Sound."""


@dataset("unlicensed-digits")
class UnlicensedDigits(Digits):
    """Has no licence."""

    def card(self):
        return replace(super().card(), licence="")


@dataset("fewer-digits")
class FewerDigits(Digits):
    """Has fewer rows than it declares."""

    def rows(self):
        return range(9)


@dataset("random-digits")
class RandomDigits(Digits):
    """Has other rows each time."""

    def rows(self):
        return np.random.default_rng().permutation(10_000)[:10] % 10


@pytest.mark.parametrize(
    "plugin, failing",
    [
        (SoundDigits(), set()),
        (UnlicensedDigits(), {"check_card"}),
        (FewerDigits(), {"check_rows"}),
        (RandomDigits(), {"check_rows"}),
    ],
    ids=lambda p: getattr(p, "name", "-"),
)
def test_a_flawed_dataset_fails_the_check_of_its_flaw(plugin, failing):
    assert failed_checks(plugin) == failing
