"""The evaluator: what is known is computed, the rest becomes typed code."""
