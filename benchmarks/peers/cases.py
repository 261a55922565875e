"""Small tables on which the right answer is known, for both sides."""

import numpy as np
import pandas as pd


def guessed(rows=2000):
    """A secret that has nothing to do with what is known: a random guess is right one time in ten."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=2 * rows), "s": rng.integers(0, 10, 2 * rows).astype(str)})
    return frame[:rows].reset_index(drop=True), frame[rows:].reset_index(drop=True)


def copied(rows=2000):
    """Three numeric columns of people, whose copy is the release, and of others."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(2 * rows, 3)).round(2), columns=list("abc"))
    return frame[:rows].reset_index(drop=True), frame[rows:].reset_index(drop=True)


def negative(rows=1000):
    """People with secrets from 0 to 1000, and a release that says -1 of everybody."""
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"a": rng.normal(size=rows), "s": rng.uniform(0, 1000, rows)})
    return real, pd.DataFrame({"a": rng.normal(size=rows), "s": np.full(rows, -1.0)})


def missing():
    """People without a number: each is at distance 0 of itself."""
    return pd.DataFrame({"a": [1.5, np.nan, np.nan, 3.5], "c": ["x", "y", "x", "y"]})


def scaled(rows=500):
    """Two related numbers, and a release of 1,000 times each plus 7."""
    x = np.random.default_rng(0).normal(size=rows)
    real = pd.DataFrame({"a": x, "b": x + 0.1 * np.random.default_rng(1).normal(size=rows)})
    return real, real * 1000 + 7


def alike(rows=300):
    """People who are often like others, in eight columns of two categories; the release is their copy."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.choice(list("ab"), 2 * rows) for i in range(8)})
    return frame[:rows].reset_index(drop=True), frame[rows:].reset_index(drop=True)
