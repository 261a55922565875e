"""Synthetic microdata, and releases of microdata that were made elsewhere."""
