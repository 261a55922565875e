"""Tables of counts by diffprivlib, in an environment of its own (its release 0.6.6 fails with scikit-learn 1.9)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from diffprivlib.tools import histogramdd

request = json.loads(Path("request.json").read_text())
schema, bins = request["schema"], request["bins"]
epsilon = float(request["params"].get("epsilon", 1.0))
unit, most = schema["unit"], schema["max-rows-per-unit"]

if request["layout"] == "vertical":
    raise SystemExit("this program needs all columns of a person together")
rows = pd.concat([pd.read_parquet(p["table"]) for p in request["parties"] if p["table"]], ignore_index=True)
if unit != "record":  # bound what one unit of privacy can change
    rows = rows.groupby(unit, dropna=False).head(most)


def codes(name):
    """The number of each row's public cell; a missing value has the last."""
    values, cells, edges = rows[name], bins[name]["cells"], bins[name]["edges"]
    if edges is None:
        return pd.Categorical(values.fillna(cells[-1]), categories=cells).codes.astype(int)
    numbers = values if values.dtype.kind == "f" else (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
    code = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    return np.where(values.isna(), len(cells) - 1, code)


cells = pd.read_parquet(request["cells"])
blocks = [block.split(" x ") for block in cells["block"].unique()]
share = epsilon / (len(blocks) * most)  # a unit adds at most so many rows to each table
counts = []
for block in blocks:
    sizes = [len(bins[name]["cells"]) for name in block]
    coded = np.column_stack([codes(name) for name in block])
    # The range is public. Left to itself, the library would read it from the rows, and warn of that.
    table, _ = histogramdd(coded, epsilon=share, bins=sizes, range=[(-0.5, size - 0.5) for size in sizes])
    counts.append(np.ravel(table))
cells["value"] = np.concatenate(counts).astype(float)
cells.to_parquet("answer.parquet", index=False)

Path("release.json").write_text(
    json.dumps(
        {
            "format": "pets-eval/external/1",
            "kind": "answer",
            "guarantee": {
                "notion": "pure-dp",
                "unit": unit,
                "adjacency": "add-remove",
                "parameters": {"epsilon": epsilon},
                "events": [
                    {
                        "mechanism": "laplace",
                        "scale": 1 / share,
                        "sensitivity": len(blocks) * most,
                        "norm": "l1",
                        "count": len(cells),
                        "discrete": True,
                    }
                ],
                "assumes": [
                    "diffprivlib draws geometric noise of the stated scale from the system's cryptographic generator, "
                    "and cuts counts off at 0, which is post-processing",
                    f"a unit of privacy adds at most {most} rows to each of {len(blocks)} tables",
                ],
            },
        }
    )
)
