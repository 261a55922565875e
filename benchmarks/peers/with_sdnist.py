"""SDNist's figures: `with_sdnist.py FOLDER k-marginal|report|disco`, run in SDNist's environment.

FOLDER holds real.csv and synthetic.csv, and NIST's data_dictionary.json, mappings.json and national2019.json.
"""

import contextlib
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from measure import Stopwatch, answer, resident
from sdnist.report.__main__ import run  # first, for its modules import each other

# isort: split
from sdnist.load import TestDatasetName
from sdnist.metrics.kmarginal import KMarginal
from sdnist.metrics.unique_exact_matches import unique_exact_matches
from sdnist.report import Dataset
from sdnist.report.dataset import binning
from sdnist.report.dataset.transform import transform
from sdnist.utils import SimpleLogger


@contextlib.contextmanager
def laid_out(folder, area):
    """The folders and names that SDNist asks for."""
    source = Path(folder)
    state = {"national": "national", "ma": "massachusetts", "tx": "texas"}[area]
    with tempfile.TemporaryDirectory() as home:
        root = Path(home) / "root"
        (root / state).mkdir(parents=True)
        shutil.copy(source / area / "real.csv", root / state / f"{area}2019.csv")
        described = json.loads((source / "national2019.json").read_text())
        areas = pd.read_csv(source / area / "real.csv", usecols=["PUMA"], dtype=str)["PUMA"]
        described["schema"]["PUMA"]["values"] = sorted(set(areas))
        (root / state / f"{area}2019.json").write_text(json.dumps(described))
        for name in ("mappings.json", "data_dictionary.json"):
            shutil.copy(source / name, root / name)
        (root / "config.json").write_text("{}")
        yield root, source / area / "synthetic.csv", TestDatasetName[f"{area}2019"]


def k_marginal(folder, area="national"):
    """From the files; from tables in memory that are checked already; and the score of binned tables alone."""
    with laid_out(folder, area) as (root, release, name), contextlib.redirect_stdout(io.StringIO()):
        before = resident()
        with Stopwatch() as files:
            data = Dataset(release, SimpleLogger(), name, root, False)
            found = KMarginal(data.d_target_data, data.d_synthetic_data, ["PUMA"])
            found.compute_score()
        with Stopwatch() as tables:
            again = KMarginal(*binned(data), ["PUMA"])
            with Stopwatch() as score:
                again.compute_score()
        alone = KMarginal(data.d_target_data, data.d_synthetic_data, [])
        alone.compute_score()
        matches = unique_exact_matches(data.c_target_data, data.c_synthetic_data)
    if again.score != found.score:
        raise SystemExit("the tables were not binned as SDNist does")
    return {
        "files": files.times(),
        "tables": tables.times(),
        "score": score.times(),
        "before MB": before,
        "values": [found.score, float(found.scores.min()), alone.score],
        "unique exact matches": [int(matches[0]), int(matches[2])],
    }


def binned(data):
    """What `Dataset` does to its tables once they are read and checked, with its own functions."""
    numbers = ["AGEP", "POVPIP", "PINCP", "PWGTP", "WGTP"]
    real, release = data.c_target_data, data.c_synthetic_data
    done = [binning.percentile_rank_target(real, numbers)]
    done[0] = binning.add_bin_for_NA(done[0], real, numbers)
    done.append(binning.percentile_rank_synthetic(release, real, done[0], numbers))
    done[1] = binning.add_bin_for_NA(done[1], release, numbers)
    others = [n for n in data.features if n not in numbers]
    for made, checked in zip(done, (real, release), strict=True):
        made[others] = transform(checked, data.schema)[others]
    return done


def report(folder, area="national"):
    """The whole report, as its command writes it, with how long its parts say they take."""
    told = io.StringIO()
    with laid_out(folder, area) as (root, release, name), tempfile.TemporaryDirectory() as out:
        before = resident()
        with Stopwatch() as watch, contextlib.redirect_stdout(told):
            run(release, Path(out), name, root, None, False, False)
        made = json.loads((Path(out) / "report.json").read_text())
        agreed = pd.read_csv(Path(out) / made["apparent_match_distribution"]["unique_matched_percents"])
        slopes = {
            group: [facts[f"{side}_regression_slope_and_intercept"][0] for side in ("target", "deidentified")]
            for group, facts in made["linear_regression"].items()
            if isinstance(facts, dict)
        }
        pearson = pd.read_csv(next(Path(out).rglob("pearson_correlation/correlation_difference.csv")), index_col=0)
    numbers = agreed.select_dtypes("number").iloc[:, -1]
    return watch.times() | {
        "before MB": before,
        "values": {
            "k-marginal": made["k_marginal"]["k_marginal_synopsys"]["k_marginal_score"],
            "sub-sample": made["k_marginal"]["k_marginal_synopsys"]["sub_sampling_equivalent"],
            "propensity": made["propensity mean square error"]["pmse_score"],
            "unique exact matches": made["unique_exact_matches"]["records matched in target data"],
            "unique": made["unique_exact_matches"]["unique target records"],
            "apparent matches": len(agreed),
            "mean agreement": float(numbers.mean()),
            "slopes": slopes,
            "pearson": {"columns": list(pearson), "mean": float(np.abs(pearson.to_numpy()).mean())},
        },
    }


def disco(folder, source, rows):
    """kDiSCO by the file disco.py of SDNist 2.5, which 2.4 does not have; on *rows* rows of each table."""
    sys.path.insert(0, source)
    import disco as theirs

    real, release = (pd.read_csv(Path(folder) / f"national/{n}.csv", dtype=str)[:rows] for n in ("real", "synthetic"))
    before = resident()
    with Stopwatch() as watch, contextlib.redirect_stdout(io.StringIO()):
        found = theirs.KDiscoEvaluator(real, release, ["RAC1P", "SEX"], 2)
        found.compute_k_disco()
        value = found.average_disco()
    return watch.times() | {"before MB": before, "value": float(value)}


if __name__ == "__main__":
    answer({"k-marginal": k_marginal, "report": report, "disco": disco})
