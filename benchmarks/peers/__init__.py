"""Scripts that measure one library each, in an environment of its own; `benchmarks.metrics_vs_peers` runs them."""
