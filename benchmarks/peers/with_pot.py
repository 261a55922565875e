"""Wasserstein distances by POT: `with_pot.py FOLDER wasserstein`, run in its environment."""

from pathlib import Path

import ot
import pandas as pd
from measure import Stopwatch, answer


def wasserstein(folder, columns):
    """In the real standard deviation; "as read" are whole numbers as integers, which pandas makes of them."""
    real, release = (pd.read_csv(Path(folder) / f"{n}.csv", usecols=columns) for n in ("real", "synthetic"))
    deviation = real.std(ddof=0)
    pairs = {n: (real[n].to_numpy(), release[n].to_numpy()) for n in columns}
    with Stopwatch() as watch:
        found = {n: float(ot.wasserstein_1d(a.astype(float), b.astype(float), p=1)) for n, (a, b) in pairs.items()}
    as_read = {n: float(ot.wasserstein_1d(a, b, p=1)) for n, (a, b) in pairs.items()}
    values = {n: found[n] / float(deviation[n]) for n in columns}
    return watch.times() | {"values": values, "as read": {n: as_read[n] / float(deviation[n]) for n in columns}}


if __name__ == "__main__":
    answer({"wasserstein": wasserstein})
