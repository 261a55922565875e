"""Hadamard response: reports of a few bits whose error does not grow with the number of cells per report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pets_eval.model import param
from pets_eval.registry import technique
from pets_techniques.dp.coins import MODULES, Response, response, uniform
from pets_techniques.dp.local import Local

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Hadamard:
    """Acharya, Sun and Zhang (AISTATS 2019), section 5: *blocks* Hadamard matrices of order *order*, side by side.

    A true answer is a row of one block (never its first row, which is constant). The row cuts its block into halves
    and so do the rows of the same number the other blocks: the report is a uniform element of one half, and which half
    is randomised response among all of them, the truth being that where the row is +1.
    """

    categories: int
    blocks: int
    order: int
    response: Response

    @property
    def reports(self) -> int:
        """The columns of all blocks."""
        return self.blocks * self.order

    @property
    def second(self) -> tuple[float, float]:
        """Second moments of (+1, -1, or 0 outside the block) / (p - q) for answers of the same block, and others."""
        p, q = self.response.truth, self.response.other
        inside, outside = (1.0, 1.0) if self.blocks == 1 else (p + q, 2 * q)
        return inside / (p - q) ** 2, outside / (p - q) ** 2

    def report(self, true: NDArray[np.int64]) -> NDArray[np.int64]:
        """A column: a uniform one of the block, moved into the half that the response names."""
        import numpy as np

        block, row = np.divmod(true, self.order - 1)
        row += 1
        half = self.response.draw(np.zeros_like(true))
        column = uniform(true.size, self.order).reshape(true.shape)
        wrong = (np.bitwise_count(row & column) + half) % 2 == 1
        column[wrong] ^= row[wrong] & -row[wrong]  # flips one bit of the row, and with it the sign
        return np.asarray((block + half // 2) % self.blocks * self.order + column)

    def counts(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """Reports where the row of the answer is +1, less those where it is -1, over p - q."""
        import numpy as np

        rows = _transform(tally.reshape(self.blocks, self.order).astype(np.float64))[:, 1:]
        return rows.ravel()[: self.categories] / (self.response.truth - self.response.other)

    def beside(self, tally: NDArray[np.int64]) -> NDArray[np.float64]:
        """The other answers of the same block."""
        import numpy as np

        p, q = self.response.truth, self.response.other
        if self.blocks == 1:  # all are, which makes no difference to `second`
            return np.zeros(self.categories)
        of_block = (tally.reshape(self.blocks, self.order).sum(axis=1) - 2 * q * tally.sum()) / (p - q)
        return np.asarray(np.repeat(of_block, self.order - 1)[: self.categories] - self.counts(tally))

    def crowd(self) -> float:
        """One block's share."""
        return 1 / self.blocks

    def event(self, times: int) -> dict[str, Any]:
        """Hadamard response, *times* times."""
        return {
            "mechanism": "hadamard-response",
            "epsilon": self.response.epsilon,
            "blocks": self.blocks,
            "order": self.order,
            "truth": self.response.truth,
            "times": times,
        }


def hadamard(categories: int, epsilon: float) -> Hadamard:
    """The randomiser with the number and order of blocks of the paper's section 5."""
    blocks = 2 ** (math.ceil(math.log2(min(math.exp(epsilon), 2 * categories))) - 1)
    order = 2 ** math.ceil(math.log2(categories / blocks + 1))
    return Hadamard(categories, blocks, order, response(2 * blocks, epsilon))


def _transform(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Walsh-Hadamard transform of each row, whose length is a power of two, in n log n steps."""
    import numpy as np

    rows, order = x.shape
    width = 1
    while width < order:
        pairs = x.reshape(rows, -1, 2, width)
        x = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2)
        width *= 2
    return x.reshape(rows, order)


@technique("dp-local-hadamard", extra="dp", requires=MODULES)
class LocalHadamard(Local):
    """Counts from Hadamard response: each person reports a column of a Hadamard matrix that hides their cell.

    Better than randomised response where a table has many more cells than exp(epsilon).
    """

    epsilon: float = param(1.0, ge=1e-3, le=20, help="privacy loss of all that one person sends")

    def randomiser(self, categories: int, epsilon: float) -> Hadamard:
        """Hadamard response among all cells."""
        return hadamard(categories, epsilon)
