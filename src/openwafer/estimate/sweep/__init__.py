"""Sweeps: estimates at every combination of values of model, system and traffic."""

from openwafer.estimate.sweep._axes import Value, from_document, parse_number, parse_values
from openwafer.estimate.sweep._grid import Grid, make_grid
from openwafer.estimate.sweep._run import sweep

__all__ = ["Grid", "Value", "from_document", "make_grid", "parse_number", "parse_values", "sweep"]
