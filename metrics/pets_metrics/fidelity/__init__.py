"""How far distributions are from the true ones."""
