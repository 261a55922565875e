"""All flawed twins, in the order of their numbers."""

from __future__ import annotations

from flawed_twins import composition, inputs, learning, numerics, scale

TWINS = tuple(
    sorted(
        (twins for part in (scale, inputs, composition, learning, numerics) for twins in part.TWINS),
        key=lambda twins: twins.number,
    )
)
