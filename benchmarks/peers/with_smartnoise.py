"""smartnoise-eval's figures on Spark: `with_smartnoise.py FOLDER compare`, run in its environment (needs Java)."""

import csv
import logging
from pathlib import Path

from measure import Stopwatch, answer
from pyspark.sql import SparkSession
from sneval import Dataset, Metric


def compare(folder, columns, k):
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    logging.getLogger("py4j").setLevel(logging.ERROR)
    tables = []
    for name in ("real", "synthetic"):
        with (Path(folder) / f"{name}.csv").open() as lines:
            rows = [tuple(row[c] for c in columns) for row in csv.DictReader(lines)]
        tables.append(Dataset(spark.createDataFrame(rows, columns), categorical_columns=list(columns)))
    real, release = tables
    compared = ("MeanAbsoluteErrorInCount", "MeanError", "SuppressedCombinationCount", "FabricatedCombinationCount")
    found = {}
    with Stopwatch() as watch:
        for name in compared:
            options = {"categorical_columns": list(columns)}
            if name == "MeanAbsoluteErrorInCount":
                options["edges"] = [1]  # one bin for all cells
            found[name] = Metric.create(name, **options).compute(real, release)["value"]
        for name in ("DistinctCount", "SingledOutCount"):
            found[name] = Metric.create(name, column_names=list(columns)).compute(release)["value"]
        found["BelowKCount"] = Metric.create("BelowKCount", column_names=list(columns), k=k).compute(release)["value"]
    spark.stop()
    return watch.times() | {"values": found}


if __name__ == "__main__":
    answer({"compare": compare})
