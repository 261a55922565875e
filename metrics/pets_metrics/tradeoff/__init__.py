"""Which technique to choose, where privacy, utility and cost pull apart: plain functions on tables and arrays.

In a notebook, from a finished run:

    from pets_eval import open_run
    from pets_metrics import tradeoff

    scores = open_run("out").scores
    axes = {"risk": "exact-cell-disclosure", "error": "mean-absolute-error"}
    points = tradeoff.by_technique(scores, axes, dataset="nhanes", task="counts").drop(["raw", "null"])  # no anchors
    goals = {"risk": "min", "error": "min"}
    tradeoff.frontier(points, goals)                                          # a line per technique, with its band
    tradeoff.pareto_probability(points, goals, np.random.default_rng(0))      # how sure it is that each is in the set
    tradeoff.satisfying(points, {"risk": ("<=", 0.09), "error": ("<=", 5)})   # which ones meet the rules for sure
    tradeoff.dominance_test(points.loc["dp-a"], points.loc["dp-b"], goals)    # is one better in everything, or by luck

*goals* says for each axis whether less ("min") or more ("max") is better; its order is that of the axes. Arrays have
one column per axis, and their goals are a list.
"""

from pets_metrics.tradeoff.curve import frontier, knee, satisfying
from pets_metrics.tradeoff.pareto import dominance_test, hypervolume, pareto_probability, pareto_set
from pets_metrics.tradeoff.points import by_technique, summary

__all__ = [
    "by_technique",
    "dominance_test",
    "frontier",
    "hypervolume",
    "knee",
    "pareto_probability",
    "pareto_set",
    "satisfying",
    "summary",
]
