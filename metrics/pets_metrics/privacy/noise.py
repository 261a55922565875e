"""Whether the noise in a release is the noise that was claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first asked for
from numpy.typing import NDArray

from pets_eval.model import Answer, Dataset, Estimate, Guarantee, Schema, Unsupported
from pets_eval.registry import metric
from pets_metrics.cells import counts

_WIDE = 1e5  # beyond, a discrete Gaussian is a rounded one to within 1e-11
_CLAMPED = 1e-6  # no count is negative, whose probability would be below this: they were raised to 0
_WHOLE = 1e-6


@metric(
    axis="privacy",
    goal="max",
    unit="p-value",
    range=(0, 1),
    source="Kolmogorov-Smirnov on the randomised probability integral transform (Brockwell, Stat. Prob. Letters 2007)",
    cannot_show="That the guarantee holds: noise of the right shape can still be correlated, or drawn predictably.",
)
def noise_fit(
    answer: Answer,
    truth: Answer,
    guarantee: Guarantee,
    schema: Schema,
    rng: np.random.Generator,
    dataset: Dataset | None = None,
) -> Estimate:
    """p-value of the hypothesis that released minus true counts are the claimed discrete noise; small is suspicious.

    Each difference is turned into a uniform number by the claimed distribution, spread at random over the jump of
    the discrete one so that the test is valid, and the numbers are tested for uniformity. Under a sound mechanism the
    p-value is uniform itself: below 0.01 in one of a hundred releases. Where no count is negative although the claimed
    noise would make some, the hypothesis is that counts were raised to 0 after the noise, and the claimed distribution
    has all that at 0: a mechanism without noise is not excused. *dataset* is needed where the unit of privacy is a
    column, to see that no contribution was dropped.
    Raises `Unsupported` where the guarantee names no single discrete Laplace or Gaussian event over the counts, where
    counts were rounded or otherwise processed, and where dropped rows move the centre of the noise.

    >>> from pets_eval.model import cell_index
    >>> event = {"mechanism": "laplace", "scale": 1.0, "discrete": True}
    >>> claim = Guarantee(notion="pure-dp", unit="record", adjacency="add-remove", parameters={}, events=(event,))
    >>> exact = Answer.of(cell_index([("town", str(i), "count") for i in range(100)]), [99.0] * 100)
    >>> noise_fit(exact, exact, claim, Schema({}), np.random.default_rng(0)).value < 1e-5  # there is no noise
    True
    """
    event = _event(guarantee)
    if schema.unit != "record":
        _refuse_dropped(schema, dataset)
    released, true = counts(answer, truth)
    step = float(event.get("steps", {}).get("count", 1.0))
    noise = (released - true) / step
    if np.isnan(noise).any():
        raise Unsupported("the release does not answer every cell")
    if np.abs(noise - np.rint(noise)).max() > _WHOLE * max(1.0, float(np.abs(noise).max())):
        raise Unsupported("the released counts are not whole steps: they were processed after the noise")
    k = np.rint(noise)
    below, upto = claimed_cdf(event, k - 1), claimed_cdf(event, k)
    negative = claimed_cdf(event, np.ceil(-true / step) - 1)
    clamped = bool(released.min() >= 0) and float(np.log1p(-negative).sum()) < np.log(_CLAMPED)
    if clamped:
        below = np.where(released < step / 2, 0.0, below)
    uniform = below + rng.random(len(k)) * (upto - below)
    note = "no count is negative: tested as claimed noise that was then raised to 0" if clamped else ""
    return Estimate.exact(float(scipy.stats.kstest(uniform, "uniform").pvalue), n=len(k), note=note)


def claimed_cdf(event: Mapping[str, Any], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(noise <= k) for whole numbers *k* under the discrete Laplace or Gaussian of *event*; shape as *k*.

    Laplace: mass proportional to exp(-|k| / scale); Gaussian: to exp(-k^2 / (2 scale^2)).
    Source: Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy (2020), definition 1.

    >>> claimed_cdf({"mechanism": "laplace", "scale": 1.0}, np.array([-1.0, 0.0])).round(4)
    array([0.2689, 0.7311])
    """
    scale = float(event["scale"])
    if event["mechanism"] == "laplace":
        return cast(NDArray[np.float64], scipy.stats.dlaplace.cdf(k, 1 / scale))
    if scale > _WIDE:
        return cast(NDArray[np.float64], scipy.stats.norm.cdf((k + 0.5) / scale))
    reach = int(12 * scale) + 12
    support = np.arange(-reach, reach + 1)
    cumulative = np.cumsum(np.exp(-(support.astype(np.float64) ** 2) / (2 * scale**2)))
    place = np.clip(k, -reach - 1, reach).astype(np.int64) + reach
    return np.where(place < 0, 0.0, cumulative[place] / cumulative[-1])


def _event(guarantee: Guarantee) -> Mapping[str, Any]:
    known = [e for e in guarantee.events if e.get("mechanism") in ("laplace", "gaussian") and e.get("discrete")]
    if len(known) != 1 or len(guarantee.events) != 1 or not float(known[0].get("scale", 0)) > 0:
        raise Unsupported("the guarantee does not describe one discrete Laplace or Gaussian mechanism")
    return known[0]


def _refuse_dropped(schema: Schema, dataset: Dataset | None) -> None:
    if dataset is None:
        raise Unsupported("without the data it is not known whether rows beyond the contribution bound were dropped")
    units = pd.concat([frame[schema.unit] for frame in dataset.train.batches([schema.unit])], ignore_index=True)
    if int(units.value_counts(dropna=False).max()) > schema.max_rows_per_unit:
        raise Unsupported("rows beyond the contribution bound were dropped, so the truth is not the noise's centre")
