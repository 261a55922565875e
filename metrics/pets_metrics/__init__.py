"""Metrics as plain functions on answers, arrays and DataFrames; no study needed.

    from pets_metrics import mean_absolute_error, total_variation
    mean_absolute_error(answer, truth)

Functions are found by name among the registered metrics and imported when first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate"]


def evaluate(metrics: Iterable[str | Callable[..., Any]], **evidence: Any) -> pd.DataFrame:
    """Play *metrics* (functions, or registered names) on named pieces of *evidence*; one row per figure.

    Columns: metric, seat, group, statistic, value, low, high, level, method, n, note. A metric that does not apply
    has one row with value NaN and the reason as note. Raises `PetsEvalError` for an unknown name and where a metric
    needs a piece that was not given.

    >>> from pets_eval.model import Cost
    >>> evaluate(["wall-time"], cost=Cost(1.5, 1.0, 0, 0, 0))[["metric", "value"]].values.tolist()
    [['wall-time', 1.5]]
    """
    from dataclasses import asdict

    import pandas as pd

    from pets_eval.model import Estimate, MetricSpec, PetsEvalError, Score, Unsupported
    from pets_eval.registry import as_scores, inject, lacking, metric_spec

    scores: list[Score] = []
    for asked in metrics:
        spec: MetricSpec = metric_spec(asked) if isinstance(asked, str) else asked.spec  # type: ignore[attr-defined]
        missing = lacking(spec, evidence)
        if missing:
            raise PetsEvalError(f"metric {spec.name} needs {', '.join(missing)}; pass it by that name")
        try:
            scores += as_scores(spec, inject(spec.fn, evidence))
        except Unsupported as reason:
            scores.append(Score(Estimate.missing(f"does not apply: {reason}"), spec.name))
    rows = [
        {"metric": s.metric, "seat": s.seat, "group": s.group, "statistic": s.statistic, **asdict(s.estimate)}
        for s in scores
    ]
    columns = ["metric", "seat", "group", "statistic", "value", "low", "high", "level", "method", "n", "note"]
    return pd.DataFrame(rows, columns=columns)


def __getattr__(name: str) -> Any:
    from pets_eval.registry import entries, load

    if name.startswith("_") or name.replace("_", "-") not in entries("metrics"):
        raise AttributeError(f"module 'pets_metrics' has no metric {name!r}")
    return load("metrics", name.replace("_", "-"))


def __dir__() -> list[str]:
    from pets_eval.registry import entries

    return sorted([*__all__, *(name.replace("-", "_") for name in entries("metrics"))])
