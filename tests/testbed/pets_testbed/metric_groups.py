"""The groups of metrics, each with promises of its own, that `test_properties` holds every metric to."""

# Released records against real ones: 0 noise is the perfect value, more noise is worse.
FIDELITY = {
    "alpha-precision",
    "association-difference",
    "beta-recall",
    "column-shapes",
    "component-distance",
    "constraint-violations",
    "energy-distance",
    "equivalent-subsample",
    "hellinger",
    "jensen-shannon",
    "k-marginal-error",
    "kolmogorov-smirnov",
    "marginal-total-variation",
    "nist-k-marginal",
    "pair-trends",
    "propensity-mse",
    "range-query-error",
    "slope-difference",
    "support-coverage",
    "synthetic-training-gap",
    "two-sample-auc",
    "wasserstein",
}
# As above, where equal tables need not give the best value, or the direction says nothing.
SPREAD = {
    "propensity-mse-ratio",
    "standardised-propensity-mse",
    "support-density",
    "group-fidelity-gap",
    "group-fidelity-ratio",
    "group-share-difference",
    "energy-test",
    "two-sample-test",
}
# Attacks on released records: publishing everybody is worse than publishing strangers.
ATTACKS = {
    "apparent-matches",
    "attribute-inference",
    "closest-record",
    "closest-record-test",
    "correct-attribution",
    "exact-match-test",
    "inference-risk",
    "k-disco",
    "linkability-risk",
    "membership-advantage",
    "membership-test",
    "record-risk",
    "singling-out-risk",
    "unique-exact-matches",
}
# Facts of the released records alone, which strangers share.
FACTS = {"closest-record-distance", "direct-identifiers", "k-anonymity", "l-diversity", "t-closeness", "uniqueness"}
ERRORS = {
    "max-absolute-error",
    "mean-absolute-error",
    "mean-relative-error",
    "root-mean-square-error",
    "total-variation",
}
AGREEMENT = {"rank-agreement", "interval-coverage", "interval-overlap", "sign-agreement", "significance-agreement"}
PREDICTION = {"auroc", "average-precision", "brier", "calibration-error", "f1"}
# Whose sign or size is no error by itself; their own tests say what they are.
DESCRIBED = {"bias", "bias-sign-test", "interval-length", "interval-length-ratio", "small-group-bias"}
EQUITY = {
    "demographic-parity-difference",
    "equalised-odds-difference",
    "group-auroc-gap",
    "group-error-ratio",
}
AGGREGATES = {
    "differencing-disclosure",
    "exact-cell-disclosure",
    "reconstruction-rate",
    "small-cell-attribute-disclosure",
}
MODELS = {
    "generalisation-gap",
    "model-attribute-excess",
    "model-membership-advantage",
    "model-membership-test",
}
RERUN = {"audited-epsilon", "averaging-gain", "timing-channel", "shadow-membership-advantage", "shadow-model-advantage"}
# Facts of the data alone, whatever was released.
CONTROLS = {"control-fit", "control-overlap"}
CLAIMS = {"claimed-delta", "claimed-epsilon", "implied-risk", "recomputed-epsilon", "noise-fit"}
COSTS = {"bytes-sent", "cpu-time", "peak-memory", "wall-time"}
GROUPS = [FIDELITY, SPREAD, ATTACKS, FACTS, ERRORS, AGREEMENT, PREDICTION, DESCRIBED, EQUITY, AGGREGATES, MODELS]
GROUPS += [RERUN, CONTROLS, CLAIMS, COSTS]
RECORDS = FIDELITY | SPREAD | ATTACKS | FACTS

PERFECT = {"two-sample-auc": 0.5, "synthetic-training-gap": 0.0, "slope-difference": 0.0}
LOOSE = {"two-sample-auc": 0.08}  # estimated out of fold on 400 rows: chance moves it this much
# The figure that a reader looks at first, where it is not the row without group and statistic, or the first row.
MAIN = {
    "attribute-inference": "excess",
    "closest-record": "excess",
    "correct-attribution": "tcap excess",
    "inference-risk": "risk",
    "k-disco": "difference",
    "linkability-risk": "risk",
    "membership-advantage": "auc",
    "nist-k-marginal": "all",
    "record-risk": "most exposed decile",
    "singling-out-risk": "risk",
    "synthetic-training-gap": "gap",
    "unique-exact-matches": "difference",
}
