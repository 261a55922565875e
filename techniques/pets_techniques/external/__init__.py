"""Techniques that run in another environment: another interpreter, its own libraries, files in and files out."""
