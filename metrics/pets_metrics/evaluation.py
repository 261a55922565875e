"""Play many metrics on the same pieces of evidence, outside of any study."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from pets_eval.model import Estimate, MetricSpec, PetsEvalError, Schema, Score, Unsupported
from pets_eval.registry import as_scores, entries, inject, lacking, metric_spec
from pets_metrics.tables import align

COLUMNS = ["metric", "axis", "seat", "group", "statistic", "value", "low", "high", "level", "method", "n"]
COLUMNS += ["goal", "unit", "note"]


def played(
    evidence: Mapping[str, Any], metrics: Iterable[str | Callable[..., Any]] | None, seed: int = 0
) -> pd.DataFrame:
    """See `pets_metrics.evaluate`."""
    if not evidence and metrics is None:
        raise PetsEvalError("nothing was given to evaluate; pass a real and a synthetic table, or other evidence")
    evidence = _completed(dict(evidence))
    rows = []
    for spec in _applicable(evidence) if metrics is None else _asked(evidence, metrics):
        rng = np.random.default_rng([seed, zlib.crc32(spec.name.encode())])
        about = {"axis": spec.axis, "goal": spec.goal, "unit": spec.unit}
        for s in _scores(spec, {"rng": rng, **evidence}):
            place = {"metric": spec.name, "seat": s.seat, "group": s.group, "statistic": s.statistic}
            rows.append({**place, **about, **asdict(s.estimate)})
    return pd.DataFrame(rows, columns=COLUMNS)


def _completed(evidence: dict[str, Any]) -> dict[str, Any]:
    """The evidence with a guessed schema where tables come without one; refuses tables that cannot be compared."""
    if {"real", "synthetic"} <= set(evidence):
        schema: Schema | None = evidence.get("schema")
        t = align(evidence["real"], evidence["synthetic"], evidence.get("control"), schema)
        # brought into form once: every metric would do it again
        for name, table in (("real", t.real), ("synthetic", t.synthetic), ("control", t.control)):
            if table is not None:
                evidence[name] = evidence[name].reset_index(drop=True).assign(**{str(n): v for n, v in table.items()})
        known = t.schema.columns
        if schema is None:
            _say_what_is_left_out(evidence, set(known))
        evidence["schema"] = replace(schema, columns={**schema.columns, **known}) if schema else t.schema
    return evidence


def _say_what_is_left_out(evidence: Mapping[str, Any], compared: set[str]) -> None:
    """Warn of columns that no metric compares, for they look like names, ids or free text, or are not in all tables."""
    left = [str(n) for n in evidence["real"].columns if str(n) not in compared]
    if left:
        warnings.warn(
            f"not compared: {', '.join(left)} (ids, weights or free text by their looks, or not in all tables); "
            "pass a schema to decide",
            stacklevel=4,
        )


def _applicable(evidence: Mapping[str, Any]) -> list[MetricSpec]:
    specs = [metric_spec(name) for name in entries("metrics")]
    return [s for s in specs if s.effort == "stored" and not lacking(s, {"rng", *evidence})]


def _asked(evidence: Mapping[str, Any], metrics: Iterable[str | Callable[..., Any]]) -> list[MetricSpec]:
    specs: list[MetricSpec] = [metric_spec(m) if isinstance(m, str) else m.spec for m in metrics]  # type: ignore[attr-defined]
    for spec in specs:
        missing = lacking(spec, {"rng", *evidence})
        if missing:
            raise PetsEvalError(f"metric {spec.name} needs {', '.join(missing)}; pass it by that name")
    return specs


def _scores(spec: MetricSpec, evidence: Mapping[str, Any]) -> list[Score]:
    try:
        return as_scores(spec, inject(spec.fn, evidence))
    except Unsupported as reason:
        return [Score(Estimate.missing(f"does not apply: {reason}"), spec.name)]
    except PetsEvalError as error:
        return [Score(Estimate.missing(f"cannot be computed: {error}"), spec.name)]
    except MemoryError:
        raise
    except Exception as error:  # one metric never loses the others; a foreign message may quote data
        return [Score(Estimate.missing(f"failed with {type(error).__name__}"), spec.name)]
