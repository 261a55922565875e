"""Audits of differential privacy: look for evidence against a claim, on any callable, command or technique.

The tests that judge are `pair.pair_test` (one event, many runs on two neighbouring inputs), `gaussian.mu_test` and
`gaussian.curve_test`, `one_run.one_run_test` (many canaries, one run) and `sequential.sequential_test` (as few runs as
suffice). Each takes a `claim.Claim` and gives a `claim.Finding`; `bounds` has their formulas on plain counts, and
`power` says how small a violation they would have caught. None of them proves privacy.
"""
