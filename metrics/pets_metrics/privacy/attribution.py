"""What whoever knows a person's keys reads in the released class of people who share them: CAP and TCAP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pets_eval.model import Estimate, PetsEvalError, Schema, Score
from pets_eval.registry import metric
from pets_metrics.intervals import bounded_mean, difference
from pets_metrics.privacy.secret_columns import (
    CANNOT,
    NOBODY,
    Rows,
    known_columns,
    mean_difference,
    secret_columns,
    share,
    worst_first,
)
from pets_metrics.rows import row_classes
from pets_metrics.tables import align, cell_codes, one_row_each

Floats = NDArray[np.float64]


@metric(
    axis="privacy",
    goal="min",
    unit="probability",
    range=(-1, 1),
    source="Taub, Elliot, Pampaka and Smith, Differential correct attribution probability (PSD 2018); Elliot (2014)",
    headline=("cap excess", "tcap excess"),
    cannot_show=CANNOT,
)
def correct_attribution(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    control: pd.DataFrame | None = None,
    schema: Schema | None = None,
    secrets: Sequence[str] = (),
    keys: Sequence[str] = (),
    tau: float = 1.0,
    rng: np.random.Generator | None = None,
) -> list[Score]:
    """How often a person's secret is told rightly by the released records with that person's keys; 0 excess is best.

    CAP and TCAP. All columns are compared by their public cells. *keys* are the quasi-identifiers, or without any all
    columns but the secret; *secrets* as in `attribute_inference`; people without the secret are left out. One group per
    secret with

    - "cap": mean over real people, of those whose keys a released record has, of the share of such records that have
      their secret, too. "matched": the share of those people; cap x matched is the mean where the others count as 0;
    - "tcap": share right among the real people whose released class is sure: its commonest secret has at least the
      share *tau*. "tcap reach": the share of people in such a class;
    - "baseline": mean released share of all people's secrets when the keys are not looked at;
    - "cap control", "tcap control": the same of held-out people; "cap excess", "tcap excess": real minus control.

    All in [0, 1] and excesses in [-1, 1]; excesses near 0 are good. Rates have Wilson's interval and differences
    Newcombe's; means Student's, joined in the same way for their difference. Group "" is the secret with the
    surest "cap excess" (without control "cap"), whose interval begins highest; its intervals are widened by Bonferroni.
    Taub et al. take TCAP's mean over released records; here it is over people, as CAP's is. Where the schema names a
    unit of privacy, one row of each real and held-out person, drawn by *rng*, is attacked. Raises as
    `attribute_inference`.

    >>> known = pd.DataFrame({"sex": ["F", "F", "M", "M"], "ill": ["yes", "no", "yes", "no"]})
    >>> told = pd.DataFrame({"sex": ["F", "F", "M"], "ill": ["yes", "no", "yes"]})
    >>> rows = correct_attribution(known, told, secrets=["ill"])
    >>> {r.statistic: r.estimate.value for r in rows if r.group == "" and r.statistic in ("cap", "tcap", "tcap reach")}
    {'cap': 0.5, 'tcap': 0.5, 'tcap reach': 0.5}
    """
    if not 0 < tau <= 1:
        raise PetsEvalError("tau must lie in (0, 1]")
    rng = rng or np.random.default_rng(0)
    others = None if control is None else one_row_each(control, schema, rng)
    t = align(one_row_each(real, schema, rng), synthetic, others, schema)
    for name in keys:
        t.schema.column(name)
    frames = [t.real, t.synthetic] + ([t.control] if t.control is not None else [])
    codes = [cell_codes(frame, t.schema)[0] for frame in frames]
    found: dict[str, Rows] = {}
    for name in secret_columns(t, secrets):
        place = [t.names.index(n) for n in (keys or known_columns(t, name)) if n != name]
        known = [frame[name].notna().to_numpy() for frame in frames]
        known[1][:] = True  # a released "missing" is a value like others
        found[name] = _attributed([c[k] for c, k in zip(codes, known, strict=True)], place, t.names.index(name), tau)
    return worst_first(found, "cap excess" if t.control is not None else "cap")


def _attributed(codes: list[NDArray[np.int32]], keys: list[int], secret: int, tau: float) -> Rows:
    """CAP and TCAP from the cells of real, released and perhaps control people, shapes (people, columns)."""
    classes = row_classes([c[:, keys] for c in codes])
    joint = row_classes([c[:, [*keys, secret]] for c in codes])
    size = np.bincount(classes[1], minlength=max(int(c.max(initial=0)) for c in classes) + 1)
    both = np.bincount(joint[1], minlength=max(int(c.max(initial=0)) for c in joint) + 1)
    commonest = np.zeros_like(size)
    np.maximum.at(commonest, classes[1], both[joint[1]])
    sure = (size > 0) & (commonest >= tau * size)
    side = [0, 2] if len(codes) > 2 else [0]
    matched = size[classes[0]] > 0
    shares = [(both[joint[i]] / np.maximum(size[classes[i]], 1))[size[classes[i]] > 0] for i in side]
    right = [(both[joint[i]] == commonest[classes[i]])[sure[classes[i]]] for i in side]
    tally = np.bincount(codes[1][:, secret], minlength=int(codes[0][:, secret].max(initial=0)) + 1)
    baseline = tally[codes[0][:, secret]] / len(codes[1])

    def rows(level: float) -> dict[str, Estimate]:
        n, unsure = len(matched), "nobody of them is in a class that is sure"
        hits = [(int(r.sum()), len(r)) for r in right]
        made = {"cap": _mean(shares[0], level), "tcap": share(*hits[0], level, unsure)}
        for statistic in ("cap control", "tcap control", "cap excess", "tcap excess"):
            made[statistic] = Estimate.missing("needs held-out people (control)")
        if len(side) > 1:
            made["cap control"], made["tcap control"] = _mean(shares[1], level), share(*hits[1], level, unsure)
            made["cap excess"] = mean_difference(made["cap"], made["cap control"])
            made["tcap excess"] = difference(*hits[0], *hits[1], level, "" if hits[0][1] and hits[1][1] else unsure)
        made["matched"] = share(int(matched.sum()), n, level, NOBODY)
        made["tcap reach"] = share(hits[0][1], n, level, NOBODY)
        made["baseline"] = _mean(baseline, level)
        return made

    return rows


def _mean(shares: Floats, level: float) -> Estimate:
    why_not = "" if len(shares) else "nobody of them has the secret, or no released record has their keys"
    return bounded_mean(shares, 0, 1, level, why_not)
