"""A worked example of a plug-in: counts rounded to a base, and a metric that sees what is left unanswered."""
