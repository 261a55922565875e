"""Whether some groups pay more than others."""
