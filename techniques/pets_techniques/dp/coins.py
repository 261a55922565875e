"""Randomised response for a whole vector of answers in one OpenDP measurement, and what the library certifies of it."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# what is imported of the library when a response is resolved; far less than its prelude
MODULES = ("opendp.domains", "opendp.measurements", "opendp.metrics", "opendp.mod")


@dataclass(frozen=True, eq=False)
class Response:
    """Randomised response among `categories`: the truth with probability `truth`, else any other, all equally likely.

    `epsilon` is what the privacy map of the library's randomised response certifies at that probability: the most by
    which the log-probabilities of one report under two true answers differ (Warner 1965; Kairouz et al. 2016).
    """

    categories: int
    truth: float
    epsilon: float
    flips: Any

    @property
    def other(self) -> float:
        """Probability of any one answer that is not true."""
        return (1 - self.truth) / max(self.categories - 1, 1)

    def draw(self, true: NDArray[np.int64]) -> NDArray[np.int64]:
        """A fresh report for each of *true* (codes below `categories`); shape as given.

        Whether a person tells the truth is a bit of the library's randomised response on a vector of bits, one call
        for all (a call per person costs 0.3 ms); which of the other answers is given instead is drawn from the
        operating system.
        """
        import numpy as np

        if self.categories == 1 or not true.size:
            return true.copy()
        bits = np.frombuffer(self.flips(bytes(-(-true.size // 8))), dtype=np.uint8)
        flipped = np.unpackbits(bits, count=true.size).reshape(true.shape).astype(bool)
        lies = flipped if self.truth >= 0.5 else ~flipped
        report = true.copy()
        report[lies] += 1 + uniform(int(lies.sum()), self.categories - 1)
        return np.asarray(report % self.categories)


def response(categories: int, epsilon: float) -> Response:
    """Randomised response with the largest probability of the truth for which the library certifies *epsilon*."""
    from opendp.domains import bitvector_domain
    from opendp.measurements import make_randomized_response, make_randomized_response_bitvec
    from opendp.metrics import discrete_distance
    from opendp.mod import enable_features

    if categories == 1:
        return Response(1, 1.0, 0.0, None)
    enable_features("contrib")
    names = list(range(categories))
    truth = 1 / (1 + (categories - 1) * math.exp(-epsilon))
    # The closed form may be above the library's figure, which rounds against us, by some last bits.
    while (certified := make_randomized_response(names, truth).map(1)) > epsilon:
        truth -= 4 * math.ulp(truth)
    # The library's vector of bits flips each with probability f / 2, which is at most one half.
    chance = 2 * min(truth, 1 - truth)
    flips = make_randomized_response_bitvec(bitvector_domain(max_weight=1), discrete_distance(), f=chance)
    return Response(categories, truth, certified, flips)


def uniform(count: int, below: int) -> NDArray[np.int64]:
    """*count* whole numbers from 0 to *below* - 1, exactly equally likely, from the operating system's generator."""
    import numpy as np

    last = 2**64 // below * below - 1  # beyond, some remainders would be likelier than others
    drawn = np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64).copy()
    while (over := drawn > last).any():
        drawn[over] = np.frombuffer(secrets.token_bytes(8 * int(over.sum())), dtype=np.uint64)
    return (drawn % np.uint64(below)).astype(np.int64)
