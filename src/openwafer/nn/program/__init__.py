"""A graph as a CSL program."""
