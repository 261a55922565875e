"""Techniques under evaluation, one sub-package per family."""
