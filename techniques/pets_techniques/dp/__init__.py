"""Differential privacy through OpenDP: the loss comes out of the library's own privacy map."""
