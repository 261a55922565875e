"""Metrics as plain functions on answers, arrays and DataFrames; no study needed.

    from pets_metrics import evaluate, singling_out_risk
    singling_out_risk(real, synthetic, control, schema)   # one metric: a table of estimates with their intervals
    evaluate(real, synthetic, control=control, schema=schema)   # all that apply, as a tidy DataFrame

Functions are found by name among the registered metrics and imported when first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from pets_eval.model import Schema

__all__ = ["evaluate"]


def evaluate(
    real: pd.DataFrame | None = None,
    synthetic: pd.DataFrame | None = None,
    *,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    metrics: Iterable[str | Callable[..., Any]] | None = None,
    seed: int = 0,
    **evidence: Any,
) -> pd.DataFrame:
    """Play *metrics* on tables, or on any named pieces of *evidence*; one row per figure.

    *real* is what is protected, *synthetic* the released records, *control* people who were held out: without them no
    attack can be told from what is true of everybody. Without a *schema* one is guessed from the tables, with no word
    on which columns are sensitive or identify: pass one for figures that count. *metrics* are functions or registered
    names; left out, all that need no more than what is given and run no technique again. Each draws from a generator
    of its own, seeded by *seed* and its name.

    Columns of the result: metric, axis, seat, group, statistic, value, low, high, level, method, n, goal, unit, note.
    A metric that does not apply or cannot be computed has one row with value NaN and the reason as note. Raises
    `PetsEvalError` for tables that cannot be compared, for an unknown name, and where a metric that was asked for
    needs a piece that was not given.

    >>> from pets_eval.model import Cost
    >>> evaluate(metrics=["wall-time"], cost=Cost(1.5, 1.0, 0, 0, 0))[["metric", "value"]].values.tolist()
    [['wall-time', 1.5]]
    """
    from pets_metrics.evaluation import played

    given = {"real": real, "synthetic": synthetic, "control": control, "schema": schema, **evidence}
    return played({k: v for k, v in given.items() if v is not None}, metrics, seed)


def __getattr__(name: str) -> Any:
    from pets_eval.registry import entries, load

    if name.startswith("_") or name.replace("_", "-") not in entries("metrics"):
        raise AttributeError(f"module 'pets_metrics' has no metric {name!r}")
    return load("metrics", name.replace("_", "-"))


def __dir__() -> list[str]:
    from pets_eval.registry import entries

    return sorted([*__all__, *(name.replace("-", "_") for name in entries("metrics"))])
