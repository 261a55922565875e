"""Figures of the engine, measured side by side; run with `make bench`. They are reported, never asserted."""
