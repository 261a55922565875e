"""What came out of many runs on one input, whatever it was: numbers, tables, texts, errors; and events on it."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXACT = 2**53  # whole numbers up to this are floats


@dataclass(frozen=True, eq=False)
class Outcomes:
    """*n* runs of a mechanism on one input, in the form that events look at.

    `values` has shape (n, k), NaN where a run gave no such number; `keys` are the k names; `labels` has shape (n,) and
    tells runs apart that gave something else than numbers ("" for numbers, "raised ValueError", "text 3f2a..."; a text
    is named by its digest, so that it is told apart and not quoted), beside numbers too: "null 3f2a..." and
    "not a number 3f2a..." name, by digest, at which keys these were, so that neither passes for the other or for a key
    that is absent. `seconds` has shape (n,) where it was measured.
    """

    values: Floats
    keys: tuple[str, ...]
    labels: NDArray[np.object_]
    seconds: Floats | None = None

    def __len__(self) -> int:
        return len(self.values)

    def part(self, rows: slice | NDArray[np.intp]) -> Outcomes:
        """Some of the runs."""
        seconds = None if self.seconds is None else self.seconds[rows]
        return Outcomes(self.values[rows], self.keys, self.labels[rows], seconds)

    def on(self, keys: Sequence[str]) -> Outcomes:
        """The same runs with these *keys*, NaN where there was no such number."""
        if tuple(keys) == self.keys:
            return self
        place = {key: i for i, key in enumerate(self.keys)}
        values = np.full((len(self), len(keys)), np.nan)
        for j, key in enumerate(keys):
            if key in place:
                values[:, j] = self.values[:, place[key]]
        return Outcomes(values, tuple(keys), self.labels, self.seconds)

    @staticmethod
    def of(outputs: Outcomes | NDArray[Any] | Iterable[Any], seconds: Floats | None = None) -> Outcomes:
        """From what *n* runs returned: an array of shape (n,) or (n, k), or a sequence of n outputs.

        An output is a number, an array, a mapping of names to numbers (nested mappings and lists are flattened), a
        text, None, or an exception that was raised. A text that is a number or JSON is what it says; of what is none of
        these, the type is noted.

        >>> seen = Outcomes.of([{"a": 1, "b": 2}, {"a": 3}, ValueError("no")])
        >>> seen.keys, seen.values[:, 0].tolist(), seen.labels.tolist()
        (('a', 'b'), [1.0, 3.0, nan], ['', '', 'raised ValueError'])
        """
        if isinstance(outputs, Outcomes):
            return outputs
        if hasattr(outputs, "__array__"):
            outputs = np.asarray(outputs)
            shape = outputs.shape[1:]
            if math.prod(shape) == 1:
                outputs, shape = outputs.reshape(len(outputs)), ()
            if outputs.dtype.kind in "fiub" and not _too_large(outputs):
                values = outputs.reshape(len(outputs), math.prod(shape)).astype(np.float64)
                keys = _places(shape) if shape else ("value",)
                return Outcomes(values, keys, _labels(values, keys, shape), seconds)
        rows = [_flat(output) for output in outputs]
        keys = tuple(dict.fromkeys(key for found, _ in rows for key in found))
        place = {key: j for j, key in enumerate(keys)}
        values = np.full((len(rows), len(keys)), np.nan)
        for i, (found, _) in enumerate(rows):
            for key, number in found.items():
                values[i, place[key]] = number
        labels = np.array([label for _, label in rows] or [], dtype=object)
        return Outcomes(values, keys, labels, seconds)


@dataclass(frozen=True)
class Event:
    """Something a run's outcome may show; `holds` gives one truth value per run."""

    name: str
    holds: Callable[[Outcomes], NDArray[np.bool_]]

    @staticmethod
    def at_least(cut: float, key: str = "value") -> Event:
        """That the number called *key* is there and at least *cut*."""
        return Event(f"{key} >= {cut:.6g}", lambda o: o.on([key]).values[:, 0] >= cut)

    @staticmethod
    def present(key: str) -> Event:
        """That a number called *key* came out at all."""
        return Event(f"{key} is there", lambda o: ~np.isnan(o.on([key]).values[:, 0]))

    @staticmethod
    def labelled(label: str) -> Event:
        """That the run ended with *label*."""
        return Event(label or "a number", lambda o: o.labels == label)

    def negated(self) -> Event:
        """That it does not show."""
        return Event(f"not ({self.name})", lambda o: ~self.holds(o))


def together(first: Outcomes, second: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Both on the keys of either."""
    keys = tuple(dict.fromkeys([*first.keys, *second.keys]))
    return first.on(keys), second.on(keys)


def _labels(values: Floats, keys: tuple[str, ...], shape: tuple[int, ...]) -> NDArray[np.object_]:
    """The labels that `_flat` would give to arrays of *shape*, one a run, that hold *values*."""
    labels = np.full(len(values), "" if keys else _empty(shape), dtype=object)
    gone = np.isnan(values)
    rows = np.flatnonzero(gone.any(axis=1))
    if len(rows):
        packed = np.packbits(gone[rows], axis=1)
        alike = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, one, place = np.unique(alike, return_index=True, return_inverse=True)
        kinds = [_note("not a number", [keys[j] for j in np.flatnonzero(row)]) for row in gone[rows[one]]]
        labels[rows] = np.array(kinds, dtype=object)[place]
    return labels


def _flat(output: Any) -> tuple[dict[str, float], str]:
    """Numbers by name, and a label for what is no number, or is not told by its number alone."""
    if type(output) is float and not math.isnan(output):  # most are, and this is fast
        return {"value": output}, ""
    try:
        leaves = list(_leaves(output))
    except RecursionError:
        return {}, "a value without end"
    found: dict[str, float] = {}
    notes: dict[str, list[str]] = {}
    for path, leaf in leaves:
        if isinstance(leaf, str):
            if path is None:
                return {}, leaf
            if leaf == "nothing":
                notes.setdefault("null", []).append(path)
            else:
                notes.setdefault("texts", []).append(f"{path}: {leaf}")
            continue
        name = "value" if path is None else path
        while name in found:
            name = repr(name)
        number = found[name] = _float(leaf)
        if math.isnan(number):
            notes.setdefault("not a number", []).append(name)
        elif type(leaf) is not float and isinstance(leaf, numbers.Integral) and abs(int(leaf)) > _EXACT:
            rest = int(leaf) - (int(number) if math.isfinite(number) else 0)
            if rest:
                notes.setdefault("whole number", []).append(f"{name}: {rest:x}")
    return found, ", ".join(_note(kind, notes[kind]) for kind in sorted(notes))


def _leaves(output: Any, path: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """What *output* holds, each with its path, None for *output* itself: numbers, and labels of all else."""
    if isinstance(output, (np.timedelta64, np.datetime64, datetime.date, datetime.time, datetime.timedelta)):
        yield path, f"time {_digest(str(output))}"
    elif isinstance(output, (bool, np.bool_, numbers.Real, Decimal)):
        yield path, output
    elif isinstance(output, BaseException):
        yield path, f"raised {type(output).__name__}"
    elif output is None:
        yield path, "nothing"
    elif isinstance(output, str):
        said = _said(output)
        if said is None:
            yield path, f"text {_digest(output)}"
        else:
            yield from _leaves(said, path)
    elif isinstance(output, (bytes, bytearray, memoryview)):
        yield path, f"bytes {_digest(bytes(output))}"
    elif isinstance(output, Set):
        yield path, f"set {_digest(', '.join(sorted(map(repr, output))))}"
    else:
        parts = _parts(output)
        if parts is None:
            yield path, f"a value of type {type(output).__name__}"
        elif not parts:
            yield path, _empty(np.shape(output)) if not isinstance(output, Mapping) else "empty"
        for key, part in parts or ():
            place = path if key is None else key if path is None else f"{path}.{key}"
            if type(part) is float or type(part) is int:
                yield place, part
            else:
                yield from _leaves(part, place)


def _parts(output: Any) -> list[tuple[str | None, Any]] | None:
    """The parts of a mapping, sequence, array, record or complex number, by name; None, if it is none of these."""
    if isinstance(output, Mapping):
        names = [str(key) for key in output]
        if len(set(names)) < len(names):  # such as 1 and "1"
            names = [repr(key) for key in output]
        return list(zip(names, output.values()))
    if isinstance(output, numbers.Complex):
        return [("real", output.real), ("imag", output.imag)]
    if isinstance(output, np.void) and output.dtype.names:
        return [(name, output[name]) for name in output.dtype.names]
    if isinstance(output, Sequence):
        return list(zip(_places((len(output),)), output))
    if isinstance(output, np.generic) or not hasattr(output, "__array__"):
        return None
    array = np.asarray(output)
    parts = array.ravel().tolist() if array.dtype.kind in "fiub" else list(array.ravel())
    if not array.shape and type(parts[0]) is type(output):
        return None
    return list(zip(_places(array.shape) if array.shape else (None,), parts))


@lru_cache(maxsize=64)
def _places(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the entries of an array: "3", of more dimensions "1.3"."""
    return tuple(".".join(map(str, place)) for place in itertools.product(*map(range, shape)))


def _said(text: str) -> Any:
    """The number, object or list that *text* is, in JSON or as Python reads a number; None, if it is something else."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        try:
            return float(text)
        except ValueError:
            return None
    return None if isinstance(said, str) else said


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    except ValueError:  # a signalling NaN
        return math.nan


def _too_large(array: NDArray[Any]) -> bool:
    """Whether some of the whole numbers may not be floats."""
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return False
    return int(array.max()) > _EXACT or int(array.min()) < -_EXACT


def _empty(shape: tuple[int, ...]) -> str:
    return f"empty {shape}"


def _note(kind: str, what: Iterable[str]) -> str:
    return f"{kind} {_digest(chr(10).join(sorted(what)))}"


def _digest(text: str | bytes) -> str:
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text  # a lone surrogate, too
    return hashlib.sha256(raw).hexdigest()[:8]
