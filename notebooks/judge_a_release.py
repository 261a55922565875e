# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Judge a release of records
#
# Three tables are needed: the people who are protected, people who were held out, and the records that were released.
# Here they come from the embedded health survey, and the release is a plain bootstrap copy: the leak that every attack
# must find.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import pets_metrics
from pets_eval.registry import make_dataset
from pets_metrics import closest_record, k_marginal_error, singling_out_risk

source = make_dataset("nhanes", {})
schema = source.schema().select(["age", "gender", "race", "education", "bmi", "systolic_bp", "depressed", "diabetes"])
with tempfile.TemporaryDirectory() as home:
    people = source.load(Path(home), Path(home) / "x.parquet").frame(list(schema.columns))

rng = np.random.default_rng(20260101)
protected = rng.random(len(people)) < 0.7
real, control = people[protected], people[~protected]
copies = real.sample(frac=1, replace=True, random_state=1)
marginals = real.apply(lambda column: column.sample(frac=1, random_state=rng.integers(2**32)).to_numpy())

# %% [markdown]
# One metric is one function. Each figure comes with its interval, and an attack stands beside a naive baseline and the
# same attack on people who are not in the data.

# %%
for score in singling_out_risk(real, copies, control=control, schema=schema):
    if not score.group:
        print(f"{score.statistic:9} {score.estimate.value:.3f} [{score.estimate.low:.3f}, {score.estimate.high:.3f}]")

# %%
k_marginal_error(real, copies, schema=schema)["mean"]

# %%
closest_record(real, copies, control=control, schema=schema)

# %% [markdown]
# All that apply, as one tidy table; beside it, a release that only keeps the columns' own distributions.

# %%
tables = {
    name: pets_metrics.evaluate(real, release, control=control, schema=schema)
    for name, release in {"copies": copies, "marginals": marginals}.items()
}
main = {
    name: table[table["group"] == ""].set_index(["axis", "metric", "statistic"])["value"]
    for name, table in tables.items()
}
tables["copies"].head()

# %%
pd.DataFrame(main).sort_index().round(3)
