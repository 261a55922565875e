"""How useful the answers are."""
