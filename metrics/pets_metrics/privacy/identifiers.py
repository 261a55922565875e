"""Direct identifiers that were left in a release: e-mail addresses, telephone and account numbers, names' columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Column, Estimate, PetsEvalError, Schema, Score
from pets_eval.registry import metric
from pets_metrics.tables import as_texts

Mask = NDArray[np.bool_]

_PATTERNS = {
    "e-mail address": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}",
    "telephone number": r"(?<![\w.-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?![\w.-]*\d)",
    "US social security number": r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])",
    "IPv4 address": r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])",
    "IPv6 address": r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){4,7}(?:[0-9A-Fa-f]{1,4}|:)(?![\w:])",
    "web address": r"https?://\S+",
}
_CARD = r"(?<![\w-])((?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|3[47]\d\d|6(?:011|5\d\d))(?:[ -]?\d){9,12})(?![\w-])"
_IBAN = r"(?<!\w)([A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30})(?!\w)"
# fmt: off
_NAMES = frozenset((
    "name", "names", "firstname", "lastname", "surname", "forename", "givenname", "fullname", "middlename",
    "maidenname", "email", "mail", "phone", "telephone", "tel", "mobile", "fax", "ssn", "nino",
    "passport", "iban", "bic", "address", "addr", "street", "ip", "url", "mrn", "username", "login", "password",
    "licence", "license", "vin", "imei", "fingerprint", "photo", "biometric"
))
# fmt: on
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ALONE = 0.9  # a column of texts in which this share of the values differ names its rows
_LEAST = 10  # with fewer values, that says nothing
_LONG = 1e12  # whole numbers from here on may be card numbers


@metric(
    axis="privacy",
    goal="min",
    unit="share",
    range=(0, 1),
    source="HIPAA Privacy Rule, 45 CFR 164.514(b)(2)(i), the identifiers to remove; ISO/IEC 7812-1; ISO 13616-1",
    headline=("columns",),
    cannot_show="That nobody is named: names in running text, photographs and identifiers of unknown form are unseen.",
)
def direct_identifiers(
    synthetic: pd.DataFrame, real: pd.DataFrame | None = None, schema: Schema | None = None
) -> list[Score]:
    """Share of the released columns, and of the released cells, in which a direct identifier is found; 0 is best.

    Every column of *synthetic* is scanned, whether the schema names it or not. A cell is flagged if its text contains
    an e-mail address, telephone number, US social security number, card number (Luhn), IBAN (check digits), IP or web
    address. All cells with a value are flagged where the column's name is that of an identifier ("last_name") and the
    schema has no published categories for it. If *real* is given, so are the cells whose text occurs in the same column
    of *real*, where the column names its rows there: its texts nearly all differ, or *schema* gives it the role
    "identifier" or "unit". Running numbers are no identifiers.

    Statistics: "columns" and "cells", shares of all columns and of all cells that have a value; and for each column
    with a flagged cell, as group, the share of its cells ("cells"), with a note that says which kinds were found in
    how many cells, and never a value. Made-up identifiers (of a fake-data generator) are flagged as well: look whether
    they are real. Exact, for it is a fact of the release. Raises `PetsEvalError` for an empty table.

    >>> release = pd.DataFrame({"age": [30, 40], "remark": ["write to jo@example.org", "none"]})
    >>> [(s.group, s.statistic, s.estimate.value, s.estimate.note) for s in direct_identifiers(release)][2:]
    [('remark', 'cells', 0.5, 'e-mail address: 1 cell')]
    """
    if synthetic.empty:
        raise PetsEvalError("the synthetic table has no rows")
    scores, cells, flagged = [], 0, 0
    for i, name in enumerate(synthetic.columns):
        column = synthetic.iloc[:, i]
        known = schema is not None and str(name) in schema.columns and _named(schema, str(name))
        texts = _texts(column, known)
        there = int(column.notna().sum())
        cells += there
        original = real.loc[:, real.columns == name].iloc[:, 0] if real is not None and name in real.columns else None
        public = schema is not None and str(name) in schema.columns and _public(schema.columns[str(name)])
        found = _scan("" if public else str(name), texts, original, known, there)
        if found.cells:
            flagged += found.cells
            estimate = Estimate.exact(found.cells / there, n=there, note=found.note)
            scores.append(Score(estimate, group=str(name), statistic="cells"))
    width = synthetic.shape[1]
    share = flagged / cells if cells else 0.0
    return [
        Score(Estimate.exact(len(scores) / width, n=width), statistic="columns"),
        Score(Estimate.exact(share, n=cells), statistic="cells"),
        *scores,
    ]


@dataclass(frozen=True)
class _Found:
    """How many cells of a column are flagged, and the kinds of identifier with their numbers of cells, as a note."""

    cells: int
    note: str


def _scan(name: str, texts: pd.Series, original: pd.Series | None, known: bool, there: int) -> _Found:
    """Flag the cells of a column: *texts* are its distinct values (index) with their numbers of cells."""
    values = pd.Series(texts.index, dtype=object)
    counts = texts.to_numpy()
    flags: dict[str, Mask] = {}
    if len(values):
        flags = {kind: _contains(values, pattern) for kind, pattern in _PATTERNS.items()}
        flags["card number"] = _checked(values, _CARD, luhn)
        flags["IBAN"] = _checked(values, _IBAN, iban)
        decimal = values.str.contains(".", regex=False) & pd.to_numeric(values, errors="coerce").notna()
        flags = {kind: mask & ~decimal.to_numpy(dtype=bool) for kind, mask in flags.items()}
        if original is not None and not _running(original):
            others = _texts(original, known)
            if known or _alone(others):
                flags["value of the real table's identifier"] = values.isin(others.index).to_numpy(dtype=bool)
    every = np.zeros(len(values), dtype=bool)
    notes = []
    for kind, mask in flags.items():
        number = int(counts[mask].sum())
        every |= mask
        if number:
            notes.append(f"{kind}: {number} cell{'s' if number > 1 else ''}")
    if _suspect(name) and there:
        return _Found(there, "; ".join([f"column's name: {there} cell{'s' if there > 1 else ''}", *notes]))
    return _Found(int(counts[every].sum()), "; ".join(notes))


def _texts(column: pd.Series, known: bool) -> pd.Series:
    """Number of cells of each distinct text; unless the column is *known* to identify, dates and short numbers are not
    among them."""
    if known:
        values = column.dropna()
    elif column.dtype.kind in "iuf":
        values = column.dropna()
        values = values[values >= _LONG] if len(values) else values
    elif column.dtype.kind in "bmMc":
        values = column.iloc[:0]
    else:
        values = column.dropna()
    counts = values.value_counts()
    counts = counts[counts > 0]
    counts.index = pd.Index(as_texts(pd.Series(counts.index)), dtype=object)
    return counts.groupby(level=0).sum()


def _contains(values: pd.Series, pattern: str) -> Mask:
    return values.str.contains(pattern, regex=True).to_numpy(dtype=bool)


def _checked(values: pd.Series, pattern: str, check: object) -> Mask:
    """True where one of the texts that match has right check digits."""
    assert callable(check)
    found = values.str.findall(pattern)
    some = np.flatnonzero(found.map(len).to_numpy() > 0)
    mask = np.zeros(len(values), dtype=bool)
    mask[some] = [any(check(text) for text in found.iloc[i]) for i in some]
    return mask


def luhn(text: str) -> bool:
    """Whether the digits of a card number satisfy the Luhn check (ISO/IEC 7812-1, annex B).

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(c) for c in text if c.isdigit()][::-1]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


def iban(text: str) -> bool:
    """Whether an IBAN's check digits are right (ISO 13616-1; ISO/IEC 7064 mod 97-10).

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _suspect(name: str) -> bool:
    """Whether a column's name is that of an identifier; "last_name" and "eMailAddress" are, "shipname_code" is not."""
    words = [w.lower() for w in _WORD.findall(name)]
    pairs = ["".join(words[i : i + 2]) for i in range(len(words) - 1)]
    return not _NAMES.isdisjoint([*words, *pairs])


def _alone(texts: pd.Series) -> bool:
    """Whether a column's texts, other than numbers, nearly all differ."""
    if len(texts) < _LEAST or len(texts) < _ALONE * int(texts.sum()):
        return False
    return bool(pd.to_numeric(pd.Series(texts.index, dtype=object), errors="coerce").isna().mean() >= _ALONE)


def _running(column: pd.Series) -> bool:
    """Whether the column numbers its rows one after the other."""
    if column.dtype.kind not in "iu" or len(column) < 2:
        return False
    return bool((np.diff(np.sort(column.to_numpy())) == 1).all())


def _public(column: Column) -> bool:
    """Whether the column has a published list of categories, so that its values name no person."""
    return column.kind == "categorical" and not column.from_data


def _named(schema: Schema, name: str) -> bool:
    roles = schema.columns[name].roles
    return schema.unit == name or "identifier" in roles or "unit" in roles
