"""The words of the page: what the terms of a record mean to a reader who is not from the field."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pets_eval.guideline.figures import P_VALUE, Figure
from pets_eval.guideline.model import VerdictName
from pets_eval.guideline.numbers import NOT_MEASURED, brief, together
from pets_eval.model.record import GuaranteeRow

ADVERSARY = {
    "none": "nobody",
    "honest-but-curious": "parties that follow the protocol, and try to learn from all they see",
    "covert": "parties that cheat if they are not likely to be caught",
    "malicious": "anybody, also those who break every rule",
    "unknown": "not stated",
}
TRUST = {
    "none": "no party is trusted with more than it already has",
    "central": "a trusted curator sees the raw data and adds the protection",
    "local": "each person's data are protected before they leave that person",
    "shuffle": "a trusted shuffler hides who sent what",
    "distributed": "several parties share the trust; no single one sees the raw data",
    "hardware": "the maker of the hardware is trusted",
    "unknown": "not stated",
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
    "waiting": "☐",
    "not-evaluated": "?",
    "not-applicable": "–",
}
MEANING: dict[VerdictName, str] = {
    "pass": "measured here, and within the limit",
    "fail": "outside the limit, or missing where it is required",
    "flag": "outside a limit that calls for a person's judgement",
    "claim-only": "the technique or the study file says so; nothing here measured it",
    "attested": "a named person vouches for it; nothing here measured it",
    "reported": "shown without a limit",
    "waiting": "for a person to say, and nobody has yet",
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
    >>> settings({"tables": [["gender", "age"], ["race"]]})
    'tables = gender x age; race'

    One that is not given stands for nothing: {"rho": None} is left out.
    """
    return ", ".join(f"{letter(k)} = {_setting(v)}" for k, v in values.items() if v is not None)


def _setting(value: object) -> str:
    if isinstance(value, float):
        return brief(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_setting(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        # A list of lists is a list of combinations: tables of two columns, say.
        nested = any(isinstance(v, (list, tuple)) for v in value)
        told = (" x ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v) for v in value)
        return ("; " if nested else ", ").join(told)
    return str(value)


def value_and_interval(figure: Figure) -> tuple[str, str]:
    """A figure in words, and its interval ("" where it has none or no width).

    What was not measured says so; a p-value is the adjusted one; a lower bound is told as one.
    """
    if figure.unit == P_VALUE and figure.adjusted is not None:
        return brief(figure.adjusted, 2), f"smallest of {figure.n}" if figure.n > 1 else ""
    if figure.value is None:
        return (NOT_APPLICABLE if figure.status == "not-applicable" else NOT_MEASURED), ""
    low, high = figure.interval
    scale, suffix = _scale(figure)
    if low == high or math.isnan(low):
        return brief(figure.value / scale) + suffix, ""
    if low == figure.value and high == math.inf:
        return f"≥ {brief(low / scale)}{suffix}", ""
    value, from_, to = together(figure.value / scale, low / scale, high / scale)
    return value + suffix, f"{from_} to {to}"


def _scale(figure: Figure) -> tuple[float, str]:
    """Large byte counts are told in kB, MB, GB (powers of ten)."""
    if figure.unit != "bytes" or figure.value is None or math.isinf(figure.value):
        return 1.0, ""
    size, name = next(((s, n) for s, n in _SIZES if abs(figure.value) >= s), (1.0, "bytes"))
    return size, f" {name}"


def guarantee_status(guarantee: GuaranteeRow) -> str:
    """The status of a guarantee; where it names a hazard, it says that an assumption does not hold."""
    return guarantee.status + (", but an assumption is violated here" if guarantee.hazards else "")


def span(numbers: list[int]) -> str:
    """Repeats in short, counted from the first; *numbers* start at 0.

    >>> span([0, 1, 2, 4]), span([0])
    ('1st to 3rd, 5th', '1st')
    """
    runs: list[list[int]] = []
    for n in sorted({n + 1 for n in numbers}):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(
        _ordinal(r[0]) + (f"{' to ' if len(r) > 2 else ', '}{_ordinal(r[-1])}" if len(r) > 1 else "") for r in runs
    )


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
