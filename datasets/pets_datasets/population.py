"""The network behind the dataset `generated`: a made-up population of eleven variables.

The probabilities are round figures of our own, of the size seen in published health surveys. They are public by
construction: no record of any person went into them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pets_datasets.network import Network, Node
from pets_eval.model import Column

REGIONS = ("North", "East", "South", "West", "Islands")
_AGE = (18, 30, 40, 50, 60, 70, 80, 100)
_SCHOOL = ("Primary", "Secondary", "Vocational", "University")
_WORK = ("Employed", "Unemployed", "Not in work")
_INCOME = (0, 10_000, 20_000, 35_000, 50_000, 80_000, 150_000)
_MARITAL = ("Single", "Partnered", "Separated", "Widowed")


def _yes(odds: Any) -> NDArray[np.float64]:
    """Probabilities of ("No", "Yes") from those of Yes."""
    yes = np.asarray(odds, dtype=np.float64)
    return np.stack([1 - yes, yes], axis=-1)


def _given(*rows: Any) -> NDArray[np.float64]:
    """A table in percent as probabilities."""
    return np.asarray(rows, dtype=np.float64) / 100


@cache
def population() -> Network:
    """The network; regions come first and differ in age, schooling and work, so that silos are not alike."""
    age = _given(  # by region
        (20, 17, 17, 17, 14, 10, 5),
        (24, 20, 17, 15, 12, 8, 4),
        (17, 15, 16, 18, 16, 12, 6),
        (22, 18, 17, 16, 13, 9, 5),
        (14, 13, 15, 18, 18, 14, 8),
    )
    young, middle, old = (5, 40, 20, 35), (10, 42, 25, 23), (30, 42, 18, 10)
    school = _given(  # by region, then age
        *([(3, 37, 20, 40), young, young, middle, middle, old, old],) * 2,
        *([(8, 42, 25, 25), middle, middle, middle, old, old, old],) * 2,
        [(12, 48, 22, 18), middle, middle, old, old, old, old],
    )
    working = [(62, 12, 26), (82, 6, 12), (83, 5, 12), (76, 5, 19), (42, 3, 55), (9, 1, 90), (2, 0, 98)]  # by age
    work = np.stack([_given(*working)] * len(_SCHOOL), axis=1)  # by age, then schooling
    work[:, 0] = 0.6 * work[:, 0] + 0.4 * _given((10, 10, 80))  # little schooling keeps out of work
    income = _given(  # by schooling, then work
        [(14, 34, 34, 12, 5, 1), (60, 32, 6, 1, 1, 0), (52, 38, 8, 1, 1, 0)],
        [(8, 22, 36, 20, 11, 3), (52, 36, 9, 2, 1, 0), (40, 40, 15, 3, 1, 1)],
        [(6, 16, 36, 25, 14, 3), (48, 38, 10, 3, 1, 0), (34, 40, 19, 5, 1, 1)],
        [(4, 9, 22, 26, 28, 11), (44, 36, 13, 4, 2, 1), (22, 32, 27, 12, 5, 2)],
    )
    marital = _given(  # by age
        (72, 26, 2, 0),
        (36, 56, 8, 0),
        (22, 63, 14, 1),
        (16, 64, 18, 2),
        (10, 66, 17, 7),
        (7, 60, 14, 19),
        (6, 38, 8, 48),
    )
    smokes = [(0.22, 0.30), (0.20, 0.27), (0.16, 0.22), (0.09, 0.12)]  # by schooling, then sex
    risk = np.asarray([0.03, 0.05, 0.10, 0.18, 0.28, 0.38, 0.45])  # of a chronic condition, by age
    ill = np.stack([risk, np.minimum(1.6 * risk, 0.65)], axis=1)  # then by smoking
    visits = _given((52, 30, 14, 4), (14, 26, 35, 25))  # by condition
    insured = [0.96, 0.80, 0.90]  # by work
    return Network(
        {
            "region": Node(_given(30, 25, 20, 15, 10), values=REGIONS),
            "sex": Node(_given(51, 49), values=("Female", "Male")),
            "age": Node(age, edges=_AGE, parents=("region",)),
            "education": Node(school, values=_SCHOOL, parents=("region", "age")),
            "work": Node(work, values=_WORK, parents=("age", "education")),
            "income": Node(income, edges=_INCOME, parents=("education", "work")),
            "marital_status": Node(marital, values=_MARITAL, parents=("age",)),
            "insured": Node(_yes(insured), values=("No", "Yes"), parents=("work",)),
            "smoker": Node(_yes(smokes), values=("No", "Yes"), parents=("education", "sex")),
            "chronic_condition": Node(_yes(ill), values=("No", "Yes"), parents=("age", "smoker")),
            "doctor_visits": Node(visits, edges=(0, 2, 5, 10, 31), parents=("chronic_condition",)),
        }
    )


def columns() -> dict[str, Column]:
    """The public columns: the network's values, and its bands as bins."""
    quasi, why = ("quasi-identifier",), "the generator's published network"
    roles: dict[str, Any] = {
        "region": ("silo", *quasi),
        "sex": quasi,
        "age": quasi,
        "education": quasi,
        "marital_status": quasi,
        "income": ("sensitive",),
        "chronic_condition": ("target", "sensitive"),
    }
    done = {}
    for name, node in population().nodes.items():
        facts: dict[str, Any] = {"roles": roles.get(name, ()), "source": why}
        if node.edges:  # the last band is closed: its edge is the highest value
            edges = (*node.edges[:-1], node.edges[-1] - 1)
            done[name] = Column("integer", bounds=(edges[0], edges[-1]), bins=edges, **facts)
        else:
            done[name] = Column("categorical", domain=node.values, **facts)
    return done
