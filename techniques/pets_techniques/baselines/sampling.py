"""A random sample of people, published as they are: what many agencies do today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pets_eval.model import Claims, Context, Inputs, Release, Table, Task, Technique, Unsupported, param
from pets_eval.registry import technique
from pets_techniques.curator import curator, gather, published

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@technique("sampling")
class Sampling(Technique):
    """Publish a simple random sample of the units of privacy, without ids, each standing for 1/p people."""

    p: float = param(0.1, gt=0, le=1, help="share of the people that is published")

    def claims(self) -> Claims:
        """Only those who are not sampled are protected."""
        return Claims(
            protects=frozenset({"output-privacy"}),
            trust_model="central",
            adversary="honest-but-curious",
            objectives=("disassociability",),
            covers=f"The {1 - self.p:.0%} of people who are not in the sample, and doubt about who is in it.",
            leaves="Sampled people are published as they are: whoever knows that somebody was sampled, or finds them "
            "unique, reads their whole record. The curator sees everything.",
            seeded=True,
        )

    def run(self, task: Task, inputs: Inputs, ctx: Context) -> Release:
        """Draw units at the curator and publish their rows without ids."""
        import pandas as pd

        table = gather(inputs, ctx, curator(inputs))
        schema = published(inputs.schema)
        chosen = self._chosen(table, ctx.rng)
        pieces, start = [], 0
        for frame in table.batches():
            pieces.append(frame.loc[chosen[start : start + len(frame)], list(schema.columns)])
            start += len(frame)
        sample = pd.concat(pieces, ignore_index=True)
        return Release("microdata", Table(schema, data=sample), weight=1 / self.p)

    def _chosen(self, table: Table, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Which rows are in the sample: all rows of round(p * units) units."""
        import numpy as np
        import pandas as pd

        unit = table.schema.unit
        if unit == "record":
            codes, units = np.arange(len(table)), len(table)
        else:
            codes, names = pd.factorize(
                pd.concat([f[unit] for f in table.batches([unit])], ignore_index=True), use_na_sentinel=False
            )
            units = len(names)
        drawn = np.zeros(units, dtype=bool)
        drawn[rng.choice(units, size=round(self.p * units), replace=False)] = True
        if not drawn.any():
            raise Unsupported(f"a sample of {self.p:g} of {units} units is empty; raise p")
        return drawn[codes]
