"""What techniques with a trusted curator claim alike, in words."""

from __future__ import annotations

from pets_eval.model import Claims

_CURATOR = "The curator sees all data in clear. What is true of a group is not hidden."


def central(
    leaves: str, *, delta: float | None = None, reader: str = "whoever reads the release", notes: str = ""
) -> Claims:
    """Differential privacy against any *reader*, with a trusted curator; approximate where there is a *delta*.

    *leaves* is what this technique leaves open beside what all of them do.
    """
    larger = "" if delta is None else f"With probability delta = {delta:g} the loss may exceed epsilon."
    return Claims(
        protects=frozenset({"output-privacy"}),
        trust_model="central",
        adversary="malicious",
        objectives=("disassociability",),
        covers=f"Every unit of privacy, from {reader}, whatever else they know: it looks nearly the same with or "
        "without any one of them, to the degree that epsilon says.",
        leaves=" ".join(filter(None, [_CURATOR, leaves, larger])),
        notes=notes,
    )
