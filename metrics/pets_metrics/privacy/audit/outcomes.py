"""What came out of many runs on one input, whatever it was: numbers, tables, texts, errors; and events on it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """*n* runs of a mechanism on one input, in the form that events look at.

    `values` has shape (n, k), NaN where a run gave no such number; `keys` are the k names; `labels` has shape (n,) and
    tells runs apart that gave something else than numbers ("" for numbers, "raised ValueError", "text 3f2a..."; a text
    is named by its digest, so that it is told apart and not quoted). `seconds` has shape (n,) where it was measured.
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
        text, None, or an exception that was raised.

        >>> seen = Outcomes.of([{"a": 1, "b": 2}, {"a": 3}, ValueError("no")])
        >>> seen.keys, seen.values[:, 0].tolist(), seen.labels.tolist()
        (('a', 'b'), [1.0, 3.0, nan], ['', '', 'raised ValueError'])
        """
        if isinstance(outputs, Outcomes):
            return outputs
        if isinstance(outputs, np.ndarray) and outputs.dtype.kind in "fiub":
            values = outputs.reshape(len(outputs), math.prod(outputs.shape[1:])).astype(np.float64)
            keys = ("value",) if values.shape[1] == 1 else tuple(map(str, range(values.shape[1])))
            return Outcomes(values, keys, np.full(len(values), "", dtype=object), seconds)
        rows = [_flat(output) for output in outputs]
        keys = tuple(dict.fromkeys(key for numbers, _ in rows for key in numbers))
        place = {key: j for j, key in enumerate(keys)}
        values = np.full((len(rows), len(keys)), np.nan)
        for i, (numbers, _) in enumerate(rows):
            for key, number in numbers.items():
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


def _flat(output: Any) -> tuple[dict[str, float], str]:
    """Numbers by name, and a label for what is no number."""
    if isinstance(output, BaseException):
        return {}, f"raised {type(output).__name__}"
    if output is None:
        return {}, "nothing"
    if isinstance(output, (bool, int, float, np.number, np.bool_)):
        return {"value": float(output)}, ""
    if isinstance(output, str):
        return {}, f"text {hashlib.sha256(output.encode()).hexdigest()[:8]}"
    pairs = output.items() if isinstance(output, Mapping) else enumerate(np.asarray(output, dtype=object).ravel())
    numbers: dict[str, float] = {}
    texts: list[str] = []
    for key, value in pairs:
        inner, label = _flat(value)
        for name, number in inner.items():
            numbers[str(key) if name == "value" else f"{key}.{name}"] = number
        if label and label != "nothing":
            texts.append(f"{key}: {label}")
    if not texts:
        return numbers, ""
    return numbers, f"texts {hashlib.sha256('; '.join(texts).encode()).hexdigest()[:8]}"
