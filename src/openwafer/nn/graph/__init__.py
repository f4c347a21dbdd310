"""The graph: derivatives, placement, what is computed again."""
