"""A small neural network on public preprocessing, as a model that is released as plain arrays and read back safely."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pets_eval.model import PetsEvalError, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

FORMAT = "pets-eval/network/1"


@runtime_checkable
class Predicting(Protocol):
    """A task that asks for the probability of one class of a target, given other columns."""

    def predicted(self, schema: Schema) -> str:
        """The column to predict."""
        ...

    def predicting(self, schema: Schema) -> list[str]:
        """The columns to predict from."""
        ...

    def columns_used(self, schema: Schema) -> list[str]:
        """The columns needed, the target among them."""
        ...

    def labels(self, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
        """1.0 for the positive class, 0.0 for the others, NaN where the target is missing; shape (rows,)."""
        ...


def width(features: Sequence[str], schema: Schema) -> int:
    """How many inputs `encode` makes of *features*."""
    return sum(_inputs(name, schema) for name in features)


def _inputs(name: str, schema: Schema) -> int:
    column = schema.column(name)
    return 1 + column.nullable if column.numeric else len(column.cells())


def encode(frame: pd.DataFrame, features: Sequence[str], schema: Schema) -> NDArray[np.float64]:
    """Inputs from *features*, by the public schema alone; shape (rows, `width`).

    Numbers are clamped to their bounds and mapped to [-1, 1]; a missing one becomes 0 and sets its indicator.
    Categories, the missing one included, become indicators. So each feature's inputs have an L2 norm of at most 1, and
    a row one of at most sqrt(number of features), whatever the data are.
    """
    import numpy as np

    inputs = np.zeros((len(frame), width(features, schema)))
    start = 0
    for name in features:
        column = schema.column(name)
        if column.numeric:
            assert column.bounds is not None
            low, high = (bound / 2 for bound in column.bounds)
            half = max(high - low, np.finfo(float).tiny)
            with np.errstate(over="ignore"):  # what overflows is clamped like anything else out of bounds
                x = np.clip((column.numbers(frame[name]) - (low + high)) / half, -1, 1)
            missing = np.isnan(x)
            inputs[:, start] = np.where(missing, 0, x)
            if column.nullable:
                inputs[:, start + 1] = missing
        else:
            inputs[np.arange(len(frame)), start + column.codes(frame[name])] = 1
        start += _inputs(name, schema)
    return inputs


def longest(features: Sequence[str]) -> float:
    """The largest L2 norm that the inputs of a row can have, together with a constant 1 for the intercept."""
    return math.sqrt(len(features) + 1)


@dataclass(frozen=True, eq=False)
class Network:
    """P(positive | features) = logistic(W_k tanh(... tanh(W_1 inputs + b_1) ...) + b_k), inputs as made by `encode`.

    `layers` are pairs of weights (outputs, inputs) and offsets (outputs,), the last with one output; a single layer is
    a logistic regression. `schema` describes the features, in their order; it holds public facts only.
    """

    schema: Schema
    layers: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the positive class for each row of a conforming frame; shape (n,)."""
        import numpy as np
        from scipy.special import expit

        values = encode(features, list(self.schema.columns), self.schema)
        for weights, offsets in self.layers[:-1]:
            values = np.tanh(values @ weights.T + offsets)
        weights, offsets = self.layers[-1]
        probabilities: NDArray[np.float64] = expit(values @ weights[0] + offsets[0])
        return probabilities

    def to_bytes(self) -> bytes:
        """The model as an npz archive of plain arrays; its public schema is JSON text in bytes."""
        import numpy as np

        facts = json.dumps({"format": FORMAT, "layers": len(self.layers), "schema": self.schema.to_json()}).encode()
        arrays: dict[str, NDArray[Any]] = {"facts": np.frombuffer(facts, dtype=np.uint8)}
        for i, (weights, offsets) in enumerate(self.layers):
            arrays |= {f"weights-{i}": weights, f"offsets-{i}": offsets}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> Network:
        """Read what `to_bytes` wrote, running no code; raises `PetsEvalError` for anything else."""
        import numpy as np

        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                known, described = facts["format"], facts["schema"]
                layers = tuple(
                    (np.asarray(arrays[f"weights-{i}"], np.float64), np.asarray(arrays[f"offsets-{i}"], np.float64))
                    for i in range(int(facts["layers"]))
                )
        except (ValueError, KeyError, OSError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise PetsEvalError(f"this is not a model in the format {FORMAT} ({type(error).__name__})") from None
        if known != FORMAT:
            raise PetsEvalError(f"the model is in the format {str(known)[:40]!r}, not {FORMAT}")
        schema = Schema.from_json(described, where="the model's schema")
        sizes = [width(list(schema.columns), schema), *(len(offsets) for _, offsets in layers if offsets.ndim == 1)]
        fits = [w.shape == (out, into) for (w, _), (into, out) in zip(layers, pairwise(sizes))]
        finite = all(np.isfinite(array).all() for layer in layers for array in layer)
        if not layers or len(sizes) != len(layers) + 1 or sizes[-1] != 1 or not all(fits) or not finite:
            raise PetsEvalError("the model's weights do not fit its schema; it is damaged")
        return Network(schema, layers)
