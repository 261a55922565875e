"""Direct identifiers that were left in a release: e-mail addresses, telephone and account numbers, columns of names."""

from __future__ import annotations

import re
from collections.abc import Callable
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
_CARD = r"(?<![\w-])(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|3[47]\d\d|6(?:011|5\d\d))(?:[ -]?\d){9,12}(?![\w-])"
_IBAN = r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)"
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
_NUMBER = 1e4  # whole numbers from here on may be numbers of people, where the column's name says so
_DATE = r"\d{4}-\d\d-\d\d"


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
    address. All cells with a value are flagged where the column's name is that of an identifier ("last_name"), its
    values look like that (nearly all differ, here or in *real*, and are no dates, decimal or small numbers) and the
    schema has no published categories for it; a name alone is only noted. If *real* is given, so are the cells whose
    text occurs in the same column of *real*, where the column names its rows there: its texts nearly all differ, or
    *schema* gives it the role "identifier" or "unit". Running numbers are no identifiers.

    Identifiers may be made up, as by a generator of fake data. If *real* is given, only those count that stand in it:
    of those found by their form, the e-mail address or number itself, in any column and however it is spaced; else the
    whole text, in the same column (if *real* has none of that name, in any). Without *real* all count.

    Statistics: "columns" and "cells", shares of all columns and of all cells that have a value, and with *real* the
    share of "made-up cells"; and for each column with a flagged cell, as group, the same shares of its cells, with a
    note that says which kinds were found in how many cells, and never a value. Exact, for it is a fact of the release.
    Raises `PetsEvalError` for an empty table.

    >>> release = pd.DataFrame({"age": [30, 40], "remark": ["write to jo@example.org", "none"]})
    >>> [(s.group, s.statistic, s.estimate.value, s.estimate.note) for s in direct_identifiers(release)][2:]
    [('remark', 'cells', 0.5, 'e-mail address: 1 cell')]
    >>> real = pd.DataFrame({"age": [31, 50], "remark": ["none", "al@example.org"]})
    >>> [(s.group, s.statistic, s.estimate.value) for s in direct_identifiers(release, real)][3:]
    [('remark', 'cells', 0.0), ('remark', 'made-up cells', 0.5)]
    """
    if synthetic.empty:
        raise PetsEvalError("the synthetic table has no rows")
    original = None if real is None else _Original(real)
    scores, cells, flagged, columns, made_up = [], 0, 0, 0, 0
    for i, name in enumerate(map(str, synthetic.columns)):
        column = synthetic.iloc[:, i]
        described = schema is not None and name in schema.columns
        known = schema is not None and described and _named(schema, name)
        public = schema is not None and described and _public(schema.columns[name])
        there = int(column.notna().sum())
        cells += there
        found = _scan(column, "" if public else name, original, name, known)
        flagged, made_up, columns = flagged + found.cells, made_up + found.made_up, columns + (found.cells > 0)
        if found.note:
            scores.append(Score(Estimate.exact(found.cells / there, n=there, note=found.note), "", "", name, "cells"))
        if found.made_up:
            share = Estimate.exact(found.made_up / there, n=there, note="they do not stand in the real table")
            scores.append(Score(share, group=name, statistic="made-up cells"))
    width = synthetic.shape[1]
    of_all = {"cells": flagged} | ({} if real is None else {"made-up cells": made_up})
    return [
        Score(Estimate.exact(columns / width, n=width), statistic="columns"),
        *(Score(Estimate.exact(n / cells if cells else 0.0, n=cells), statistic=s) for s, n in of_all.items()),
        *scores,
    ]


@dataclass(frozen=True)
class _Found:
    """In how many cells of a column an identifier is found, and one that is made up; the kinds, as a note."""

    cells: int
    made_up: int
    note: str


class _Original:
    """The real table: what stands in it, read when it is first asked for."""

    def __init__(self, real: pd.DataFrame) -> None:
        self._columns = {str(n): real.iloc[:, i] for i, n in enumerate(real.columns)}
        self._held: dict[str, frozenset[str]] = {}

    def column(self, name: str) -> pd.Series | None:
        return self._columns.get(name)

    def texts(self, name: str) -> frozenset[str]:
        """All texts of that column, or where there is none, of all columns."""
        there = [self._columns[name]] if name in self._columns else list(self._columns.values())
        return frozenset().union(*(_texts(c, True).index for c in there))

    def held(self, kind: str) -> frozenset[str]:
        """The identifiers of that *kind* in all columns, in plain form."""
        if kind not in self._held:
            found = [_matches(_without_decimals(_texts(c, False)), kind) for c in self._columns.values()]
            self._held[kind] = frozenset(text for column in found for texts in column for text in texts)
        return self._held[kind]


def _scan(column: pd.Series, called: str, original: _Original | None, name: str, known: bool) -> _Found:
    """Flag the cells of a column that is *called* so; nothing where its values are public."""
    texts = _texts(column, known)
    values, counts = pd.Series(texts.index, dtype=object), texts.to_numpy()
    flags: dict[str, Mask] = {}
    real: dict[str, Mask] = {}
    plain = _without_decimals(texts)
    for kind in (*_PATTERNS, *_CHECKED):
        found = _matches(plain, kind)
        flags[kind] = np.array([bool(f) for f in found], dtype=bool)
        if original is not None and flags[kind].any():
            held = original.held(kind)
            real[kind] = np.array([not held.isdisjoint(f) for f in found], dtype=bool)
    other = None if original is None else original.column(name)
    if original is not None and other is not None and not _running(other) and (known or _alone(_texts(other, False))):
        flags["value of the real table's identifier"] = values.isin(original.texts(name)).to_numpy(dtype=bool)
    suspect = _suspect(called)
    if suspect and (_personal(column) or (other is not None and _personal(other))):
        if not known:
            texts = _texts(column, True)
            again = pd.Series(texts.index, dtype=object)
            flags = {kind: again.isin(values[mask]).to_numpy(dtype=bool) for kind, mask in flags.items()}
            real = {kind: again.isin(values[mask]).to_numpy(dtype=bool) for kind, mask in real.items()}
            values, counts = again, texts.to_numpy()
        flags = {"column's name": np.ones(len(values), dtype=bool)} | flags
        if original is not None:
            real["column's name"] = values.isin(original.texts(name)).to_numpy(dtype=bool)
    notes = []
    every, standing = np.zeros((2, len(values)), dtype=bool)
    for kind, mask in flags.items():
        number = int(counts[mask].sum())
        every |= mask
        standing |= real.get(kind, mask)
        if number:
            notes.append(f"{kind}: {number} cell{'s' if number > 1 else ''}")
    if suspect and "column's name" not in flags and column.notna().any():
        notes.append("the column has the name of an identifier, but its values do not look like it")
    return _Found(int(counts[standing].sum()), int(counts[every & ~standing].sum()), "; ".join(notes))


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


def _without_decimals(texts: pd.Series) -> pd.Series:
    """The texts, and "" in place of decimal numbers, whose digits may look like an identifier."""
    values = pd.Series(texts.index, dtype=object)
    if not len(values):
        return values
    decimal = values.str.contains(".", regex=False) & pd.to_numeric(values, errors="coerce").notna()
    return values.mask(decimal.astype(bool), "")


def _matches(values: pd.Series, kind: str) -> list[list[str]]:
    """The identifiers of that *kind* in each text, in plain form: small letters, no spaces or signs between digits."""
    if not len(values):
        return []
    pattern, check = _CHECKED.get(kind) or (_PATTERNS[kind], None)
    found: list[list[str]] = [[] for _ in range(len(values))]
    for i in np.flatnonzero(values.str.contains(re.compile(pattern)).to_numpy(dtype=bool)):
        texts = [m.group() for m in re.finditer(pattern, values.iloc[i])]
        found[i] = [_plain(t, kind) for t in texts if check is None or check(t)]
    return found


def _plain(text: str, kind: str) -> str:
    return text.casefold() if kind.endswith("address") else re.sub(r"[\s().+-]", "", text).casefold()


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


_CHECKED: dict[str, tuple[str, Callable[[str], bool]]] = {"card number": (_CARD, luhn), "IBAN": (_IBAN, iban)}


def _suspect(name: str) -> bool:
    """Whether a column's name is that of an identifier; "last_name" and "eMailAddress" are, "shipname_code" is not."""
    words = [w.lower() for w in _WORD.findall(name)]
    pairs = ["".join(words[i : i + 2]) for i in range(len(words) - 1)]
    return not _NAMES.isdisjoint([*words, *pairs])


def _alone(texts: pd.Series) -> bool:
    """Whether a column's texts, other than numbers and dates, nearly all differ."""
    if len(texts) < _LEAST or len(texts) < _ALONE * int(texts.sum()):
        return False
    values = pd.Series(texts.index, dtype=object)
    named = pd.to_numeric(values, errors="coerce").isna() & ~values.str.match(_DATE).astype(bool)
    return bool(named.mean() >= _ALONE)


def _personal(column: pd.Series) -> bool:
    """Whether a column that has the name of an identifier looks like one: values that nearly all differ."""
    if column.dtype.kind in "bmMc" or _running(column):
        return False
    texts = _texts(column, True)
    if len(texts) < _LEAST or len(texts) < _ALONE * int(texts.sum()):
        return False
    values = pd.Series(texts.index, dtype=object)
    numbers = pd.to_numeric(values, errors="coerce")
    plain = (numbers.notna() & ((numbers % 1 != 0) | (numbers.abs() < _NUMBER))) | values.str.match(_DATE)
    return bool(plain.mean() <= 1 - _ALONE)


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
