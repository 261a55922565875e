"""A regularised logistic regression on public preprocessing, as a model that can be released and read back safely."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pets_eval.model import PetsEvalError, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

FORMAT = "pets-eval/logistic/1"


def width(features: Sequence[str], schema: Schema) -> int:
    """How many inputs `encode` makes of *features*."""
    return sum(
        1 + schema.columns[n].nullable if schema.columns[n].numeric else len(schema.columns[n].cells())
        for n in features
    )


def encode(frame: pd.DataFrame, features: Sequence[str], schema: Schema) -> NDArray[np.float64]:
    """Inputs in [0, 1] from *features*, by the public schema alone; shape (rows, `width`).

    Numbers are clamped to their bounds and scaled to [0, 1]; a missing one becomes 0.5 and sets its indicator.
    Categories, the missing one included, become indicators.
    """
    import numpy as np

    parts: list[NDArray[np.float64]] = []
    for name in features:
        column = schema.column(name)
        if column.numeric:
            assert column.bounds is not None
            low, high = column.bounds
            x = (np.clip(column.numbers(frame[name]), low, high) - low) / (high - low)
            parts.append(np.where(np.isnan(x), 0.5, x)[:, None])
            if column.nullable:
                parts.append(np.isnan(x)[:, None].astype(float))
        else:
            parts.append((column.codes(frame[name])[:, None] == np.arange(len(column.cells()))).astype(float))
    return np.hstack(parts)


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """P(positive | features) = 1 / (1 + exp(-(intercept + inputs . weights))), inputs as made by `encode`.

    `schema` describes the features, in the order of `weights`; it holds public facts only.
    """

    schema: Schema
    weights: NDArray[np.float64]
    intercept: float

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the positive class for each row of a conforming frame; shape (n,)."""
        from scipy.special import expit

        inputs = encode(features, list(self.schema.columns), self.schema)
        done: NDArray[np.float64] = expit(inputs @ self.weights + self.intercept)
        return done

    def to_bytes(self) -> bytes:
        """The model as an npz archive of plain arrays; its public schema is JSON text in bytes."""
        import numpy as np

        facts = json.dumps({"format": FORMAT, "schema": self.schema.to_json()}).encode()
        file = io.BytesIO()
        np.savez(
            file, weights=self.weights, intercept=np.float64(self.intercept), facts=np.frombuffer(facts, dtype=np.uint8)
        )
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> LogisticModel:
        """Read what `to_bytes` wrote, running no code; raises `PetsEvalError` for anything else."""
        import numpy as np

        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                weights, intercept = np.asarray(arrays["weights"], dtype=np.float64), float(arrays["intercept"])
            known = facts["format"]
        except (ValueError, KeyError, OSError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise PetsEvalError(f"this is not a model in the format {FORMAT} ({type(error).__name__})") from None
        if known != FORMAT:
            raise PetsEvalError(f"the model is in the format {str(known)[:40]!r}, not {FORMAT}")
        schema = Schema.from_json(facts["schema"], where="the model's schema")
        if weights.shape != (width(list(schema.columns), schema),) or not np.isfinite(weights).all():
            raise PetsEvalError("the model's weights do not fit its schema; it is damaged")
        return LogisticModel(schema, weights, intercept)


def train(
    frames: Iterable[tuple[pd.DataFrame, NDArray[np.bool_]]], features: Sequence[str], schema: Schema, strength: float
) -> LogisticModel:
    """Fit to pairs of conforming rows and labels by L2-regularised maximum likelihood (C = *strength*).

    Where only one class is seen, predicts its smoothed rate (k + 1) / (n + 2) for everybody.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    public = Schema(columns={n: schema.column(n) for n in features})
    pieces = [(encode(frame, features, schema), labels) for frame, labels in frames]
    labels = np.concatenate([y for _, y in pieces]) if pieces else np.zeros(0, dtype=bool)
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        rate = (positives + 1) / (len(labels) + 2)
        return LogisticModel(public, np.zeros(width(features, schema)), float(np.log(rate / (1 - rate))))
    fitted = LogisticRegression(C=strength, max_iter=1000).fit(np.vstack([x for x, _ in pieces]), labels)
    return LogisticModel(public, fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0]))
