"""The loader's batches: whether they are Poisson samples, which is what amplification by sampling is accounted for.

Accountants of DP-SGD take every record to enter every batch by a coin of its own. Loaders mostly shuffle, and cut the
shuffled records into batches of one size, for which the amplified epsilon does not hold (Chua et al., "How private are
DP-SGD implementations?", 2024). An epoch of record numbers tells the two apart, without training anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import PetsEvalError
from pets_metrics.privacy.audit.claim import Finding

_LEAST = 5.0  # records per batch, expected: fewer, and the normal approximation of batch sizes fails


def poisson_batches_test(
    batches: Iterable[Sequence[int] | NDArray[np.integer]], records: int, rate: float, *, level: float = 0.95
) -> Finding:
    """Whether *batches* of record numbers 0 to *records* - 1 are Poisson samples at *rate*, as was accounted for.

    Under Poisson sampling each record is in a binomial number of batches: too many that are in exactly one, or in
    none, speak against it (exact binomial tails). And batch sizes are binomial: sizes that vary too little, or are
    off on average, speak against it as well (chi-squared). The least of the four p-values times four is the test's. A
    `batch_sampler` of PyTorch gives the batches without reading a record. Raises `PetsEvalError` for no batches, record
    numbers out of range, and batches expected to be too small to judge.

    >>> shuffled = np.random.default_rng(0).permutation(200).reshape(10, 20)
    >>> poisson_batches_test(shuffled, records=200, rate=0.1).outcome
    'violation found'
    """
    drawn = [np.asarray(batch, dtype=np.int64).ravel() for batch in batches]
    expected = records * rate
    if not drawn or not 0 < rate < 1 or expected < _LEAST:
        raise PetsEvalError(
            f"batches can be judged from one batch on, at a rate between 0 and 1 that gives {_LEAST:g} records or more"
        )
    pooled = np.concatenate(drawn)
    if pooled.size and not (pooled.min() >= 0 and pooled.max() < records):
        raise PetsEvalError(f"record numbers must lie from 0 to {records - 1}: does the loader read another table?")
    count = len(drawn)
    times = np.bincount(pooled, minlength=records)
    sizes = np.array([len(batch) for batch in drawn])
    in_one = count * rate * (1 - rate) ** (count - 1)
    binom, chi2 = scipy.stats.binom, scipy.stats.chi2
    spread = float(((sizes - expected) ** 2).sum() / (expected * (1 - rate)))
    p_values = {
        "records in exactly one batch": float(binom.sf((times == 1).sum() - 1, records, in_one)),
        "records in no batch": float(binom.cdf((times == 0).sum(), records, (1 - rate) ** count)),
        "batch sizes that vary too little": float(chi2.cdf(spread, count)),
        "number of records in all": min(1.0, 2 * _tail(int(pooled.size), count * records, rate)),
    }
    event = min(p_values, key=lambda name: p_values[name])
    p_value = min(1.0, len(p_values) * p_values[event])
    return Finding(
        check="Poisson batches",
        outcome="violation found" if p_value <= 1 - level else "no violation found",
        level=level,
        p_value=p_value,
        event=event,
        note=f"{count} batches of {sizes.min()} to {sizes.max()} records, {expected:.6g} expected; no run was needed",
    )


def _tail(seen: int, runs: int, rate: float) -> float:
    """The smaller tail of a binomial at what was seen."""
    binom = scipy.stats.binom
    return float(min(binom.cdf(seen, runs, rate), binom.sf(seen - 1, runs, rate)))
