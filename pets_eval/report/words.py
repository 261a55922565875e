"""The words of the page: what the terms of a record mean to a reader who is not from the field."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pets_eval.guideline.figures import P_VALUE, Figure
from pets_eval.guideline.model import VerdictName
from pets_eval.guideline.numbers import NOT_MEASURED, brief, together

ADVERSARY = {
    "none": "nobody",
    "honest-but-curious": "parties that follow the protocol, and try to learn from all they see",
    "covert": "parties that cheat if they are not likely to be caught",
    "malicious": "anybody, also those who break every rule",
}
TRUST = {
    "none": "no party is trusted with more than it already has",
    "central": "a trusted curator sees the raw data and adds the protection",
    "local": "each person's data are protected before they leave that person",
    "shuffle": "a trusted shuffler hides who sent what",
    "distributed": "several parties share the trust; no single one sees the raw data",
    "hardware": "the maker of the hardware is trusted",
}
PROTECTS = {
    "input-privacy": "what the computing parties see (input privacy)",
    "output-privacy": "what a reader of the release can find out (output privacy)",
}
SHARING = {
    "publish": "published to everybody",
    "synthetic": "shared as a synthetic table",
    "query": "answered query by query",
    "enclave": "used inside a protected environment",
    "joint-compute": "computed jointly by several parties",
}
GOAL = {"min": "lower is better", "max": "higher is better", "none": "neither direction is better"}
AXIS = {
    "privacy": "Privacy",
    "utility": "Utility",
    "fidelity": "Fidelity",
    "equity": "Equity",
    "cost": "Cost",
    "assurance": "Assurance",
}
UNIT = {
    "s": "seconds",
    "bytes": "bytes",
    "nats": "epsilon, in nats",
    "as the statistic": "in the unit of the statistic",
    "p-value": "p-value, adjusted for the number of tests",
}
NOT_APPLICABLE = "does not apply"
# A sign beside the word, so that a status is told by neither colour nor sign alone.
SIGN: dict[str, str] = {
    "pass": "✓",
    "fail": "✕",
    "flag": "⚑",
    "claim-only": "❝",
    "attested": "✎",
    "reported": "≡",
    "not-evaluated": "?",
    "not-applicable": "–",
}
MEANING: dict[VerdictName, str] = {
    "pass": "measured here, and within the limit",
    "fail": "outside the limit, or missing where it is required",
    "flag": "outside a limit that calls for a person's judgement",
    "claim-only": "the technique says so; nothing here measured it",
    "attested": "a named person vouches for it; nothing here measured it",
    "reported": "shown without a limit",
    "not-evaluated": "asked, but there is no evidence in this run",
    "not-applicable": "not asked of this technique",
}
STATUS = {
    "failed": "Failed",
    "timed-out": "Timed out",
    "out-of-memory": "Out of memory",
    "crashed": "Crashed",
    "skipped": "Skipped",
    "not-run": "Not run",
}
NOTION = {
    "pure-dp": "pure differential privacy",
    "approx-dp": "approximate differential privacy",
    "zcdp": "zero-concentrated differential privacy",
    "k-anonymity": "k-anonymity",
    "none": "no formal guarantee",
}
_LETTER = {"epsilon": "ε", "delta": "δ", "rho": "ρ", "mu": "μ"}
_ACRONYMS = {"auc", "auroc", "cpu", "fpr", "gpu", "roc", "tpr"}
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def title(name: str) -> str:
    """A registered name as words.

    >>> title("mean-absolute-error"), title("cpu-time")
    ('Mean absolute error', 'CPU time')
    """
    words = " ".join(w.upper() if w in _ACRONYMS else w for w in name.split("-"))
    return words[:1].upper() + words[1:]


def unit(name: str) -> str:
    """A unit spelled out."""
    return UNIT.get(name, name)


def letter(parameter: str) -> str:
    """A parameter of a guarantee as it is written: its Greek letter if it has one."""
    return _LETTER.get(parameter, parameter)


def parameters(values: dict[str, float | None]) -> str:
    """The parameters of a guarantee; null is infinite.

    >>> parameters({"epsilon": 1.0, "delta": 1e-06})
    'ε = 1, δ = 1 × 10⁻⁶'
    """
    return settings({k: math.inf if v is None else v for k, v in values.items()})


def settings(values: Mapping[str, object]) -> str:
    """Names with their values.

    >>> settings({"epsilon": 0.5, "columns": ["age", "sex"]})
    'ε = 0.5, columns = age, sex'
    """
    return ", ".join(f"{letter(k)} = {_setting(v)}" for k, v in values.items())


def _setting(value: object) -> str:
    if isinstance(value, float):
        return brief(value)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def value_and_interval(figure: Figure) -> tuple[str, str]:
    """A figure in words, and its interval ("" where it has none or no width).

    What was not measured says so; a p-value is the adjusted one.
    """
    if figure.unit == P_VALUE and figure.adjusted is not None:
        return brief(figure.adjusted, 2), f"smallest of {figure.n}" if figure.n > 1 else ""
    if figure.value is None:
        return (NOT_APPLICABLE if figure.status == "not-applicable" else NOT_MEASURED), ""
    low, high = figure.interval
    scale, suffix = _scale(figure)
    if low == high or math.isnan(low):
        return brief(figure.value / scale) + suffix, ""
    value, from_, to = together(figure.value / scale, low / scale, high / scale)
    return value + suffix, f"{from_} to {to}"


def _scale(figure: Figure) -> tuple[float, str]:
    """Large byte counts are told in kB, MB, GB (powers of ten)."""
    if figure.unit != "bytes" or figure.value is None or math.isinf(figure.value):
        return 1.0, ""
    size, name = next(((s, n) for s, n in _SIZES if abs(figure.value) >= s), (1.0, "bytes"))
    return size, f" {name}"


def span(numbers: list[int]) -> str:
    """Repeats in short.

    >>> span([0, 1, 2, 4])
    '0 to 2, 4'
    """
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{r[0]}" if len(r) == 1 else f"{r[0]}{' to ' if len(r) > 2 else ', '}{r[-1]}" for r in runs)
