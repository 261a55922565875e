"""MST microdata by smartnoise-synth, in an environment of its own (it needs opendp below 0.15)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from snsynth import Synthesizer
from snsynth.transform import LabelTransformer
from snsynth.transform.table import TableTransformer

request = json.loads(Path("request.json").read_text())
schema, bins, params = request["schema"], request["bins"], request["params"]
epsilon, delta = float(params.get("epsilon", 1.0)), float(params.get("delta", 1e-6))
unit = schema["unit"]
columns = {name: schema["columns"][name] for name in bins}

if request["layout"] == "vertical" or "rows" not in schema:
    raise SystemExit("this program needs all columns of a person together, and a public number of records")
if schema["max-rows-per-unit"] > 1:
    raise SystemExit("MST bounds the influence of one record, not of one person with several")
rows = pd.concat([pd.read_parquet(p["table"]) for p in request["parties"] if p["table"]], ignore_index=True)
if unit != "record":
    rows = rows.groupby(unit, dropna=False).head(1)


def numbers(values):
    """Dates as days since 1970-01-01, all else as it is."""
    return values if values.dtype.kind == "f" else (values - pd.Timestamp(0)) / pd.Timedelta(days=1)


def codes(name):
    """The number of each row's public cell; a missing value has the last."""
    values, cells, edges = rows[name], bins[name]["cells"], bins[name]["edges"]
    if edges is None:
        return pd.Categorical(values.fillna(cells[-1]), categories=cells).codes.astype(int)
    code = np.clip(np.searchsorted(edges, numbers(values), side="right") - 1, 0, len(edges) - 2)
    return np.where(values.isna(), len(cells) - 1, code)


def decoded(name, code, rng):
    """A value for each code: the category, or a number drawn evenly from its bin, within the bounds."""
    kind, cells, edges = columns[name]["kind"], np.array(bins[name]["cells"], dtype=object), bins[name]["edges"]
    if edges is None:
        chosen = pd.Series(cells[code])
        return chosen.mask(chosen == "(missing)") if columns[name].get("nullable") else chosen
    edges = np.array(edges)
    missing = code >= len(edges) - 1
    place = np.minimum(code, len(edges) - 2)
    values = rng.uniform(edges[place], edges[place + 1])
    if kind == "date":
        bounds = [pd.Timestamp(b) for b in columns[name]["bounds"]]
        return (
            (pd.Timestamp(0) + pd.to_timedelta(np.floor(values), unit="D"))
            .to_series(index=range(len(code)))
            .clip(*bounds)
            .mask(missing)
        )
    if kind == "integer":
        values = np.rint(values)
    return pd.Series(np.clip(values, *columns[name]["bounds"])).mask(missing)


# The domain is told beforehand. Left to itself, the library would read it from the rows.
sizes = [len(bins[name]["cells"]) for name in bins]
transformer = TableTransformer([LabelTransformer(nullable=False) for _ in bins])
transformer.fit([tuple(min(i, size - 1) for size in sizes) for i in range(max(sizes))])
coded = [tuple(map(int, row)) for row in np.column_stack([codes(name) for name in bins])]

synthesizer = Synthesizer.create("mst", epsilon=epsilon, delta=delta)
synthesizer.fit(coded, transformer=transformer)
drawn = np.array(synthesizer.sample(schema["rows"]))
rng = np.random.default_rng(request["seed"])  # of values within their bins: no privacy rests on it
released = pd.DataFrame({name: decoded(name, drawn[:, i].astype(int), rng) for i, name in enumerate(bins)})
released.to_parquet("microdata.parquet", index=False)

Path("release.json").write_text(
    json.dumps(
        {
            "format": "pets-eval/external/1",
            "kind": "microdata",
            "guarantee": {
                "notion": "approx-dp",
                "unit": unit,
                "adjacency": "add-remove",
                "parameters": {"epsilon": epsilon, "delta": delta},
                "events": [{"mechanism": "approx", "epsilon": epsilon, "delta": delta}],
                "status": "heuristic",
                "assumes": ["the exact number of records is public", "bins and categories are public"],
                "hazards": [
                    "MST is told the exact number of records, and its noise is that of one record more or less",
                    "noise is drawn one floating-point number after the other; which pairs of columns are measured is "
                    "chosen with numpy's generator",
                ],
            },
            "notes": [f"MST measured {len(sizes)} columns of {sum(sizes)} public cells in all"],
        }
    )
)
