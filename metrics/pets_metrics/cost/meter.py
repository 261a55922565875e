"""What the runner's meter read; not measured, rather than zero, for a release that was made elsewhere."""

from __future__ import annotations

import math

from pets_eval.model import Cost, Estimate
from pets_eval.registry import metric


@metric(
    axis="cost",
    goal="min",
    unit="s",
    range=(0, math.inf),
    source="pets-eval: the runner's meter over the process group of the cell",
    cannot_show="What it would cost on other machines, on more people, or over a real network.",
)
def wall_time(cost: Cost) -> Estimate:
    """Seconds from the start of the technique's run to its release; fewer is better.

    >>> wall_time(Cost(wall_s=1.5, cpu_s=1.0, peak_bytes=1e6, sent_bytes=0, rounds=0)).value
    1.5
    """
    return _read(cost.wall_s)


@metric(
    axis="cost",
    goal="min",
    unit="s",
    range=(0, math.inf),
    source="pets-eval: the runner's meter over the process group of the cell",
    cannot_show="What it would cost on other machines or on more people.",
)
def cpu_time(cost: Cost) -> Estimate:
    """Seconds of processor time over the whole process group of the cell; fewer is better.

    >>> cpu_time(Cost(wall_s=1.5, cpu_s=1.0, peak_bytes=1e6, sent_bytes=0, rounds=0)).value
    1.0
    """
    return _read(cost.cpu_s)


@metric(
    axis="cost",
    goal="min",
    unit="bytes",
    range=(0, math.inf),
    source="pets-eval: the runner's meter over the process group of the cell",
    cannot_show="What it would need on more people; memory of other machines is not seen.",
)
def peak_memory(cost: Cost) -> Estimate:
    """Largest resident memory of the whole process group of the cell, above its idle baseline; less is better.

    >>> peak_memory(Cost(wall_s=1.5, cpu_s=1.0, peak_bytes=1e6, sent_bytes=0, rounds=0)).value
    1000000.0
    """
    return _read(cost.peak_bytes)


@metric(
    axis="cost",
    goal="min",
    unit="bytes",
    range=(0, math.inf),
    source="pets-eval: the runner's meter over the process group of the cell",
    cannot_show="What the transport adds, and how long the messages would take over a real network.",
)
def bytes_sent(cost: Cost) -> Estimate:
    """Bytes that crossed between parties, all messages together; fewer is better.

    >>> bytes_sent(Cost(wall_s=1.5, cpu_s=1.0, peak_bytes=1e6, sent_bytes=0, rounds=0)).value
    0.0
    """
    return _read(cost.sent_bytes)


def _read(figure: float) -> Estimate:
    return Estimate.missing("the meter did not see this") if math.isnan(figure) else Estimate.exact(figure)
