"""Criteria files and their evaluation. Start at `load.load_guideline` and `evaluate.evaluate`."""
